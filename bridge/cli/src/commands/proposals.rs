//! `quorate proposals`: what there is to decide, and what was decided, in both lanes.

use clap::Args;
use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::{CoordinatorReader, ProposalEventKind};
use quorate_protocol::api::{MAX_PAGE_PROPOSALS, ProposalStatus as LogStatus, ProposalView};
use quorate_protocol::{AgentId, Call, ProposalId};
use quorate_sdk::{Client, LaneProposal, OnChain, OnChainOptions, SdkError};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::commands::alerts;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::terminal::line;
use crate::output::{Format, Report};
use crate::{amount, sdk};

/// The most pages of the nodes' proposals that are read.
const MAX_PAGES: usize = 20;

/// Lists the proposals that the contract knows, with status, calls and deadlines as the contract has them, and those that are open in the log
///
/// First come warnings: what is open on-chain, what is approved there and can still be objected to, who leaves. The part
/// about the log needs nodes (--node) and is their word; everything else is the contract's.
#[derive(Debug, Args)]
pub(crate) struct Proposals {
    /// Shows also what is over: executed, revoked, expired, rejected and cancelled
    #[arg(long)]
    all: bool,
    /// How many proposals of the contract at most: the newest
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// The first block whose events are read; that of the group's creation is enough
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// What there is.
#[derive(Debug, Serialize)]
struct Listed {
    alerts: Vec<String>,
    /// The chain's clock, in seconds of Unix time.
    chain_time: u64,
    on_chain: Vec<InLane>,
    /// What nodes say is open in the log; nothing where none was asked.
    in_log: Option<Vec<InLog>>,
}

/// A proposal that the contract knows.
#[derive(Debug, Serialize)]
struct InLane {
    proposal: ProposalId,
    status: ProposalStatus,
    class: String,
    proposer: Option<AgentId>,
    description: Option<String>,
    /// Nothing where the endpoint gave no event of it.
    calls: Option<Vec<Call>>,
    /// Whether the votes are of the log: by their signatures, or because it decided.
    from_log: bool,
    voting_ends: Option<u64>,
    executable_from: Option<u64>,
    executable_until: Option<u64>,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    for_weight: u128,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    against_weight: u128,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    abstain_weight: u128,
    /// The weight of objections that takes it back, while it is approved.
    #[serde(serialize_with = "quorate_protocol::decimal::option::serialize")]
    objections_needed: Option<u128>,
}

/// A proposal that is open in the log.
#[derive(Debug, Serialize)]
struct InLog {
    proposal: ProposalId,
    description: String,
    closes: u64,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    for_weight: u128,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    against_weight: u128,
}

impl InLane {
    fn of(known: &LaneProposal, on_chain: &OnChain) -> Self {
        let LaneProposal { id, event, state, objection_weight, .. } = known;
        let class = on_chain.group.terms.class(state.class);
        let description = event.as_ref().and_then(|event| match &event.kind {
            ProposalEventKind::Created { description, .. } => Some(description.clone()),
            _ => None,
        });
        Self {
            proposal: *id,
            status: state.status,
            class: class.map_or_else(|| state.class.to_string(), |class| class.name.clone()),
            proposer: event.as_ref().map(|event| event.proposer),
            description,
            calls: event.as_ref().map(|event| event.calls.clone()),
            from_log: state.from_log,
            voting_ends: state.voting_ends_s,
            executable_from: state.executable_s.map(|(from, _)| from),
            executable_until: state.executable_s.map(|(_, until)| until),
            for_weight: state.for_weight,
            against_weight: state.against_weight,
            abstain_weight: state.abstain_weight,
            objections_needed: objection_weight.filter(|_| known.can_be_vetoed()),
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.status, ProposalStatus::Open | ProposalStatus::Approved)
    }

    fn text(&self, now_s: u64) -> String {
        let what = line(self.description.as_deref().unwrap_or("(the description is in the log)"));
        let mut text =
            format!("proposal {}\n  {what}\n  {} of class {}", self.proposal, self.status, self.class);
        if self.from_log {
            text.push_str(", by the log's votes");
        }
        if !self.from_log {
            text.push_str(&format!(
                ": {} for, {} against, {} abstained",
                self.for_weight, self.against_weight, self.abstain_weight
            ));
        }
        text.push('\n');
        if let (ProposalStatus::Open, Some(ends)) = (self.status, self.voting_ends) {
            text.push_str(&format!("  takes votes until {}\n", alerts::when(ends, now_s)));
        }
        if let (ProposalStatus::Approved, Some(from), Some(until)) =
            (self.status, self.executable_from, self.executable_until)
        {
            text.push_str(&format!(
                "  can be executed from {} until {}\n",
                alerts::when(from, now_s),
                alerts::when(until, now_s)
            ));
        }
        if let Some(weight) = self.objections_needed {
            text.push_str(&format!("  is taken back by objections of weight {weight}\n"));
        }
        for call in self.calls.iter().flatten() {
            text.push_str(&format!("  {}\n", call_text(call)));
        }
        text
    }
}

/// What a call does, with all of its data: nobody approves what is not shown.
pub(crate) fn call_text(call: &Call) -> String {
    let data = match &call.data[..] {
        [] => String::new(),
        data => format!(", call data {}", alloy::primitives::hex::encode_prefixed(data)),
    };
    format!("{} to {}{data}", amount::ether(call.value), call.target)
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut text = alerts::text(&self.alerts);
        if !text.is_empty() {
            text.push('\n');
        }
        if self.on_chain.is_empty() {
            text.push_str(
                "The contract has no such proposal. What was executed by its proof stands in the log.\n",
            );
        }
        for known in &self.on_chain {
            text.push_str(&known.text(self.chain_time));
        }
        let Some(open) = &self.in_log else { return text };
        text.push_str(&format!("\n{} open in the log, as the nodes say:\n", open.len()));
        for InLog { proposal, description, closes, for_weight, against_weight } in open {
            let description = line(description);
            text.push_str(&format!(
                "proposal {proposal}\n  {description}\n  {for_weight} for, {against_weight} against; takes votes until {closes} s\n"
            ));
        }
        text
    }
}

impl Proposals {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let options = OnChainOptions { from_block: Some(self.from_block), most: self.limit.max(1) };
        let (on_chain, in_log) = match connection.nodes() {
            Ok(_) => {
                let client = sdk::client(&connection).await?;
                (client.on_chain(options).await?, Some(open_in_log(&client).await?))
            }
            Err(_) => {
                let contract = connection.contract()?;
                let reader = CoordinatorReader::connect(connection.rpc()?, contract.0).await?;
                (OnChain::read(&reader, connection.group()?, &[], options).await?, None)
            }
        };
        let lane = on_chain.proposals.iter().map(|known| InLane::of(known, &on_chain));
        format.print(&Listed {
            alerts: alerts::lines(&on_chain),
            chain_time: on_chain.time_s,
            on_chain: lane.filter(|known| self.all || !known.is_over()).collect(),
            in_log,
        })
    }
}

async fn open_in_log(client: &Client) -> Result<Vec<InLog>, SdkError> {
    let (mut open, mut after) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let page = client.proposals(after, MAX_PAGE_PROPOSALS).await?;
        let is_open = |view: &ProposalView| view.status == LogStatus::Open;
        open.extend(page.proposals.into_iter().filter(is_open).map(|view| InLog {
            proposal: view.id,
            description: view.description,
            closes: view.closes.seconds(),
            for_weight: view.for_weight,
            against_weight: view.against_weight,
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(open)
}
