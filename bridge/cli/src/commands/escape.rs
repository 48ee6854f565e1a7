//! `quorate escape`: finishes on-chain what was proposed off-chain, when the group has stalled.

use clap::Args;
use quorate_protocol::{B256, Choice, ProposalId};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Approves a proposal on-chain by the votes that it was given off-chain. Works when the group has stalled (a message of its inbox waits for the stall time), for classes that allow it; anybody may
#[derive(Debug, Args)]
pub(crate) struct Escape {
    /// The proposal's id
    proposal: ProposalId,
    /// Makes the proposal's calls, too, once its timelock is over
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// A proposal that is approved on-chain.
#[derive(Debug, Serialize)]
struct Escaped {
    proposal: ProposalId,
    votes: usize,
    approval: B256,
    gas: u64,
    execution: Option<B256>,
}

impl Report for Escaped {
    fn text(&self) -> String {
        let execution = match self.execution {
            Some(transaction) => format!("executed by {transaction}\n"),
            None => String::new(),
        };
        format!(
            "proposal {}\nis approved on-chain by {} votes for it, in {} ({} gas)\n{execution}",
            self.proposal, self.votes, self.approval, self.gas
        )
    }
}

impl Escape {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let client = sdk::client(&connection).await?;
        let known = client.proposal(self.proposal).await?.ok_or_else(|| CliError::Refused {
            cause: format!("the nodes do not know proposal {}", self.proposal),
            mend: "ask other nodes (--node); one that has the proposal with its votes is enough".into(),
        })?;
        let signed =
            |vote: &&quorate_protocol::api::VoteView| vote.choice == Choice::For && vote.signature.is_some();
        let votes = known.votes.iter().filter(signed).count();
        let sender = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let approved = sender.approve_by_sigs(connection.group()?, &known).await?;
        let execution = match self.execute {
            true => Some(sender.execute(connection.group()?, &(&known).into()).await?.tx_hash),
            false => None,
        };
        format.print(&Escaped {
            proposal: self.proposal,
            votes,
            approval: approved.tx_hash,
            gas: approved.gas_used,
            execution,
        })
    }
}
