//! `quorate vote`: votes on an open proposal.

use clap::{Args, ValueEnum};
use quorate_contracts::ProposalStatus;
use quorate_protocol::ProposalId;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::inbox::InboxOptions;
use crate::commands::sent::Sent;
use crate::commands::{alerts, lane};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Votes on an open proposal.
#[derive(Debug, Args)]
pub(crate) struct Vote {
    /// The proposal's id
    proposal: ProposalId,
    /// The choice; it can be changed only in a class of decisions that lets votes change
    choice: Choice,
    /// Votes in the on-chain lane, by a transaction
    #[arg(long, conflicts_with = "inbox")]
    on_chain: bool,
    #[command(flatten)]
    inbox: InboxOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// A voter's choice, as it is written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    For,
    Against,
    Abstain,
}

impl From<Choice> for quorate_protocol::Choice {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::For => Self::For,
            Choice::Against => Self::Against,
            Choice::Abstain => Self::Abstain,
        }
    }
}

/// A vote that counts.
#[derive(Debug, Serialize)]
struct Voted {
    proposal: ProposalId,
    voter: String,
    choice: quorate_protocol::Choice,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    weight: u64,
    entry: u64,
}

impl Report for Voted {
    fn text(&self) -> String {
        format!(
            "{} voted {} with weight {}\nin entry {}, whose receipt verified\n",
            self.voter,
            format!("{:?}", self.choice).to_lowercase(),
            self.weight,
            self.entry
        )
    }
}

impl Vote {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let choice: quorate_protocol::Choice = self.choice.into();
        if self.on_chain {
            let (group, proposal) = (connection.group()?, self.proposal);
            let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
            let included = account.vote(group, proposal, choice).await?;
            let known = lane::reader(&connection).await?.proposal(group, proposal).await?;
            let status = known.map_or(ProposalStatus::None, |known| known.status);
            let what = format!(
                "{} voted {} on-chain; the proposal is {status}",
                agent.id(),
                format!("{choice:?}").to_lowercase()
            );
            return format.print(&Sent::new(what, included));
        }
        let client = sdk::client(&connection).await?;
        if self.inbox.inbox {
            let operation = client.vote_operation(&agent, self.proposal, choice).await?;
            return format.print(&self.inbox.enqueue(&connection, &client, &agent, operation).await?);
        }
        let voted = client.vote(&agent, self.proposal, choice).await?;
        format.print(&Voted {
            proposal: self.proposal,
            voter: agent.id().to_string(),
            choice,
            weight: voted.weight,
            entry: voted.receipt.record.entry.index.0,
        })?;
        alerts::warn(&client).await;
        Ok(())
    }
}
