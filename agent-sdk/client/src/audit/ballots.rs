//! The votes of a log, counted anew: whether each decision follows from them.
//!
//! This is written from the rules, apart from the services that the nodes run: a fault there would show here.

use std::collections::{BTreeMap, HashMap};

use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::proposal::{description_hash, proposal_id, voting_end};
use quorate_protocol::{
    AccountSignature, AgentId, Choice, Class, DecisionRecord, DecisionStatus, Epoch, Group, Mandate,
    Operation, ProposalId, TimestampMs, Weights, codec, mandate,
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
    class: Class,
    /// The epoch since which the weights stood when it was proposed, and the weight of all voters.
    voters_since: Epoch,
    total: u128,
    /// Each with the weight that it had, and an account's signature if it carried one.
    votes: BTreeMap<AgentId, (Choice, u64, Option<AccountSignature>)>,
    withdrawn: bool,
}

impl Ballots {
    /// Takes note of an operation that took effect, of an agent that may have given up its vote. Operations of other services
    /// are none of its business.
    pub(super) fn apply(
        &mut self,
        group: &Group,
        (agent, has_left): (AgentId, bool),
        time: TimestampMs,
        operation: &Operation,
    ) -> Result<(), Option<Fault>> {
        if operation.service != ProposalsOperation::SERVICE {
            return Ok(());
        }
        let fault = |proposal, reason: String| Err(Some(Fault::Decision { proposal, reason }));
        match codec::decode(&operation.body, MAX_COMMAND_BYTES).map_err(|_| None)? {
            ProposalsOperation::Propose(Propose { salt, description, calls, class }) => {
                let id = proposal_id(&group.identity.group, agent, salt, class, &calls, &description);
                if has_left {
                    return fault(id, format!("{agent} proposes it, but has left"));
                }
                let Some(class) = group.terms.class(class).cloned() else {
                    return fault(id, format!("the group has no class {class}"));
                };
                if let Err(error) = class.permit(&calls, group.identity.contract, group.account) {
                    return fault(id, format!("its class does not permit it: {error}"));
                }
                let proposal = OpenProposal {
                    proposer: agent,
                    closes: voting_end(time, class.voting_period_s),
                    class,
                    voters_since: group.voters_since,
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
                let Some(member) = group.member(agent).filter(|member| member.is_voter() && !has_left) else {
                    return fault(vote.proposal, format!("{agent} votes on it, but is no voter"));
                };
                if open.voters_since != group.voters_since {
                    return fault(vote.proposal, format!("{agent} votes on it after a change of weights"));
                }
                let signature = vote.signature.as_ref().and_then(|signature| signature.account().copied());
                let before = open.votes.insert(agent, (vote.choice, member.weight, signature));
                if before.is_some_and(|(choice, ..)| !open.class.revotes || choice == vote.choice) {
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

    /// The on-chain lane has the proposal, or is done with it: if it is open, it is so no more.
    pub(super) fn moved(&mut self, proposal: ProposalId) {
        self.open.remove(&proposal);
    }

    /// Checks a decision against the votes, closes its proposal, and gives the votes for it as a mandate.
    pub(super) fn close(
        &mut self,
        group: &Group,
        time: TimestampMs,
        record: &DecisionRecord,
    ) -> Result<Mandate, Fault> {
        let decision = &record.decision;
        let fault = |reason: String| Err(Fault::Decision { proposal: decision.proposal, reason });
        let Some(open) = self.open.remove(&decision.proposal) else {
            return fault("no proposal of this id is open".into());
        };
        let weight = |wanted: Choice| -> u128 {
            let votes = open.votes.values().filter(|(choice, ..)| *choice == wanted);
            votes.map(|(_, weight, _)| u128::from(*weight)).sum()
        };
        let counted = (weight(Choice::For), weight(Choice::Against), weight(Choice::Abstain));
        if counted != (decision.for_weight, decision.against_weight, decision.abstain_weight) {
            return fault(format!("the votes in the log weigh {counted:?} for, against and abstaining"));
        }
        let (in_favour, against, abstain) = counted;
        let weights = Weights { in_favour, against, abstain, total: open.total };
        let verdict = open.class.verdict(&weights, false);
        let over = time >= open.closes;
        let follows = match decision.status {
            DecisionStatus::Cancelled => verdict.is_none() && open.withdrawn,
            // Weights of different voters are never added up.
            DecisionStatus::Expired if open.voters_since != group.voters_since => verdict.is_none() && over,
            status => verdict == Some(status) || (over && open.class.verdict(&weights, true) == Some(status)),
        };
        if !follows {
            return fault(format!("it cannot be {:?} by its votes", decision.status));
        }
        let ballot =
            |(voter, (choice, _, signature)): (&AgentId, &(Choice, u64, Option<AccountSignature>))| {
                let signature = signature.filter(|_| *choice == Choice::For)?;
                Some(mandate::Ballot { voter: *voter, signature })
            };
        Ok(Mandate {
            proposer: record.proposer,
            salt: record.salt,
            class: record.class,
            description_hash: description_hash(&record.description),
            voting_ends: open.closes.seconds(),
            ballots: open.votes.iter().filter_map(ballot).collect(),
        })
    }
}
