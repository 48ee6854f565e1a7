//! What can go wrong between an anchoring service and the chain.

use alloy::primitives::Address;
use quorate_contracts::rpc::EndpointsError;

/// Why anchoring cannot start, or why a look at the chain failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// A setting with which anchoring cannot work.
    #[error("[anchor] {name} is {value}: it must be at least {least}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// Its value.
        value: u128,
        /// The least value that it may have.
        least: u128,
    },
    /// The endpoint's address cannot be read.
    #[error("chain.rpc_url: {0}")]
    Url(#[from] EndpointsError),
    /// The endpoint does not answer, or with an error of its own.
    #[error("the RPC endpoint does not answer {question}: {reason}; check chain.rpc_url, and that it runs")]
    Unreachable {
        /// What was asked.
        question: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The endpoint serves another chain.
    #[error(
        "the RPC endpoint serves chain {found}, the group lives on chain {expected}; check chain.rpc_url"
    )]
    WrongChain {
        /// The chain of the group.
        expected: u64,
        /// The chain of the endpoint.
        found: u64,
    },
    /// The address holds no coordinator.
    #[error(
        "there is no AgentCoordinator at {contract} on chain {chain_id}; check chain.contract and chain.rpc_url"
    )]
    NoContract {
        /// The address.
        contract: Address,
        /// The chain.
        chain_id: u64,
    },
    /// The endpoint calls no block by the tag that finality is configured by.
    #[error(
        "the RPC endpoint knows no {tag} block ({reason}); set chain.finality to another tag or to a number of blocks, or \
         chain.rpc_url to an endpoint that knows it"
    )]
    UnknownTag {
        /// The tag.
        tag: &'static str,
        /// What the endpoint says.
        reason: String,
    },
    /// The chain does not charge for data on its L1 as the configuration says.
    #[error(
        "chain.l1_fee is {kind}, and there is no such oracle at {oracle}; name the right chain.profile, or correct \
         chain.l1_fee"
    )]
    NoDataFeeOracle {
        /// How the configuration says that data is charged.
        kind: &'static str,
        /// Where the oracle should be.
        oracle: Address,
    },
    /// What the endpoint gives for a message of the inbox is not what the contract keeps the hash of.
    #[error(
        "the endpoint's message {index} of the inbox is not the contract's, or not in its order; it is not believed: ask \
         another endpoint"
    )]
    WrongMessage {
        /// The first message that is wrong.
        index: u64,
    },
    /// The endpoint has a state of the contract with a message, and does not give the message, again and again.
    #[error(
        "the endpoint does not give message {index} of the inbox, which the contract has; it is asked again: if this \
         lasts, set chain.rpc_url to another endpoint"
    )]
    Withheld {
        /// The first message that is withheld.
        index: u64,
    },
    /// The chain has no base fee, so that fees cannot be offered as EIP-1559 has it.
    #[error("chain {chain_id} has no base fee (EIP-1559): anchors cannot be submitted to it")]
    NoBaseFee {
        /// The chain.
        chain_id: u64,
    },
}
