//! `quorate decision`: what became of a proposal, in the log with the proof of it, and on-chain by the contract's word.

mod on_chain;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{DecisionStatus, ProposalId};
use quorate_sdk::{ChainAgent, Client, Decided, Included, SdkError};

use crate::args::OutputOptions;
use crate::commands::{alerts, lane};
use crate::connection::Connection;
use crate::error::CliError;
use crate::network::wait::{Look, wait_for};
use crate::output::Format;
use crate::{chain, output, sdk};

use on_chain::OnChain;
use report::{Elsewhere, Execution, Verified};

/// How long the log is waited for before the contract is asked again.
const TURN: Duration = Duration::from_secs(3);

/// Shows what became of a proposal: the decision after its proof verified, and what the contract says of it.
///
/// What the on-chain lane has is decided there, and the log has no decision on it. Exits with 10 while nothing is decided.
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
    /// Replaces the file, if there is one
    #[arg(long, requires = "receipt")]
    overwrite: bool,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Where a proposal ended.
enum Ended {
    /// In the log.
    InLog(Box<Decided>),
    /// On-chain, without a decision of the log.
    OnChain(OnChain),
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
        if let Some(path) = &self.receipt {
            output::require_free(path, self.overwrite)?;
        }
        let client = sdk::client(&connection).await?;
        let reader = lane::reader(&connection).await?;
        let start = Instant::now();
        let wait = Duration::from_secs(self.wait);
        let mut decided = match self.ended(&client, &reader, wait).await? {
            Ended::InLog(decided) => *decided,
            Ended::OnChain(known) => return self.show_elsewhere(format, &client, &reader, known).await,
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
            output::write_file(path, &decided.receipt.encode())?;
        }
        let on_chain = OnChain::read(&reader, client.group(), self.proposal).await?;
        format.print(&Verified::of(decided, client.group(), on_chain, execution))?;
        alerts::warn(&client).await;
        Ok(())
    }

    /// Where the proposal ended, by the log or by the contract, whichever says so first within `wait`.
    async fn ended(
        &self,
        client: &Client,
        reader: &CoordinatorReader,
        wait: Duration,
    ) -> Result<Ended, CliError> {
        let start = Instant::now();
        loop {
            let left = wait.saturating_sub(start.elapsed());
            let asked = match left.is_zero() {
                true => client.decision(self.proposal).await,
                false => match client.wait(self.proposal, left.min(TURN)).await {
                    Ok(decided) => Ok(Some(decided)),
                    Err(SdkError::Undecided { .. }) => Ok(None),
                    Err(SdkError::Moved { .. }) => {
                        // The log is done with it; the contract may not be.
                        tokio::time::sleep(left.min(TURN)).await;
                        Ok(None)
                    }
                    Err(error) => Err(error),
                },
            };
            if let Some(decided) = asked? {
                return Ok(Ended::InLog(Box::new(decided)));
            }
            let known = OnChain::read(reader, client.group(), self.proposal).await?;
            if known.has_ended() {
                return Ok(Ended::OnChain(known));
            }
            if wait <= start.elapsed() {
                return Err(report::not_yet(client, self.proposal, &known).await);
            }
        }
    }

    /// Shows what the contract says of a proposal that the log did not decide.
    async fn show_elsewhere(
        &self,
        format: Format,
        client: &Client,
        reader: &CoordinatorReader,
        known: OnChain,
    ) -> Result<(), CliError> {
        if self.execute || self.receipt.is_some() {
            let mend = match known.status {
                ProposalStatus::Approved => {
                    format!("make its calls with `quorate execute {}`", self.proposal)
                }
                _ => "leave out --execute and --receipt".into(),
            };
            let cause = format!(
                "proposal {} was decided on-chain, where it is {}: the nodes have no decision of the log that could be proven or executed",
                self.proposal, known.status
            );
            return Err(CliError::Refused { cause, mend });
        }
        let group = client.group().identity.group;
        // That the endpoint keeps no events alters nothing of what became of it.
        let events = reader.proposal_events(group, self.proposal).await.unwrap_or_default();
        format.print(&Elsewhere::of(self.proposal, known, events.last()))?;
        alerts::warn(client).await;
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
