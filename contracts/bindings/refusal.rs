//! What a transaction reverted with, in words. A revert may come from the coordinator or from the group
//! account that it drives, so two sets of errors have to be tried.

use alloy::sol_types::SolInterface;

use crate::AgentCoordinator::AgentCoordinatorErrors;
use crate::GroupAccount::GroupAccountErrors;

/// An error with which the contracts refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The coordinator refused.
    Coordinator(AgentCoordinatorErrors),
    /// The group's account refused, or one of the calls it made failed.
    Account(GroupAccountErrors),
}

impl Refusal {
    /// The refusal behind a revert's data, or `None` when neither contract has such an error.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        AgentCoordinatorErrors::abi_decode(data)
            .map(Self::Coordinator)
            .or_else(|_| GroupAccountErrors::abi_decode(data).map(Self::Account))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes, U256};
    use alloy::sol_types::SolError;

    use super::*;
    use crate::{AgentCoordinator, GroupAccount};

    #[test]
    fn both_contracts_are_decoded_and_nothing_else() {
        let zero_key = AgentCoordinator::ZeroKey {};
        assert_eq!(
            Refusal::decode(&zero_key.abi_encode()),
            Some(Refusal::Coordinator(AgentCoordinatorErrors::ZeroKey(zero_key)))
        );

        let failed = GroupAccount::CallFailed {
            position: U256::from(1),
            target: Address::repeat_byte(1),
            reason: Bytes::from_static(&[1, 2]),
        };
        assert_eq!(
            Refusal::decode(&failed.abi_encode()),
            Some(Refusal::Account(GroupAccountErrors::CallFailed(failed)))
        );

        assert_eq!(Refusal::decode(&[1, 2, 3, 4]), None);
        assert_eq!(Refusal::decode(&[]), None);
    }
}
