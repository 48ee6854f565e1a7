//! `quorate bond`: what replicas deposit in the contract, and have back when they leave.

use clap::{Args, Subcommand};
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, B256, U256};
use quorate_sdk::Included;
use serde::Serialize;

use crate::amount;
use crate::args::OutputOptions;
use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::table::{Align, Table};
use crate::output::{Format, Report};
use crate::sdk;

/// Shows, pays and withdraws replicas' bonds.
#[derive(Debug, Subcommand)]
pub(crate) enum Bond {
    /// Shows the bond of every replica of the current epoch
    Show(Show),
    /// Adds to a replica's bond, from the account of --keys
    Deposit(Deposit),
    /// Asks for the bond of the account of --keys; a replica's signature counts for 14 days more
    Request(Act),
    /// Takes back `request`
    Stay(Act),
    /// Takes the bond back, once the time that `request` told is over
    Withdraw(Act),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Deposit {
    /// How much, such as "0.5 ether"
    #[arg(value_parser = amount::parse)]
    amount: U256,
    /// Whose bond it is; the account of --keys if it is not given. Only the replica gets it back
    #[arg(long, value_name = "ACCOUNT")]
    replica: Option<AgentId>,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Act {
    #[command(flatten)]
    output: OutputOptions,
}

/// The bonds of a group's replicas.
#[derive(Debug, Serialize)]
struct Bonds {
    /// What each is to deposit, in wei.
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    expected: u128,
    replicas: Vec<Bonded>,
}

#[derive(Debug, Serialize)]
struct Bonded {
    replica: AgentId,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    amount: u128,
    /// From when on it can be withdrawn, in seconds of Unix time.
    released_at: Option<u64>,
    /// When its signature stops to count, in seconds of Unix time.
    exit_at: Option<u64>,
    convicted: bool,
    /// Whether its signature on a checkpoint counts now.
    counts: bool,
}

impl Report for Bonds {
    fn text(&self) -> String {
        if self.expected == 0 {
            return "The group has no bonds.\n".into();
        }
        let mut table =
            Table::new(&[("replica", Align::Left), ("bond", Align::Right), ("state", Align::Left)]);
        for bonded in &self.replicas {
            let state = match bonded {
                Bonded { convicted: true, .. } => "convicted".to_owned(),
                Bonded { released_at: Some(at), exit_at: Some(exit), .. } => {
                    format!("signs until {exit} s, withdrawn from {at} s on")
                }
                Bonded { counts: false, .. } => "less than agreed: its signature does not count".to_owned(),
                Bonded { .. } => "paid".to_owned(),
            };
            table.row([bonded.replica.to_string(), amount::ether(U256::from(bonded.amount)), state]);
        }
        format!(
            "Each replica is to deposit {}.\n{}",
            amount::ether(U256::from(self.expected)),
            table.render()
        )
    }
}

/// A transaction that took effect.
#[derive(Debug, Serialize)]
struct Done {
    transaction: B256,
    gas: u64,
}

impl From<Included> for Done {
    fn from(included: Included) -> Self {
        Self { transaction: included.tx_hash, gas: included.gas_used }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        format!("done by {} ({} gas)\n", self.transaction, self.gas)
    }
}

impl Bond {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Show(Show { output })
            | Self::Deposit(Deposit { output, .. })
            | Self::Request(Act { output })
            | Self::Stay(Act { output })
            | Self::Withdraw(Act { output }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let (contract, group) = (connection.contract()?, connection.group()?);
        if let Self::Show(_) = self {
            let reader = CoordinatorReader::connect(connection.rpc()?, contract.0).await?;
            let known = reader.group(group).await?;
            let mut replicas = Vec::new();
            for (_, member) in known.replicas().iter() {
                let bond = reader.bond(group, member.agent).await?;
                let seat = reader.seat(group, member.agent).await?;
                replicas.push(Bonded {
                    replica: member.agent,
                    amount: bond.amount,
                    released_at: bond.released_at_s,
                    exit_at: bond.exit_at_s,
                    convicted: seat.convicted,
                    counts: seat.counts,
                });
            }
            return format.print(&Bonds { expected: known.terms.bond, replicas });
        }
        let agent = sdk::agent(&connection).await?;
        let sender = act(connection.rpc()?, contract, &agent).await?;
        let included = match self {
            Self::Deposit(Deposit { amount, replica: Some(replica), .. }) if replica != agent.id() => {
                sender.deposit_for(group, replica, amount).await?
            }
            Self::Deposit(Deposit { amount, .. }) => sender.deposit(group, amount).await?,
            Self::Request(_) => sender.request_withdrawal(group).await?,
            Self::Stay(_) => sender.stay(group).await?,
            Self::Withdraw(_) => sender.withdraw(group).await?,
            Self::Show(_) => unreachable!("shown above"),
        };
        format.print(&Done::from(included))
    }
}
