//! `quorate revoke`: proposes that another proposal is never executed.

use clap::Args;
use quorate_contracts::ProposalStatus;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{ProposalId, TimestampMs};
use quorate_sdk::revoke_call;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::lane;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Proposes to take back another proposal, in whatever lane, by a decision of the group in a class for anything
///
/// Once that decision is executed, the other can never be. It waits for its class' timelock like any other, so against what
/// is queued already `quorate veto` is faster: that needs no decision.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The proposal that is to be taken back
    proposal: ProposalId,
    /// Proposes in the on-chain lane instead of the log
    #[arg(long)]
    on_chain: bool,
    /// The class of decisions, by its name; the first for anything if it is not given
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Why, in words
    #[arg(long, default_value = "Revoke an earlier proposal")]
    reason: String,
    /// Tells apart two proposals that are otherwise the same; a random number if it is not given
    #[arg(long)]
    salt: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// A proposal that is open in the log.
#[derive(Debug, Serialize)]
struct Proposed {
    proposal: ProposalId,
    revokes: ProposalId,
    closes_ms: TimestampMs,
    entry: u64,
}

impl Report for Proposed {
    fn text(&self) -> String {
        format!(
            "proposal {}\nto revoke {}\nis open for votes until {} s of Unix time\nin entry {}, whose receipt verified\nOnce it is approved, carry it out with `quorate decision {} --execute`.\n",
            self.proposal,
            self.revokes,
            self.closes_ms.seconds(),
            self.entry,
            self.proposal
        )
    }
}

impl Revoke {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let reader = lane::reader(&connection).await?;
        let group = reader.group(connection.group()?).await?;
        let id = group.identity.group;
        let status = reader.proposal(id, self.proposal).await?.map(|known| known.status);
        if let Some(status @ (ProposalStatus::Executed | ProposalStatus::Revoked)) = status {
            return Err(CliError::Refused {
                cause: format!("proposal {} is {status}, for good", self.proposal),
                mend: "there is nothing to take back; propose what undoes it".into(),
            });
        }
        let class = lane::class_for_anything(&group, self.class.as_deref(), self.on_chain)?;
        let agent = sdk::agent(&connection).await?;
        let propose = Propose {
            salt: self.salt.unwrap_or_else(rand::random),
            description: self.reason,
            calls: vec![revoke_call(&group.identity, self.proposal)],
            class,
        };
        if self.on_chain {
            let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
            return format.print(&lane::propose(&account, &reader, id, &propose).await?);
        }
        let proposed = sdk::client(&connection).await?.propose(&agent, propose).await?;
        format.print(&Proposed {
            proposal: proposed.proposal,
            revokes: self.proposal,
            closes_ms: proposed.closes,
            entry: proposed.receipt.record.entry.index.0,
        })
    }
}
