//! Faulty replicas. Each behaviour is a file of its own.
//!
//! A faulty replica is a real node whose traffic passes through an [`Actor`]: it changes, drops, delays or
//! adds what leaves and what comes in, and signs whatever it likes with the node's own keys. It never has the
//! keys of others. So a behaviour needs no second implementation of the protocol, and stays believable until
//! it chooses not to be.

pub mod bad_new_view;
pub mod censor;
pub mod corrupt_transfer;
pub mod equivocating_primary;
pub mod flooder;
mod forge;
pub mod forged_view_change;
pub mod garbage;
pub mod impostor;
pub mod inventor;
pub mod replayer;
pub mod revisionist;
mod seen;
pub mod selectively_silent;
pub mod silent;
pub mod slow_primary;
mod spells;
#[cfg(test)]
mod tests;
pub mod votes_for_unseen;
pub mod withholder;
pub mod wrong_attestation;

use std::sync::Arc;

use quorate_node::frame::Frame;
use quorate_pbft::{Context, ReplicaKeys};
use quorate_protocol::{AgentId, SignedCommand, TimestampMs};

use crate::random::Random;
use revisionist::Form;

/// What an actor may use at one moment.
pub struct Stage<'a> {
    /// Virtual time in milliseconds.
    pub now_ms: u64,
    /// The replica's wall clock.
    pub wall: TimestampMs,
    /// Its keys.
    pub keys: &'a ReplicaKeys,
    /// Its address, which follows from the keys and is dear to compute.
    pub me: AgentId,
    /// The epoch that it is in.
    pub context: &'a Arc<Context>,
    /// The view time-out of the group, in milliseconds.
    pub view_timeout_ms: u64,
    /// Randomness of this actor alone.
    pub random: &'a mut Random,
}

impl Stage<'_> {
    /// All other replicas of the epoch.
    pub fn others(&self) -> Vec<AgentId> {
        let me = self.me;
        self.context.replicas.iter().map(|(_, member)| member.agent).filter(|agent| *agent != me).collect()
    }
}

/// Bytes for a peer, so many milliseconds from now.
#[derive(Clone, Debug)]
pub struct Said {
    /// To whom.
    pub to: AgentId,
    /// The delay in milliseconds.
    pub delay_ms: u64,
    /// An encoded frame, or anything else.
    pub bytes: Arc<[u8]>,
}

impl Said {
    /// A frame that leaves at once.
    pub fn now(to: AgentId, frame: &Frame) -> Self {
        Self::later(to, 0, frame)
    }

    /// A frame that leaves later.
    pub fn later(to: AgentId, delay_ms: u64, frame: &Frame) -> Self {
        Self { to, delay_ms, bytes: frame.encode().into() }
    }
}

/// A faulty replica's behaviour. What is not overridden is correct.
pub trait Actor {
    /// What becomes of a frame that the node sends to one peer. A broadcast comes once for each peer.
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        let _ = stage;
        vec![Said::now(to, &frame)]
    }

    /// Whether the node gets to see a frame of a peer.
    fn incoming(&mut self, stage: &mut Stage<'_>, from: AgentId, frame: &Frame) -> bool {
        let _ = (stage, from, frame);
        true
    }

    /// Whether the node takes a client's command.
    fn command(&mut self, stage: &mut Stage<'_>, command: &SignedCommand) -> bool {
        let _ = (stage, command);
        true
    }

    /// What it says unasked; called every [`TICK_MS`].
    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let _ = stage;
        Vec::new()
    }
}

/// How often [`Actor::tick`] is called, in milliseconds.
pub const TICK_MS: u64 = 50;

