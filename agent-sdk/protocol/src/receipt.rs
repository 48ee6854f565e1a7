//! Receipts: what proves an entry to somebody who knows only the contract.

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::attestation::{CertificateError, LogCertificate};
use crate::codec::{self, CodecError, bounded_list};
use crate::entry::{EntryError, EntryRecord, MAX_ENTRY_RECORD_BYTES};
use crate::group::{Group, GroupIdentity};
use crate::ids::{Digest, Epoch};
use crate::merkle::{self, MAX_PROOF, ProofError};

/// The most bytes of an encoded [`Receipt`].
pub const MAX_RECEIPT_BYTES: usize = MAX_ENTRY_RECORD_BYTES + 64 * 1024;

/// An entry, the proof that it is in the log, and a quorum's word for that log; once the log is anchored,
/// also the proof that it is under an anchored root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Receipt {
    /// The group whose log it is.
    #[n(0)]
    pub identity: GroupIdentity,
    /// The epoch whose replicas attest.
    #[n(1)]
    pub epoch: Epoch,
    /// The entry in full.
    #[n(2)]
    pub record: EntryRecord,
    /// The attested log.
    #[n(3)]
    pub certificate: LogCertificate,
    /// The RFC 9162 inclusion proof of the entry in the attested log.
    #[cbor(n(4), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub proof: Vec<Digest>,
    /// The proof under an anchored root.
    #[n(5)]
    pub anchor: Option<AnchorProof>,
}

/// The RFC 9162 inclusion proof of an entry under an anchored root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct AnchorProof {
    /// The log size that the anchor names; the contract maps it to the root.
    #[n(0)]
    pub size: u64,
    /// The anchored root, to be compared with the contract's.
    #[n(1)]
    pub root: Digest,
    /// The inclusion proof.
    #[cbor(n(2), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub proof: Vec<Digest>,
}

/// A receipt that proves nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// Not the deterministic encoding of a receipt.
    #[error("receipt: {0}")]
    Codec(#[from] CodecError),
    /// From another chain, contract or group.
    #[error("the receipt is of log {found}, expected {expected}")]
    OtherLog {
        /// The log that was expected.
        expected: String,
        /// The receipt's.
        found: String,
    },
    /// Attested by another epoch's replicas.
    #[error("the receipt is of epoch {found}, the group is in epoch {expected}")]
    OtherEpoch {
        /// The group's epoch.
        expected: Epoch,
        /// The receipt's.
        found: Epoch,
    },
    /// Attested by replicas whose epoch had ended.
    #[error("epoch {epoch} ended at {end} entries, and its replicas attest {size}")]
    AfterItsEpoch {
        /// The receipt's epoch.
        epoch: Epoch,
        /// The log's size when the epoch ended.
        end: u64,
        /// The attested size.
        size: u64,
    },
    /// Attested by replicas whose epoch had not begun.
    #[error("epoch {epoch} began at {begin} entries, and its replicas are said to attest {size}")]
    BeforeItsEpoch {
        /// The receipt's epoch.
        epoch: Epoch,
        /// The log's size when the epoch began.
        begin: u64,
        /// The attested size.
        size: u64,
    },
    /// Attested by an earlier epoch's replicas than the receipt says, at the size at which that epoch ended.
    #[error(
        "the receipt says epoch {found}, but its attestations are those of epoch {attested}, which ended there"
    )]
    OfEarlierEpoch {
        /// The earliest epoch whose quorum they are.
        attested: Epoch,
        /// The receipt's.
        found: Epoch,
    },
    /// The record contradicts itself.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The attestations make no quorum.
    #[error("attestations: {0}")]
    Certificate(#[from] CertificateError),
    /// The entry is not in the attested log.
    #[error("inclusion in the attested log: {0}")]
    Inclusion(ProofError),
    /// The entry is not under the anchored root.
    #[error("inclusion under the anchored root: {0}")]
    AnchorInclusion(ProofError),
    /// The contract has another root for this size, or none.
    #[error("the contract has no anchor of size {size} with root {root}")]
    NotAnchored {
        /// The size that the receipt names.
        size: u64,
        /// The root that the receipt names.
        root: Digest,
    },
}

