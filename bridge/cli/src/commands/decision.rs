//! `quorate decision`: what became of a proposal, with the proof of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_protocol::{Decision, DecisionRecord, ProposalId, TimestampMs};
use quorate_sdk::Decided;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::{amount, sdk};

/// Shows what became of a proposal, after its proof verified.
#[derive(Debug, Args)]
pub(crate) struct DecisionCommand {
    /// The proposal's id
    proposal: ProposalId,
    /// Waits so many seconds for the decision
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Writes the receipt, which proves the decision to anybody who knows the contract, to a file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// A decision whose receipt verified.
#[derive(Debug, Serialize)]
struct Verified {
    decision: Decision,
    proposer: String,
    description: String,
    calls: Vec<quorate_protocol::Call>,
    decided_ms: TimestampMs,
    entry: u64,
    anchored_size: Option<u64>,
}

impl Verified {
    fn of(Decided { record, receipt }: Decided) -> Self {
        let DecisionRecord { decision, proposer, description, calls, .. } = record;
        Self {
            decision,
            proposer: proposer.to_string(),
            description,
            calls,
            decided_ms: receipt.record.entry.timestamp,
            entry: receipt.record.entry.index.0,
            anchored_size: receipt.anchor.map(|anchor| anchor.size),
        }
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let Decision { proposal, status, for_weight, against_weight, abstain_weight, .. } = &self.decision;
        let status = format!("{status:?}").to_lowercase();
        let mut text = format!(
            "{}\nproposal {proposal}\nby       {}\nis {status}: {for_weight} for, {against_weight} against, {abstain_weight} abstained\n",
            self.description, self.proposer
        );
        for call in &self.calls {
            let data = if call.data.is_empty() {
                String::new()
            } else {
                format!(", {} bytes of call data", call.data.len())
            };
            text.push_str(&format!("  {} to {}{data}\n", amount::ether(call.value), call.target));
        }
        text.push_str(&format!("in entry {}, whose receipt verified", self.entry));
        match self.anchored_size {
            Some(size) => text.push_str(&format!("; it is under the anchor of {size} entries\n")),
            None => text.push_str("; it is not anchored yet\n"),
        }
        text
    }
}

impl DecisionCommand {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let client = sdk::client(&connection).await?;
        let decided = match self.wait {
            0 => client.decision(self.proposal).await?.ok_or_else(|| CliError::Refused {
                cause: format!("there is no decision on {} yet", self.proposal),
                mend: "wait for it with --wait SECONDS; check the proposal's id".into(),
            })?,
            seconds => client.wait(self.proposal, Duration::from_secs(seconds)).await?,
        };
        if let Some(path) = &self.receipt {
            std::fs::write(path, decided.receipt.encode()).map_err(CliError::io("write", path))?;
        }
        format.print(&Verified::of(decided))
    }
}
