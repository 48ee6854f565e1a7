//! Attestations: a replica's cosignature on the log's size and root.
//!
//! An attestation is a `cosignature/v1` (C2SP tlog-cosignature) on the C2SP tlog-checkpoint of the log, so
//! any transparency-log tool can check one. A quorum of equal ones says that the group executed the log up
//! to that size. The time is the batch's, so that correct replicas sign the same bytes.
//!
//! Tools refuse a note with a signature that is not RFC 8032's to the letter, so an attestation that only ZIP 215
//! accepts counts for nothing here ([`SignatureCheck::strict`]): else one faulty replica could spoil every checkpoint.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_list;
use crate::group::{GroupIdentity, MAX_MEMBERS, ReplicaSet};
use crate::ids::{AgentId, Digest, Epoch};
use crate::keys::{AgentKey, PublicKey, Signature, SignatureCheck, verify_all};

/// The signature type of a `cosignature/v1` in a note's key id.
const COSIGNATURE_V1: u8 = 0x04;

/// The log at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct LogHead {
    /// How many entries the log has.
    #[n(0)]
    pub size: u64,
    /// The RFC 9162 root over them.
    #[n(1)]
    pub root: Digest,
    /// The time of the last batch, in whole seconds since the Unix epoch.
    #[n(2)]
    pub time_s: u64,
}

impl LogHead {
    /// The body of the C2SP tlog-checkpoint note: origin, size and root, a line each.
    pub fn note_body(&self, identity: &GroupIdentity) -> String {
        format!("{}\n{}\n{}\n", identity.origin(), self.size, BASE64.encode(self.root.as_bytes()))
    }

    /// The bytes that an attestation signs.
    pub fn signing_bytes(&self, identity: &GroupIdentity) -> Vec<u8> {
        format!("cosignature/v1\ntime {}\n{}", self.time_s, self.note_body(identity)).into_bytes()
    }
}

/// A replica's cosignature on a [`LogHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Attestation {
    /// The replica's account.
    #[n(0)]
    pub replica: AgentId,
    /// Its ed25519 signature.
    #[n(1)]
    pub signature: Signature,
}

impl Attestation {
    /// The attestation of `replica`, whose key is `key`.
    pub fn sign(identity: &GroupIdentity, head: &LogHead, replica: AgentId, key: &AgentKey) -> Self {
        Self { replica, signature: key.sign(&head.signing_bytes(identity)) }
    }

    /// The check of the signature under `key`. It is strict.
    pub fn signature_check(
        &self,
        identity: &GroupIdentity,
        head: &LogHead,
        key: &PublicKey,
    ) -> SignatureCheck {
        SignatureCheck::strict(key, &head.signing_bytes(identity), &self.signature)
    }

    /// The note signature line (C2SP signed-note), with its line end.
    pub fn note_line(&self, identity: &GroupIdentity, head: &LogHead, key: &PublicKey) -> String {
        let name = cosigner_name(identity, self.replica);
        let mut blob = Vec::with_capacity(4 + 8 + 64);
        let id = Digest::of(&[name.as_bytes(), b"\n", &[COSIGNATURE_V1], &key.0]);
        blob.extend_from_slice(&id.as_bytes()[..4]);
        blob.extend_from_slice(&head.time_s.to_be_bytes());
        blob.extend_from_slice(&self.signature.0);
        format!("\u{2014} {name} {}\n", BASE64.encode(blob))
    }
}

/// The name that a replica cosigns under: the log's origin and the replica's address.
pub fn cosigner_name(identity: &GroupIdentity, replica: AgentId) -> String {
    format!("{}/{:#x}", identity.origin(), replica.0)
}

/// A log head with attestations of a quorum of replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct LogCertificate {
    /// What was attested.
    #[n(0)]
    pub head: LogHead,
    /// The attestations, in strictly ascending order of the replicas' addresses.
    #[cbor(n(1), decode_with = "bounded_list::<Attestation, Ctx, MAX_MEMBERS>")]
    pub attestations: Vec<Attestation>,
}

/// A certificate that does not certify.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// Signers are in strictly ascending order, each once.
    #[error("the signers are not in strictly ascending order at {0}")]
    NotAscending(AgentId),
    /// A signer that is no replica of the epoch.
    #[error("{0} is not a replica of the epoch")]
    NotAReplica(AgentId),
    /// A signature that is not its signer's.
    #[error("a signature does not verify")]
    BadSignature,
    /// A quorum of the epoch signed a log that had not come to that epoch.
    #[error("the log is shorter than at the beginning of epoch {0}, whose replicas attest it")]
    BeforeItsEpoch(Epoch),
    /// Fewer signers than a quorum.
    #[error("{found} signers, a quorum is {quorum}")]
    NoQuorum {
        /// How many signed.
        found: usize,
        /// How many must.
        quorum: usize,
    },
}

/// Checks that `signers` are distinct replicas, in ascending order, and make a quorum.
pub(crate) fn check_signers(
    replicas: &ReplicaSet,
    signers: impl ExactSizeIterator<Item = AgentId>,
) -> Result<(), CertificateError> {
    let (found, quorum) = (signers.len(), replicas.quorum());
    let mut last = None;
    for signer in signers {
        if last.is_some_and(|last| last >= signer) {
            return Err(CertificateError::NotAscending(signer));
        }
        if replicas.index_of(signer).is_none() {
            return Err(CertificateError::NotAReplica(signer));
        }
        last = Some(signer);
    }
    if found < quorum { Err(CertificateError::NoQuorum { found, quorum }) } else { Ok(()) }
}

