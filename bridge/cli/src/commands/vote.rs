//! `quorate vote`: votes on an open proposal.

use clap::{Args, ValueEnum};
use quorate_protocol::ProposalId;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::commands::inbox::InboxOptions;
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
        let client = sdk::client(&connection).await?;
        let choice = self.choice.into();
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
        })
    }
}
