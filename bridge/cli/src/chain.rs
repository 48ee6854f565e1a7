//! The chain: a connection with or without an account to send from.
//!
//! What an agent does on the chain beyond that is in [`quorate_sdk::ChainAgent`].

use std::time::Duration;

use alloy::providers::{DynProvider, Provider as _};
use alloy::signers::local::PrivateKeySigner;
use quorate_contracts::reader::ReaderError;
use quorate_contracts::rpc::{self, Bounds, EndpointsError};
use quorate_contracts::sending::Account;
use quorate_protocol::{AccountKey, AgentId, B256};
use quorate_sdk::{Agent, ChainAgent};

use crate::error::CliError;

/// How long a transaction may take to be included.
pub(crate) const INCLUSION_LIMIT: Duration = Duration::from_secs(60);

/// How long one request may take, and an endpoint that limits requests is waited for.
const BOUNDS: Bounds = Bounds::of_request(Duration::from_secs(10));

/// The chain behind `url`, or several as [`rpc::Endpoints`] are written, without an account.
pub(crate) fn connect(url: &str) -> Result<DynProvider, CliError> {
    let endpoints = url.parse().map_err(wrong_address)?;
    rpc::provider(&endpoints, BOUNDS).map_err(|error| unreachable_chain(error.to_string()))
}

/// An account that pays for transactions that are no calls of the contract.
pub(crate) async fn payer(url: &str, account: &AccountKey) -> Result<Account, CliError> {
    let provider = connect(url)?;
    let chain_id = provider.get_chain_id().await.map_err(|error| unreachable_chain(error.to_string()))?;
    let signer = PrivateKeySigner::from_bytes(&B256::from(account.secret()))
        .expect("an account's secret is a secp256k1 key");
    Ok(Account::new(provider, signer, chain_id).with_patience(INCLUSION_LIMIT))
}

/// The contract at `contract`, sent to from the account of `agent`.
pub(crate) async fn act(url: &str, contract: AgentId, agent: &Agent) -> Result<ChainAgent, CliError> {
    Ok(ChainAgent::new(url, contract.0, agent.account.clone()).await?.with_timeout(INCLUSION_LIMIT))
}

fn wrong_address(error: EndpointsError) -> CliError {
    CliError::Usage {
        cause: error.to_string(),
        mend: "write it as http://HOST:PORT or https://HOST, several as URL,URL,URL or 2 of URL,URL,URL"
            .into(),
    }
}

/// The chain did not answer as it should.
pub(crate) fn unreachable_chain(cause: String) -> CliError {
    CliError::Chain { cause, mend: "check the address of the RPC endpoint (--rpc), and that it runs".into() }
}

/// What the contract could not be asked.
impl From<ReaderError> for CliError {
    fn from(error: ReaderError) -> Self {
        let cause = error.to_string();
        match error {
            ReaderError::Url(error) => wrong_address(error),
            ReaderError::UnknownGroup { .. } => Self::Chain {
                cause,
                mend: "check --group, --contract and --rpc: they belong together".into(),
            },
            ReaderError::UnknownEpoch { .. } => Self::NotYet {
                cause,
                mend: "wait until the end of the epoch before is anchored, and ask again".into(),
            },
            ReaderError::NoContract { .. } | ReaderError::Malformed { .. } => {
                Self::Chain { cause, mend: "check --contract and --rpc: they belong together".into() }
            }
            ReaderError::Unreachable { .. } => {
                Self::Chain { cause, mend: "check --rpc, and that the endpoint runs".into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_refused_with_how_to_write_it() {
        for url in ["localhost:8545", "ftp://host", "http://", "8545"] {
            let error = connect(url).expect_err(url);
            assert_eq!(error.exit(), crate::exit::Exit::Usage, "{url}");
        }
        assert!(connect("http://127.0.0.1:8545").is_ok());
    }
}
