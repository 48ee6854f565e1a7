//! What it takes to anchor: a node's answer to whoever wants to.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointCertificate;
use crate::codec::{self, CodecError, bounded_list};
use crate::entry::Entry;
use crate::group::{MAX_MEMBERS, Member};
use crate::ids::Digest;
use crate::inbox::InboxTaken;
use crate::mandate::Mandate;

/// The most bytes of an encoded [`AnchorPackage`].
pub const MAX_ANCHOR_BYTES: usize = 64 * 1024;
/// The most hashes of an RFC 9162 proof in a log of 2^64 entries; a proof of consistency has one more at most.
pub(super) const MAX_PROOF: usize = 65;

/// A stable checkpoint with all that the contract's `anchor` or `anchorAndRotate` takes with it, as
/// `GET /v1/groups/{group}/anchor` answers. Whoever gets it checks it against what the contract has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct AnchorPackage {
    /// The checkpoint, with every valid signature that the node has: not all may count in the contract.
    #[n(0)]
    pub certificate: CheckpointCertificate,
    /// RFC 9162's consistency proof from the anchored size to the checkpoint's; empty where nothing is anchored.
    #[cbor(n(1), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub consistency: Vec<Digest>,
    /// The entry of the last message of the inbox that the checkpoint counts; nothing where the anchor takes none.
    #[n(2)]
    pub taken: Option<TakenPackage>,
    /// The next epoch's members, where the checkpoint ends its epoch.
    #[n(3)]
    pub next: Option<NextMembers>,
}

/// The entry by which the log took a message in, under the checkpoint's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct TakenPackage {
    /// What the entry says.
    #[n(0)]
    pub message: InboxTaken,
    /// The entry.
    #[n(1)]
    pub entry: Entry,
    /// Its RFC 9162 inclusion proof.
    #[cbor(n(2), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub path: Vec<Digest>,
}

/// The members of the epoch after the checkpoint's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct NextMembers {
    /// In ascending order; the checkpoint names their hash.
    #[cbor(n(0), decode_with = "bounded_list::<Member, Ctx, MAX_MEMBERS>")]
    pub members: Vec<Member>,
    /// The voters' word for them, where anybody's weight changes.
    #[n(1)]
    pub mandate: Option<Mandate>,
}

impl AnchorPackage {
    /// Reads a package; nothing in it is checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_ANCHOR_BYTES)
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountSignature;
    use crate::checkpoint::{Checkpoint, CheckpointSignature};
    use crate::entry::InboxDisposition;
    use crate::group::tests::sample_group;
    use crate::ids::{AgentId, EntryIndex, Sequence, TimestampMs};

    #[test]
    fn the_largest_package_fits_and_no_larger_one_is_read() {
        let (group, _) = sample_group(4);
        let checkpoint = Checkpoint {
            group: group.identity.group,
            epoch: group.epoch,
            sequence: Sequence(u64::MAX),
            log_size: u64::MAX,
            log_root: Digest::from([1; 32]),
            state_root: Digest::from([2; 32]),
            inbox_count: u64::MAX,
            inbox_hash: Digest::from([3; 32]),
            next_members_hash: Digest::from([4; 32]),
        };
        let signature = AccountSignature([5; 65]);
        let signed = CheckpointSignature { replica: AgentId::from([6; 20]), signature };
        let certificate = CheckpointCertificate { checkpoint, signatures: vec![signed; MAX_MEMBERS] };
        let message = InboxTaken {
            index: u64::MAX,
            hash: Digest::from([3; 32]),
            disposition: InboxDisposition::CarriedOut,
        };
        let at = (EntryIndex(u64::MAX), Sequence(u64::MAX), TimestampMs(u64::MAX));
        let entry = message.entry(&group.identity, at.0, at.1, at.2);
        let ballot = crate::mandate::Ballot { voter: AgentId::from([6; 20]), signature };
        let mandate = Mandate {
            proposer: AgentId::from([6; 20]),
            salt: u64::MAX,
            class: 7,
            description_hash: Digest::from([8; 32]),
            voting_ends: u64::MAX,
            ballots: vec![ballot; MAX_MEMBERS],
        };
        let members = vec![Member { weight: u64::MAX, ..group.members[0].clone() }; MAX_MEMBERS];
        let package = AnchorPackage {
            certificate,
            consistency: vec![Digest::from([9; 32]); MAX_PROOF],
            taken: Some(TakenPackage { message, entry, path: vec![Digest::from([9; 32]); MAX_PROOF] }),
            next: Some(NextMembers { members, mandate: Some(mandate) }),
        };
        assert_eq!(AnchorPackage::decode(&package.encode()), Ok(package.clone()));
        let mut long = package.clone();
        long.consistency.push(Digest::default());
        assert!(AnchorPackage::decode(&long.encode()).is_err());
        assert!(AnchorPackage::decode(&[0; MAX_ANCHOR_BYTES + 1]).is_err());
    }
}
