//! What an audit finds.

use quorate_protocol::attestation::CertificateError;
use quorate_protocol::entry::EntryError;
use quorate_protocol::{
    AgentId, Digest, EntryIndex, Epoch, GroupIdentity, LogHead, Nonce, ProposalId, PublicKey,
};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Whose log it is.
    pub identity: GroupIdentity,
    /// The epoch that the group is in after those entries.
    pub epoch: Epoch,
    /// How many entries were read and found good, from the first on.
    pub entries: u64,
    /// The RFC 9162 root over those entries, recomputed.
    pub root: Digest,
    /// What the entries are.
    pub counts: Counts,
    /// The log head that a quorum of replicas attested, if its certificate verified.
    pub certified: Option<LogHead>,
    /// How many replicas attested it.
    pub attestations: usize,
    /// How many anchored roots are those of the recomputed log.
    pub anchors: u64,
    /// The largest log size of those; what lies behind is attested but not anchored yet.
    pub anchored_size: u64,
    /// Anchors of the contract that are larger than what was audited: an export may be older than they are.
    pub anchors_beyond: u64,
    /// The first thing that is wrong; nothing when all is well.
    pub finding: Option<Finding>,
}

impl AuditReport {
    /// Whether everything that was read is what the group decided.
    pub fn is_intact(&self) -> bool {
        self.finding.is_none()
    }
}

/// How many entries there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Commands that took effect.
    pub applied: u64,
    /// Commands that had no effect.
    pub refused: u64,
    /// Decisions to approve.
    pub approved: u64,
    /// Decisions to reject.
    pub rejected: u64,
    /// Proposals whose voting period ended without a decision.
    pub expired: u64,
    /// Proposals that were withdrawn.
    pub cancelled: u64,
    /// What happened to the group itself.
    pub system: u64,
    /// Agents' signatures that were checked.
    pub signatures: u64,
}

/// What is wrong with a log, and where it shows first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {fault}")]
pub struct Finding {
    /// The first entry that is wrong. For a root that does not match it is the first that may be: all before
    /// it are proved by an anchor.
    pub index: EntryIndex,
    /// What is wrong.
    pub fault: Fault,
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 3)?;
        out.serialize_field("index", &self.index)?;
        out.serialize_field("fault", self.fault.code())?;
        out.serialize_field("reason", &self.fault.to_string())?;
        out.end()
    }
}

