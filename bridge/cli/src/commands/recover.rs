//! `quorate recover`: the voters replace the replicas of a group that is dead.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorate_contracts::reader::{CoordinatorReader, InboxStatus};
use quorate_protocol::operations::proposals::Propose as Proposal;
use quorate_protocol::{Group, ProposalId};
use quorate_sdk::recover_call;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::alerts::when;
use crate::commands::sent::Sent;
use crate::commands::{group, lane};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Replaces the replicas of a group that is dead, by its voters in the on-chain lane
///
/// A group is dead when a message of the contract's inbox has waited for the terms' recovery time without an anchor that
/// took any. Somebody has to ask, so put a command there first (`quorate propose --inbox`). The proposal may be made and
/// voted on before that time is over; it can be executed once the group is dead, and an anchor that takes the message
/// takes the chance back. The next era's log goes on from the last anchor: whoever has a later checkpoint that is stable
/// anchors it first (`quorate anchor`).
#[derive(Debug, Subcommand)]
pub(crate) enum Recover {
    /// Shows whether the group is dead, and since or from when
    Show(Show),
    /// Proposes the members of the next era on-chain, to be voted on with `quorate vote ID for --on-chain`
    Propose(Propose),
    /// Carries out a recovery that is approved, once the group is dead
    Execute(Execute),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// A TOML file with a list of tables members (account, key, weight, replica), as for `quorate group create`
    members: PathBuf,
    /// The class of decisions, by its name; the first for anything that is open on-chain if it is not given
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Why, in words
    #[arg(long, default_value = "Replace the replicas, which are gone")]
    reason: String,
    /// Tells apart two proposals that are otherwise the same; a random number if it is not given
    #[arg(long)]
    salt: Option<u64>,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Execute {
    /// The proposal's id
    proposal: ProposalId,
    #[command(flatten)]
    output: OutputOptions,
}

/// How dead a group is.
#[derive(Debug, Serialize)]
struct Clock {
    dead: bool,
    /// 0: never.
    recovery_time: u32,
    waiting_since: Option<u64>,
    /// From when on the group is dead, if nothing changes.
    dead_from: Option<u64>,
    chain_time: u64,
}

impl Clock {
    async fn read(reader: &CoordinatorReader, group: &Group) -> Result<Self, CliError> {
        let id = group.identity.group;
        let InboxStatus { waiting_since_s, .. } = reader.inbox(id).await?;
        let recovery_time = group.terms.recovery_time_s;
        let dead_from = waiting_since_s
            .filter(|_| recovery_time != 0)
            .map(|since| since.saturating_add(u64::from(recovery_time)));
        Ok(Self {
            dead: reader.is_dead(id).await?,
            recovery_time,
            waiting_since: waiting_since_s,
            dead_from,
            chain_time: reader.time().await?,
        })
    }

    /// Why there is no recovery now, and what to do about it; nothing if there can be one.
    fn hindrance(&self) -> Option<(String, String)> {
        if self.dead {
            return None;
        }
        Some(match (self.recovery_time, self.dead_from) {
            (0, _) => (
                "the group's terms have no recovery".into(),
                "move the funds by votes on-chain in a class that is open there, to a group of its own"
                    .into(),
            ),
            (time, None) => (
                "the group is not dead: no message of its inbox waits".into(),
                format!(
                    "ask by `quorate propose DESCRIPTION --inbox`; when {time} s pass and no anchor takes the message, the group is dead"
                ),
            ),
            (_, Some(from)) => (
                format!(
                    "the group is not dead yet: it is from {} on, unless an anchor takes a message before",
                    when(from, self.chain_time)
                ),
                "wait until then, and execute the proposal".into(),
            ),
        })
    }
}

impl Report for Clock {
    fn text(&self) -> String {
        match (self.hindrance(), self.waiting_since) {
            (Some((cause, mend)), _) => format!("{cause}\n{mend}\n"),
            (None, since) => format!(
                "The group is dead: a message of its inbox waits since {}, longer than {} s.\nIts voters may replace the replicas: `quorate recover propose FILE`.\n",
                when(since.unwrap_or_default(), self.chain_time),
                self.recovery_time
            ),
        }
    }
}

impl Recover {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Show(Show { output })
            | Self::Propose(Propose { output, .. })
            | Self::Execute(Execute { output, .. }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let reader = lane::reader(&connection).await?;
        let group = reader.group(connection.group()?).await?;
        let clock = Clock::read(&reader, &group).await?;
        match self {
            Self::Show(_) => format.print(&clock),
            Self::Propose(propose) => propose.run(format, &connection, &reader, &group, &clock).await,
            Self::Execute(execute) => execute.run(format, &connection, &reader, &group, &clock).await,
        }
    }
}

impl Propose {
    async fn run(
        self,
        format: Format,
        connection: &Connection,
        reader: &CoordinatorReader,
        group: &Group,
        clock: &Clock,
    ) -> Result<(), CliError> {
        if clock.recovery_time == 0
            && let Some((cause, mend)) = clock.hindrance()
        {
            return Err(CliError::Refused { cause, mend });
        }
        let members = group::file::read_members(&self.members)?;
        let epoch = group.epoch.next_era();
        let next = Group { epoch, voters_since: epoch, members: members.clone(), ..group.clone() };
        next.validate().map_err(|error| CliError::Config {
            path: self.members.clone(),
            cause: error.to_string(),
            mend: "list at least four replicas, and voters whose weights fit the group's terms".into(),
        })?;
        let propose = Proposal {
            salt: self.salt.unwrap_or_else(rand::random),
            description: self.reason,
            calls: vec![recover_call(&group.identity, group.voters_since, &members)],
            class: lane::class_for_anything(group, self.class.as_deref(), true)?,
        };
        let agent = sdk::agent(connection).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        format.print(&lane::propose(&account, reader, group.identity.group, &propose).await?)
    }
}

impl Execute {
    async fn run(
        self,
        format: Format,
        connection: &Connection,
        reader: &CoordinatorReader,
        group: &Group,
        clock: &Clock,
    ) -> Result<(), CliError> {
        let id = group.identity.group;
        let content = lane::content(reader, id, self.proposal).await?;
        if let Some((cause, mend)) = clock.hindrance() {
            return Err(CliError::NotYet { cause, mend });
        }
        let agent = sdk::agent(connection).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let included = account.execute(id, &content).await?;
        let group = reader.group(id).await?;
        let what = format!("the group is in epoch {}, with {} replicas", group.epoch, group.replicas().len());
        format.print(&Sent::new(what, included))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(recovery_time: u32, waiting_since: Option<u64>) -> Clock {
        let dead_from =
            waiting_since.filter(|_| recovery_time != 0).map(|since| since + u64::from(recovery_time));
        Clock { dead: false, recovery_time, waiting_since, dead_from, chain_time: 1_000 }
    }

    #[test]
    fn what_stands_in_the_way_of_a_recovery_is_said_with_what_to_do() {
        let said = |clock: Clock| clock.hindrance().map(|(cause, mend)| format!("{cause} {mend}"));
        assert!(said(clock(0, Some(5))).is_some_and(|said| said.contains("no recovery")));
        assert!(said(clock(600, None)).is_some_and(|said| said.contains("--inbox")));
        assert!(said(clock(600, Some(700))).is_some_and(|said| said.contains("1300 s (in 5 min)")));
        assert_eq!(said(Clock { dead: true, ..clock(600, Some(1)) }), None);
    }
}
