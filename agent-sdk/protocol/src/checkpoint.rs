//! Checkpoints: a replica's EIP-712 signature on the whole state at a sequence.
//!
//! A quorum of equal ones makes a checkpoint stable (Castro & Liskov, OSDI '99, section 4.3); the contract
//! accepts a stable one as an anchor. All that one replica signs in an era is a chain by
//! [`Checkpoint::precedes`]; two checkpoints of which neither precedes the other convict it.

use alloy_primitives::B256;
use alloy_sol_types::{SolStruct, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::{AccountKey, AccountSignature};
use crate::attestation::{CertificateError, check_signers};
use crate::codec::bounded_list;
use crate::group::{GroupIdentity, MAX_MEMBERS, ReplicaSet};
use crate::ids::{AgentId, Digest, Epoch, GroupId, Sequence};

/// The whole state after executing a sequence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Checkpoint {
    /// The group.
    #[n(0)]
    pub group: GroupId,
    /// The epoch whose replicas sign.
    #[n(1)]
    pub epoch: Epoch,
    /// The last sequence executed.
    #[n(2)]
    pub sequence: Sequence,
    /// How many entries the log has.
    #[n(3)]
    pub log_size: u64,
    /// The RFC 9162 root over them.
    #[n(4)]
    pub log_root: Digest,
    /// The root of the services' state, the reply table included.
    #[n(5)]
    pub state_root: Digest,
    /// How many commands of the contract's inbox are executed.
    #[n(6)]
    pub inbox_count: u64,
    /// The contract's hash after the last of these commands, zero where there are none
    /// (see [`crate::inbox`]).
    #[n(7)]
    pub inbox_hash: Digest,
    /// The hash of the next epoch's members, or zero when the members stay.
    #[n(8)]
    pub next_members_hash: Digest,
}

mod typed {
    use super::sol;

    sol! {
        struct Checkpoint {
            bytes32 groupId;
            uint64 epoch;
            uint64 sequence;
            uint64 logSize;
            bytes32 logRoot;
            bytes32 stateRoot;
            uint64 inboxCount;
            bytes32 inboxHash;
            bytes32 nextMembersHash;
        }
    }
}

impl Checkpoint {
    /// The EIP-712 digest that replicas sign.
    pub fn digest(&self, identity: &GroupIdentity) -> B256 {
        typed::Checkpoint {
            groupId: self.group.0,
            epoch: self.epoch.0,
            sequence: self.sequence.0,
            logSize: self.log_size,
            logRoot: self.log_root.0,
            stateRoot: self.state_root.0,
            inboxCount: self.inbox_count,
            inboxHash: self.inbox_hash.0,
            nextMembersHash: self.next_members_hash.0,
        }
        .eip712_signing_hash(&identity.eip712_domain())
    }

    /// The era of the epoch. Nothing that is signed in one era contradicts what is signed in another.
    pub fn era(&self) -> u32 {
        u32::try_from(self.epoch.0 >> 32).expect("32 bits are left")
    }

    /// Whether a replica may sign `later` after this one: the strict order of what one replica signs in an
    /// era of a group. False across groups and eras.
    pub fn precedes(&self, later: &Self) -> bool {
        self.shares_era_with(later)
            && self.sequence < later.sequence
            && self.epoch <= later.epoch
            && (self.epoch < later.epoch || self.next_members_hash == Digest::default())
            && grows((self.log_size, self.log_root), (later.log_size, later.log_root))
            && grows((self.inbox_count, self.inbox_hash), (later.inbox_count, later.inbox_hash))
    }

    /// Whether the two are the same, or one precedes the other.
    pub fn compatible(&self, other: &Self) -> bool {
        self == other || self.precedes(other) || other.precedes(self)
    }

    /// Whether one replica's signatures on both convict it by the contract of `identity`'s group: it signs a
    /// chain by [`Checkpoint::precedes`], so no correct replica signs two that are not
    /// [`Checkpoint::compatible`]. False across groups and eras.
    pub fn contradicts(&self, other: &Self, identity: &GroupIdentity) -> bool {
        self.group == identity.group && self.shares_era_with(other) && !self.compatible(other)
    }

    fn shares_era_with(&self, other: &Self) -> bool {
        self.group == other.group && self.era() == other.era()
    }
}

/// Whether something that is only appended to can have been `earlier` and be `later`: so many, and the hash
/// over them.
fn grows(earlier: (u64, Digest), later: (u64, Digest)) -> bool {
    earlier.0 < later.0 || earlier == later
}

/// A replica's signature on a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct SignedCheckpoint {
    /// What is signed.
    #[n(0)]
    pub checkpoint: Checkpoint,
    /// The replica's account.
    #[n(1)]
    pub replica: AgentId,
    /// Its secp256k1 signature on [`Checkpoint::digest`].
    #[n(2)]
    pub signature: AccountSignature,
}

impl SignedCheckpoint {
    /// Signs `checkpoint` with a replica's account.
    pub fn sign(identity: &GroupIdentity, checkpoint: Checkpoint, account: &AccountKey) -> Self {
        let signature = account.sign_digest(&checkpoint.digest(identity));
        Self { checkpoint, replica: AgentId(account.address()), signature }
    }

    /// Whether the replica signed the checkpoint.
    pub fn verify(&self, identity: &GroupIdentity) -> bool {
        self.signature.recover(&self.checkpoint.digest(identity)) == Some(self.replica.0)
    }
}

/// A checkpoint with the signatures of a quorum: stable, and fit to be anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct CheckpointCertificate {
    /// The checkpoint.
    #[n(0)]
    pub checkpoint: Checkpoint,
    /// The signatures, in strictly ascending order of the replicas' addresses.
    #[cbor(n(1), decode_with = "bounded_list::<CheckpointSignature, Ctx, MAX_MEMBERS>")]
    pub signatures: Vec<CheckpointSignature>,
}

/// One replica's signature in a [`CheckpointCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct CheckpointSignature {
    /// The replica's account.
    #[n(0)]
    pub replica: AgentId,
    /// Its secp256k1 signature.
    #[n(1)]
    pub signature: AccountSignature,
}

impl CheckpointCertificate {
    /// Checks that a quorum of `replicas` signed. Every signature must hold, not only enough.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, identity: &GroupIdentity, replicas: &ReplicaSet) -> Result<(), CertificateError> {
        check_signers(replicas, self.signatures.iter().map(|signed| signed.replica))?;
        let digest = self.checkpoint.digest(identity);
        let holds =
            |signed: &CheckpointSignature| signed.signature.recover(&digest) == Some(signed.replica.0);
        if self.signatures.iter().all(holds) { Ok(()) } else { Err(CertificateError::BadSignature) }
    }

    /// The signatures as the contract's `anchor` takes them: 65 bytes each, in order.
    pub fn packed_signatures(&self) -> Vec<u8> {
        self.signatures.iter().flat_map(|signed| signed.signature.0).collect()
    }
}

#[cfg(test)]
mod tests;
