//! `quorate contract deploy`.

use alloy::primitives::{Address, B256};
use clap::Args;
use quorate_contracts::deployment::Sent;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::output::progress::Progress;
use crate::output::{Format, Report};
use crate::sdk;

/// Deploys the contract at the address that it has on every chain; does nothing when it is there
///
/// The contract is created by CREATE2 through the deterministic deployment proxy, so that its address follows from
/// its code alone, whoever deploys it. The account of --keys pays and gets no rights.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// The contract is there.
#[derive(Debug, Serialize)]
struct Done {
    contract: Address,
    chain_id: u64,
    /// Whether it was this run that deployed it.
    deployed: bool,
    /// The transactions that did so, the modules' first.
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

impl From<Sent> for Transaction {
    fn from(sent: Sent) -> Self {
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
            true => sent.collect::<String>() + "The code there is that of this build.",
            false => "It is there already, with the code of this build; nothing was done.".into(),
        };
        format!("contract    {}\nchain       {}\n{how}\n", self.contract, self.chain_id)
    }
}

pub(super) async fn run(format: Format, connection: &Connection) -> Result<(), CliError> {
    let found = Deployment::find(connection.rpc()?).await?;
    let sent = if found.is_there { Vec::new() } else { deploy(&found, connection).await? };
    format.print(&Done {
        contract: found.address,
        chain_id: found.chain_id,
        deployed: !sent.is_empty(),
        transactions: sent.into_iter().map(Transaction::from).collect(),
    })
}

async fn deploy(found: &Deployment, connection: &Connection) -> Result<Vec<Sent>, CliError> {
    // The proxy may be missing: that is said before anybody is asked for a password.
    found.check_proxy().await?;
    let agent = sdk::agent(connection).await?;
    let progress = Progress::new(false);
    progress.waiting(format!("the contract goes to {} on chain {}", found.address, found.chain_id));
    found.deploy(&agent.account).await
}
