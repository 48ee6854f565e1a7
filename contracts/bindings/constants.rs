//! The numbers of `src/Types.sol` that an ABI does not carry.

/// `Member::flags`: the member's vote counts towards decisions.
pub const FLAG_VOTER: u8 = 1;
/// `Member::flags`: the member's node takes part in PBFT, and its account signs checkpoints.
pub const FLAG_REPLICA: u8 = 2;

/// `Ballot::choice`: against.
pub const CHOICE_AGAINST: u8 = 0;
/// `Ballot::choice`: for.
pub const CHOICE_FOR: u8 = 1;
/// `Ballot::choice`: abstain.
pub const CHOICE_ABSTAIN: u8 = 2;

/// `Entry::kind`: a command.
pub const KIND_COMMAND: u8 = 1;
/// `Entry::kind`: a decision.
pub const KIND_DECISION: u8 = 2;
/// `Entry::kind`: what the system noted, such as a message of the inbox that the log took in.
pub const KIND_SYSTEM: u8 = 3;

/// `Decision::status`: approved.
pub const STATUS_APPROVED: u8 = 1;
/// `Decision::status`: rejected.
pub const STATUS_REJECTED: u8 = 2;
/// `Decision::status`: expired.
pub const STATUS_EXPIRED: u8 = 3;
/// `Decision::status`: cancelled.
pub const STATUS_CANCELLED: u8 = 4;

/// The kind of an inbox message: a command.
pub const INBOX_COMMAND: u8 = 1;
/// The kind of an inbox message: a proposal was opened on-chain, or approved by signatures.
pub const INBOX_OPENED: u8 = 2;
/// The kind of an inbox message: a replica was convicted.
pub const INBOX_CONVICTED: u8 = 3;
/// The kind of an inbox message: a proposal came to an end on-chain.
pub const INBOX_CLOSED: u8 = 4;
/// The kind of an inbox message: a replica asked for its bond.
pub const INBOX_LEAVING: u8 = 5;
/// The kind of an inbox message: a member gave up its vote.
pub const INBOX_LEFT: u8 = 6;

/// Bytes of one signature in what `anchor` takes: r, s, v.
pub const SIGNATURE_LENGTH: usize = 65;
/// `Errors.InvalidTerm`: the class of a term that is the group's.
pub const CLASS_OF_GROUP: u8 = 255;
