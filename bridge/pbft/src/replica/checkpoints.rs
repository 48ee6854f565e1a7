//! Checkpoints, and what becomes free below a stable one (section 4.3).

use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{
    AccountSignature, AgentId, Checkpoint, CheckpointCertificate, ReplicaIndex, Sequence, SignedCheckpoint,
};

use super::Replica;
use super::words::MAX_AHEAD;
use crate::event::{Effect, Now, StateSummary};
use crate::evidence::Evidence;

impl Replica {
    pub(super) fn checkpoint_of(&self, sequence: Sequence, state: StateSummary) -> Checkpoint {
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

    /// A replica that reaches a checkpoint which a quorum signed long ago must find the same state.
    pub(super) fn compare_with_stable(&mut self, own: &Checkpoint) {
        let sequence = own.sequence;
        let differs = self
            .stable
            .as_ref()
            .is_some_and(|stable| stable.checkpoint.sequence == sequence && stable.checkpoint != *own);
        if differs {
            self.effects.push(Effect::Diverged { sequence });
        }
    }

    /// Whether this is the stable checkpoint.
    pub(super) fn is_stable(&self, checkpoint: &Checkpoint) -> bool {
        self.stable.as_ref().is_some_and(|stable| stable.checkpoint == *checkpoint)
    }

    pub(super) fn on_checkpoint(&mut self, now: Now, from: ReplicaIndex, signed: SignedCheckpoint) {
        self.hear(&signed);
        let sequence = signed.checkpoint.sequence;
        if self.is_stable(&signed.checkpoint) {
            self.gather([(signed.replica, signed.signature)]);
        }
        let known = |replica: &Self| {
            replica.checkpoints.get(&sequence).is_some_and(|signers| signers.contains_key(&from))
        };
        if sequence <= self.low() || known(self) || !self.makes_room_for(from, sequence) {
            return;
        }
        self.checkpoints.entry(sequence).or_default().insert(from, signed);
        self.try_stabilise(now, sequence);
    }

    /// Compares what a replica signed with all that is kept of it.
    fn hear(&mut self, signed: &SignedCheckpoint) {
        let me = self.me;
        let Some(replica) = self.context.replicas.index_of(signed.replica).filter(|index| *index != me)
        else {
            return;
        };
        let low = self.low();
        if let Some(earlier) = self.words.hear(&self.context.identity, low, signed) {
            let later = signed.clone();
            let back = later.checkpoint.epoch < earlier.checkpoint.epoch;
            let (first, second) = if back { (later, earlier) } else { (earlier, later) };
            let (first, second) = (Box::new(first), Box::new(second));
            self.tell_of(Evidence::Checkpoints { replica, first, second });
        }
    }

    /// Compares what the signers of a certificate said here with what they signed for the others.
    pub(super) fn hear_certificate(&mut self, certificate: &CheckpointCertificate) {
        let CheckpointCertificate { checkpoint, signatures } = certificate;
        for &CheckpointSignature { replica, signature } in signatures {
            self.hear(&SignedCheckpoint { checkpoint: checkpoint.clone(), replica, signature });
        }
    }

    /// Whether there is room for a checkpoint of a replica: it can only crowd out its own, and only those that
    /// the group comes to later.
    fn makes_room_for(&mut self, from: ReplicaIndex, sequence: Sequence) -> bool {
        let held: Vec<Sequence> = self
            .checkpoints
            .iter()
            .filter(|(_, signers)| signers.contains_key(&from))
            .map(|(&sequence, _)| sequence)
            .collect();
        let Some(&highest) = held.last().filter(|_| held.len() >= MAX_AHEAD) else { return true };
        if highest < sequence {
            return false;
        }
        if let Some(signers) = self.checkpoints.get_mut(&highest) {
            signers.remove(&from);
            if signers.is_empty() {
                self.checkpoints.remove(&highest);
            }
        }
        true
    }

    /// A quorum of equal checkpoints is stable.
    pub(super) fn try_stabilise(&mut self, now: Now, sequence: Sequence) {
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
        if self.is_stable(&certificate.checkpoint) {
            self.gather(certificate.signatures.iter().map(|signed| (signed.replica, signed.signature)));
        }
        self.hear_certificate(&certificate);
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
            self.unsigned.remove(&sequence);
        }
        self.hear_certificate(&certificate);
        self.move_low_watermark(certificate.clone());
        self.effects.push(Effect::Stable(certificate));
        self.effects.extend(self.gathered().map(Effect::Gathered));
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
        let signatures = certificate.signatures.iter().map(|signed| (signed.replica, signed.signature));
        let here = self.checkpoints.get(&sequence).into_iter().flat_map(|signers| signers.values());
        let here = here.filter(|signed| signed.checkpoint == certificate.checkpoint);
        self.gathered = signatures.chain(here.map(|signed| (signed.replica, signed.signature))).collect();
        let above = sequence.next();
        self.slots = self.slots.split_off(&above);
        self.checkpoints = self.checkpoints.split_off(&above);
        // That of the stable checkpoint itself is still to be signed: the contract may want another quorum.
        self.unsigned = self.unsigned.split_off(&sequence);
        self.next_sequence = self.next_sequence.max(above);
        self.words.settle(sequence);
        self.stable = Some(certificate);
    }

    /// Takes more signatures on the stable checkpoint, which are checked.
    pub(super) fn gather(&mut self, signatures: impl IntoIterator<Item = (AgentId, AccountSignature)>) {
        let before = self.gathered.len();
        self.gathered.extend(signatures);
        if self.gathered.len() > before {
            self.effects.extend(self.gathered().map(Effect::Gathered));
        }
    }

    /// The stable checkpoint with every valid signature on it that this replica knows of: at least a quorum's. Not
    /// all of them need to count for the contract.
    pub fn gathered(&self) -> Option<CheckpointCertificate> {
        let checkpoint = self.stable.as_ref()?.checkpoint.clone();
        let signed = |(&replica, &signature): (&AgentId, &AccountSignature)| CheckpointSignature {
            replica,
            signature,
        };
        Some(CheckpointCertificate { checkpoint, signatures: self.gathered.iter().map(signed).collect() })
    }
}
