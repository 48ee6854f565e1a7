//! Typed reading of the coordinator: what the contract says about a group, in the words of `quorate-protocol`.
//!
//! Everything that is verified off-chain starts here. A group's members, keys and anchored roots are taken from the
//! contract and never from a node, so the RPC endpoint is the one thing that a reader trusts: who does not trust a
//! provider runs an Ethereum node of their own.
//!
//! The members of the current epoch are in the contract's state. Those of epochs that have ended are in its events,
//! and their hashes are in its state, so that an endpoint cannot pass off other members by its events alone.
//!
//! Every question has a time limit, and every answer is bounded and checked before it is believed.

use std::time::Duration;

use alloy::contract::Error as ContractError;
use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider};
use alloy::transports::TransportError;
use quorate_protocol::{Epoch, GroupId};

use crate::AgentCoordinator::{self, AgentCoordinatorErrors, AgentCoordinatorInstance};
use crate::Refusal;
use crate::rpc::{self, Bounds, EndpointsError};

mod answers;
mod events;
mod history;
mod members;
mod proposals;
mod state;

pub use answers::{
    CastVote, EpochStart, InboxMark, InboxStatus, LatestAnchor, OnChainProposal, ReplicaBond, SeatStatus,
    Spendable,
};
pub use history::{AnchorEvent, EpochEvent, MAX_ANCHORS, MAX_MESSAGES, Recovery};
pub use proposals::{MAX_PROPOSAL_EVENTS, ProposalEvent, ProposalEventKind};

/// How long one question to the RPC endpoint may take, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the contract could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The RPC endpoint's address, or one of several, cannot be read.
    #[error(transparent)]
    Url(#[from] EndpointsError),
    /// The RPC endpoint does not answer, or answers with an error of its own.
    #[error("the RPC endpoint does not answer: {reason}; check its address, and that it runs")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// There is no coordinator at the address, or one of another kind.
    #[error("there is no AgentCoordinator at {contract} on chain {chain_id}; check address and RPC endpoint")]
    NoContract {
        /// The address.
        contract: Address,
        /// The chain that was asked.
        chain_id: u64,
    },
    /// The contract knows no such group.
    #[error("the contract at {contract} knows no group {group}")]
    UnknownGroup {
        /// The contract.
        contract: Address,
        /// The group.
        group: GroupId,
    },
    /// The contract has not come to this epoch of the group.
    #[error("the contract has group {group} in epoch {current}; epoch {epoch} has not begun there")]
    UnknownEpoch {
        /// The group.
        group: GroupId,
        /// The epoch that was asked for.
        epoch: Epoch,
        /// The contract's.
        current: Epoch,
    },
    /// The answer cannot be true of a coordinator.
    #[error("the answer to {question} is malformed: {reason}")]
    Malformed {
        /// What was asked.
        question: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// Reads one coordinator over one RPC endpoint or several, at the chain's latest block. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CoordinatorReader {
    coordinator: AgentCoordinatorInstance<DynProvider>,
    chain_id: u64,
    bounds: Bounds,
}

impl CoordinatorReader {
    /// Connects to the coordinator at `contract`, and checks that there is one. `rpc_url` is the address of an RPC endpoint,
    /// or several as [`rpc::Endpoints`] are written.
    ///
    /// # Errors
    /// [`ReaderError::Url`], [`ReaderError::Unreachable`] or [`ReaderError::NoContract`].
    pub async fn connect(rpc_url: &str, contract: Address) -> Result<Self, ReaderError> {
        Self::connect_with_timeout(rpc_url, contract, DEFAULT_TIMEOUT).await
    }

    /// As [`Self::connect`], with another time limit for each request.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with_timeout(
        rpc_url: &str,
        contract: Address,
        timeout: Duration,
    ) -> Result<Self, ReaderError> {
        let bounds = Bounds::of_request(timeout);
        let provider = rpc::provider(&rpc_url.parse()?, bounds)?;
        let chain_id = within(bounds, provider.get_chain_id()).await?;
        let code = within(bounds, provider.get_code_at(contract)).await?;
        if code.is_empty() {
            return Err(ReaderError::NoContract { contract, chain_id });
        }
        let coordinator = AgentCoordinator::new(contract, provider);
        let reader = Self { coordinator, chain_id, bounds };
        // Any contract has code; only a coordinator has this domain.
        let domain = reader.coordinator.domainSeparator();
        let answer = tokio::time::timeout(bounds.total(), domain.call().into_future()).await;
        match answer.map_err(|_| timed_out(bounds))? {
            Ok(separator) if separator == crate::eip712_domain(chain_id, contract).separator() => Ok(reader),
            Err(ContractError::TransportError(error))
                if error.as_error_resp().and_then(|error| error.as_revert_data()).is_none() =>
            {
                Err(error.into())
            }
            Ok(_) | Err(_) => Err(ReaderError::NoContract { contract, chain_id }),
        }
    }

    /// The chain's EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The coordinator's address.
    pub fn contract(&self) -> Address {
        *self.coordinator.address()
    }

    async fn ask<T>(
        &self,
        group: GroupId,
        question: &'static str,
        answer: impl IntoFuture<Output = Result<T, ContractError>>,
    ) -> Result<T, ReaderError> {
        let answer = tokio::time::timeout(self.bounds.total(), answer.into_future()).await;
        match answer.map_err(|_| timed_out(self.bounds))? {
            Ok(answer) => Ok(answer),
            Err(error) => match error.as_revert_data().map(|data| Refusal::decode(&data)) {
                Some(Some(Refusal::Coordinator(AgentCoordinatorErrors::UnknownGroup(_)))) => {
                    Err(ReaderError::UnknownGroup { contract: self.contract(), group })
                }
                Some(_) => Err(ReaderError::Malformed { question, reason: error.to_string() }),
                None => match error.into() {
                    ReaderError::Malformed { reason, .. } => Err(ReaderError::Malformed { question, reason }),
                    unreachable => Err(unreachable),
                },
            },
        }
    }
}

impl From<ContractError> for ReaderError {
    fn from(error: ContractError) -> Self {
        match error {
            ContractError::TransportError(error) => error.into(),
            other => Self::Malformed { question: "a call", reason: other.to_string() },
        }
    }
}

impl From<TransportError> for ReaderError {
    fn from(error: TransportError) -> Self {
        Self::Unreachable { reason: error.to_string() }
    }
}

fn timed_out(bounds: Bounds) -> ReaderError {
    ReaderError::Unreachable { reason: format!("no answer within {} ms", bounds.total().as_millis()) }
}

pub(crate) async fn within<T, E, F>(bounds: Bounds, answer: F) -> Result<T, ReaderError>
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: Future,
    ReaderError: From<E>,
{
    let answer = tokio::time::timeout(bounds.total(), answer.into_future()).await;
    Ok(answer.map_err(|_| timed_out(bounds))??)
}

#[cfg(test)]
mod tests;
