//! `quorate leave`: an agent gives up its place.

use clap::Args;
use quorate_protocol::AgentId;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::lane;
use crate::commands::sent::Sent;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Gives up the place of the account of --keys in the group. There is no way back but a change of members that the others decide
///
/// A member's votes and proposals count no more, on-chain at once and in the log as soon as that has taken the message in; its
/// seat and weight stay until the members change, so others cannot be outvoted by it. A replica that wants to stop signing
/// gives notice with `quorate bond request`, or is removed with `quorate group change --remove`. An agent that is no member is
/// taken off the group's list by a command in the log.
#[derive(Debug, Args)]
pub(crate) struct Leave {
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// A plain agent that is gone.
#[derive(Debug, Serialize)]
struct Gone {
    agent: AgentId,
    entry: u64,
}

impl Report for Gone {
    fn text(&self) -> String {
        format!("{} has left\nin entry {}, whose receipt verified\n", self.agent, self.entry)
    }
}

impl Leave {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let reader = lane::reader(&connection).await?;
        let group = reader.group(connection.group()?).await?;
        let agent = sdk::agent(&connection).await?;
        if group.member(agent.id()).is_none() {
            let receipt = sdk::client(&connection).await?.leave(&agent).await?;
            return format.print(&Gone { agent: agent.id(), entry: receipt.record.entry.index.0 });
        }
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let included = account.leave(group.identity.group).await?;
        format.print(&Sent::new(format!("{} has left: its votes count no more", agent.id()), included))
    }
}