impl LogCertificate {
    /// Checks that a quorum of `replicas` attested the head. Every attestation must hold, not only enough.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, identity: &GroupIdentity, replicas: &ReplicaSet) -> Result<(), CertificateError> {
        check_signers(replicas, self.attestations.iter().map(|attestation| attestation.replica))?;
        let message = self.head.signing_bytes(identity);
        let checks: Vec<_> = self
            .attestations
            .iter()
            .filter_map(|attestation| {
                let key = &replicas.at(replicas.index_of(attestation.replica)?)?.key;
                Some(SignatureCheck::strict(key, &message, &attestation.signature))
            })
            .collect();
        if verify_all(&checks) { Ok(()) } else { Err(CertificateError::BadSignature) }
    }

    /// The signed note (C2SP tlog-checkpoint with a cosignature line a replica).
    pub fn note(&self, identity: &GroupIdentity, replicas: &ReplicaSet) -> String {
        let mut note = self.head.note_body(identity);
        note.push('\n');
        for attestation in &self.attestations {
            if let Some(member) = replicas.index_of(attestation.replica).and_then(|index| replicas.at(index))
            {
                let line = attestation.note_line(identity, &self.head, &member.key);
                note.write_str(&line).expect("writing into memory cannot fail");
            }
        }
        note
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_primitives::hex;

    use super::*;
    use crate::account::AccountKey;
    use crate::group::Group;
    use crate::group::tests::sample_group;

    pub(crate) fn certificate(
        group: &Group,
        keys: &[(AccountKey, AgentKey)],
        head: LogHead,
        signers: usize,
    ) -> LogCertificate {
        let attestations = keys[..signers]
            .iter()
            .map(|(account, key)| Attestation::sign(&group.identity, &head, AgentId(account.address()), key))
            .collect();
        LogCertificate { head, attestations }
    }

    #[test]
    fn a_quorum_certifies_and_nothing_less() {
        let (group, keys) = sample_group(4);
        let (identity, replicas) = (group.identity, group.replicas());
        let head = LogHead { size: 9, root: Digest::from([4; 32]), time_s: 1_700_000_000 };
        let good = certificate(&group, &keys, head, 3);
        assert_eq!(good.verify(&identity, &replicas), Ok(()));

        let few = certificate(&group, &keys, head, 2);
        assert_eq!(few.verify(&identity, &replicas), Err(CertificateError::NoQuorum { found: 2, quorum: 3 }));

        let mut twice = good.clone();
        twice.attestations[1] = twice.attestations[0];
        assert!(matches!(twice.verify(&identity, &replicas), Err(CertificateError::NotAscending(_))));

        let mut other_head = good.clone();
        other_head.head.time_s += 1;
        assert_eq!(other_head.verify(&identity, &replicas), Err(CertificateError::BadSignature));

        let mut stranger = good;
        stranger.attestations[2].replica = AgentId::from([0xff; 20]);
        assert!(matches!(stranger.verify(&identity, &replicas), Err(CertificateError::NotAReplica(_))));
    }

    /// An attestation of the head below under the first sample key that ZIP 215 accepts and RFC 8032 without the cofactor
    /// does not: R has a point of order 8 in it.
    const WITH_TORSION: [u8; 64] = hex!(
        "16b981d0b88cdf3ab9fa87190822fe4905b475efda3aec7c34abfa92c19320f4"
        "8668ccd40c5f812bf9d07f05bbc2f0d7bedc09163fa2a80a5ec7405cce359608"
    );

    #[test]
    fn what_c2sp_tools_would_refuse_certifies_nothing() {
        let (group, keys) = sample_group(4);
        let (identity, replicas) = (group.identity, group.replicas());
        let head = LogHead { size: 9, root: Digest::from([4; 32]), time_s: 1_700_000_000 };
        let mut spoilt = certificate(&group, &keys, head, 4);
        assert_eq!(spoilt.verify(&identity, &replicas), Ok(()));
        let first = AgentKey::from_secret(&[1; 32]).public();
        let at = keys.iter().position(|(_, key)| key.public() == first).unwrap();
        let crafted = Signature(WITH_TORSION);
        assert!(crate::keys::verify(&first, &head.signing_bytes(&identity), &crafted));
        spoilt.attestations[at].signature = crafted;
        assert!(!spoilt.attestations[at].signature_check(&identity, &head, &first).verify());
        assert_eq!(spoilt.verify(&identity, &replicas), Err(CertificateError::BadSignature));
    }

    #[test]
    fn the_note_has_the_shape_of_c2sp() {
        let (group, keys) = sample_group(4);
        let head = LogHead { size: 1, root: Digest::from([0; 32]), time_s: 7 };
        let note = certificate(&group, &keys, head, 3).note(&group.identity, &group.replicas());
        let lines: Vec<_> = note.lines().collect();
        assert_eq!(lines.len(), 3 + 1 + 3);
        assert_eq!(lines[1], "1");
        assert_eq!(lines[2], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert!(lines[4].starts_with("\u{2014} quorate/31337/0x"), "{}", lines[4]);
    }
}
