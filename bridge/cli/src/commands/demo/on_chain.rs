//! A decision by transactions alone: propose, vote and execute on the contract.

use alloy::primitives::{Address, U256};
use quorate_contracts::{AgentCoordinator, Content, ProposalStatus};
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Choice, DecisionStatus, ProposalId};
use quorate_sdk::{ChainAgent, Included};

use super::report::{OnChainCost, Payment};
use super::stage::{Made, Stage, lane_name};
use crate::chain::{self, unreachable_chain};
use crate::error::CliError;
use crate::scenario::{ON_CHAIN_CLASS, OrganisationIndex, PayeeIndex, ProposalIndex};

impl Stage<'_> {
    /// Takes a proposal through the on-chain lane and executes it if the scenario says so.
    pub(super) async fn decide_on_chain(&mut self, index: ProposalIndex) -> Result<(), CliError> {
        let proposal = &self.scenario.proposals[index];
        let proposer = self.name(proposal.proposer);
        self.progress.tell(&format!(
            "  {proposer} proposes {:?} on the contract, by transactions alone: {}.",
            proposal.name, proposal.description
        ));
        self.progress.waiting(format!("deciding on {:?} on-chain", proposal.name));
        let calls = self.calls(proposal);
        let group = self.network.founded.identity.group;
        let salt = rand::random();
        let operation = Propose {
            salt,
            description: proposal.description.clone(),
            calls: calls.clone(),
            class: ON_CHAIN_CLASS,
        };
        let account = self.account_of(proposal.proposer).await?;
        let (id, proposed) = account.propose(group, &operation).await?;
        let mut cost = OnChainCost { propose_gas: proposed.gas_used, ..OnChainCost::default() };
        let mut row = self.row(index, id);
        for (voter, choice) in &proposal.votes {
            cost.votes_gas += self.account_of(*voter).await?.vote(group, id, *choice).await?.gas_used;
            cost.votes += 1;
            let weight = u128::from(self.scenario.organisations[*voter].weight);
            match choice {
                Choice::For => row.for_weight += weight,
                Choice::Against => row.against_weight += weight,
                Choice::Abstain => row.abstain_weight += weight,
            }
        }
        self.check_status(id, proposal.expect).await?;
        let votes = self.votes_text(index);
        self.progress.tell(&format!("    {votes}: {}.", format!("{:?}", proposal.expect).to_lowercase()));
        if let (true, Some((payee, amount))) = (proposal.execute, proposal.payment) {
            let before = self.balance(self.payees[payee]).await?;
            let content = Content::of(account.id(), salt, ON_CHAIN_CLASS, &operation.description, &calls);
            let execution = account.execute(group, &content).await?;
            cost.execution_gas = execution.gas_used;
            row.executed = true;
            self.note_payment(index, (payee, amount), before, execution).await?;
        }
        cost.total_gas = cost.propose_gas + cost.votes_gas + cost.execution_gas;
        self.on_chain_cost = Some(cost);
        self.made.push(Made { index, id, votes: Vec::new(), row: Some(row) });
        Ok(())
    }

    /// Checks that the contract says the same as the scenario.
    async fn check_status(&self, id: ProposalId, expect: DecisionStatus) -> Result<(), CliError> {
        let coordinator = AgentCoordinator::new(self.network.founded.identity.contract.0, &self.provider);
        let group = self.network.founded.identity.group;
        let known = coordinator.proposal(group.0, id.0).call().await;
        let status =
            known.map_err(|error| unreachable_chain(format!("ask how a proposal stands: {error}")))?.status;
        if ProposalStatus::try_from(status) == Ok(on_chain(expect)) {
            return Ok(());
        }
        Err(CliError::Verification(format!(
            "proposal {id} was to be {expect:?}, the contract has status {status}"
        )))
    }

    /// Checks that a payment arrived, and notes it.
    pub(super) async fn note_payment(
        &mut self,
        index: ProposalIndex,
        (payee, amount): (PayeeIndex, U256),
        before: U256,
        execution: Included,
    ) -> Result<(), CliError> {
        let after = self.balance(self.payees[payee]).await?;
        let account_after = self.balance(self.account()).await?;
        let proposal = &self.scenario.proposals[index];
        if after != before + amount {
            return Err(CliError::Verification(format!(
                "the payment of {:?} changed the payee's balance from {before} to {after} wei, not by {amount}",
                proposal.name
            )));
        }
        let payment = Payment {
            name: proposal.name.clone(),
            lane: lane_name(proposal.lane),
            payee: self.scenario.payees[payee].clone(),
            amount_wei: amount.to_string(),
            balance_before_wei: before.to_string(),
            balance_after_wei: after.to_string(),
            account_after_wei: account_after.to_string(),
            transaction: execution.tx_hash,
            gas: execution.gas_used,
        };
        self.progress.tell(&format!("    Paid: {}", payment.sentence()));
        self.payments.push(payment);
        Ok(())
    }

    /// The account that the group shares.
    pub(super) fn account(&self) -> Address {
        self.network.founded.account
    }

    /// An organisation's account on the contract.
    pub(super) async fn account_of(&self, organisation: OrganisationIndex) -> Result<ChainAgent, CliError> {
        chain::act(self.network.rpc_url(), self.network.founded.identity.contract, self.agent(organisation))
            .await
    }
}

/// The contract's status of a proposal that closed like this.
fn on_chain(status: DecisionStatus) -> ProposalStatus {
    match status {
        DecisionStatus::Approved => ProposalStatus::Approved,
        DecisionStatus::Rejected => ProposalStatus::Rejected,
        DecisionStatus::Expired => ProposalStatus::Expired,
        DecisionStatus::Cancelled => ProposalStatus::Cancelled,
    }
}
