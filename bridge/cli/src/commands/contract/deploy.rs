//! `quorate contract deploy`.

use alloy::primitives::{Address, B256};
use clap::Args;
use quorate_contracts::deployment::{Adapter, Sent};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::output::progress::Progress;
use crate::output::{Format, Report};
use crate::sdk;

/// Deploys the contract and its adapters at the addresses that they have on every chain; does nothing when they are there
///
/// The contract is created by CREATE2 through the deterministic deployment proxy, so that its address follows from
/// its code alone, whoever deploys it. The account of --keys pays and gets no rights. The adapters, `Directory` and `Keeper`, have no
/// rights either.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// The contract is there.
#[derive(Debug, Serialize)]
struct Done {
    contract: Address,
    directory: Address,
    keeper: Address,
    chain_id: u64,
    /// Whether it was this run that deployed it.
    deployed: bool,
    /// The transactions that did so, the modules' first and the adapters' last.
    transactions: Vec<Transaction>,
}

/// What deployed the contract, or one of its modules.
#[derive(Debug, Serialize)]
struct Transaction {
    part: String,
    address: Address,
    transaction: B256,
    gas: u64,
}

impl<T: std::fmt::Display> From<Sent<T>> for Transaction {
    fn from(sent: Sent<T>) -> Self {
        let Sent { part, address, transaction, gas } = sent;
        Self { part: part.to_string(), address, transaction, gas }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let sent = self.transactions.iter().map(|sent| {
            let Transaction { part, address, transaction, gas } = sent;
            format!("transaction {transaction}: {part} at {address}, {gas} gas\n")
        });
        let how = match self.deployed {
            true => sent.collect::<String>() + "The contract's code is that of this build.",
            false => "It is there already, with the code of this build; nothing was done.".into(),
        };
        format!(
            "contract    {}\ndirectory   {}\nkeeper      {}\nchain       {}\n{how}\n",
            self.contract, self.directory, self.keeper, self.chain_id
        )
    }
}

pub(super) async fn run(format: Format, connection: &Connection) -> Result<(), CliError> {
    let found = Deployment::find(connection.rpc()?).await?;
    let missing = found.missing_adapters().await?;
    let transactions = match found.is_there && missing.is_empty() {
        true => Vec::new(),
        false => deploy(&found, &missing, connection).await?,
    };
    format.print(&Done {
        contract: found.address,
        directory: Adapter::Directory.address(found.address),
        keeper: Adapter::Keeper.address(found.address),
        chain_id: found.chain_id,
        deployed: !transactions.is_empty(),
        transactions,
    })
}

async fn deploy(
    found: &Deployment,
    missing: &[Adapter],
    connection: &Connection,
) -> Result<Vec<Transaction>, CliError> {
    // The proxy may be missing: that is said before anybody is asked for a password.
    found.check_proxy().await?;
    let agent = sdk::agent(connection).await?;
    let progress = Progress::new(false);
    let mut transactions = Vec::new();
    if !found.is_there {
        progress.waiting(format!("the contract goes to {} on chain {}", found.address, found.chain_id));
        transactions.extend(found.deploy(&agent.account).await?.into_iter().map(Transaction::from));
    }
    progress.waiting(format!("the adapters of {} go to chain {}", found.address, found.chain_id));
    let adapters = found.deploy_adapters(missing, &agent.account).await?;
    transactions.extend(adapters.into_iter().map(Transaction::from));
    Ok(transactions)
}
