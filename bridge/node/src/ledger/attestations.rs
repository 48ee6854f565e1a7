//! Collecting attestations into certificates, and noticing when this replica is the odd one out.
//!
//! Every replica has its own bounded room, so a faulty one that attests to sizes of its own invention
//! displaces nothing but its own attestations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minicbor::{Decode, Encode};
use quorate_protocol::{
    AgentId, AgentKey, Attestation, Digest, GroupIdentity, LogCertificate, LogHead, ReplicaSet, Signature,
    SignatureCheck,
};

/// The most log sizes of which one replica's attestations are kept. The newest are.
pub const MAX_SIZES_PER_REPLICA: usize = 1024;

/// A log head with one replica's attestation of it: what replicas send each other after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedHead {
    /// What is attested.
    #[n(0)]
    pub head: LogHead,
    /// By whom, with the signature.
    #[n(1)]
    pub attestation: Attestation,
}

impl SignedHead {
    /// The attestation of `head` by `replica`, whose key is `key`.
    pub fn sign(identity: &GroupIdentity, head: LogHead, replica: AgentId, key: &AgentKey) -> Self {
        Self { head, attestation: Attestation::sign(identity, &head, replica, key) }
    }

    /// The check of the signature, for a batch; nothing if the signer is no replica.
    pub fn signature_check(&self, identity: &GroupIdentity, replicas: &ReplicaSet) -> Option<SignatureCheck> {
        let key = &replicas.at(replicas.index_of(self.attestation.replica)?)?.key;
        Some(self.attestation.signature_check(identity, &self.head, key))
    }
}

/// This replica's log has another root than a quorum attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The log size at which the roots differ.
    pub size: u64,
    /// This replica's root.
    pub ours: Digest,
    /// The root of the quorum.
    pub theirs: Digest,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, ours, theirs } = self;
        write!(
            f,
            "the log's root at size {size} is {ours} here and {theirs} with a quorum; this replica serves \
             nothing until it has fetched the group's state: look for a fault of its disk, memory or program"
        )
    }
}

/// Attestations that are not certified yet, by replica and log size.
#[derive(Debug, Default)]
pub(super) struct AttestationPool {
    by_replica: BTreeMap<AgentId, BTreeMap<u64, (LogHead, Signature)>>,
    /// Sizes up to here need no more attestations.
    certified: u64,
}

impl AttestationPool {
    /// Whether an attestation of `head` by `replica` would be new and of use.
    pub(super) fn wants(&self, replica: AgentId, head: &LogHead) -> bool {
        if head.size <= self.certified {
            return false;
        }
        let Some(sizes) = self.by_replica.get(&replica) else { return true };
        let is_newer_than_any = || sizes.first_key_value().is_none_or(|(oldest, _)| head.size > *oldest);
        !sizes.contains_key(&head.size) && (sizes.len() < MAX_SIZES_PER_REPLICA || is_newer_than_any())
    }

    /// Adds a verified attestation by a replica of the epoch. The first of a replica for a size stands.
    /// Says whether it was added.
    pub(super) fn add(&mut self, signed: &SignedHead) -> bool {
        let SignedHead { head, attestation } = signed;
        if !self.wants(attestation.replica, head) {
            return false;
        }
        let sizes = self.by_replica.entry(attestation.replica).or_default();
        if sizes.len() == MAX_SIZES_PER_REPLICA {
            sizes.pop_first();
        }
        sizes.insert(head.size, (*head, attestation.signature));
        true
    }

    /// The head at `size` that at least `quorum` replicas attested alike, with all of those attestations in
    /// ascending order of address.
    pub(super) fn quorum_at(&self, size: u64, quorum: usize) -> Option<LogCertificate> {
        let at_size = || {
            self.by_replica
                .iter()
                .filter_map(move |(replica, sizes)| sizes.get(&size).map(|(head, sig)| (*replica, head, sig)))
        };
        at_size().find_map(|(_, head, _)| {
            let attestations: Vec<_> = at_size()
                .filter(|(_, other, _)| *other == head)
                .map(|(replica, _, signature)| Attestation { replica, signature: *signature })
                .collect();
            (attestations.len() >= quorum).then_some(LogCertificate { head: *head, attestations })
        })
    }

    /// The uncertified sizes up to `size` that anybody attested, the largest first.
    pub(super) fn sizes_up_to(&self, size: u64) -> impl Iterator<Item = u64> + use<> {
        let sizes: BTreeSet<u64> =
            self.by_replica.values().flat_map(|sizes| sizes.range(..=size).map(|(size, _)| *size)).collect();
        sizes.into_iter().rev()
    }

    /// Forgets the attestations of all replicas that `keep` does not name.
    pub(super) fn retain(&mut self, keep: impl Fn(AgentId) -> bool) {
        self.by_replica.retain(|replica, _| keep(*replica));
    }

    /// Forgets the attestations of sizes below `size`.
    pub(super) fn forget_below(&mut self, size: u64) {
        for sizes in self.by_replica.values_mut() {
            *sizes = sizes.split_off(&size);
        }
    }

    /// Forgets everything up to `size`, for which there is a certificate now.
    pub(super) fn certified(&mut self, size: u64) {
        self.certified = size;
        for sizes in self.by_replica.values_mut() {
            *sizes = sizes.split_off(&(size + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(replica: u8, size: u64, root: u8) -> SignedHead {
        let head = LogHead { size, root: Digest::from([root; 32]), time_s: 1 };
        let replica = AgentId::from([replica; 20]);
        SignedHead { head, attestation: Attestation { replica, signature: Signature([root; 64]) } }
    }

    #[test]
    fn only_equal_heads_make_a_quorum() {
        let mut pool = AttestationPool::default();
        assert!(pool.add(&signed(3, 5, 1)));
        assert!(pool.add(&signed(1, 5, 1)));
        assert!(pool.add(&signed(2, 5, 9)));
        assert_eq!(pool.quorum_at(5, 3), None);
        assert!(!pool.add(&signed(2, 5, 1)), "a replica speaks once for a size");
        assert!(pool.add(&signed(4, 5, 1)));

        let certificate = pool.quorum_at(5, 3).unwrap();
        let signers: Vec<_> =
            certificate.attestations.iter().map(|attestation| attestation.replica).collect();
        assert_eq!(signers, [1, 3, 4].map(|replica| AgentId::from([replica; 20])));

        pool.certified(5);
        assert!(!pool.wants(AgentId::from([2; 20]), &signed(2, 5, 1).head));
        assert_eq!(pool.quorum_at(5, 1), None);
    }

    #[test]
    fn a_replica_that_floods_displaces_only_itself() {
        let mut pool = AttestationPool::default();
        assert!(pool.add(&signed(1, 10, 1)));
        for size in 0..2 * MAX_SIZES_PER_REPLICA as u64 {
            pool.add(&signed(2, 1_000_000 + size, 1));
        }
        assert_eq!(pool.by_replica[&AgentId::from([2; 20])].len(), MAX_SIZES_PER_REPLICA);
        assert!(!pool.wants(AgentId::from([2; 20]), &signed(2, 10, 1).head), "older than all that is kept");
        assert_eq!(pool.sizes_up_to(10).collect::<Vec<_>>(), [10]);
    }
}
