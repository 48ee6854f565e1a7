//! What the state says about a command before its operations run: at the edge and in a batch alike.

use quorate_protocol::{EntryIndex, Refusal, SignedCommand, TimestampMs};

use super::StateMachine;
use crate::error::{AdmissionError, DropReason};
use crate::members::{self, Agent};
use crate::replies::{self, NonceState, Series};
use crate::state::Overlay;

/// What a node does with a command that reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Have it ordered.
    Order,
    /// It was executed before; answer with this entry.
    Executed(EntryIndex),
    /// Turn it away.
    Refuse(AdmissionError),
}

/// What becomes of a command before its operations run.
pub(super) enum Verdict {
    /// Its operations run.
    Run(Agent),
    /// It was executed before.
    Duplicate(EntryIndex),
    /// It makes a refused entry, and has its nonce or is a rival under it.
    Refuse(Refusal),
    /// It makes a refused entry and leaves the agent's nonces alone.
    RefuseForeign,
    /// It makes no entry.
    Drop(DropReason),
}

impl StateMachine {
    /// Whether a node should have `command` ordered, whose signature it has checked. `now` is the node's own
    /// clock, which may only turn away what has expired: nothing that this says affects consensus, and a
    /// command that passes may still be refused when it executes.
    pub fn admit(&self, now: TimestampMs, command: &SignedCommand) -> Admission {
        let now = now.max(self.head.time);
        let (agent, nonce) = (command.command().agent, command.command().nonce);
        let error = match self.verdict(now, command) {
            Verdict::Run(_) => return Admission::Order,
            Verdict::Duplicate(entry) => return Admission::Executed(entry),
            Verdict::RefuseForeign
            | Verdict::Drop(DropReason::WrongKey)
            | Verdict::Refuse(Refusal::WrongKey) => AdmissionError::WrongKey { agent },
            Verdict::Refuse(Refusal::Expired { expires, .. }) => AdmissionError::Expired { expires, now },
            Verdict::Refuse(Refusal::NonceReused { entry })
            | Verdict::Drop(DropReason::NonceReused { entry }) => {
                AdmissionError::NonceReused { nonce, entry }
            }
            // The rest follows from running the operations, which is for the order to do.
            Verdict::Refuse(_) => return Admission::Order,
            Verdict::Drop(DropReason::WrongGroup) => AdmissionError::WrongGroup,
            Verdict::Drop(DropReason::Empty) => AdmissionError::Empty,
            Verdict::Drop(DropReason::UnknownAgent) => AdmissionError::UnknownAgent { agent },
            Verdict::Drop(DropReason::NonceTooOld { oldest }) => {
                AdmissionError::NonceTooOld { nonce, oldest }
            }
            Verdict::Drop(DropReason::NonceTooFar { newest }) => {
                AdmissionError::NonceTooFar { nonce, newest }
            }
        };
        Admission::Refuse(error)
    }

    /// The one order of checks. A duplicate is recognised before anything else, so that asking again always
    /// gives the same entry; the key comes before the nonce, because only the agent's key speaks for its
    /// nonces.
    pub(super) fn verdict(&self, time: TimestampMs, signed: &SignedCommand) -> Verdict {
        let command = signed.command();
        if command.group != self.group.identity.group {
            return Verdict::Drop(DropReason::WrongGroup);
        }
        if command.operations.is_empty() {
            return Verdict::Drop(DropReason::Empty);
        }
        if let Some(entry) = replies::find(&self.state, signed) {
            return Verdict::Duplicate(entry);
        }
        let Some(agent) = members::find(&self.group, &Overlay::new(&self.state), command.agent) else {
            return Verdict::Drop(DropReason::UnknownAgent);
        };
        if agent.key != command.key {
            return match replies::has_room_for_foreign(&self.state, agent.id) {
                true => Verdict::RefuseForeign,
                false => Verdict::Drop(DropReason::WrongKey),
            };
        }
        match replies::nonce_state(&self.state, Series::of(command), agent.id, command.nonce) {
            NonceState::TooOld { oldest } => Verdict::Drop(DropReason::NonceTooOld { oldest }),
            NonceState::TooFar { newest } => Verdict::Drop(DropReason::NonceTooFar { newest }),
            NonceState::Used { entry, room: false } => Verdict::Drop(DropReason::NonceReused { entry }),
            NonceState::Used { entry, room: true } => Verdict::Refuse(Refusal::NonceReused { entry }),
            NonceState::Free if command.expires <= time => {
                Verdict::Refuse(Refusal::Expired { expires: command.expires, batch_time: time })
            }
            NonceState::Free => Verdict::Run(agent),
        }
    }
}
