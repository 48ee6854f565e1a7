//! The model of the log: what its state machine makes of commands, of messages, of time, and of the ends of epochs.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::group::FLAG_VOTER;
use quorate_protocol::{AgentId, Choice, Group, InboxEvent, Member, ProposalId, PublicKey};
use quorate_services::ProposalStatus;

use super::rules::{self, Verdict, Weights};
use super::{Ask, Proposal, Refused, Signed, place};

/// A proposal in the log.
#[derive(Clone, Debug)]
pub(in crate::histories) struct Tally {
    pub(in crate::histories) proposal: Proposal,
    pub(in crate::histories) epoch: u64,
    /// The end of its voting, in seconds.
    pub(in crate::histories) closes: u64,
    pub(in crate::histories) status: ProposalStatus,
    pub(in crate::histories) weights: Weights,
    pub(in crate::histories) votes: BTreeMap<AgentId, (Choice, Signed)>,
}

/// What a message of the inbox says.
#[derive(Clone, Debug)]
pub(in crate::histories) enum Told {
    /// A command, signed with this key; nothing where it is none.
    Command(Option<(AgentId, PublicKey, Ask)>),
    Event(InboxEvent),
}

pub(in crate::histories) struct MachineModel {
    /// The group as it was made, with the members of the log's epoch.
    pub(in crate::histories) group: Group,
    pub(in crate::histories) tallies: BTreeMap<ProposalId, Tally>,
    pub(in crate::histories) taken: u64,
    /// The members of the epoch that waits for the next checkpoint.
    pub(in crate::histories) next: Option<Vec<Member>>,
    now: u64,
    moved: BTreeSet<ProposalId>,
    left: BTreeSet<AgentId>,
    convicted: BTreeSet<AgentId>,
    /// Those who gave notice while a change waited that the voters signed.
    leaving: BTreeSet<AgentId>,
}

