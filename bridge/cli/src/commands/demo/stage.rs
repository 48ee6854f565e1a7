//! The stage of the demo: the running network, the client that the agents share, and what has happened so far.

use std::time::Instant;

use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider as _};
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, Call, ProposalId, SignedCommand, U256};
use quorate_sdk::{Agent, Client};

use super::report::{DecisionRow, OnChainCost, Outage, Payment, RefusalRow};
use crate::chain::{self, unreachable_chain};
use crate::error::CliError;
use crate::network::running::Network;
use crate::output::progress::Progress;
use crate::scenario::{Lane, OrganisationIndex, Proposal, ProposalIndex, Scenario};

/// Everything that the steps work on.
pub(super) struct Stage<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) progress: &'a Progress,
    pub(super) network: Network,
    /// A client of all nodes. It trusts none of them.
    pub(super) client: Client,
    pub(super) reader: CoordinatorReader,
    pub(super) provider: DynProvider,
    /// Fresh accounts of the payees, in the scenario's order.
    pub(super) payees: Vec<Address>,
    /// What became of the scenario's proposals so far.
    pub(super) made: Vec<Made>,
    pub(super) refusals: Vec<RefusalRow>,
    pub(super) outages: Vec<Outage>,
    /// When the node that is down was killed, until the group's next receipt.
    pub(super) killed_at: Option<Instant>,
    pub(super) payments: Vec<Payment>,
    pub(super) on_chain_cost: Option<OnChainCost>,
}

/// A proposal that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) index: ProposalIndex,
    pub(super) id: ProposalId,
    /// The votes as they were signed, with the entries that they made.
    pub(super) votes: Vec<(OrganisationIndex, SignedCommand, u64)>,
    /// What was decided, once it is.
    pub(super) row: Option<DecisionRow>,
}

impl<'a> Stage<'a> {
    /// Sets the stage on a running network.
    pub(super) async fn set(
        scenario: &'a Scenario,
        progress: &'a Progress,
        network: Network,
    ) -> Result<Self, CliError> {
        let identity = network.founded.identity;
        let nodes = network.nodes().iter().map(|node| node.url.clone());
        let client = Client::connect(nodes, network.rpc_url(), identity.contract.0, identity.group).await?;
        let reader = CoordinatorReader::connect(network.rpc_url(), identity.contract.0).await?;
        let provider = chain::connect(network.rpc_url())?;
        let payees = scenario.payees.iter().map(|_| Agent::generate().id().0).collect();
        Ok(Self {
            scenario,
            progress,
            network,
            client,
            reader,
            provider,
            payees,
            made: Vec::new(),
            refusals: Vec::new(),
            outages: Vec::new(),
            killed_at: None,
            payments: Vec::new(),
            on_chain_cost: None,
        })
    }

    /// The name of an organisation.
    pub(super) fn name(&self, organisation: OrganisationIndex) -> &'a str {
        &self.scenario.organisations[organisation].name
    }

    /// The keys of an organisation.
    pub(super) fn agent(&self, organisation: OrganisationIndex) -> &Agent {
        &self.network.members[organisation].agent
    }

    /// What a proposal of the scenario makes the group's account do.
    pub(super) fn calls(&self, proposal: &Proposal) -> Vec<Call> {
        let to_call = |(payee, value): (usize, U256)| Call::payment(AgentId(self.payees[payee]), value);
        proposal.payment.map(to_call).into_iter().collect()
    }

    /// A proposal of the scenario that was made before.
    pub(super) fn made(&self, index: ProposalIndex) -> &Made {
        self.made
            .iter()
            .find(|made| made.index == index)
            .expect("the scenario's steps were checked for their order")
    }

    /// The row of a decided proposal, to be filled in by its lane.
    pub(super) fn row(&self, index: ProposalIndex, id: ProposalId) -> DecisionRow {
        let proposal = &self.scenario.proposals[index];
        DecisionRow {
            name: proposal.name.clone(),
            description: proposal.description.clone(),
            proposal: id,
            proposer: self.name(proposal.proposer).to_owned(),
            lane: lane_name(proposal.lane),
            status: proposal.expect,
            for_weight: 0,
            against_weight: 0,
            abstain_weight: 0,
            entry: None,
            pays: proposal.payment.map(|(payee, value)| {
                format!("{} to {}", crate::amount::ether(value), self.scenario.payees[payee])
            }),
            executed: false,
        }
    }

    /// The balance of an account, in wei.
    pub(super) async fn balance(&self, account: Address) -> Result<U256, CliError> {
        let balance = self.provider.get_balance(account).await;
        balance.map_err(|error| unreachable_chain(format!("ask for a balance: {error}")))
    }
}

/// A lane as the story names it.
pub(super) fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Anchored => "log",
        Lane::OnChain => "on-chain",
    }
}
