//! What `quorate decision` prints.

use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::{ProposalEvent, ProposalEventKind};
use quorate_protocol::api::{ProposalStatus as LogStatus, ProposalView};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, B256, Call, Decision, DecisionRecord, DecisionStatus, Group, MembersChange, ProposalId,
    TimestampMs,
};
use quorate_sdk::{Client, Decided};
use serde::Serialize;

use super::on_chain::OnChain;
use crate::commands::alerts::when;
use crate::commands::proposals::call_text;
use crate::error::CliError;
use crate::output::Report;
use crate::output::terminal::line;

/// A decision whose receipt verified.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    decision: Decision,
    proposer: String,
    description: String,
    calls: Vec<Call>,
    decided_ms: TimestampMs,
    entry: u64,
    anchored_size: Option<u64>,
    /// What the contract says of it.
    on_chain: OnChain,
    /// The last second (Unix time) at which the proof may be shown to the contract; nothing where there is nothing to be
    /// executed by it, or it is on-chain already.
    provable_until: Option<u64>,
    execution: Option<Execution>,
}

/// The transaction that made the decided calls.
#[derive(Debug, Serialize)]
pub(super) struct Execution {
    pub(super) transaction: B256,
    pub(super) gas: u64,
    /// Nothing if the calls were made; else it was queued, and this is the first second (Unix time) at which they may be.
    pub(super) executable_from: Option<u64>,
}

impl Verified {
    pub(super) fn of(
        Decided { record, receipt }: Decided,
        group: &Group,
        on_chain: OnChain,
        execution: Option<Execution>,
    ) -> Self {
        let decided_ms = receipt.record.entry.timestamp;
        let class = group.terms.class(record.class);
        // What changes the members is carried out by the anchor, not by anybody's transaction.
        let changes_members =
            MembersChange::of(&group.identity, &record.calls).is_ok_and(|change| change.is_some());
        let is_payable = record.decision.status == DecisionStatus::Approved
            && !record.calls.is_empty()
            && !changes_members
            && on_chain.status == ProposalStatus::None;
        // As the contract counts: whole seconds, rounded down.
        let until = class.map(|class| decided_ms.0 / 1_000 + u64::from(class.expiry_s));
        let DecisionRecord { decision, proposer, description, calls, .. } = record;
        Self {
            decision,
            proposer: proposer.to_string(),
            description,
            calls,
            decided_ms,
            entry: receipt.record.entry.index.0,
            anchored_size: receipt.anchor.map(|anchor| anchor.size),
            on_chain,
            provable_until: until.filter(|_| is_payable),
            execution,
        }
    }

    /// What the contract says of it, where that is anything.
    fn on_chain_text(&self) -> String {
        let proposal = self.decision.proposal;
        match (self.on_chain.status, self.provable_until) {
            (ProposalStatus::None, Some(until)) if until < self.on_chain.chain_time => format!(
                "it was not executed, and can be no more: the time for it ended at {}\n",
                when(until, self.on_chain.chain_time)
            ),
            (ProposalStatus::None, Some(until)) => format!(
                "it is not executed: `quorate decision {proposal} --execute` shows the proof to the contract, until {} at the latest\n",
                when(until, self.on_chain.chain_time)
            ),
            (ProposalStatus::None, None) => String::new(),
            _ => format!("{}\n", self.on_chain.text(proposal)),
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
            text.push_str(&format!("  {}\n", call_text(call)));
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
            None => text.push_str(&self.on_chain_text()),
        }
        text
    }
}

/// A proposal that was decided on-chain, and not in the log.
#[derive(Debug, Serialize)]
pub(super) struct Elsewhere {
    proposal: ProposalId,
    /// Always nothing: the nodes have none of the log.
    decision: Option<Decision>,
    on_chain: OnChain,
    proposer: Option<AgentId>,
    description: Option<String>,
    /// Nothing where the endpoint gave no event of it.
    calls: Option<Vec<Call>>,
}

impl Elsewhere {
    pub(super) fn of(proposal: ProposalId, on_chain: OnChain, event: Option<&ProposalEvent>) -> Self {
        let description = event.and_then(|event| match &event.kind {
            ProposalEventKind::Created { description, .. } => Some(description.clone()),
            _ => None,
        });
        Self {
            proposal,
            decision: None,
            on_chain,
            proposer: event.map(|event| event.proposer),
            description,
            calls: event.map(|event| event.calls.clone()),
        }
    }
}

impl Report for Elsewhere {
    fn text(&self) -> String {
        let what = line(self.description.as_deref().unwrap_or("(the description is in the log)"));
        let mut text = format!("{what}\nproposal {}\n", self.proposal);
        if let Some(proposer) = self.proposer {
            text.push_str(&format!("by       {proposer}\n"));
        }
        for call in self.calls.iter().flatten() {
            text.push_str(&format!("  {}\n", call_text(call)));
        }
        text.push_str("the nodes have no decision of the log on it; ");
        text.push_str(&format!("{}\n", self.on_chain.text(self.proposal)));
        text
    }
}

/// Why there is no decision yet: where the proposal is open, and what it is, as far as the contract and the nodes tell.
pub(super) async fn not_yet(client: &Client, proposal: ProposalId, known: &OnChain) -> CliError {
    if known.status == ProposalStatus::Open {
        let cause = format!("there is no decision on {proposal} yet; {}", known.text(proposal));
        return CliError::NotYet {
            cause,
            mend: "vote on it there, or wait for its end with --wait SECONDS".into(),
        };
    }
    let view = client.proposal(proposal).await.ok().flatten();
    let view = view.filter(|view| is_of_its_id(client.group(), proposal, view));
    let Some(view) = view else {
        return CliError::NotYet {
            cause: format!(
                "there is no decision on {proposal} yet: neither the nodes nor the contract know such a proposal"
            ),
            mend: "check the proposal's id and --group; wait for it with --wait SECONDS".into(),
        };
    };
    let mut cause = format!(
        "there is no decision on {proposal} yet\n  {:?}, by {}, {}: {} for, {} against, {} abstained, as the nodes say",
        view.description,
        view.proposer,
        match view.status {
            LogStatus::Open => format!("open until {} s", view.closes.seconds()),
            LogStatus::Moved => "moved to the on-chain lane".into(),
            _ => "decided, and not attested yet".into(),
        },
        view.for_weight,
        view.against_weight,
        view.abstain_weight
    );
    for call in &view.calls {
        cause.push_str(&format!("\n  {}", call_text(call)));
    }
    CliError::NotYet { cause, mend: "wait for it with --wait SECONDS".into() }
}

/// Whether this is what the identifier commits to: no node makes up what a proposal is about.
fn is_of_its_id(group: &Group, proposal: ProposalId, view: &ProposalView) -> bool {
    let ProposalView { proposer, salt, class, calls, description, .. } = view;
    proposal_id(&group.identity.group, *proposer, *salt, *class, calls, description) == proposal
}
