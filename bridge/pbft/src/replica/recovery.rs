//! Coming back after a crash: what was said is known again, and nothing is said against it.

use quorate_protocol::{ReplicaIndex, Sequence, domain};

use super::{Replica, ViewState};
use crate::certificate::sign_vote;
use crate::event::Now;
use crate::evidence::Phase;
use crate::message::{PrePrepare, Vote};
use crate::record::{Record, Recovered};
use crate::slot::Proposal;

impl Replica {
    /// Replays the records. They do what living through them did, without saying anything again.
    pub(super) fn recover(&mut self, recovered: Recovered, now: Now) {
        // The last checkpoint of the epoch before is the start of this one, and named by nothing.
        if let Some(stable) = recovered.stable.filter(|stable| stable.checkpoint.epoch == self.context.epoch)
        {
            self.move_low_watermark(stable);
        }
        self.next_sequence = self.low().max(self.last_executed).next();
        if self.last_executed > self.low() {
            self.unsettled_since_ms = Some(now.elapsed_ms);
        }
        for record in recovered.records {
            self.replay(now, record);
        }
        let low = self.low();
        self.unsigned.extend(recovered.taken.into_iter().filter(|(sequence, _)| *sequence > low));
        self.effects.clear();
        self.words = recovered.words;
        self.words.retain(&self.context.replicas);
        for certificate in recovered.before.into_iter().chain(self.stable.clone()) {
            self.hear_certificate(&certificate);
        }
    }

    fn replay(&mut self, now: Now, record: Record) {
        match record {
            Record::Accepted(pre_prepare) => self.replay_accepted(now, &pre_prepare),
            Record::Prepared { certificate, batch } => {
                let sequence = certificate.sequence;
                if sequence <= self.low() {
                    return;
                }
                let (view, digest) = (certificate.view, certificate.digest);
                let vote = self.signed_again(domain::COMMIT, view, sequence, digest);
                let slot = self.slots.entry(sequence).or_default();
                slot.count(self.context.epoch, Phase::Commit, vote);
                // To lose a certificate is to break the promise that a commit makes.
                let batch = batch.or_else(|| slot.batch(digest).cloned());
                slot.prepared = Some((certificate, batch.expect("an earlier record holds the batch")));
            }
            Record::ViewChange(view_change) => {
                self.view = view_change.view;
                self.state = ViewState::Changing;
                self.view_changes.insert(self.me, view_change);
            }
            Record::NewView(new_view) => {
                if let Some(stable) = Self::stable_of(&new_view) {
                    self.move_low_watermark(stable);
                }
                self.install_view(now, new_view);
            }
            Record::Checkpoint(signed) => {
                let sequence = signed.checkpoint.sequence;
                if sequence > self.low() {
                    self.checkpoints.entry(sequence).or_default().insert(self.me, signed);
                }
            }
            Record::Stable(certificate) => self.move_low_watermark(certificate),
        }
    }

    fn replay_accepted(&mut self, now: Now, pre_prepare: &PrePrepare) {
        let PrePrepare { view, sequence, digest, .. } = *pre_prepare;
        if sequence <= self.low() {
            return;
        }
        self.adopt(now, pre_prepare);
        if self.primary_of(pre_prepare) != self.me {
            let vote = self.signed_again(domain::PREPARE, view, sequence, digest);
            self.slots.entry(sequence).or_default().count(self.context.epoch, Phase::Prepare, vote);
        }
        self.next_sequence = self.next_sequence.max(sequence.next());
    }

    fn primary_of(&self, pre_prepare: &PrePrepare) -> ReplicaIndex {
        pre_prepare.view.primary(self.context.replicas.len())
    }

    /// The vote as it was signed before the crash: ed25519 signatures are deterministic.
    fn signed_again(
        &self,
        domain: &str,
        view: quorate_protocol::View,
        sequence: Sequence,
        digest: quorate_protocol::Digest,
    ) -> Vote {
        let signature = sign_vote(&self.context, domain, view, sequence, digest, &self.keys.agent);
        Vote { view, sequence, digest, replica: self.me, signature }
    }

    /// Records that stand for all before them: whoever replays these knows what this replica must remember.
    /// A log of records may be replaced by them at any time.
    pub fn durable_records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.stable.iter().cloned().map(Record::Stable).collect();
        let own = self.checkpoints.values().filter_map(|signers| signers.get(&self.me));
        records.extend(own.cloned().map(Record::Checkpoint));
        let accepted = |sequence: Sequence, proposal: &Proposal| {
            let Proposal { view, digest, signature, ref batch, .. } = *proposal;
            let batch = batch.clone()?;
            Some(Record::Accepted(PrePrepare { view, sequence, digest, signature, batch }))
        };
        let mut after_view = Vec::new();
        for (&sequence, slot) in &self.slots {
            records.extend(slot.spares().iter().filter_map(|spare| accepted(sequence, spare)));
            if let Some((certificate, batch)) = &slot.prepared {
                let batch = Some(batch.clone());
                records.push(Record::Prepared { certificate: certificate.clone(), batch });
            }
            after_view.extend(slot.proposal.as_ref().and_then(|proposal| accepted(sequence, proposal)));
        }
        records.extend(self.new_view.clone().map(Record::NewView));
        records.extend(after_view);
        if self.state == ViewState::Changing {
            records.extend(self.view_changes.get(&self.me).cloned().map(Record::ViewChange));
        }
        records
    }
}