impl MachineModel {
    pub(in crate::histories) fn new(group: &Group) -> Self {
        Self {
            group: group.clone(),
            tallies: BTreeMap::new(),
            taken: 0,
            next: None,
            now: 0,
            moved: BTreeSet::new(),
            left: BTreeSet::new(),
            convicted: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// A batch at this second: what is due is closed.
    pub(in crate::histories) fn pass_to(&mut self, second: u64) {
        self.now = second;
        let mut due: Vec<(u64, ProposalId)> = self
            .tallies
            .values()
            .filter(|tally| tally.status == ProposalStatus::Open && tally.closes <= second)
            .map(|tally| (tally.closes, tally.proposal.id))
            .collect();
        due.sort_unstable();
        for (_, id) in due {
            let tally = &self.tallies[&id];
            let class = &self.group.terms.classes[usize::from(tally.proposal.propose.class)];
            let verdict = match tally.epoch == self.group.voters_since.0 {
                true => rules::at_the_end(class, tally.weights, self.group.total_weight()),
                false => Verdict::Expired,
            };
            self.decide(id, verdict);
        }
    }

    /// The weight with which an agent votes.
    fn weight(&self, agent: AgentId) -> u64 {
        let member = self.group.member(agent).filter(|_| !self.left.contains(&agent));
        member.map_or(0, |member| member.weight)
    }

    /// A command of a member.
    pub(in crate::histories) fn act(
        &mut self,
        agent: AgentId,
        key: PublicKey,
        ask: &Ask,
    ) -> Result<(), Refused> {
        match self.group.member(agent) {
            None => return Err("dropped"),
            Some(member) if member.key != key => return Err("wrong_key"),
            Some(_) => {}
        }
        match ask {
            Ask::Propose(proposal) => self.propose(agent, proposal),
            Ask::Vote(id, choice, signed) => self.vote(agent, *id, *choice, *signed),
            Ask::Cancel(id) => self.cancel(agent, *id),
        }
    }

    fn propose(&mut self, agent: AgentId, proposal: &Proposal) -> Result<(), Refused> {
        if self.weight(agent) == 0 {
            return Err("not_a_voter");
        }
        let propose = &proposal.propose;
        let class = self.group.terms.classes.get(usize::from(propose.class)).ok_or("unknown_class")?;
        let own = [self.group.identity.contract, self.group.account];
        rules::permit(class, &propose.calls, own).map_err(|error| match error {
            "GasNotNamed" | "TooMuchGas" => "invalid_calls",
            _ => "not_permitted",
        })?;
        if let Some(change) = &proposal.change {
            let alters = weights_of(&change.members) != weights_of(&self.group.members);
            let may = change.epoch == self.group.epoch && (!alters || class.changes_weights());
            let convicted = |member: &Member| member.is_replica() && self.convicted.contains(&member.agent);
            if !may || change.members.iter().any(convicted) {
                return Err("invalid_members_change");
            }
        }
        if self.tallies.contains_key(&proposal.id) {
            return Err("proposal_exists");
        }
        if self.moved.contains(&proposal.id) {
            return Err("proposal_moved");
        }
        let tally = Tally {
            proposal: proposal.clone(),
            epoch: self.group.voters_since.0,
            closes: self.now + u64::from(class.voting_period_s),
            status: ProposalStatus::Open,
            weights: [0; 3],
            votes: BTreeMap::new(),
        };
        self.tallies.insert(proposal.id, tally);
        Ok(())
    }

    fn open(&self, id: ProposalId) -> Result<&Tally, Refused> {
        let tally = self.tallies.get(&id).ok_or("unknown_proposal")?;
        if tally.status == ProposalStatus::Open { Ok(tally) } else { Err("proposal_closed") }
    }

    fn vote(
        &mut self,
        agent: AgentId,
        id: ProposalId,
        choice: Choice,
        signed: Signed,
    ) -> Result<(), Refused> {
        let weight = self.weight(agent);
        if weight == 0 {
            return Err("not_a_voter");
        }
        let tally = self.open(id)?;
        if tally.epoch != self.group.voters_since.0 {
            return Err("other_voters");
        }
        let class = &self.group.terms.classes[usize::from(tally.proposal.propose.class)];
        match (class.escape, signed) {
            (true, Signed::Not) => return Err("unsigned_vote"),
            (false, Signed::Well | Signed::Badly | Signed::Opaquely) => return Err("needless_signature"),
            (true, Signed::Badly) => return Err("bad_vote_signature"),
            _ => {}
        }
        let before = tally.votes.get(&agent).map(|(before, _)| *before);
        if before.is_some_and(|before| before == choice || !class.revotes) {
            return Err("already_voted");
        }
        let mut weights = tally.weights;
        if let Some(before) = before {
            weights[place(before)] -= u128::from(weight);
        }
        weights[place(choice)] += u128::from(weight);
        let silent: Vec<u64> = self
            .group
            .members
            .iter()
            .filter(|member| member.agent != agent && !tally.votes.contains_key(&member.agent))
            .map(|member| member.weight)
            .filter(|weight| *weight != 0)
            .collect();
        let verdict = rules::before_the_end(class, weights, &silent, self.group.total_weight());
        let tally = self.tallies.get_mut(&id).unwrap();
        tally.weights = weights;
        tally.votes.insert(agent, (choice, signed));
        if verdict != Verdict::Open {
            self.decide(id, verdict);
        }
        Ok(())
    }

    fn cancel(&mut self, agent: AgentId, id: ProposalId) -> Result<(), Refused> {
        if self.open(id)?.proposal.proposer != agent {
            return Err("not_the_proposer");
        }
        self.tallies.get_mut(&id).unwrap().status = ProposalStatus::Cancelled;
        Ok(())
    }

    fn decide(&mut self, id: ProposalId, verdict: Verdict) {
        let tally = self.tallies.get_mut(&id).unwrap();
        tally.status = match verdict {
            Verdict::Approved => ProposalStatus::Approved,
            Verdict::Rejected => ProposalStatus::Rejected,
            Verdict::Expired => ProposalStatus::Expired,
            Verdict::Open => panic!("an open proposal is not decided"),
        };
        if verdict == Verdict::Approved {
            self.plan_change(id);
        }
    }

    /// An approved change of members waits for the next checkpoint: the first of its epoch that names no convicted replica
    /// and, where it alters weights, has the voters' signatures.
    fn plan_change(&mut self, id: ProposalId) {
        let tally = &self.tallies[&id];
        let Some(change) = &tally.proposal.change else { return };
        if self.next.is_some() || change.epoch != self.group.epoch {
            return;
        }
        if change.members.iter().any(|member| member.is_replica() && self.convicted.contains(&member.agent)) {
            return;
        }
        if weights_of(&change.members) != weights_of(&self.group.members) {
            let signed = |voter: &AgentId| tally.votes.get(voter) == Some(&(Choice::For, Signed::Well));
            let voters = self.group.members.iter().filter(|member| signed(&member.agent));
            let weight = voters.map(|member| u128::from(member.weight)).sum();
            let class = &self.group.terms.classes[usize::from(tally.proposal.propose.class)];
            if !class.changes_weights() || !rules::reaches(weight, class.threshold, self.group.total_weight())
            {
                return;
            }
        }
        self.next = Some(change.members.clone());
    }

    /// Takes the next message of the inbox.
    pub(in crate::histories) fn take(&mut self, told: &Told) {
        self.taken += 1;
        match told {
            Told::Command(None) => {}
            Told::Command(Some((agent, key, ask))) => {
                // Whether it is refused is nothing to the message.
                let _ = self.act(*agent, *key, ask);
            }
            Told::Event(
                InboxEvent::ProposalOpenedOnChain { proposal, .. }
                | InboxEvent::ProposalClosedOnChain { proposal, .. },
            ) => match self.tallies.get_mut(proposal) {
                Some(tally) if tally.status == ProposalStatus::Open => tally.status = ProposalStatus::Moved,
                Some(_) => {}
                None => {
                    self.moved.insert(*proposal);
                }
            },
            Told::Event(InboxEvent::ReplicaConvicted { replica }) => {
                self.convicted.insert(*replica);
                self.leave_out(*replica);
            }
            Told::Event(InboxEvent::ReplicaLeaving { replica, .. }) => {
                let signed = self.next_is_the_voters();
                if !self.leave_out(*replica) && signed {
                    self.leaving.insert(*replica);
                }
            }
            Told::Event(InboxEvent::MemberLeft { member }) => {
                if self.group.member(*member).is_some() {
                    self.left.insert(*member);
                }
            }
        }
    }

    fn next_is_the_voters(&self) -> bool {
        let current = weights_of(&self.group.members);
        self.next.as_ref().is_some_and(|next| weights_of(next) != current)
    }

    /// Plans the next epoch without a replica, if four remain and the plan is not the voters' own word. A voter stays one.
    fn leave_out(&mut self, replica: AgentId) -> bool {
        if self.next_is_the_voters() {
            return false;
        }
        let planned = self.next.as_ref().unwrap_or(&self.group.members);
        if !planned.iter().any(|member| member.agent == replica && member.is_replica()) {
            return false;
        }
        let mut members = planned.clone();
        members.retain(|member| member.agent != replica || member.is_voter());
        for member in &mut members {
            if member.agent == replica {
                member.flags = FLAG_VOTER;
            }
        }
        if members.iter().filter(|member| member.is_replica()).count() < 4 {
            return false;
        }
        self.next = Some(members);
        true
    }

    /// A checkpoint is taken: the members that wait take their seats. Those who are gone by then are left out of the epoch
    /// after it.
    pub(in crate::histories) fn end_epoch(&mut self) {
        let Some(members) = self.next.take() else { return };
        self.group.epoch = self.group.epoch.next();
        if weights_of(&members) != weights_of(&self.group.members) {
            self.group.voters_since = self.group.epoch;
        }
        self.group.members = members;
        let group = &self.group;
        self.left.retain(|member| group.member(*member).is_some());
        for replica in std::mem::take(&mut self.leaving) {
            self.leave_out(replica);
        }
        for member in self.group.members.clone() {
            if self.convicted.contains(&member.agent) {
                self.leave_out(member.agent);
            }
        }
    }
}

/// Who votes, with which weight.
pub(in crate::histories) fn weights_of(members: &[Member]) -> Vec<(AgentId, u64)> {
    members.iter().filter(|member| member.weight != 0).map(|member| (member.agent, member.weight)).collect()
}
