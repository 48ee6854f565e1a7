//! Deploys the contract where it belongs: at the one address that its build has on every chain.

use std::fmt::Display;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::providers::Provider as _;
use quorate_contracts::code::{Build, Deployed};
use quorate_contracts::deployment::{
    Adapter, DeployError, PROXY, PROXY_CODE, PROXY_MAKER, Sent, deploy_adapters_by, deploy_missing_by,
};
use quorate_contracts::reader::DEFAULT_TIMEOUT;
use quorate_contracts::sending::SendError;
use quorate_protocol::AccountKey;

use crate::chain::{connect, payer, unreachable_chain};
use crate::error::CliError;

/// How long an endpoint may lag behind the one that told of the transaction: many URLs stand for several nodes.
const LAG_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait before it is asked again.
const LAG_PAUSE: Duration = Duration::from_millis(200);

/// The contract of this program's build on one chain.
#[derive(Debug)]
pub(crate) struct Deployment {
    url: String,
    build: Build,
    pub(crate) address: Address,
    pub(crate) chain_id: u64,
    /// Whether it is there, with the code that it must have.
    pub(crate) is_there: bool,
}

impl Deployment {
    /// Looks whether the contract is on the chain behind `url`.
    pub(crate) async fn find(url: &str) -> Result<Self, CliError> {
        let build = Build::built_in();
        let address = build.address();
        let deployed = Deployed::read(url, address, None, &build, DEFAULT_TIMEOUT).await?;
        let is_there = !deployed.coordinator_code.is_empty();
        let found = Self { url: url.to_owned(), build, address, chain_id: deployed.chain_id, is_there };
        if is_there {
            found.check(&deployed)?;
        }
        Ok(found)
    }

    /// Deploys what is missing of the contract and its modules from `account`, through the proxy that is there, and checks the
    /// code that came of it. Returns the transactions that did so; none when somebody else was faster: what they deployed is
    /// the same contract.
    pub(crate) async fn deploy(&self, account: &AccountKey) -> Result<Vec<Sent>, CliError> {
        let sent = self.send(account).await?;
        let started = tokio::time::Instant::now();
        loop {
            let deployed =
                Deployed::read(&self.url, self.address, None, &self.build, DEFAULT_TIMEOUT).await?;
            if self.build.verify(&deployed).is_ok() || started.elapsed() > LAG_LIMIT {
                self.check(&deployed)?;
                return Ok(sent);
            }
            tokio::time::sleep(LAG_PAUSE).await;
        }
    }

    fn check(&self, deployed: &Deployed) -> Result<(), CliError> {
        self.build.verify(deployed).map_err(|mismatch| CliError::Mismatch {
            cause: mismatch.to_string(),
            mend: "check --rpc: no other code can be at this address on an honest chain".into(),
        })
    }

    /// Fails when the chain has no proxy to deploy through.
    pub(crate) async fn check_proxy(&self) -> Result<(), CliError> {
        let code = connect(&self.url)?.get_code_at(PROXY).await;
        let code = code.map_err(|error| unreachable_chain(error.to_string()))?;
        if code[..] == PROXY_CODE {
            return Ok(());
        }
        let found = if code.is_empty() { "is not" } else { "is another contract than the one" };
        Err(CliError::Chain {
            cause: format!(
                "the deterministic deployment proxy {PROXY} {found} on chain {}, and without it the contract cannot get its address",
                self.chain_id
            ),
            mend: format!(
                "put it there: send 0.01 ether to {PROXY_MAKER} and publish the signed transaction that contracts/README.md gives; or use a chain that has it"
            ),
        })
    }

    async fn send(&self, account: &AccountKey) -> Result<Vec<Sent>, CliError> {
        let sent = deploy_missing_by(&payer(&self.url, account).await?).await;
        sent.map_err(|error| not_sent(error, account))
    }

    /// Those of the directory and the keeper that are not on the chain.
    pub(crate) async fn missing_adapters(&self) -> Result<Vec<Adapter>, CliError> {
        let chain = connect(&self.url)?;
        let mut missing = Vec::new();
        for adapter in [Adapter::Directory, Adapter::Keeper] {
            let code = chain.get_code_at(adapter.address(self.address)).await;
            if code.map_err(|error| unreachable_chain(error.to_string()))?.is_empty() {
                missing.push(adapter);
            }
        }
        Ok(missing)
    }

    /// Deploys adapters of the contract, which is there, from `account`. Returns the transactions that did so.
    pub(crate) async fn deploy_adapters(
        &self,
        adapters: &[Adapter],
        account: &AccountKey,
    ) -> Result<Vec<Sent<Adapter>>, CliError> {
        let sent = deploy_adapters_by(&payer(&self.url, account).await?, self.address, adapters).await;
        sent.map_err(|error| not_sent(error, account))
    }
}

fn not_sent<T: Display>(error: DeployError<T>, account: &AccountKey) -> CliError {
    let cause = error.to_string();
    match error {
        DeployError::Unsent { source, .. } if matches!(*source, SendError::InDoubt { .. }) => {
            let mend =
                "wait, and run the command again: it sends nothing for a contract that is there by then";
            CliError::InDoubt { cause, mend: mend.into() }
        }
        _ => CliError::Chain {
            cause,
            mend: format!("check --rpc, and that the account {} has funds for gas", account.address()),
        },
    }
}

/// Makes sure that the contract is on the chain behind `url`, deploying it from `account` if need be, and tells its
/// address.
pub(crate) async fn ensure(url: &str, account: &AccountKey) -> Result<Address, CliError> {
    let found = Deployment::find(url).await?;
    if !found.is_there {
        found.check_proxy().await?;
        found.deploy(account).await?;
    }
    Ok(found.address)
}
