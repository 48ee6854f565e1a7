//! `quorate group`: creates a group in the contract, shows one, and proposes a change of its members.

mod change;

use std::path::{Path, PathBuf};

use change::Change;
use clap::{Args, Subcommand};
use quorate_contracts::reader::{CoordinatorReader, EpochStart};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{AgentId, B256, Group as ProtocolGroup, GroupId, Member, Policy, PublicKey};
use serde::{Deserialize, Serialize};

use crate::args::OutputOptions;
use crate::chain::act;
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
    /// Shows a group as the contract has it: its epoch, members and policy
    Show(Show),
    Change(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A TOML file with a table policy (threshold, voting_period_s, timelock_s) and a list of tables members (account, key, weight, replica)
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

/// The file that describes a group to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    policy: PolicyTable,
    members: Vec<MemberTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyTable {
    threshold: u64,
    voting_period_s: u64,
    #[serde(default)]
    timelock_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    account: AgentId,
    key: PublicKey,
    #[serde(default)]
    weight: u64,
    #[serde(default)]
    replica: bool,
}

/// A group as the contract has it.
#[derive(Debug, Serialize)]
struct Shown {
    group: ProtocolGroup,
    /// The account that holds the group's funds.
    account: AgentId,
    quorum: usize,
    /// How many entries the log had when the epoch began.
    began_at_entry: u64,
}

impl Report for Shown {
    fn text(&self) -> String {
        let ProtocolGroup { identity, epoch, members, policy } = &self.group;
        format!(
            "group    {}\ncontract {} on chain {}\naccount  {}\nepoch    {epoch}, from entry {} on; a quorum is {} of {} replicas\npolicy   {} of weight {} approve within {} s; execution waits {} s\n\n{}",
            identity.group,
            identity.contract,
            identity.chain_id,
            self.account,
            self.began_at_entry,
            self.quorum,
            self.group.replicas().len(),
            policy.threshold,
            self.group.total_weight(),
            policy.voting_period_s,
            policy.timelock_s,
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
        let (contract, group) = match self {
            Self::Create(create) => create.create(&connection).await?,
            Self::Show(_) => (connection.contract()?, connection.group()?),
            Self::Change(change) => return change.run(format, connection).await,
        };
        let reader = CoordinatorReader::connect(connection.rpc()?, contract.0).await?;
        let account = AgentId(reader.group_account(group).await?);
        let group = reader.group(group).await?;
        let start = reader.epoch_start(group.identity.group, group.epoch).await?;
        let began_at_entry = start.map_or(0, |EpochStart { log_size, .. }| log_size);
        let quorum = group.replicas().quorum();
        format.print(&Shown { group, account, quorum, began_at_entry })
    }
}

impl Create {
    async fn create(&self, connection: &Connection) -> Result<(AgentId, GroupId), CliError> {
        let (members, policy) = read(&self.file)?;
        let agent = sdk::agent(connection).await?;
        let contract = if self.deploy {
            AgentId(deployment::ensure(connection.rpc()?, &agent.account).await?)
        } else {
            connection.contract()?
        };
        let creator = act(connection.rpc()?, contract, &agent).await?;
        let salt = B256::from(rand::random::<[u8; 32]>());
        let (group, _) = creator.create_group(&members, &policy, salt).await?;
        Ok((contract, group))
    }
}

fn read(path: &Path) -> Result<(Vec<Member>, Policy), CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::unreadable(path))?;
    let file: GroupFile = toml::from_str(&text).map_err(|error| CliError::Config {
        path: path.to_owned(),
        cause: error.to_string().trim_end().to_owned(),
        mend: "write [policy] with threshold, voting_period_s and timelock_s, and [[members]] with account, key, weight and replica".into(),
    })?;
    let mut members: Vec<Member> = file
        .members
        .iter()
        .map(|member| {
            let voter = if member.weight > 0 { FLAG_VOTER } else { 0 };
            let replica = if member.replica { FLAG_REPLICA } else { 0 };
            Member { agent: member.account, key: member.key, weight: member.weight, flags: voter | replica }
        })
        .collect();
    // The contract wants them in this order; people list them in another.
    members.sort_by_key(|member| member.agent);
    let PolicyTable { threshold, voting_period_s, timelock_s } = file.policy;
    Ok((members, Policy { threshold: u128::from(threshold), voting_period_s, timelock_s }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_file_lists_members_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("group.toml");
        let member = |digit: char, rest: &str| {
            let repeated = |count| digit.to_string().repeat(count);
            format!("[[members]]\naccount = \"0x{}\"\nkey = \"0x{}\"\n{rest}\n", repeated(40), repeated(64))
        };
        let text = format!(
            "[policy]\nthreshold = 2\nvoting_period_s = 60\n{}{}",
            member('b', "weight = 3"),
            member('a', "replica = true")
        );
        std::fs::write(&path, text).unwrap();
        let (members, policy) = read(&path).unwrap();
        assert!(members[0].is_replica() && !members[0].is_voter());
        assert!(members[1].is_voter() && !members[1].is_replica());
        assert_eq!((policy.threshold, policy.timelock_s), (2, 0));

        std::fs::write(&path, "[policy]\nthreshold = 2\n").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Config);
        assert!(error.to_string().contains("voting_period_s"), "{error}");
    }
}
