//! The votes of a log, counted anew: whether each decision follows from them.
//!
//! This is written from the rules, apart from the services that the nodes run: a fault there would show here.

use std::collections::{BTreeMap, HashMap};

use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::proposal::{actions_hash, proposal_id, voting_end};
use quorate_protocol::{
    AgentId, Choice, DecisionRecord, DecisionStatus, Epoch, Group, Operation, Policy, ProposalId,
    TimestampMs, Weights, codec,
};

use super::report::Fault;

/// The open proposals of a log, with their votes so far.
#[derive(Debug, Default)]
pub(super) struct Ballots {
    open: HashMap<ProposalId, OpenProposal>,
}

#[derive(Debug)]
struct OpenProposal {
    proposer: AgentId,
    /// The end of its voting.
    closes: TimestampMs,
    policy: Policy,
    /// The epoch that it was proposed in, whose members alone vote on it, and the weight of all of them.
    epoch: Epoch,
    total: u128,
    /// Each with the weight that it had.
    votes: BTreeMap<AgentId, (Choice, u64)>,
    withdrawn: bool,
}

impl Ballots {
    /// Takes note of an operation that took effect. Operations of other services are none of its business.
    pub(super) fn apply(
        &mut self,
        group: &Group,
        agent: AgentId,
        time: TimestampMs,
        operation: &Operation,
    ) -> Result<(), Option<Fault>> {
        if operation.service != ProposalsOperation::SERVICE {
            return Ok(());
        }
        let fault = |proposal, reason: String| Err(Some(Fault::Decision { proposal, reason }));
        match codec::decode(&operation.body, MAX_COMMAND_BYTES).map_err(|_| None)? {
            ProposalsOperation::Propose(Propose { salt, description, calls, class }) => {
                let hash = actions_hash(&calls);
                let id = proposal_id(&group.identity.group, agent, salt, class, hash, &description);
                let Some(policy) = group.terms.class(class).cloned() else {
                    return fault(id, format!("the group has no class {class}"));
                };
                if let Err(error) = policy.check_calls(group.identity.contract, &calls) {
                    return fault(id, format!("its class does not permit it: {error}"));
                }
                let proposal = OpenProposal {
                    proposer: agent,
                    closes: voting_end(time, policy.voting_period_s),
                    policy,
                    epoch: group.epoch,
                    total: group.total_weight(),
                    votes: BTreeMap::new(),
                    withdrawn: false,
                };
                if self.open.insert(id, proposal).is_some() {
                    return fault(id, "it is proposed again while it is open".into());
                }
            }
            ProposalsOperation::Vote(vote) => {
                let Some(open) = self.open.get_mut(&vote.proposal) else {
                    return fault(vote.proposal, format!("{agent} votes on it, but it is not open"));
                };
                let Some(member) = group.member(agent).filter(|member| member.is_voter()) else {
                    return fault(vote.proposal, format!("{agent} votes on it, but is no voter"));
                };
                if open.epoch != group.epoch {
                    return fault(vote.proposal, format!("{agent} votes on it after the end of its epoch"));
                }
                let before = open.votes.insert(agent, (vote.choice, member.weight));
                if before.is_some_and(|(choice, _)| !open.policy.revotes || choice == vote.choice) {
                    return fault(vote.proposal, format!("{agent} votes on it twice"));
                }
            }
            ProposalsOperation::Cancel(cancel) => {
                match self.open.get_mut(&cancel.proposal).filter(|open| open.proposer == agent) {
                    Some(open) => open.withdrawn = true,
                    None => return fault(cancel.proposal, format!("{agent} cannot have withdrawn it")),
                }
            }
        }
        Ok(())
    }

    /// The contract executed the proposal: if it is open, it is so no more.
    pub(super) fn executed(&mut self, proposal: ProposalId) {
        self.open.remove(&proposal);
    }

    /// Checks a decision against the votes, and closes its proposal.
    pub(super) fn close(
        &mut self,
        group: &Group,
        time: TimestampMs,
        record: &DecisionRecord,
    ) -> Result<(), Fault> {
        let decision = &record.decision;
        let fault = |reason: String| Err(Fault::Decision { proposal: decision.proposal, reason });
        let Some(open) = self.open.remove(&decision.proposal) else {
            return fault("no proposal of this id is open".into());
        };
        let weight = |wanted: Choice| -> u128 {
            let votes = open.votes.values().filter(|(choice, _)| *choice == wanted);
            votes.map(|(_, weight)| u128::from(*weight)).sum()
        };
        let counted = (weight(Choice::For), weight(Choice::Against), weight(Choice::Abstain));
        if counted != (decision.for_weight, decision.against_weight, decision.abstain_weight) {
            return fault(format!("the votes in the log weigh {counted:?} for, against and abstaining"));
        }
        let (in_favour, against, abstain) = counted;
        let weights = Weights { in_favour, against, abstain, total: open.total };
        let verdict = open.policy.verdict(&weights, false);
        let over = time >= open.closes;
        let follows = match decision.status {
            DecisionStatus::Cancelled => verdict.is_none() && open.withdrawn,
            // Weights of two epochs are never added up.
            DecisionStatus::Expired if open.epoch != group.epoch => verdict.is_none() && over,
            status => {
                verdict == Some(status) || (over && open.policy.verdict(&weights, true) == Some(status))
            }
        };
        if !follows {
            return fault(format!("it cannot be {:?} by its votes", decision.status));
        }
        let window = match decision.status {
            DecisionStatus::Approved => open.policy.window(time),
            _ => (0, 0),
        };
        if window != (decision.executable_from, decision.executable_until) {
            return fault(format!("it may be executed from {} to {}, by its class", window.0, window.1));
        }
        Ok(())
    }
}
