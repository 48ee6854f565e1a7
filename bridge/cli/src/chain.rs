//! The chain: a connection with or without an account to send from.
//!
//! What an agent does on the chain beyond that is in [`quorate_sdk::ChainAgent`].

use std::time::Duration;

use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use quorate_contracts::reader::ReaderError;
use quorate_protocol::AgentId;
use quorate_sdk::{Agent, ChainAgent};

use crate::error::CliError;

/// How long a transaction may take to be included.
pub(crate) const INCLUSION_LIMIT: Duration = Duration::from_secs(60);

/// The chain behind `url`, without an account.
pub(crate) fn connect(url: &str) -> Result<DynProvider, CliError> {
    Ok(ProviderBuilder::new().connect_http(parse_url(url)?).erased())
}

/// The contract at `contract`, sent to from the account of `agent`.
pub(crate) async fn act(url: &str, contract: AgentId, agent: &Agent) -> Result<ChainAgent, CliError> {
    Ok(ChainAgent::new(url, contract.0, agent.account.clone()).await?.with_timeout(INCLUSION_LIMIT))
}

/// The address of an endpoint that can be asked over HTTP.
pub(crate) fn parse_url(url: &str) -> Result<reqwest::Url, CliError> {
    match url.parse::<reqwest::Url>() {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(parsed),
        _ => Err(CliError::Usage {
            cause: format!("{url:?} is no address of an RPC endpoint"),
            mend: "write it as http://HOST:PORT or https://HOST".into(),
        }),
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
            ReaderError::Url { .. } => {
                Self::Usage { cause, mend: "write it as http://HOST:PORT or https://HOST".into() }
            }
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
