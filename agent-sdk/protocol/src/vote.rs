//! What voters sign for the contract: votes and objections.

use alloy_primitives::{B256, U256, hex, keccak256};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

use crate::account::AccountSignature;
use crate::group::GroupIdentity;
use crate::ids::{AgentId, Epoch, ProposalId};
use crate::proposal::Choice;
use crate::typed::{self, OBJECTION_TYPE, VOTE_TYPE, hash_struct};

/// The most bytes of a signature that only a voter's contract can judge (ERC-1271).
pub const MAX_OPAQUE_SIGNATURE_BYTES: usize = 512;

/// A vote as the contract takes it with a signature: in `voteBySigs`, in `approveBySigs` for a proposal that began
/// off-chain, and in the mandate of a change of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainVote {
    /// Who votes.
    pub voter: AgentId,
    /// What is voted on.
    pub proposal: ProposalId,
    /// For, against or abstain.
    pub choice: Choice,
    /// The epoch that it was proposed in.
    pub epoch: Epoch,
    /// The end of its voting, in seconds of Unix time.
    pub voting_ends: u64,
    /// How many votes of the voter on it were counted before; 0 for one that is given off-chain.
    pub nonce: u32,
}

impl ChainVote {
    /// The EIP-712 digest that the voter's account signs.
    pub fn digest(&self, identity: &GroupIdentity) -> B256 {
        let words = (
            keccak256(VOTE_TYPE),
            self.voter.0,
            self.proposal.0,
            U256::from(self.choice as u8),
            self.epoch.0,
            self.voting_ends,
            self.nonce,
        );
        typed::digest(identity, hash_struct(&words))
    }
}

/// A voter's objection to an approved proposal: it counts for good, with the weight that the voter has when it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Who objects.
    pub voter: AgentId,
    /// To what.
    pub proposal: ProposalId,
}

impl Objection {
    /// The EIP-712 digest that the voter's account signs.
    pub fn digest(&self, identity: &GroupIdentity) -> B256 {
        let words = (keccak256(OBJECTION_TYPE), self.voter.0, self.proposal.0);
        typed::digest(identity, hash_struct(&words))
    }
}

/// The signature that goes with a vote in the log, so that the vote counts on-chain too.
///
/// 65 bytes are an account's, and anybody can check them. Anything else is for the voter's contract to judge by ERC-1271,
/// which no replica can; the contract skips what is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoterSignature {
    /// An account's.
    Account(AccountSignature),
    /// Bytes for a contract, at most [`MAX_OPAQUE_SIGNATURE_BYTES`] and not 65.
    Opaque(Vec<u8>),
}

/// More bytes than a signature may have.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a signature of {0} bytes, at most {MAX_OPAQUE_SIGNATURE_BYTES} are allowed")]
pub struct SignatureTooLong(pub usize);

impl VoterSignature {
    /// The signature of these bytes.
    ///
    /// # Errors
    /// When they are too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureTooLong> {
        match <[u8; 65]>::try_from(bytes) {
            Ok(signature) => Ok(Self::Account(AccountSignature(signature))),
            Err(_) if bytes.len() <= MAX_OPAQUE_SIGNATURE_BYTES => Ok(Self::Opaque(bytes.to_vec())),
            Err(_) => Err(SignatureTooLong(bytes.len())),
        }
    }

    /// The bytes, as the contract takes them.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Account(signature) => &signature.0,
            Self::Opaque(bytes) => bytes,
        }
    }

    /// Whether the log takes it from `voter` for what has this digest: an account's has to be the voter's, and of other
    /// bytes nobody off-chain can say.
    pub fn is_acceptable(&self, digest: &B256, voter: AgentId) -> bool {
        match self {
            Self::Account(signature) => signature.recover(digest) == Some(voter.0),
            Self::Opaque(_) => true,
        }
    }

    /// The account's signature, if it is one.
    pub fn account(&self) -> Option<&AccountSignature> {
        match self {
            Self::Account(signature) => Some(signature),
            Self::Opaque(_) => None,
        }
    }
}

impl From<AccountSignature> for VoterSignature {
    fn from(signature: AccountSignature) -> Self {
        Self::Account(signature)
    }
}

impl Serialize for VoterSignature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode_prefixed(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for VoterSignature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let bytes = hex::decode(text.as_ref()).map_err(serde::de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

impl<C> Encode<C> for VoterSignature {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for VoterSignature {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Self::from_bytes(d.bytes()?).map_err(|error| DecodeError::message(error.to_string()))
    }
}

impl<C> CborLen<C> for VoterSignature {
    fn cbor_len(&self, ctx: &mut C) -> usize {
        let len = self.as_bytes().len();
        (len as u64).cbor_len(ctx) + len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountKey;
    use crate::codec;

    #[test]
    fn bytes_of_an_account_have_to_be_the_voters_and_others_are_bounded() {
        let key = AccountKey::from_secret(&[7; 32]).unwrap();
        let (voter, digest) = (AgentId(key.address()), B256::repeat_byte(3));
        let own = VoterSignature::from(key.sign_digest(&digest));
        assert!(own.is_acceptable(&digest, voter));
        assert!(!own.is_acceptable(&digest, AgentId::default()));
        assert!(!own.is_acceptable(&B256::repeat_byte(4), voter));
        assert!(VoterSignature::Opaque(vec![1; 64]).is_acceptable(&digest, voter));

        let lengths = [0, 1, 64, 65, 66, MAX_OPAQUE_SIGNATURE_BYTES];
        for signature in lengths.map(|len| VoterSignature::from_bytes(&vec![9; len]).unwrap()) {
            assert_eq!(signature.account().is_some(), signature.as_bytes().len() == 65);
            let encoded = codec::encode(&signature);
            assert_eq!(minicbor::len(&signature), encoded.len());
            assert_eq!(codec::decode(&encoded, 600), Ok(signature.clone()));
            let json = serde_json::to_string(&signature).unwrap();
            assert_eq!(serde_json::from_str::<VoterSignature>(&json).unwrap(), signature);
        }
        let long = vec![9; MAX_OPAQUE_SIGNATURE_BYTES + 1];
        assert_eq!(VoterSignature::from_bytes(&long), Err(SignatureTooLong(513)));
        assert!(
            codec::decode::<VoterSignature>(&codec::encode(&minicbor::bytes::ByteVec::from(long)), 600)
                .is_err()
        );
    }
}
