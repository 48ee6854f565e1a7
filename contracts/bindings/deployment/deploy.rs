//! Sending what is missing of a deployment.

use std::fmt::Display;
use std::time::Duration;

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256};
use alloy::providers::{PendingTransactionError, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::transports::TransportError;

use super::{Creation, PROXY, PROXY_CODE};
use crate::AgentCoordinator::{self, AgentCoordinatorInstance};
use crate::code::{Build, Part};

/// How long to wait for a transaction's inclusion.
const INCLUSION_LIMIT: Duration = Duration::from_secs(60);

/// Why the contracts could not be deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError<T: Display = Part> {
    /// The endpoint does not answer, or refuses a transaction.
    #[error("{part} cannot be deployed: {source}")]
    Refused {
        /// What was to be deployed.
        part: T,
        /// What the endpoint said.
        source: TransportError,
    },
    /// Nothing is known of a transaction that was sent.
    #[error("{part} is not deployed in time: {source}")]
    Pending {
        /// What was to be deployed.
        part: T,
        /// What went wrong.
        source: PendingTransactionError,
    },
    /// A transaction had no effect.
    #[error("{part} is not deployed: transaction {transaction} reverted")]
    Reverted {
        /// What was to be deployed.
        part: T,
        /// The transaction.
        transaction: B256,
    },
    /// The chain has no proxy to deploy through.
    #[error(
        "there is no deterministic deployment proxy at {PROXY}, and without it {part} cannot get its address"
    )]
    NoProxy {
        /// What was to be deployed.
        part: T,
    },
}

/// A transaction that deployed one of the contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<T = Part> {
    /// Which contract.
    pub part: T,
    /// Where it is.
    pub address: Address,
    /// The transaction.
    pub transaction: B256,
    /// The gas that it used.
    pub gas: u64,
}

/// As [`deploy_missing`], and returns the coordinator, whoever deployed it.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy<P: Provider>(
    provider: P,
    from: Address,
) -> Result<AgentCoordinatorInstance<P>, DeployError> {
    deploy_missing(&provider, from).await?;
    Ok(AgentCoordinator::new(Build::built_in().address(), provider))
}

/// Deploys the build that this crate was made with through the [`PROXY`], as far as it is not there already: at most three
/// transactions of `from`, one after the other, each awaited. The provider signs for the account, or its endpoint does.
/// Returns what took effect.
///
/// # Errors
/// [`DeployError`]. What was deployed stays, and the next call goes on from there.
pub async fn deploy_missing<P: Provider>(provider: P, from: Address) -> Result<Vec<Sent>, DeployError> {
    create_missing(&provider, Build::built_in().creations(), from).await
}

/// Sends those of the transactions whose contract is not there, one after the other.
pub(super) async fn create_missing<P: Provider, T: Copy + Display>(
    provider: &P,
    creations: impl IntoIterator<Item = Creation<T>>,
    from: Address,
) -> Result<Vec<Sent<T>>, DeployError<T>> {
    let mut sent = Vec::new();
    for creation in creations {
        if !is_there(provider, &creation).await? {
            sent.extend(create(provider, &creation, from).await?);
        }
    }
    Ok(sent)
}

async fn is_there<P: Provider, T: Copy + Display>(
    provider: &P,
    creation: &Creation<T>,
) -> Result<bool, DeployError<T>> {
    let part = creation.part;
    let code = provider.get_code_at(creation.address).await;
    Ok(!code.map_err(|source| DeployError::Refused { part, source })?.is_empty())
}

/// Nothing when somebody else was faster: what they deployed is the same contract.
async fn create<P: Provider, T: Copy + Display>(
    provider: &P,
    creation: &Creation<T>,
    from: Address,
) -> Result<Option<Sent<T>>, DeployError<T>> {
    let (part, address) = (creation.part, creation.address);
    let refused = |source| DeployError::Refused { part, source };
    if provider.get_code_at(PROXY).await.map_err(refused)?[..] != PROXY_CODE {
        return Err(DeployError::NoProxy { part });
    }
    let request =
        TransactionRequest::default().with_from(from).with_to(PROXY).with_input(creation.calldata.clone());
    let created = async {
        let pending = provider.send_transaction(request).await.map_err(refused)?;
        let receipt = pending.with_timeout(Some(INCLUSION_LIMIT)).get_receipt().await;
        let receipt = receipt.map_err(|source| DeployError::Pending { part, source })?;
        let (transaction, gas) = (receipt.transaction_hash, receipt.gas_used);
        match receipt.status() {
            true => Ok(Some(Sent { part, address, transaction, gas })),
            false => Err(DeployError::Reverted { part, transaction }),
        }
    };
    match created.await {
        // The proxy refuses to create it twice.
        Err(_) if is_there(provider, creation).await? => Ok(None),
        created => created,
    }
}
