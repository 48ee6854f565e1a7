//! The transactions that an anchorer signs: a call of `anchor`, or of `anchorAndRotate` at the end of an epoch, or of
//! `reportContradiction`, with no value. Neither the chain nor an endpoint can make it sign anything else, because
//! destination, value and data come from here.

use std::sync::Arc;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy::sol_types::SolCall;
use quorate_contracts::{AgentCoordinator, Taken, words};
use quorate_protocol::{AccountKey, AgentId, GroupIdentity, Member, Sequence};

use super::accusations::Contradiction;
use super::epochs::Anchorable;
use super::fees::Fees;

/// The data of the call that anchors this. It carries no more signatures than the contract asks for, because each costs
/// gas, the first of those that there are.
pub fn anchor_call(anchorable: &Anchorable) -> Bytes {
    let checkpoint = &anchorable.certificate.checkpoint;
    let mut signatures = anchorable.certificate.packed_signatures();
    signatures.truncate(anchorable.quorum * quorate_contracts::SIGNATURE_LENGTH);
    let signatures = signatures.into();
    let checkpoint: quorate_contracts::Checkpoint = checkpoint.into();
    let consistency = words(&anchorable.proofs.consistency);
    let taken = anchorable.proofs.taken.as_ref().map(Taken::from).unwrap_or_default();
    let Some(handover) = &anchorable.handover else {
        return AgentCoordinator::anchorCall { checkpoint, signatures, consistency, taken }
            .abi_encode()
            .into();
    };
    let call = AgentCoordinator::anchorAndRotateCall {
        checkpoint,
        signatures,
        consistency,
        taken,
        nextMembers: handover.members.iter().map(quorate_contracts::Member::from).collect(),
        mandate: handover.mandate.as_ref().into(),
    };
    call.abi_encode().into()
}

/// The most gas that an anchor's execution is given. One with the signatures of 64 replicas and its proofs stays far below it.
const MAX_GAS: u64 = 3_000_000;
/// The most gas that the execution of an epoch's end is given. Replacing 64 replicas by 64 others takes 4.4 million.
const MAX_ROTATION_GAS: u64 = 8_000_000;
/// The most gas that the execution of a report is given. It takes about 200,000.
const MAX_REPORT_GAS: u64 = 1_000_000;

/// What a transaction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To anchor a checkpoint.
    Anchor(Arc<Anchorable>),
    /// To have a replica convicted that contradicted itself.
    Conviction {
        /// What it signed.
        contradiction: Arc<Contradiction>,
        /// The members of a past epoch by which the contract knows that it was a replica; none where it still is one.
        members: Vec<Member>,
    },
}

impl Purpose {
    /// The data of the call.
    pub fn call(&self) -> Bytes {
        match self {
            Self::Anchor(anchorable) => anchor_call(anchorable),
            Self::Conviction { contradiction, members } => contradiction.call(members),
        }
    }

    /// The checkpoint that it anchors, or the later of those that contradict each other.
    pub fn sequence(&self) -> Sequence {
        match self {
            Self::Anchor(anchorable) => anchorable.certificate.checkpoint.sequence,
            Self::Conviction { contradiction, .. } => contradiction.sequence(),
        }
    }

    /// The replica that it accuses.
    pub fn accused(&self) -> Option<AgentId> {
        match self {
            Self::Anchor(_) => None,
            Self::Conviction { contradiction, .. } => Some(contradiction.replica()),
        }
    }

    /// The most gas that its execution is given, whatever an endpoint estimates.
    pub(super) fn most_gas(&self) -> u64 {
        match self {
            Self::Anchor(anchorable) if anchorable.ends_epoch() => MAX_ROTATION_GAS,
            Self::Anchor(_) => MAX_GAS,
            Self::Conviction { .. } => MAX_REPORT_GAS,
        }
    }
}

/// A signed transaction that calls the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCall {
    /// Its hash, by which its receipt is found.
    pub hash: B256,
    /// Its EIP-2718 encoding, as `eth_sendRawTransaction` takes it.
    pub raw: Bytes,
    /// The sequence of the checkpoint that it anchors, or of the later of those that it shows to contradict each other.
    pub sequence: Sequence,
    /// Whether it shows that, and anchors nothing.
    pub accuses: bool,
    /// The account's nonce that it uses.
    pub nonce: u64,
    /// The most gas that it may use.
    pub gas_limit: u64,
    /// What it offers for its gas.
    pub fees: Fees,
    /// What its data is expected to cost on the chain's L1, in wei; within the gas or beside it, as the chain has it.
    pub data_fee: u128,
}