/// The behaviours, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActorKind {
    /// Proposes two batches for one sequence. See [`equivocating_primary`].
    EquivocatingPrimary,
    /// Says nothing. See [`silent`].
    Silent,
    /// Says some things to some. See [`selectively_silent`].
    SelectivelySilent,
    /// Proposes just before the time-out. See [`slow_primary`].
    SlowPrimary,
    /// Ignores one client. See [`censor`].
    Censor,
    /// Votes for what it never saw. See [`votes_for_unseen`].
    VotesForUnseen,
    /// Lies in its view changes. See [`forged_view_change`].
    ForgedViewChange,
    /// Opens views wrongly. See [`bad_new_view`].
    BadNewView,
    /// Says old things again. See [`replayer`].
    Replayer,
    /// Signs wrong roots and checkpoints. See [`wrong_attestation`].
    WrongAttestation,
    /// Says far too much. See [`flooder`].
    Flooder,
    /// Sends what is no message. See [`garbage`].
    Garbage,
    /// Hands wrong state to those behind. See [`corrupt_transfer`].
    CorruptTransfer,
    /// Proposes to a bare quorum. See [`withholder`].
    Withholder,
    /// Passes its own word off as that of others. See [`impostor`].
    Impostor,
    /// Saw in the inbox what nobody put there. See [`inventor`].
    Inventor,
    /// Takes back what it signed, in one way. See [`revisionist`].
    Revisionist(Form),
}

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::EquivocatingPrimary,
        Self::Silent,
        Self::SelectivelySilent,
        Self::SlowPrimary,
        Self::Censor,
        Self::VotesForUnseen,
        Self::ForgedViewChange,
        Self::BadNewView,
        Self::Replayer,
        Self::WrongAttestation,
        Self::Flooder,
        Self::Garbage,
        Self::CorruptTransfer,
        Self::Withholder,
        Self::Impostor,
        Self::Inventor,
        Self::Revisionist(Form::SequenceTwice),
        Self::Revisionist(Form::TwoRoots),
        Self::Revisionist(Form::ShrinkingLog),
        Self::Revisionist(Form::ShrinkingInbox),
        Self::Revisionist(Form::BeyondTheEnd),
        Self::Revisionist(Form::TwoEnds),
        Self::Revisionist(Form::TwoEpochs),
    ];

    /// How many of them, from the first on, may be anybody's; the others are drawn for seeds that fit them.
    pub const COMMON: usize = 14;

    /// The behaviour's name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::EquivocatingPrimary => "equivocating-primary",
            Self::Silent => "silent",
            Self::SelectivelySilent => "selectively-silent",
            Self::SlowPrimary => "slow-primary",
            Self::Censor => "censor",
            Self::VotesForUnseen => "votes-for-unseen",
            Self::ForgedViewChange => "forged-view-change",
            Self::BadNewView => "bad-new-view",
            Self::Replayer => "replayer",
            Self::WrongAttestation => "wrong-attestation",
            Self::Flooder => "flooder",
            Self::Garbage => "garbage",
            Self::CorruptTransfer => "corrupt-transfer",
            Self::Withholder => "withholder",
            Self::Impostor => "impostor",
            Self::Inventor => "inventor",
            Self::Revisionist(Form::SequenceTwice) => "revisionist-sequence-twice",
            Self::Revisionist(Form::TwoRoots) => "revisionist-two-roots",
            Self::Revisionist(Form::ShrinkingLog) => "revisionist-shrinking-log",
            Self::Revisionist(Form::ShrinkingInbox) => "revisionist-shrinking-inbox",
            Self::Revisionist(Form::BeyondTheEnd) => "revisionist-beyond-the-end",
            Self::Revisionist(Form::TwoEnds) => "revisionist-two-ends",
            Self::Revisionist(Form::TwoEpochs) => "revisionist-two-epochs",
        }
    }

    /// The behaviour of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// An actor. How hard and how often it acts is drawn from `random`.
    pub fn make(self, random: &mut Random) -> Box<dyn Actor> {
        match self {
            Self::EquivocatingPrimary => Box::new(equivocating_primary::EquivocatingPrimary::new(random)),
            Self::Silent => Box::new(silent::Silent::new(random)),
            Self::SelectivelySilent => Box::new(selectively_silent::SelectivelySilent::new(random)),
            Self::SlowPrimary => Box::new(slow_primary::SlowPrimary::new(random)),
            Self::Censor => Box::new(censor::Censor::new(random)),
            Self::VotesForUnseen => Box::new(votes_for_unseen::VotesForUnseen::new(random)),
            Self::ForgedViewChange => Box::new(forged_view_change::ForgedViewChange::new(random)),
            Self::BadNewView => Box::new(bad_new_view::BadNewView::new(random)),
            Self::Replayer => Box::new(replayer::Replayer::new(random)),
            Self::WrongAttestation => Box::new(wrong_attestation::WrongAttestation::new(random)),
            Self::Flooder => Box::new(flooder::Flooder::new(random)),
            Self::Garbage => Box::new(garbage::Garbage::new(random)),
            Self::CorruptTransfer => Box::new(corrupt_transfer::CorruptTransfer::new(random)),
            Self::Withholder => Box::new(withholder::Withholder::new(random)),
            Self::Impostor => Box::new(impostor::Impostor::new(random)),
            Self::Inventor => Box::new(inventor::Inventor::new(random)),
            Self::Revisionist(form) => Box::new(revisionist::Revisionist::new(form)),
        }
    }

    /// Whether it may sign statements that contradict each other or its node's, so that there may be evidence
    /// against it. Not that there is: who lies to each in another way is found out only when they compare.
    /// Evidence against a replica of any other behaviour would be false.
    pub fn equivocates(self) -> bool {
        matches!(
            self,
            Self::EquivocatingPrimary
                | Self::VotesForUnseen
                | Self::BadNewView
                | Self::WrongAttestation
                | Self::Impostor
                | Self::Revisionist(_)
        )
    }

    /// Whether it may send frames that no correct replica sends, so that a peer may cut its link for them. A
    /// cut link of any other behaviour would be wrong.
    pub fn breaks_rules(self) -> bool {
        matches!(
            self,
            Self::ForgedViewChange
                | Self::BadNewView
                | Self::Replayer
                | Self::WrongAttestation
                | Self::Garbage
                | Self::CorruptTransfer
                | Self::Impostor
        )
    }
}
