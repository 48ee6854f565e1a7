//! Executing, attesting, and what others say about the log.

use std::sync::Arc;

use quorate_pbft::{CommittedBatch, Evidence, Executed, Now, Replica};
use quorate_protocol::{AgentId, Checkpoint, Digest, EntryRecord, LogCertificate, Sequence, Verified};
use quorate_services::Admission;

use super::{NOT_POISONED, NodeCore, Storage, TakenState};
use crate::anchored::AnchoredLog;
use crate::error::NodeError;
use crate::frame::Frame;
use crate::ledger::{Divergence, Ledger, SignedHead};
use crate::store::Write;

impl<S: Storage> NodeCore<S> {
    /// Executes a batch, attests to the log after it and queues it for the store. Nothing, if the ledger
    /// contradicts the group and executes no more.
    pub(super) fn execute(
        &mut self,
        committed: CommittedBatch,
        checkpoint: bool,
    ) -> Result<Option<Executed>, NodeError> {
        let sequence = committed.sequence;
        let batch = &committed.batch;
        let (executed, next_due, change_pending, state) = {
            let mut ledger = self.write_ledger();
            if ledger.divergence().is_some() {
                return Ok(None);
            }
            let executed = ledger
                .execute(sequence, batch.timestamp, &batch.commands, checkpoint)
                .map_err(|error| NodeError::Invariant(format!("executing batch {sequence}: {error}")))?;
            let state = checkpoint.then(|| {
                let (summary, changes) = (ledger.summary(), ledger.take_changes());
                TakenState { sequence, summary, changes }
            });
            (executed, ledger.state().next_due(), ledger.state().change_pending(), state)
        };
        self.metrics.count_batch(&executed);
        let entries = executed.records.len();
        if entries > 0 {
            self.attest_head();
        }
        let records: Vec<EntryRecord> = executed.records.into_iter().map(Arc::unwrap_or_clone).collect();
        self.storage.write(Write::Executed { sequence, batch: committed.encode(), records })?;
        self.supply.push(committed);
        let summary = state.as_ref().map(|taken| taken.summary);
        self.taken.extend(state);
        self.settle_states()?;
        Ok(Some(Executed { sequence, entries, next_due, state: summary, change_pending }))
    }

    /// Attests to the log as it is and tells everybody.
    pub(super) fn attest_head(&mut self) {
        let ledger = self.write_ledger();
        if ledger.is_closed() || ledger.divergence().is_some() {
            return;
        }
        let (head, epoch) = (ledger.head(), ledger.group().epoch);
        drop(ledger);
        let signed = SignedHead::sign(&self.identity, head, self.agent, &self.keys.agent);
        self.say(None, &Frame::Attestation { epoch, signed });
        // The signature was made just now.
        self.take_attestation(&Verified::vouch(signed));
    }

    pub(super) fn take_attestation(&mut self, signed: &Verified<SignedHead>) {
        self.write_ledger().attest(signed);
    }

    pub(super) fn take_certificate(&mut self, certificate: LogCertificate) {
        let taken = self.write_ledger().offer_certificate(certificate);
        if let Err(error) = taken {
            tracing::debug!(%error, "a peer's certificate was refused");
        }
    }

    /// Answers a peer that lacks a certificate. One of an earlier epoch proves nothing to it, but whoever has such
    /// attests to no more; so it gets this replica's attestation in the current epoch instead.
    pub(super) fn supply_certificate(&mut self, to: AgentId, size: u64) {
        let frame = {
            let ledger = self.write_ledger();
            let Some(known) = ledger.certificate().filter(|known| known.head.size >= size) else { return };
            let epoch = ledger.group().epoch;
            if ledger.certificate_group().epoch == epoch {
                Frame::Certificate(known.clone())
            } else {
                let head = ledger.head();
                let signed = SignedHead::sign(&self.identity, head, self.agent, &self.keys.agent);
                Frame::Attestation { epoch, signed }
            }
        };
        self.say(Some(to), &frame);
    }

    /// A log that stays without a certificate has lost attestations, in a restart or on a broken link.
    pub(super) fn ask_for_certificate(&mut self, now: Now) {
        let now_ms = now.elapsed_ms;
        if now_ms < self.round.certificate_due_ms {
            return;
        }
        self.round.certificate_due_ms = now_ms + self.config.status_interval_ms;
        let (size, certified) = {
            let ledger = self.write_ledger();
            if ledger.is_closed() {
                return;
            }
            (ledger.head().size, ledger.certified_size())
        };
        if certified < size && self.round.uncertified == size {
            self.attest_head();
            self.say(None, &Frame::CertificateWanted(size));
        }
        self.round.uncertified = if certified < size { size } else { 0 };
    }

    /// Takes commands out of the pool that the state came to refuse: their nonce is used by now, or they
    /// expired. No primary takes them up, and waiting for them would cost one view after another.
    pub(super) fn drop_refused_commands(&mut self, now: Now) {
        if now.elapsed_ms < self.round.refused_due_ms {
            return;
        }
        self.round.refused_due_ms = now.elapsed_ms + self.config.view_timeout_ms / 3;
        let Some(replica) = &mut self.replica else { return };
        let ledger = self.ledger.read().expect(NOT_POISONED);
        replica.retain_commands(now, |command| matches!(ledger.admit(now.wall, command), Admission::Order));
    }

    /// Follows the chain: what it has anchored, or that it has nothing of the group.
    pub(super) fn take_anchor(&mut self, anchored: Option<AnchoredLog>) -> Result<(), NodeError> {
        let Some(anchored) = anchored else {
            self.write_ledger().withdraw_anchor();
            return self.storage.write(Write::NoAnchor);
        };
        if !self.write_ledger().anchor(anchored) {
            return Ok(());
        }
        let anchor = quorate_protocol::codec::encode(&anchored);
        self.storage.write(Write::Anchor { size: anchored.size, anchor })
    }

    pub(super) fn keep_evidence(&mut self, evidence: &Evidence) -> Result<(), NodeError> {
        tracing::warn!(replica = %evidence.replica(), ?evidence, "a replica contradicted itself");
        self.evidence.send_modify(|held| Arc::make_mut(held).keep(evidence.clone()));
        self.metrics.evidence.set(self.evidence.borrow().len() as u64);
        let (kind, evidence) = (evidence.kind(), quorate_protocol::codec::encode(evidence));
        self.storage.write(Write::Evidence { kind, evidence })
    }

    /// Remembers what the key signs, before the signature leaves.
    pub(super) fn note_signed(&mut self, checkpoint: &Checkpoint) -> Result<(), NodeError> {
        self.storage.signs(checkpoint)?;
        self.write_ledger().note_signed(checkpoint);
        self.signed = Some(checkpoint.clone());
        Ok(())
    }

    /// A quorum signed another state than this replica's at a checkpoint.
    pub(super) fn diverge(&mut self, sequence: Sequence) {
        let stable = self.replica.as_ref().and_then(Replica::stable_checkpoint);
        let theirs = stable.map(|stable| stable.checkpoint.clone());
        let mut ledger = self.write_ledger();
        let size = ledger.head().size;
        let ours = ledger.head().root;
        let (size, theirs) =
            theirs.map_or((size, Digest::default()), |checkpoint| (checkpoint.log_size, checkpoint.log_root));
        tracing::error!(%sequence, "the state differs from a quorum's at a checkpoint");
        ledger.mark_diverged(Divergence { size, ours, theirs });
    }

    pub(super) fn write_ledger(&self) -> std::sync::RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().expect(NOT_POISONED)
    }
}