impl Receipt {
    /// Reads a receipt from its encoding.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Ok(codec::decode(bytes, MAX_RECEIPT_BYTES)?)
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Checks the receipt against `group`, which the caller has from the contract: the record, the agent's
    /// signature, the inclusion, every attestation, and the arithmetic of the anchor proof if there is one.
    ///
    /// The anchored root itself is for [`Self::verify_anchored`].
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, group: &Group) -> Result<(), ReceiptError> {
        if self.identity == group.identity && self.epoch != group.epoch {
            return Err(ReceiptError::OtherEpoch { expected: group.epoch, found: self.epoch });
        }
        self.verify_proofs(&group.identity)?;
        Ok(self.certificate.verify(&group.identity, &group.replicas())?)
    }

    /// The part of [`Self::verify`] that needs no members: the receipt is of that log, the record does not contradict
    /// itself, its agent signed it, and it is in the log that somebody attests. Whether those are the group's replicas is
    /// open after it.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify_proofs(&self, identity: &GroupIdentity) -> Result<(), ReceiptError> {
        if self.identity != *identity {
            return Err(ReceiptError::OtherLog {
                expected: identity.origin(),
                found: self.identity.origin(),
            });
        }
        self.record.check(identity)?;
        let leaf = self.record.entry.leaf_hash();
        let index = self.record.entry.index.0;
        let head = &self.certificate.head;
        merkle::verify_inclusion(&leaf, index, head.size, &self.proof, &head.root)
            .map_err(ReceiptError::Inclusion)?;
        if let Some(anchor) = &self.anchor {
            merkle::verify_inclusion(&leaf, index, anchor.size, &anchor.proof, &anchor.root)
                .map_err(ReceiptError::AnchorInclusion)?;
        }
        Ok(())
    }

    /// Checks that the replicas attested a log of their own epoch, which began with `begin` entries and, if it has ended,
    /// ended with `end`: what they sign about a longer one counts no more, because those who are no replicas any more
    /// are nobody's to trust, and a shorter one is attested by the replicas of that time. [`Self::verify`] alone knows
    /// neither.
    ///
    /// Who enters an epoch attests the log that the one before left, so at `begin` itself either epoch's replicas may
    /// have: then the receipt is of the earliest epoch whose quorum its attestations are. The caller compares that.
    ///
    /// # Errors
    /// [`ReceiptError::BeforeItsEpoch`] or [`ReceiptError::AfterItsEpoch`].
    pub fn verify_within(&self, begin: u64, end: Option<u64>) -> Result<(), ReceiptError> {
        let (epoch, size) = (self.epoch, self.certificate.head.size);
        if size < begin {
            return Err(ReceiptError::BeforeItsEpoch { epoch, begin, size });
        }
        match end.filter(|end| size > *end) {
            Some(end) => Err(ReceiptError::AfterItsEpoch { epoch, end, size }),
            None => Ok(()),
        }
    }

    /// As [`Self::verify`], and that the anchor is the contract's: `anchored_root` is what the contract
    /// answers for the size in the receipt's anchor proof.
    ///
    /// # Errors
    /// The first thing that does not hold; [`ReceiptError::NotAnchored`] also when there is no anchor proof.
    pub fn verify_anchored(
        &self,
        group: &Group,
        anchored_root: impl FnOnce(u64) -> Option<Digest>,
    ) -> Result<(), ReceiptError> {
        self.verify(group)?;
        let head = &self.certificate.head;
        let anchor =
            self.anchor.as_ref().ok_or(ReceiptError::NotAnchored { size: head.size, root: head.root })?;
        if anchored_root(anchor.size) != Some(anchor.root) {
            return Err(ReceiptError::NotAnchored { size: anchor.size, root: anchor.root });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attestation::LogHead;
    use crate::attestation::tests::certificate;
    use crate::command::{Command, Operation, SignedCommand};
    use crate::entry::tests::sample_record;
    use crate::entry::{EntryBody, InboxDisposition, SystemEvent};
    use crate::group::tests::sample_group;
    use crate::ids::{EntryIndex, Nonce, Sequence, TimestampMs};
    use crate::inbox::{InboxEvent, InboxTaken};
    use crate::keys::AgentKey;
    use crate::merkle::MerkleLog;
    use crate::outcome::{OperationResult, Outcome};
    use crate::proposal::{Decision, DecisionRecord, DecisionStatus, proposal_id};

    /// Bodies of every kind; a receipt must bind each of them whole.
    fn bodies(group: &Group, key: &AgentKey) -> Vec<(EntryBody, Outcome)> {
        let command = Command {
            group: group.identity.group,
            agent: group.members[0].agent,
            key: key.public(),
            nonce: Nonce(1),
            expires: TimestampMs(7),
            operations: vec![Operation { service: "s".into(), body: vec![1] }],
        };
        let proposer = group.members[1].agent;
        let decision = Decision {
            proposal: proposal_id(&group.identity.group, proposer, 3, 0, &[], "tea"),
            status: DecisionStatus::Approved,
            for_weight: 3,
            against_weight: 1,
            abstain_weight: 0,
        };
        let record = DecisionRecord {
            decision,
            proposer,
            salt: 3,
            description: "tea".into(),
            calls: vec![],
            class: 0,
        };
        let event = SystemEvent::EpochStarted { epoch: Epoch(1), members_hash: Digest::from([3; 32]) };
        let hash = Digest::from([4; 32]);
        let taken = InboxTaken { index: 2, hash, disposition: InboxDisposition::CarriedOut };
        let left = InboxEvent::MemberLeft { member: proposer };
        let results = vec![OperationResult { body: vec![2] }];
        vec![
            (EntryBody::Command(SignedCommand::sign(command, key)), Outcome::Applied { results }),
            (EntryBody::Decision(Box::new(record)), Outcome::Recorded),
            (EntryBody::System(event), Outcome::Recorded),
            (EntryBody::System(SystemEvent::InboxTaken(taken)), Outcome::Recorded),
            (EntryBody::System(SystemEvent::OnChain(left)), Outcome::Recorded),
        ]
    }

    /// Receipts of one log, one for each kind of entry.
    fn receipts() -> (Vec<Receipt>, Group) {
        let (group, keys) = sample_group(4);
        let records: Vec<EntryRecord> = (0..)
            .zip(bodies(&group, &keys[0].1))
            .map(|(index, (body, outcome))| {
                let at = (EntryIndex(index), Sequence(1), TimestampMs(5));
                EntryRecord::new(&group.identity, at.0, at.1, at.2, body, outcome)
            })
            .collect();
        let mut log = MerkleLog::new();
        for record in &records {
            log.append(record.entry.leaf_hash());
        }
        for index in log.size()..11 {
            log.append(sample_record(index).entry.leaf_hash());
        }
        let head = LogHead { size: 11, root: log.root(), time_s: 1_700_000_000 };
        let receipts = records
            .into_iter()
            .map(|record| {
                let index = record.entry.index.0;
                let anchor = AnchorProof {
                    size: 8,
                    root: log.root_at(8).unwrap(),
                    proof: log.inclusion_proof(index, 8).unwrap(),
                };
                Receipt {
                    identity: group.identity,
                    epoch: group.epoch,
                    record,
                    certificate: certificate(&group, &keys, head, 3),
                    proof: log.inclusion_proof(index, 11).unwrap(),
                    anchor: Some(anchor),
                }
            })
            .collect();
        (receipts, group)
    }

    fn anchored(receipt: &Receipt) -> impl FnOnce(u64) -> Option<Digest> + use<> {
        let anchor = receipt.anchor.clone();
        move |size| anchor.filter(|anchor| anchor.size == size).map(|anchor| anchor.root)
    }

    #[test]
    fn receipts_verify_and_so_do_their_anchors() {
        let (receipts, group) = receipts();
        for receipt in receipts {
            assert_eq!(receipt.verify(&group), Ok(()));
            assert_eq!(receipt.verify_anchored(&group, anchored(&receipt)), Ok(()));
            assert!(matches!(
                receipt.verify_anchored(&group, |_| None),
                Err(ReceiptError::NotAnchored { size: 8, .. })
            ));
        }
    }

    #[test]
    fn what_replicas_attest_outside_of_their_epoch_counts_for_nothing() {
        let (receipts, _) = receipts();
        for (begin, end) in [(0, None), (11, None), (0, Some(11)), (11, Some(11))] {
            assert_eq!(receipts[0].verify_within(begin, end), Ok(()));
        }
        let late = ReceiptError::AfterItsEpoch { epoch: Epoch(0), end: 10, size: 11 };
        assert_eq!(receipts[0].verify_within(0, Some(10)), Err(late));
        let early = ReceiptError::BeforeItsEpoch { epoch: Epoch(0), begin: 12, size: 11 };
        assert_eq!(receipts[0].verify_within(12, None), Err(early));
    }

    #[test]
    fn no_single_bit_can_be_flipped() {
        let (receipts, group) = receipts();
        for receipt in receipts {
            let bytes = receipt.encode();
            for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let verdict = Receipt::decode(&changed)
                    .and_then(|changed| changed.verify_anchored(&group, anchored(&receipt)));
                let kind = receipt.record.entry.status.kind();
                assert!(verdict.is_err(), "bit {bit} of byte {at} of a {kind:?} entry may be flipped");
            }
        }
    }
}
