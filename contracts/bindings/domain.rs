//! The EIP-712 domain. It has a file of its own because it is the one thing here that the chain does not tell
//! by itself: a signer must agree with the contract on it before there is a connection.

use alloy::primitives::Address;
use alloy::sol_types::{Eip712Domain, eip712_domain as domain};

/// The domain's name.
pub const DOMAIN_NAME: &str = "Quorate";

/// The domain's version.
pub const DOMAIN_VERSION: &str = "1";

/// The domain under which everything for the coordinator at this address on this chain is signed.
///
/// [`Decision`](crate::Decision) and [`Checkpoint`](crate::Checkpoint) take it in
/// [`SolStruct::eip712_signing_hash`](alloy::sol_types::SolStruct::eip712_signing_hash); what voters sign is in
/// [`quorate_protocol::vote`].
#[must_use]
pub fn eip712_domain(chain_id: u64, coordinator: Address) -> Eip712Domain {
    domain! {
        name: DOMAIN_NAME,
        version: DOMAIN_VERSION,
        chain_id: chain_id,
        verifying_contract: coordinator,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use alloy::sol_types::SolStruct;
    use quorate_protocol::typed;

    use super::*;
    use crate::{Call, Checkpoint, Decision};

    #[test]
    fn the_domain_is_what_the_contract_hashes() {
        let coordinator = Address::repeat_byte(7);
        let mut preimage = Vec::new();
        preimage.extend(keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        ));
        preimage.extend(keccak256("Quorate"));
        preimage.extend(keccak256("1"));
        preimage.extend([0; 31]);
        preimage.push(10);
        preimage.extend(coordinator.into_word());

        assert_eq!(eip712_domain(10, coordinator).separator(), keccak256(preimage));
    }

    // The bindings take the names from the ABI, the contract spells them out in `Hashes.sol`, and the protocol in `typed.rs`.
    #[test]
    fn the_types_are_those_of_the_contract() {
        assert_eq!(Call::eip712_encode_type(), typed::CALL_TYPE);
        assert_eq!(Decision::eip712_encode_type(), typed::DECISION_TYPE);
        assert_eq!(
            Checkpoint::eip712_encode_type(),
            "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,\
             bytes32 stateRoot,uint64 inboxCount,bytes32 inboxHash,bytes32 nextMembersHash)"
        );
    }
}
