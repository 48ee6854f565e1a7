//! What goes into a replica and what comes out of it.

use quorate_protocol::{
    CheckpointCertificate, Digest, ReplicaIndex, Sequence, SignedCommand, TimestampMs, Verified, View,
};

use crate::batch::CommittedBatch;
use crate::evidence::Evidence;
use crate::message::Message;
use crate::record::Record;

/// The two clocks of a step. Time-outs follow the monotonic one, batches the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back.
    pub elapsed_ms: u64,
    /// The wall clock, which may.
    pub wall: TimestampMs,
}

/// What happens to a replica.
#[derive(Clone, Debug)]
pub enum Event {
    /// A peer's message, with every signature in it checked.
    Message {
        /// Whose authenticated link it came over.
        from: ReplicaIndex,
        /// The message.
        message: Verified<Message>,
    },
    /// Clients' commands, with their signatures checked.
    Commands(Vec<Verified<SignedCommand>>),
    /// An [`Effect::Execute`] has been carried out.
    Executed(Executed),
    /// Whoever carries out the effects has made everything up to this batch durable: after any crash, the replica
    /// starts with at least that executed. To be told when it covers [`crate::Replica::awaits_storage`].
    Stored(Sequence),
    /// Time has passed; due when [`crate::Replica::next_deadline_ms`] says so, harmless at any time.
    Tick,
}

/// What executing a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The batch's sequence.
    pub sequence: Sequence,
    /// How many entries it made.
    pub entries: usize,
    /// The earliest time at which something falls due in the services.
    pub next_due: Option<TimestampMs>,
    /// The state after it, where [`Effect::Execute`] asked for a checkpoint.
    pub state: Option<StateSummary>,
    /// Whether a change of members waits for the next checkpoint, which ends the epoch.
    pub change_pending: bool,
}

/// The state that a checkpoint names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// How many entries the log has.
    pub log_size: u64,
    /// The RFC 9162 root over them.
    pub log_root: Digest,
    /// The root of the services' state.
    pub state_root: Digest,
    /// How many messages of the contract's inbox are taken.
    pub inbox_count: u64,
    /// The contract's hash after the last of them, zero where there are none.
    pub inbox_hash: Digest,
    /// The hash of the next epoch's members where the epoch ends with this state, zero elsewhere.
    pub next_members_hash: Digest,
    /// Whether the log begins with the log of the last checkpoint that the replica's key signed
    /// ([`crate::Recovered::signed`], or a later [`Record::Checkpoint`]): it has that root at that size. True
    /// where there is none.
    pub extends_signed: bool,
}

impl StateSummary {
    /// Whether no later batch executes in this epoch.
    pub fn ends_epoch(&self) -> bool {
        self.next_members_hash != Digest::default()
    }
}

/// What a replica wants done, in this order. See the crate's page for what "in order" promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the record durable before any later message leaves.
    Persist(Record),
    /// Send a message to one replica.
    Send {
        /// To whom; never the replica itself.
        to: ReplicaIndex,
        /// What.
        message: Message,
    },
    /// Send a message to all other replicas.
    Broadcast(Message),
    /// Execute a batch, then answer with [`Event::Executed`] before any other event.
    Execute {
        /// The batch with its proof, to be kept for replicas that fall behind.
        committed: CommittedBatch,
        /// Whether the answer must summarise the state.
        checkpoint: bool,
    },
    /// A checkpoint became stable. Records below it may go (see [`crate::Replica::durable_records`]).
    Stable(CheckpointCertificate),
    /// The stable checkpoint with every valid signature on it that is known: comes after [`Effect::Stable`] and
    /// with each further signature.
    Gathered(CheckpointCertificate),
    /// Answer a replica that is behind with a [`Message::CatchUp`] of committed batches from `from` on.
    SupplyBatches {
        /// Who asked.
        to: ReplicaIndex,
        /// The first sequence that it lacks.
        from: Sequence,
    },
    /// The replica is in another view.
    ViewChanged {
        /// The view.
        view: View,
        /// Whether the view is open, rather than asked for.
        active: bool,
    },
    /// A replica contradicted itself.
    Evidence(Evidence),
    /// The replica has executed the epoch's last batch, and this checkpoint of it is stable: a replica of the
    /// next epoch takes over. From here on this one only repeats what it said.
    EpochEnded(CheckpointCertificate),
    /// The replica is behind this stable checkpoint and nobody supplies the batches, or they are too many:
    /// fetch the checkpoint's state. Comes again until a replica starts from such a state.
    FetchState(CheckpointCertificate),
    /// The replica signs no checkpoints from `sequence` on, because its log is not the one that its key signed:
    /// see [`crate::Replica::is_withholding`].
    Withheld {
        /// The first that it does not sign.
        sequence: Sequence,
    },
    /// This replica's state differs from a quorum's at `sequence`: it must stop serving.
    Diverged {
        /// Where the states differ.
        sequence: Sequence,
    },
}
