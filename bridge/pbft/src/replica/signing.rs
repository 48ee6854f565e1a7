//! What this replica signs about the state, and when.
//!
//! The contract convicts whoever signs two checkpoints that are not a chain by [`Checkpoint::precedes`], whatever
//! the others did. So a replica signs only what follows the last checkpoint that its key signed in the era, and
//! only if its own log begins with the log that it signed then. By transitivity all that it ever signs in an era is
//! a chain, and each log under it is a prefix of the next. Nothing is assumed of the others: it holds against a
//! quorum that lies, across crashes, state transfers and a lost data directory, as long as the caller remembers the
//! last signed checkpoint ([`crate::Recovered::signed`]).

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{Checkpoint, Sequence, SignedCheckpoint};

use super::Replica;
use crate::event::{Effect, Now, StateSummary};
use crate::message::Message;
use crate::record::Record;

/// Whether a checkpoint may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It follows what was signed last, or is that.
    Given,
    /// The key signed a later one: what lies before is executed again, and was signed or never will be.
    Behind,
    /// It would contradict what was signed, and so would all that follows from here.
    Contradicts,
}

impl Replica {
    /// The first checkpoint that this replica has taken and not signed, because it may be lost in a crash.
    pub fn awaits_storage(&self) -> Option<Sequence> {
        self.unsigned.first_key_value().map(|(sequence, _)| *sequence)
    }

    /// Whether this replica signs no checkpoints because its log is not the one that its key signed. It takes part
    /// in everything else.
    pub fn is_withholding(&self) -> bool {
        self.withholding
    }

    /// Keeps a checkpoint until it can be signed.
    ///
    /// A stable checkpoint says that f + 1 correct replicas have its state: everybody drops the messages below it,
    /// and those who are behind ask for the batches or the state. So nobody may sign what it could still lose. A
    /// group that did would stand still after a loss of power everywhere: all know that the checkpoint is stable,
    /// and nobody can get there.
    pub(super) fn keep_checkpoint(&mut self, sequence: Sequence, state: StateSummary) {
        let checkpoint = self.checkpoint_of(sequence, state);
        self.compare_with_stable(&checkpoint);
        if sequence > self.low() || self.is_stable(&checkpoint) {
            self.unsigned.insert(sequence, state);
        }
    }

    /// Signs the checkpoints that no crash can take any more.
    pub(super) fn on_stored(&mut self, now: Now, stored: Sequence) {
        let later = self.unsigned.split_off(&stored.next());
        for (sequence, state) in std::mem::replace(&mut self.unsigned, later) {
            self.sign_checkpoint(now, sequence, state);
        }
        self.hand_over();
    }

    /// Signs and broadcasts this replica's checkpoint. Also the stable one, if it comes to it while that is the
    /// newest: not all signatures under a certificate need to count for the contract.
    pub(super) fn sign_checkpoint(&mut self, now: Now, sequence: Sequence, state: StateSummary) {
        let checkpoint = self.checkpoint_of(sequence, state);
        self.compare_with_stable(&checkpoint);
        let stable = self.is_stable(&checkpoint);
        let said = self.checkpoints.get(&sequence).and_then(|signers| signers.get(&self.me));
        match said {
            _ if sequence <= self.low() && !stable => return,
            // Executed again after a crash: this was said before, and nothing else may be.
            Some(said) if said.checkpoint == checkpoint => return,
            Some(_) => return self.effects.push(Effect::Diverged { sequence }),
            None if self.silent || (stable && self.gathered.contains_key(&self.account())) => return,
            None => {}
        }
        let leave = self.leave_to_sign(&checkpoint, state.extends_signed);
        self.note_leave(leave, sequence);
        if leave == Leave::Given {
            self.say_checkpoint(now, checkpoint, stable);
        }
    }

    fn leave_to_sign(&self, checkpoint: &Checkpoint, extends_signed: bool) -> Leave {
        let Some(last) = self.signed.as_ref().filter(|last| last.era() >= checkpoint.era()) else {
            return Leave::Given;
        };
        if last == checkpoint || (last.precedes(checkpoint) && extends_signed) {
            Leave::Given
        } else if last.era() == checkpoint.era() && checkpoint.sequence <= last.sequence {
            Leave::Behind
        } else {
            Leave::Contradicts
        }
    }

    fn note_leave(&mut self, leave: Leave, sequence: Sequence) {
        match leave {
            Leave::Given => self.withholding = false,
            Leave::Behind => {}
            Leave::Contradicts => {
                if !self.withholding {
                    self.effects.push(Effect::Withheld { sequence });
                }
                self.withholding = true;
            }
        }
    }

    fn say_checkpoint(&mut self, now: Now, checkpoint: Checkpoint, stable: bool) {
        if faults::is_on(Fault::CheckpointEquivocated) {
            let other = Checkpoint { log_root: checkpoint.state_root, ..checkpoint.clone() };
            let other = SignedCheckpoint::sign(&self.context.identity, other, &self.keys.account);
            self.broadcast(Message::Checkpoint(other));
        }
        let sequence = checkpoint.sequence;
        self.signed = Some(checkpoint.clone());
        let signed = SignedCheckpoint::sign(&self.context.identity, checkpoint, &self.keys.account);
        self.effects.push(Effect::Persist(Record::Checkpoint(signed.clone())));
        if stable {
            self.gather([(signed.replica, signed.signature)]);
        } else {
            self.checkpoints.entry(sequence).or_default().insert(self.me, signed.clone());
        }
        self.broadcast(Message::Checkpoint(signed));
        self.try_stabilise(now, sequence);
    }
}
