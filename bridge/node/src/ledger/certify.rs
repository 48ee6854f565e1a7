//! What others say about the log: attestations, certificates, anchors, and whether they contradict it.

use quorate_protocol::attestation::CertificateError;
use quorate_protocol::{
    AnchorProof, Digest, EntryIndex, EntryRecord, Epoch, Group, LogCertificate, Receipt, Verified,
};

use super::{Divergence, Ledger, SignedHead};
use crate::anchored::AnchoredLog;

/// What an attestation led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attested {
    /// It was known, too old, or not a replica's.
    Ignored,
    /// It was kept; there is no new certificate.
    Kept,
    /// The log is certified up to this size now.
    Certified(u64),
    /// A quorum attested another root than this replica's.
    Diverged(Divergence),
}

impl Ledger {
    /// Whether an attestation of `head` by `replica` is worth checking its signature: it is a replica's, new,
    /// and not certified already.
    pub fn wants_attestation(&self, signed: &SignedHead) -> bool {
        let replica = signed.attestation.replica;
        self.replicas.index_of(replica).is_some() && self.attestations.wants(replica, &signed.head)
    }

    /// Takes a replica's attestation, this replica's own included. A quorum of equal heads makes a
    /// certificate, or shows that this replica has diverged. Attestations of what is not executed yet are
    /// kept until it is.
    pub fn attest(&mut self, signed: &Verified<SignedHead>) -> Attested {
        if self.divergence.is_some() || !self.wants_attestation(signed) || !self.attestations.add(signed) {
            return Attested::Ignored;
        }
        if signed.head.size > self.head.size {
            return Attested::Kept;
        }
        let attested = self.certify_at(signed.head.size);
        self.publish();
        attested
    }

    /// Certifies the largest executed size that a quorum attested.
    pub(super) fn certify_up_to_head(&mut self) {
        if self.divergence.is_some() {
            return;
        }
        for size in self.attestations.sizes_up_to(self.head.size) {
            if self.certify_at(size) != Attested::Kept {
                return;
            }
        }
    }

    fn certify_at(&mut self, size: u64) -> Attested {
        let Some(certificate) = self.attestations.quorum_at(size, self.replicas.quorum()) else {
            return Attested::Kept;
        };
        let ours = self.log.root_at(size).expect("only executed sizes are certified");
        if ours != certificate.head.root {
            return self.diverge(Divergence { size, ours, theirs: certificate.head.root });
        }
        self.take_certificate(certificate);
        Attested::Certified(size)
    }

    fn take_certificate(&mut self, certificate: LogCertificate) {
        let size = certificate.head.size;
        self.certificate_group = self.attesting(&certificate);
        self.certificate = Some(certificate);
        self.attestations.certified(size);
        self.waiters.certified(size);
    }

    /// Takes a certificate that was persisted or that a peer sent. Says whether it is newer than the one at
    /// hand and within the executed log; other certificates change nothing.
    ///
    /// # Errors
    /// When the certificate does not certify.
    pub fn offer_certificate(&mut self, certificate: LogCertificate) -> Result<bool, CertificateError> {
        let size = certificate.head.size;
        if self.divergence.is_some() || size <= self.certified_size() || size > self.head.size {
            return Ok(false);
        }
        certificate.verify(&self.group.identity, &self.replicas)?;
        let ours = self.log.root_at(size).expect("the size is within the log");
        if ours == certificate.head.root {
            self.take_certificate(certificate);
        } else {
            self.diverge(Divergence { size, ours, theirs: certificate.head.root });
        }
        self.publish();
        Ok(self.divergence.is_none())
    }

    /// Takes the newest anchor of the canonical chain, as the anchoring service saw it. Receipts carry it if it
    /// lies within the executed log; one beyond it waits until the log is there, and what was anchored before
    /// counts until then. Says whether it is of use so far.
    ///
    /// It may be smaller than the one before: then the chain was reorganised, and the larger one is gone.
    ///
    /// An anchor with another root than the log's is not believed. The contract takes nothing but a quorum's
    /// word, and a quorum's attestations would have shown the difference; so the endpoint lies, and it must
    /// not be able to stop a node.
    pub fn anchor(&mut self, anchored: AnchoredLog) -> bool {
        if anchored.size > self.head.size {
            self.pending_anchor = Some(anchored);
            return true;
        }
        self.pending_anchor = None;
        let fits = self.log.root_at(anchored.size) == Some(anchored.root);
        if !fits {
            tracing::error!(
                size = anchored.size,
                root = %anchored.root,
                "the chain's endpoint shows an anchor that contradicts this log; it is not believed: ask \
                 another endpoint, and compare with the other nodes"
            );
        } else if self.anchor != Some(anchored) {
            self.anchor = Some(anchored);
            self.publish();
        }
        fits
    }

    /// The canonical chain has no anchor of the group, or none any more: receipts claim none.
    pub fn withdraw_anchor(&mut self) {
        self.pending_anchor = None;
        self.anchor = None;
        self.publish();
    }

    /// Takes the anchor that waited for the log to reach it.
    pub(super) fn take_pending_anchor(&mut self) {
        if let Some(anchored) = self.pending_anchor.filter(|anchored| anchored.size <= self.head.size) {
            self.anchor(anchored);
        }
    }

    fn diverge(&mut self, divergence: Divergence) -> Attested {
        tracing::error!(
            size = divergence.size,
            ours = %divergence.ours,
            theirs = %divergence.theirs,
            "{divergence}"
        );
        self.divergence = Some(divergence);
        self.waiters.abandon_all();
        Attested::Diverged(divergence)
    }

    /// Marks the ledger as diverged, as the core does when a checkpoint of a quorum differs from its own.
    pub fn mark_diverged(&mut self, divergence: Divergence) {
        self.diverge(divergence);
        self.publish();
    }

    /// What proves the entry at `index`, without its record; nothing while no certificate covers it.
    pub(super) fn proof_of(&self, index: EntryIndex) -> Option<EntryProof> {
        let certificate = self.certificate.as_ref().filter(|known| index.0 < known.head.size)?;
        let proof = self.log.inclusion_proof(index.0, certificate.head.size);
        let anchor = self.anchor.as_ref().filter(|anchor| index.0 < anchor.size).map(|anchor| {
            let proof = self.log.inclusion_proof(index.0, anchor.size);
            let proof = proof.expect("the entry is under the anchor, which is within the log");
            AnchorProof { size: anchor.size, root: anchor.root, proof }
        });
        Some(EntryProof {
            epoch: self.certificate_group.epoch,
            certificate: certificate.clone(),
            proof: proof.expect("the entry is under the certificate, which is within the log"),
            anchor,
        })
    }
}

/// A receipt without the entry's record, which may have to be read from disk.
pub(super) struct EntryProof {
    epoch: Epoch,
    certificate: LogCertificate,
    proof: Vec<Digest>,
    anchor: Option<AnchorProof>,
}

impl EntryProof {
    pub(super) fn into_receipt(self, group: &Group, record: EntryRecord) -> Receipt {
        let Self { epoch, certificate, proof, anchor } = self;
        Receipt { identity: group.identity, epoch, record, certificate, proof, anchor }
    }
}
