//! Checkpoints, and what becomes free below a stable one (section 4.3).

use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{
    AgentId, Checkpoint, CheckpointCertificate, ReplicaIndex, Sequence, SignedCheckpoint, View,
};

use super::Replica;
use crate::event::{Effect, Now, StateSummary};
use crate::evidence::Evidence;
use crate::message::Message;
use crate::record::Record;

/// How many checkpoints above the stable one are kept for each replica.
const MAX_CHECKPOINTS_AHEAD: usize = 8;

impl Replica {
    /// The first checkpoint that this replica has taken and not signed, because it may be lost in a crash.
    pub fn awaits_storage(&self) -> Option<Sequence> {
        self.unsigned.first_key_value().map(|(sequence, _)| *sequence)
    }

    /// Keeps a checkpoint until it can be signed.
    ///
    /// A stable checkpoint says that f + 1 correct replicas have its state: everybody drops the messages below it,
    /// and those who are behind ask for the batches or the state. So nobody may sign what it could still lose. A
    /// group that did would stand still after a loss of power everywhere: all know that the checkpoint is stable,
    /// and nobody can get there.
    pub(super) fn keep_checkpoint(&mut self, sequence: Sequence, state: StateSummary) {
        if sequence <= self.low() {
            self.compare_with_stable(&self.checkpoint_of(sequence, state));
        } else {
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

    fn checkpoint_of(&self, sequence: Sequence, state: StateSummary) -> Checkpoint {
        Checkpoint {
            group: self.context.identity.group,
            epoch: self.context.epoch,
            sequence,
            log_size: state.log_size,
            log_root: state.log_root,
            state_root: state.state_root,
            inbox_count: state.inbox_count,
            inbox_hash: state.inbox_hash,
            next_members_hash: state.next_members_hash,
        }
    }

    /// Signs and broadcasts this replica's checkpoint.
    pub(super) fn sign_checkpoint(&mut self, now: Now, sequence: Sequence, state: StateSummary) {
        let checkpoint = self.checkpoint_of(sequence, state);
        if sequence <= self.low() {
            self.compare_with_stable(&checkpoint);
            return;
        }
        match self.checkpoints.get(&sequence).and_then(|signers| signers.get(&self.me)) {
            // Executed again after a crash: this was said before, and nothing else may be.
            Some(said) if said.checkpoint == checkpoint => {}
            Some(_) => self.effects.push(Effect::Diverged { sequence }),
            None if self.silent => {}
            None => {
                if faults::is_on(Fault::CheckpointEquivocated) {
                    let other = Checkpoint { log_root: checkpoint.state_root, ..checkpoint.clone() };
                    let other = SignedCheckpoint::sign(&self.context.identity, other, &self.keys.account);
                    self.broadcast(Message::Checkpoint(other));
                }
                let signed = SignedCheckpoint::sign(&self.context.identity, checkpoint, &self.keys.account);
                self.checkpoints.entry(sequence).or_default().insert(self.me, signed.clone());
                self.effects.push(Effect::Persist(Record::Checkpoint(signed.clone())));
                self.broadcast(Message::Checkpoint(signed));
                self.try_stabilise(now, sequence);
            }
        }
    }

    /// A replica that reaches a checkpoint which a quorum signed long ago must find the same state.
    fn compare_with_stable(&mut self, own: &Checkpoint) {
        let sequence = own.sequence;
        let differs = self
            .stable
            .as_ref()
            .is_some_and(|stable| stable.checkpoint.sequence == sequence && stable.checkpoint != *own);
        if differs {
            self.effects.push(Effect::Diverged { sequence });
        }
    }

    pub(super) fn on_checkpoint(&mut self, now: Now, from: ReplicaIndex, signed: SignedCheckpoint) {
        let sequence = signed.checkpoint.sequence;
        if sequence <= self.low() {
            let said = self.stable.as_ref().and_then(|stable| said_in(stable, signed.replica));
            if let Some(earlier) = said {
                self.compare_words(from, earlier, signed);
            }
            return;
        }
        let known = self.checkpoints.get(&sequence).and_then(|signers| signers.get(&from));
        if let Some(earlier) = known {
            self.compare_words(from, earlier.clone(), signed);
            return;
        }
        self.make_room_for_checkpoint_of(from);
        self.checkpoints.entry(sequence).or_default().insert(from, signed);
        self.try_stabilise(now, sequence);
    }

    /// Reports a replica that signed two different checkpoints of one sequence.
    fn compare_words(&mut self, replica: ReplicaIndex, first: SignedCheckpoint, second: SignedCheckpoint) {
        let sequence = first.checkpoint.sequence;
        if sequence == second.checkpoint.sequence && first.checkpoint != second.checkpoint {
            let (first, second) = (Box::new(first), Box::new(second));
            self.report(Evidence::Checkpoints { replica, first, second }, sequence, View(0));
        }
    }

    /// Compares what replicas said here with what they signed for the others.
    fn compare_with_certificate(&mut self, certificate: &CheckpointCertificate) {
        let Some(held) = self.checkpoints.get(&certificate.checkpoint.sequence) else { return };
        let both: Vec<_> = held
            .iter()
            .filter_map(|(&from, here)| Some((from, said_in(certificate, here.replica)?, here.clone())))
            .collect();
        for (from, there, here) in both {
            self.compare_words(from, there, here);
        }
    }

    /// Drops the oldest checkpoint of a replica that already has many: it can only crowd out its own.
    fn make_room_for_checkpoint_of(&mut self, from: ReplicaIndex) {
        let held: Vec<Sequence> = self
            .checkpoints
            .iter()
            .filter(|(_, signers)| signers.contains_key(&from))
            .map(|(&sequence, _)| sequence)
            .collect();
        if held.len() < MAX_CHECKPOINTS_AHEAD {
            return;
        }
        if let Some(signers) = self.checkpoints.get_mut(&held[0]) {
            signers.remove(&from);
            if signers.is_empty() {
                self.checkpoints.remove(&held[0]);
            }
        }
    }

    /// A quorum of equal checkpoints is stable.
    fn try_stabilise(&mut self, now: Now, sequence: Sequence) {
        let Some(signers) = self.checkpoints.get(&sequence) else { return };
        let certificate = signers.values().find_map(|candidate| {
            let agrees = |signed: &SignedCheckpoint| {
                signed.checkpoint == candidate.checkpoint || faults::is_on(Fault::CheckpointsUncompared)
            };
            let signatures: Vec<CheckpointSignature> = signers
                .values()
                .filter(|signed| agrees(signed))
                .map(|signed| CheckpointSignature { replica: signed.replica, signature: signed.signature })
                .take(self.quorum())
                .collect();
            (signatures.len() == self.quorum())
                .then(|| CheckpointCertificate { checkpoint: candidate.checkpoint.clone(), signatures })
        });
        if let Some(certificate) = certificate {
            self.adopt_stable(now, certificate);
        }
    }

    pub(super) fn on_stable(&mut self, now: Now, certificate: CheckpointCertificate) {
        self.adopt_stable(now, certificate);
    }

    /// Moves the low watermark to a checkpoint that a quorum signed, and frees what lies below. Sequences
    /// that this replica has yet to execute come from others as committed batches.
    pub(super) fn adopt_stable(&mut self, now: Now, certificate: CheckpointCertificate) {
        let sequence = certificate.checkpoint.sequence;
        if sequence <= self.low() {
            return;
        }
        let said = self.checkpoints.get(&sequence).and_then(|signers| signers.get(&self.me));
        let unsaid = self.unsigned.get(&sequence).map(|state| self.checkpoint_of(sequence, *state));
        if said
            .map(|said| said.checkpoint.clone())
            .or(unsaid)
            .is_some_and(|own| own != certificate.checkpoint)
        {
            self.effects.push(Effect::Diverged { sequence });
        }
        self.compare_with_certificate(&certificate);
        self.move_low_watermark(certificate.clone());
        self.effects.push(Effect::Stable(certificate));
        self.hand_over();
        self.execute_committed(now);
    }

    /// The part of adopting a stable checkpoint that leaves no trace outside: also done when records are
    /// replayed.
    pub(super) fn move_low_watermark(&mut self, certificate: CheckpointCertificate) {
        let sequence = certificate.checkpoint.sequence;
        if sequence <= self.low() {
            return;
        }
        let above = sequence.next();
        self.slots = self.slots.split_off(&above);
        self.checkpoints = self.checkpoints.split_off(&above);
        self.unsigned = self.unsigned.split_off(&above);
        self.next_sequence = self.next_sequence.max(above);
        self.stable = Some(certificate);
    }
}

/// What the replica signed, if its signature is under the certificate.
fn said_in(certificate: &CheckpointCertificate, replica: AgentId) -> Option<SignedCheckpoint> {
    let CheckpointCertificate { checkpoint, signatures } = certificate;
    let own = signatures.iter().find(|signature| signature.replica == replica)?;
    Some(SignedCheckpoint { checkpoint: checkpoint.clone(), replica, signature: own.signature })
}
