//! Sending what is missing of a deployment.

use std::fmt::Display;
use std::time::Duration;

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, PendingTransactionError, Provider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::transports::TransportError;

use super::{Creation, PROXY, PROXY_CODE};
use crate::AgentCoordinator::{self, AgentCoordinatorInstance};
use crate::code::{Build, Part};
use crate::sending::{Account, SendError};

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
    /// Nothing is known of a transaction that the endpoint signed.
    #[error("{part} is not deployed in time: {source}")]
    Pending {
        /// What was to be deployed.
        part: T,
        /// What went wrong.
        source: PendingTransactionError,
    },
    /// A transaction that was signed here is not sent, or not included in time.
    #[error("{part} is not deployed: {source}")]
    Unsent {
        /// What was to be deployed.
        part: T,
        /// What became of it.
        source: Box<SendError>,
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
/// transactions of `from`, one after the other, each awaited. The endpoint signs for the account, or the provider does; where
/// an answer can be lost on its way, use [`deploy_missing_by`]. Returns what took effect.
///
/// # Errors
/// [`DeployError`]. What was deployed stays, and the next call goes on from there.
pub async fn deploy_missing<P: Provider>(provider: P, from: Address) -> Result<Vec<Sent>, DeployError> {
    create_missing(&Payer::Provider(&provider, from), Build::built_in().creations()).await
}

/// As [`deploy_missing`], by an account whose keys are here.
///
/// # Errors
/// [`DeployError`]; [`SendError::InDoubt`] in it names a transaction that may be on its way.
pub async fn deploy_missing_by(account: &Account) -> Result<Vec<Sent>, DeployError> {
    create_missing(&by(account), Build::built_in().creations()).await
}

/// Who pays for a deployment, and how its transactions are sent.
pub(super) enum Payer<'a, P> {
    Provider(&'a P, Address),
    Account(&'a Account),
}

/// An account as a payer.
pub(super) fn by(account: &Account) -> Payer<'_, DynProvider> {
    Payer::Account(account)
}

impl<P: Provider> Payer<'_, P> {
    async fn code_at(&self, address: Address) -> Result<Bytes, TransportError> {
        match self {
            Self::Provider(provider, _) => provider.get_code_at(address).await,
            Self::Account(account) => account.provider().get_code_at(address).await,
        }
    }

    async fn send<T: Copy + Display>(
        &self,
        part: T,
        request: TransactionRequest,
    ) -> Result<TransactionReceipt, DeployError<T>> {
        match self {
            Self::Provider(provider, from) => {
                let sent = provider.send_transaction(request.with_from(*from)).await;
                let pending = sent.map_err(|source| DeployError::Refused { part, source })?;
                let receipt = pending.with_timeout(Some(INCLUSION_LIMIT)).get_receipt().await;
                receipt.map_err(|source| DeployError::Pending { part, source })
            }
            Self::Account(account) => {
                let sent = account.send(request).await;
                sent.map_err(|source| DeployError::Unsent { part, source: Box::new(source) })
            }
        }
    }
}

/// Sends those of the transactions whose contract is not there, one after the other.
pub(super) async fn create_missing<P: Provider, T: Copy + Display>(
    payer: &Payer<'_, P>,
    creations: impl IntoIterator<Item = Creation<T>>,
) -> Result<Vec<Sent<T>>, DeployError<T>> {
    let mut sent = Vec::new();
    for creation in creations {
        if !is_there(payer, &creation).await? {
            sent.extend(create(payer, &creation).await?);
        }
    }
    Ok(sent)
}

async fn is_there<P: Provider, T: Copy + Display>(
    payer: &Payer<'_, P>,
    creation: &Creation<T>,
) -> Result<bool, DeployError<T>> {
    let part = creation.part;
    let code = payer.code_at(creation.address).await;
    Ok(!code.map_err(|source| DeployError::Refused { part, source })?.is_empty())
}

/// Nothing when somebody else was faster: what they deployed is the same contract.
async fn create<P: Provider, T: Copy + Display>(
    payer: &Payer<'_, P>,
    creation: &Creation<T>,
) -> Result<Option<Sent<T>>, DeployError<T>> {
    let (part, address) = (creation.part, creation.address);
    let proxy = payer.code_at(PROXY).await.map_err(|source| DeployError::Refused { part, source })?;
    if proxy[..] != PROXY_CODE {
        return Err(DeployError::NoProxy { part });
    }
    let request = TransactionRequest::default().with_to(PROXY).with_input(creation.calldata.clone());
    let created = match payer.send(part, request).await {
        Ok(receipt) if receipt.status() => {
            let (transaction, gas) = (receipt.transaction_hash, receipt.gas_used);
            Ok(Some(Sent { part, address, transaction, gas }))
        }
        Ok(receipt) => Err(DeployError::Reverted { part, transaction: receipt.transaction_hash }),
        Err(error) => Err(error),
    };
    match created {
        // The proxy refuses to create it twice. An endpoint that cannot be asked tells less than what went wrong before.
        Err(error) => match is_there(payer, creation).await {
            Ok(true) => Ok(None),
            Ok(false) | Err(_) => Err(error),
        },
        created => created,
    }
}
