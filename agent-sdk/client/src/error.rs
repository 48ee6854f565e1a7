//! Everything that can go wrong between an agent and its group.

use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::B256;
use quorate_contracts::reader::ReaderError;
use quorate_protocol::api::ErrorCode;
use quorate_protocol::operations::proposals::InvalidPropose;
use quorate_protocol::{
    AgentId, Digest, EntryIndex, Epoch, HandoverError, MembersChangeError, ProposalId, Receipt, ReceiptError,
    Refusal, TimestampMs,
};

use crate::client::NodeFailure;
use crate::keystore::AgentPublic;

/// Why a call of this crate failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// A keystore's password is wrong, or its file was changed: the format cannot tell the two apart.
    #[error("the password does not open {}", path.display())]
    WrongPassword {
        /// The keystore.
        path: PathBuf,
    },
    /// A file that is no keystore, or one that would cost too much to open.
    #[error("{} is no usable keystore: {reason}", path.display())]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such keystore.
    #[error("there is no key file {}; create or import the agent first", path.display())]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// A key would be replaced, which nobody asked for.
    #[error("{} exists already; choose another directory, or ask to overwrite it", path.display())]
    KeyExists {
        /// The file in the way.
        path: PathBuf,
    },
    /// The files in an agent's directory are not of one agent.
    #[error("the keys in {} are those of {}, {}, but its public file names {}, {}", path.display(), found.agent, found.key, expected.agent, expected.key)]
    KeyMismatch {
        /// The directory.
        path: PathBuf,
        /// What the public file says.
        expected: Box<AgentPublic>,
        /// Whose keys they are.
        found: Box<AgentPublic>,
    },
    /// A secret that is no key.
    #[error("the secret is no key: {0}")]
    InvalidSecret(&'static str),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A client that cannot be built as described.
    #[error("configuration: {0}")]
    Configuration(String),
    /// The contract cannot be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The group ordered the command and refused it; the receipt proves both.
    #[error("the group refused the command in entry {}: {refusal}", receipt.record.entry.index)]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The proof of it.
        receipt: Box<Receipt>,
    },
    /// Enough nodes rejected the request that one of them must be correct, or every node did. The command
    /// was not ordered by them.
    #[error("{nodes} nodes rejected the request ({code:?}): {message}")]
    Rejected {
        /// The condition.
        code: ErrorCode,
        /// The condition in a node's words.
        message: String,
        /// The entry that stands in the way, if the node named one.
        entry: Option<EntryIndex>,
        /// How many nodes said so.
        nodes: usize,
    },
    /// No node gave a receipt in time. The command may or may not take effect: send the same bytes again
    /// or ask for its receipt; it never takes effect twice.
    #[error("no receipt for command {digest} within {} ms ({}); ask again", waited.as_millis(), summary(failures))]
    Unconfirmed {
        /// The command.
        digest: Digest,
        /// How long was waited.
        waited: Duration,
        /// The last failure of each node.
        failures: Vec<NodeReport>,
    },
    /// No node gave a usable answer in time.
    #[error("no node answered within {} ms ({})", waited.as_millis(), summary(failures))]
    NoAnswer {
        /// How long was waited.
        waited: Duration,
        /// The last failure of each node.
        failures: Vec<NodeReport>,
    },
    /// The group's time is so far ahead of this machine's clock that expiries do not follow it by themselves: one of the two
    /// is wrong. The command took no effect.
    #[error(
        "the group's time is proven to be {} s ahead of this machine's clock (at {group_time} ms of Unix time); the command \
         expired there at {expires} ms", ahead.as_secs()
    )]
    GroupAhead {
        /// The latest time that the group is proven to have come to.
        group_time: TimestampMs,
        /// How far that is ahead.
        ahead: Duration,
        /// When the command would have expired.
        expires: TimestampMs,
    },
    /// Nodes tell of a voting what cannot be; the account signed nothing.
    #[error("what the nodes tell of proposal {proposal} cannot be: {reason}")]
    FalseVoting {
        /// The proposal.
        proposal: ProposalId,
        /// What is wrong.
        reason: String,
    },
    /// The proposal was not decided in time.
    #[error("proposal {proposal} was not decided within {} ms", waited.as_millis())]
    Undecided {
        /// The proposal.
        proposal: ProposalId,
        /// How long was waited.
        waited: Duration,
    },
    /// There is no decision on the proposal in the log, and none will come: the on-chain lane has it, or is done with it.
    #[error("proposal {proposal} moved to the on-chain lane in entry {}: the log decides no more on it", receipt.record.entry.index)]
    Moved {
        /// The proposal.
        proposal: ProposalId,
        /// The proof, of the entry by which the contract told it.
        receipt: Box<Receipt>,
    },
    /// Enough nodes say that the group does not know the agent.
    #[error("the group does not know agent {0}; a voter must admit it first")]
    UnknownAgent(AgentId),
    /// A quorum attests an outcome that does not fit the command: the group runs another version.
    #[error("entry {index} has an outcome that this version does not expect: {reason}")]
    UnexpectedOutcome {
        /// The entry.
        index: EntryIndex,
        /// What is unexpected.
        reason: String,
    },
    /// An agent's nonces are used up, or a node claims so.
    #[error("the next nonce of {0} is beyond all numbers; ask again, another node may tell the truth")]
    NoncesExhausted(AgentId),
    /// The command would exceed what nodes take.
    #[error("the command has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// What it would have.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A receipt that proves nothing.
    #[error("the receipt does not verify: {0}")]
    Receipt(#[from] ReceiptError),
    /// A handover between epochs that proves nothing.
    #[error("the handover does not verify: {0}")]
    Handover(#[from] HandoverError),
    /// A proposal that no group takes; nothing was signed.
    #[error("{0}")]
    InvalidProposal(#[from] InvalidPropose),
    /// A change of members that the group could not make.
    #[error("the members cannot change like this: {0}")]
    MembersChange(#[from] MembersChangeError),
    /// A group none of whose classes may change its members.
    #[error("no class of the group permits a change of members")]
    NoClassForMembers,
    /// What should be an export is none, is damaged, or is another log's.
    #[error("the export cannot be read: {0}")]
    Export(String),
    /// An export that cannot be written.
    #[error("the export cannot be written: {0}")]
    NotWritten(#[source] std::io::Error),
    /// The chain cannot be reached, or its endpoint answers with an error of its own. No transaction was sent.
    #[error("the RPC endpoint does not answer: {0}; check its address, and that it runs")]
    ChainUnreachable(String),
    /// The endpoint takes no transaction of the account, for a reason of its own such as missing funds. Nothing is paid.
    #[error("the transaction was not sent: {0}")]
    NotSent(String),
    /// The contract refused a transaction. It had no effect.
    #[error("the contract refused: {refusal}")]
    Reverted {
        /// Its reason in words.
        refusal: String,
        /// The error as the contract typed it, if it is one of its own.
        error: Option<Box<quorate_contracts::Refusal>>,
        /// The transaction, unless the refusal came before it was sent.
        tx_hash: Option<B256>,
    },
    /// A transaction was sent, or may have been, and no block included it in time. It may still be included: look for its
    /// hash before anything is sent in its place.
    #[error("transaction {tx_hash} may be on its way: it is in no block after {} ms ({last})", waited.as_millis())]
    InDoubt {
        /// The transaction.
        tx_hash: B256,
        /// How long was waited.
        waited: Duration,
        /// What is known of it.
        last: String,
    },
    /// No node has a stable checkpoint beyond the contract's last anchor.
    #[error("no node has a stable checkpoint of epoch {epoch} beyond sequence {sequence}, which is anchored")]
    NothingToAnchor {
        /// The contract's epoch.
        epoch: Epoch,
        /// The sequence of its last anchor; 0 before the first.
        sequence: u64,
    },
    /// A quorum signed an inbox that is not the contract's: what it took was changed by a reorganisation, or it lies.
    #[error("the checkpoint's inbox of {count} messages is not the contract's, which takes no such anchor")]
    OtherInbox {
        /// How many messages the checkpoint counts.
        count: u64,
    },
    /// An objection that does not count.
    #[error("the objection of {voter} does not count: {reason}")]
    Objection {
        /// Whose it is said to be.
        voter: AgentId,
        /// Why not.
        reason: String,
    },
    /// What was given cannot be sent to the contract.
    #[error("{0}")]
    NotExecutable(String),
}

/// A node and its last failure.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// The node's URL.
    pub url: String,
    /// What it did.
    pub failure: NodeFailure,
}

fn summary(failures: &[NodeReport]) -> String {
    let each: Vec<_> = failures.iter().map(|report| format!("{}: {}", report.url, report.failure)).collect();
    if each.is_empty() { "no node failed, all are slow".into() } else { each.join("; ") }
}
