//! `quorate group`: creates a group in the contract, shows one, and proposes a change of its members.

mod change;
pub(crate) mod file;
mod terms;

use std::path::PathBuf;

use change::Change;
use clap::{Args, Subcommand};
use quorate_contracts::reader::{CoordinatorReader, EpochStart};
use quorate_protocol::{AgentId, B256, Group as ProtocolGroup, GroupId, Member};
use quorate_sdk::{OnChain, OnChainOptions};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::alerts;
use crate::connection::Connection;
use crate::deployment;
use crate::error::CliError;
use crate::output::table::{Align, Table};
use crate::output::{Format, Report};
use crate::sdk;

/// Creates, shows and changes groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Creates a group of registered agents; the keys of --keys pay for it and have no part in it
    Create(Create),
    /// Shows a group as the contract has it: its epoch, members and terms, and first what nobody should miss: proposals on-chain, members that leave
    Show(Show),
    Change(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A TOML file with a list of tables members (account, key, weight, replica) and the terms: a table policy (threshold, voting_period_s, timelock_s) or a list of tables classes; README.md has them all
    file: PathBuf,
    /// Uses the contract of `quorate contract deploy` instead of that of --contract, and deploys it where it is missing
    #[arg(long)]
    deploy: bool,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    output: OutputOptions,
}

/// A group as the contract has it.
#[derive(Debug, Serialize)]
struct Shown {
    /// What a voter must not miss.
    alerts: Vec<String>,
    group: ProtocolGroup,
    /// The account that holds the group's funds.
    account: AgentId,
    quorum: usize,
    /// How many entries the log had when the epoch began.
    began_at_entry: u64,
}

impl Report for Shown {
    fn text(&self) -> String {
        let ProtocolGroup { identity, epoch, members, terms, voters_since, .. } = &self.group;
        format!(
            "{}group    {}\ncontract {} on chain {}\naccount  {}\nepoch    {epoch}, from entry {} on; a quorum is {} of {} replicas\nweight   {} of all voters, as it is since epoch {voters_since}\n{}\n{}\n{}",
            alerts::text(&self.alerts),
            identity.group,
            identity.contract,
            identity.chain_id,
            self.account,
            self.began_at_entry,
            self.quorum,
            self.group.replicas().len(),
            self.group.total_weight(),
            terms::summary(terms),
            terms::classes_table(terms),
            members_table(members)
        )
    }
}

fn members_table(members: &[Member]) -> String {
    let mut table = Table::new(&[
        ("account", Align::Left),
        ("weight", Align::Right),
        ("replica", Align::Left),
        ("ed25519 key", Align::Left),
    ]);
    for member in members {
        let replica = if member.is_replica() { "yes" } else { "no" };
        table.row([
            member.agent.to_string(),
            member.weight.to_string(),
            replica.to_owned(),
            member.key.to_string(),
        ]);
    }
    table.render()
}

impl Group {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Create(Create { output, .. })
            | Self::Show(Show { output })
            | Self::Change(Change { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let (is_new, (contract, group)) = match self {
            Self::Create(create) => (true, create.create(&connection).await?),
            Self::Show(_) => (false, (connection.contract()?, connection.group()?)),
            Self::Change(change) => return change.run(format, connection).await,
        };
        let reader = CoordinatorReader::connect(connection.rpc()?, contract.0).await?;
        let account = AgentId(reader.group_account(group).await?);
        let group = reader.group(group).await?;
        let start = reader.epoch_start(group.identity.group, group.epoch).await?;
        let began_at_entry = start.map_or(0, |EpochStart { log_size, .. }| log_size);
        let quorum = group.replicas().quorum();
        let alerts = if is_new { Vec::new() } else { read_alerts(&reader, group.identity.group).await };
        format.print(&Shown { alerts, group, account, quorum, began_at_entry })
    }
}

/// What a voter must not miss. That the events cannot be read is one such thing, and no failure to show the group.
async fn read_alerts(reader: &CoordinatorReader, group: GroupId) -> Vec<String> {
    match OnChain::read(reader, group, &[], OnChainOptions::default()).await {
        Ok(on_chain) => alerts::lines(&on_chain),
        Err(error) => vec![format!("what happens on-chain could not be read: {error}")],
    }
}

impl Create {
    async fn create(&self, connection: &Connection) -> Result<(AgentId, GroupId), CliError> {
        let (members, terms) = file::read(&self.file)?;
        let agent = sdk::agent(connection).await?;
        let contract = if self.deploy {
            AgentId(deployment::ensure(connection.rpc()?, &agent.account).await?)
        } else {
            connection.contract()?
        };
        let creator = act(connection.rpc()?, contract, &agent).await?;
        let salt = B256::from(rand::random::<[u8; 32]>());
        let (group, _) = creator.create_group(&members, &terms, salt).await?;
        Ok((contract, group))
    }
}
