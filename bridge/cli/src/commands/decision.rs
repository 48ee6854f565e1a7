//! `quorate decision`: what became of a proposal, with the proof of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{B256, Decision, DecisionRecord, DecisionStatus, ProposalId, TimestampMs};
use quorate_sdk::{ChainAgent, Client, Decided, Included};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::commands::alerts;
use crate::connection::Connection;
use crate::error::CliError;
use crate::network::wait::{Look, wait_for};
use crate::output::terminal::line;
use crate::output::{Format, Report};
use crate::{amount, chain, sdk};

/// Shows what became of a proposal, after its proof verified.
#[derive(Debug, Args)]
pub(crate) struct DecisionCommand {
    /// The proposal's id
    proposal: ProposalId,
    /// Waits so many seconds for the decision
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Makes the decided calls on-chain by the proof, from the account of --keys; within --wait it waits for the anchor. In a class with a timelock the first time queues the decision, and the next, once the timelock is over, makes its calls
    #[arg(long)]
    execute: bool,
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
    execution: Option<Execution>,
}

/// The transaction that made the decided calls.
#[derive(Debug, Serialize)]
struct Execution {
    transaction: B256,
    gas: u64,
    /// Nothing if the calls were made; else it was queued, and this is the first second (Unix time) at which they may be.
    executable_from: Option<u64>,
}

impl Verified {
    fn of(Decided { record, receipt }: Decided, execution: Option<Execution>) -> Self {
        let DecisionRecord { decision, proposer, description, calls, .. } = record;
        Self {
            decision,
            proposer: proposer.to_string(),
            description,
            calls,
            decided_ms: receipt.record.entry.timestamp,
            entry: receipt.record.entry.index.0,
            anchored_size: receipt.anchor.map(|anchor| anchor.size),
            execution,
        }
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let Decision { proposal, status, for_weight, against_weight, abstain_weight, .. } = &self.decision;
        let status = format!("{status:?}").to_lowercase();
        let mut text = format!(
            "{}\nproposal {proposal}\nby       {}\nis {status}: {for_weight} for, {against_weight} against, {abstain_weight} abstained\n",
            line(&self.description),
            self.proposer
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
        match &self.execution {
            Some(Execution { transaction, gas, executable_from: None }) => {
                text.push_str(&format!("executed in transaction {transaction} for {gas} gas\n"));
            }
            Some(Execution { transaction, gas, executable_from: Some(from) }) => text.push_str(&format!(
                "queued on-chain in transaction {transaction} for {gas} gas; --execute makes its calls from {from} s on, unless voters object before: `quorate veto sign {proposal} FILE`\n"
            )),
            None => {}
        }
        text
    }
}

/// Makes the decision's calls; in a class with a timelock queues it first, and makes them once that is over.
async fn carry_out(
    account: &ChainAgent,
    connection: &Connection,
    decided: &Decided,
) -> Result<Execution, CliError> {
    let reader = CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?;
    let group = reader.group(connection.group()?).await?;
    let record = &decided.record;
    let done = |included: Included, executable_from| Execution {
        transaction: included.tx_hash,
        gas: included.gas_used,
        executable_from,
    };
    let Some(class) = group.terms.class(record.class).filter(|class| class.timelock_s > 0) else {
        return Ok(done(account.execute_anchored(&decided.receipt).await?, None));
    };
    let known = reader.proposal(group.identity.group, record.decision.proposal).await?;
    if known.is_some_and(|known| known.status == ProposalStatus::Approved) {
        let included = account.execute(group.identity.group, &record.into()).await?;
        return Ok(done(included, None));
    }
    let included = account.queue_anchored(&decided.receipt).await?;
    let queued = reader.proposal(group.identity.group, record.decision.proposal).await?;
    let from =
        queued.and_then(|queued| queued.executable_s).map_or(u64::from(class.timelock_s), |(from, _)| from);
    Ok(done(included, Some(from)))
}

impl DecisionCommand {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let client = sdk::client(&connection).await?;
        let start = Instant::now();
        let wait = Duration::from_secs(self.wait);
        let mut decided = match self.wait {
            0 => client.decision(self.proposal).await?.ok_or_else(|| CliError::NotYet {
                cause: format!("there is no decision on {} yet", self.proposal),
                mend: "wait for it with --wait SECONDS; check the proposal's id".into(),
            })?,
            _ => client.wait(self.proposal, wait).await?,
        };
        let mut execution = None;
        if self.execute {
            let approved = decided.record.decision.status == DecisionStatus::Approved;
            if approved && decided.receipt.anchor.is_none() {
                decided = self.await_anchor(&client, wait.saturating_sub(start.elapsed())).await?;
            }
            let agent = sdk::agent(&connection).await?;
            let account = chain::act(connection.rpc()?, connection.contract()?, &agent).await?;
            execution = Some(carry_out(&account, &connection, &decided).await?);
        }
        if let Some(path) = &self.receipt {
            std::fs::write(path, decided.receipt.encode()).map_err(CliError::io("write", path))?;
        }
        format.print(&Verified::of(decided, execution))?;
        alerts::warn(&client).await;
        Ok(())
    }

    /// The decision again, once its receipt has the proof under an anchored root.
    async fn await_anchor(&self, client: &Client, limit: Duration) -> Result<Decided, CliError> {
        if limit.is_zero() {
            return Err(CliError::NotYet {
                cause: "the decision is not anchored yet".into(),
                mend: "wait for the anchor with --wait SECONDS".into(),
            });
        }
        wait_for("the anchor of the decision", limit, async || {
            Ok(match client.decision(self.proposal).await? {
                Some(decided) if decided.receipt.anchor.is_some() => Look::Found(decided),
                _ => Look::NotYet("it is not anchored yet".into()),
            })
        })
        .await
    }
}