/// What a transaction consists of besides what it is for, and what its data will cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) fees: Fees,
    pub(super) data_fee: u128,
}

impl SignedCall {
    /// Signs the call for `purpose` on the group's own chain and contract. The same arguments give the same
    /// transaction, byte for byte (RFC 6979).
    pub(super) fn sign(key: &AccountKey, identity: &GroupIdentity, purpose: &Purpose, terms: Terms) -> Self {
        let contract: Address = identity.contract.0;
        let unsigned = TxEip1559 {
            chain_id: identity.chain_id,
            nonce: terms.nonce,
            gas_limit: terms.gas_limit,
            max_fee_per_gas: terms.fees.max_fee,
            max_priority_fee_per_gas: terms.fees.tip,
            to: TxKind::Call(contract),
            value: U256::ZERO,
            access_list: Default::default(),
            input: purpose.call(),
        };
        let signature = key.sign_digest(&unsigned.signature_hash());
        let signature = Signature::from_raw_array(&signature.0).expect("an account signs with v 27 or 28");
        let signed = TxEnvelope::from(unsigned.into_signed(signature));
        Self {
            hash: *signed.tx_hash(),
            raw: signed.encoded_2718().into(),
            sequence: purpose.sequence(),
            accuses: purpose.accused().is_some(),
            nonce: terms.nonce,
            gas_limit: terms.gas_limit,
            fees: terms.fees,
            data_fee: terms.data_fee,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::consensus::Transaction;
    use alloy::eips::eip2718::Decodable2718;

    use quorate_protocol::{AccountSignature, Handover};

    use super::*;
    use crate::core::proofs::AnchorProofs;
    use crate::core::samples::{certificate, root, sample_group};

    #[test]
    fn it_is_a_call_of_anchor_and_nothing_else() {
        let (group, keys) = sample_group();
        let certificate = certificate(&group, &keys, 128, 10);
        let terms = Terms { nonce: 7, gas_limit: 200_000, fees: Fees { max_fee: 20, tip: 3 }, data_fee: 0 };
        let proofs = AnchorProofs { consistency: vec![root(3)], taken: None };
        let plain = Anchorable { certificate: certificate.clone(), handover: None, quorum: 3, proofs };
        let plain = Purpose::Anchor(Arc::new(plain));
        let sign = || SignedCall::sign(&keys[1], &group.identity, &plain, terms);
        let signed = sign();
        assert_eq!(signed, sign(), "signing is deterministic");

        let decoded = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).expect("it is a transaction");
        assert_eq!(*decoded.tx_hash(), signed.hash);
        let signature = AccountSignature(decoded.signature().as_bytes());
        assert_eq!(signature.recover(&decoded.signature_hash()), Some(keys[1].address()));
        assert_eq!(decoded.chain_id(), Some(group.identity.chain_id));
        assert_eq!(decoded.to(), Some(group.identity.contract.0));
        assert_eq!(decoded.value(), U256::ZERO);
        assert_eq!(decoded.nonce(), 7);
        let call = AgentCoordinator::anchorCall::abi_decode(decoded.input()).expect("it calls anchor");
        assert_eq!(call.checkpoint.sequence, 128);
        assert_eq!(certificate.signatures.len(), 4);
        assert_eq!(call.signatures.len(), 3 * 65, "a quorum of four is three");
        assert_eq!(call.consistency, [root(3).0]);

        let members = group.members.clone();
        let handover = Handover { certificate: certificate.clone(), members, mandate: None };
        let proofs = AnchorProofs::default();
        let last = Anchorable { certificate, handover: Some(handover), quorum: 3, proofs };
        let call = AgentCoordinator::anchorAndRotateCall::abi_decode(&anchor_call(&last));
        let call = call.expect("it calls anchorAndRotate");
        assert_eq!((call.signatures.len(), call.nextMembers.len()), (3 * 65, 4));
        assert_eq!(call.nextMembers[2].account, group.members[2].agent.0);
    }
}