/// A way in which a log can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The record contradicts itself: its body, its outcome or its status is not what the entry commits to.
    #[error("{0}")]
    Record(RecordFault),
    /// Another entry stands in this place: one is missing, or two are swapped.
    #[error("entry {found} stands in its place")]
    OutOfPlace {
        /// The index of the entry that stands there.
        found: EntryIndex,
    },
    /// The command's signature is not its key's.
    #[error("the signature of {agent} does not verify")]
    Signature {
        /// Who is said to have signed.
        agent: AgentId,
    },
    /// The command comes from nobody that the group knows at this point.
    #[error("{agent} is not known to the group at this point")]
    UnknownAgent {
        /// Who is said to have sent it.
        agent: AgentId,
    },
    /// The command is signed with a key that is not its agent's, and was not refused for it; or it was, and
    /// the key is right.
    #[error("the command's key {found} and the key {expected} of {agent} do not fit what became of it")]
    Key {
        /// Who is said to have sent it.
        agent: AgentId,
        /// The agent's key at this point.
        expected: PublicKey,
        /// The command's.
        found: PublicKey,
    },
    /// The command is in the log twice.
    #[error("the command is entry {first} already")]
    Repeated {
        /// Where it is first.
        first: EntryIndex,
    },
    /// Two commands took effect under one nonce.
    #[error("nonce {nonce} of {agent} took effect before")]
    NonceReused {
        /// The agent.
        agent: AgentId,
        /// The nonce.
        nonce: Nonce,
    },
    /// The command took effect after its expiry.
    #[error("the command took effect although it had expired")]
    Expired,
    /// The first entry is not the group's genesis, or a later one is.
    #[error("{0}")]
    Genesis(&'static str),
    /// Time or sequence go back.
    #[error("its time or its sequence lies before that of the entry before it")]
    Backwards,
    /// The decision does not follow from the votes in the log.
    #[error("the decision on {proposal} does not follow from the log: {reason}")]
    Decision {
        /// The proposal.
        proposal: ProposalId,
        /// What does not fit.
        reason: String,
    },
    /// The messages of the contract's inbox are out of order, or something is passed off as one's effect.
    #[error("the inbox does not go on like this after {taken} messages: {reason}")]
    Inbox {
        /// How many messages are taken before it.
        taken: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// An operation that took effect cannot be read.
    #[error("operation {operation} took effect, but cannot be read")]
    Operation {
        /// Its position in the command.
        operation: usize,
    },
    /// The contract has another root for this size: an entry since the last anchor that fits is wrong.
    #[error("the root over {size} entries is {computed}, the contract has {anchored}")]
    AnchoredRoot {
        /// The anchored size.
        size: u64,
        /// The contract's root.
        anchored: Digest,
        /// The recomputed root.
        computed: Digest,
    },
    /// The attested root is another: an entry since the last anchor that fits is wrong.
    #[error("the root over {size} entries is {computed}, a quorum attested {attested}")]
    AttestedRoot {
        /// The attested size.
        size: u64,
        /// The attested root.
        attested: Digest,
        /// The recomputed root.
        computed: Digest,
    },
    /// The certificate of the log does not verify.
    #[error("the certificate of the log does not verify: {0}")]
    Certificate(CertificateError),
    /// The epoch does not begin as the log itself, the contract or a handover says.
    #[error("epoch {epoch} cannot begin here: {reason}")]
    Epoch {
        /// The epoch.
        epoch: Epoch,
        /// What does not fit.
        reason: String,
    },
    /// A handover from one epoch to the next does not verify.
    #[error("a handover does not verify: {0}")]
    Handover(String),
    /// There is no certificate of the log.
    #[error("there is no certificate of the log")]
    NoCertificate,
    /// The log is shorter than an anchor.
    #[error("the log ends here, but {anchored} entries are anchored")]
    Shorter {
        /// The largest anchored size.
        anchored: u64,
    },
    /// The entry was not to be had, or could not be read.
    #[error("the entry is withheld or garbled: {0}")]
    Withheld(String),
}

/// [`EntryError`] in words, with the name of its case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RecordFault {
    /// `subject`, `outcome`, `status`, `decision` or `command`: what is not what the entry commits to.
    pub part: &'static str,
    /// The contradiction in words.
    pub reason: String,
}

impl From<EntryError> for Fault {
    fn from(error: EntryError) -> Self {
        let part = match &error {
            EntryError::Subject { .. } => "subject",
            EntryError::Outcome { .. } => "outcome",
            EntryError::Status { .. } => "status",
            EntryError::Decision { .. } => "decision",
            EntryError::Command { .. } => "command",
        };
        Self::Record(RecordFault { part, reason: error.to_string() })
    }
}

impl Fault {
    /// The stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::OutOfPlace { .. } => "out_of_place",
            Self::Signature { .. } => "signature",
            Self::UnknownAgent { .. } => "unknown_agent",
            Self::Key { .. } => "key",
            Self::Repeated { .. } => "repeated",
            Self::NonceReused { .. } => "nonce_reused",
            Self::Expired => "expired",
            Self::Genesis(_) => "genesis",
            Self::Backwards => "backwards",
            Self::Decision { .. } => "decision",
            Self::Inbox { .. } => "inbox",
            Self::Operation { .. } => "operation",
            Self::AnchoredRoot { .. } => "anchored_root",
            Self::AttestedRoot { .. } => "attested_root",
            Self::Certificate(_) => "certificate",
            Self::Epoch { .. } => "epoch",
            Self::Handover(_) => "handover",
            Self::NoCertificate => "no_certificate",
            Self::Shorter { .. } => "shorter",
            Self::Withheld(_) => "withheld",
        }
    }
}
