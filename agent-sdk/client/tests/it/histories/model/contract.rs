//! The model of the contract: what it makes of proposals in its lane, of what the log decided, and of messages.

use std::collections::{BTreeMap, BTreeSet};

use quorate_contracts::ProposalStatus as Status;
use quorate_protocol::{AgentId, Choice, Class, Group, InboxEvent, OnChainStatus, Opening, ProposalId};

use super::machine::Told;
use super::rules::{self, Spends, Verdict, Weights};
use super::seats::Seats;
use super::{Proposal, Refused, place};

/// All that ever happened to a proposal on-chain.
#[derive(Clone, Debug)]
pub(in crate::histories) struct Record {
    /// As it is stored: what time alone does to it is worked out.
    pub(in crate::histories) status: Status,
    pub(in crate::histories) class: u8,
    /// Approved by the log's word: by its votes, or, where `closes` is 0, by its decision.
    pub(in crate::histories) from_log: bool,
    pub(in crate::histories) refused_in_log: bool,
    pub(in crate::histories) epoch: u64,
    /// The end of its voting, in seconds.
    pub(in crate::histories) closes: u64,
    pub(in crate::histories) approved_at: u64,
    pub(in crate::histories) weights: Weights,
    pub(in crate::histories) votes: BTreeMap<AgentId, Choice>,
}

impl Record {
    pub(in crate::histories) fn is_queued(&self) -> bool {
        self.from_log && self.closes == 0
    }
}

/// The beginning of an epoch.
pub(in crate::histories) struct Start {
    pub(in crate::histories) log_size: u64,
    pub(in crate::histories) second: u64,
    total: u128,
    /// The epoch since which the weights were as they were in this one.
    voters_since: u64,
}

/// A message of the inbox.
pub(in crate::histories) struct Message {
    pub(in crate::histories) sender: AgentId,
    pub(in crate::histories) second: u64,
    pub(in crate::histories) told: Told,
}

pub(in crate::histories) struct ContractModel {
    pub(in crate::histories) group: Group,
    pub(in crate::histories) seats: Seats,
    pub(in crate::histories) epoch: u64,
    pub(in crate::histories) starts: Vec<Start>,
    /// The sizes of the anchored logs.
    pub(in crate::histories) roots: BTreeSet<u64>,
    pub(in crate::histories) sequence: u64,
    pub(in crate::histories) anchored_at: Option<u64>,
    pub(in crate::histories) messages: Vec<Message>,
    pub(in crate::histories) taken: u64,
    pub(in crate::histories) served_at: u64,
    pub(in crate::histories) records: BTreeMap<ProposalId, Record>,
    /// What the group's account has, in wei.
    pub(in crate::histories) balance: u128,
    /// What each payee got, in wei.
    pub(in crate::histories) paid: BTreeMap<AgentId, u128>,
    pub(in crate::histories) executed: BTreeSet<ProposalId>,
    pub(super) spends: Spends,
}

impl ContractModel {
    pub(in crate::histories) fn new(group: &Group, now: u64) -> Self {
        let seats = Seats::new(group);
        let starts = vec![Start { log_size: 0, second: now, total: seats.total(), voters_since: 0 }];
        Self {
            group: group.clone(),
            seats,
            epoch: 0,
            starts,
            roots: BTreeSet::new(),
            sequence: 0,
            anchored_at: None,
            messages: Vec::new(),
            taken: 0,
            served_at: 0,
            records: BTreeMap::new(),
            balance: 0,
            paid: BTreeMap::new(),
            executed: BTreeSet::new(),
            spends: Spends::default(),
        }
    }

    pub(super) fn class(&self, at: u8) -> Result<Class, Refused> {
        self.group.terms.classes.get(usize::from(at)).cloned().ok_or("UnknownClass")
    }

    pub(super) fn own(&self) -> [AgentId; 2] {
        [self.group.identity.contract, self.group.account]
    }

    pub(in crate::histories) fn push(&mut self, second: u64, sender: AgentId, told: Told) {
        self.messages.push(Message { sender, second, told });
    }

    pub(super) fn tell(&mut self, second: u64, sender: AgentId, event: InboxEvent) {
        self.push(second, sender, Told::Event(event));
    }

    /// Since when the oldest message waits that no anchor has taken.
    pub(in crate::histories) fn waiting_since(&self) -> Option<u64> {
        Some(self.messages.get(usize::try_from(self.taken).unwrap())?.second.max(self.served_at))
    }

    pub(in crate::histories) fn has_stalled(&self, now: u64) -> bool {
        self.waiting_since().is_some_and(|since| now >= since + u64::from(self.group.terms.stall_time_s))
    }

    /// Where a proposal stands, and when it was approved.
    pub(in crate::histories) fn status(&self, id: ProposalId, now: u64) -> (Status, u64) {
        let Some(record) = self.records.get(&id) else { return (Status::None, 0) };
        let class = &self.group.terms.classes[usize::from(record.class)];
        let (mut status, mut approved_at) = (record.status, record.approved_at);
        if status == Status::Open {
            let next = self.starts.iter().find(|start| start.voters_since > record.epoch);
            let total = self.starts[usize::try_from(record.epoch).unwrap()].total;
            status = match () {
                () if next.is_some_and(|next| next.second < record.closes) => Status::Expired,
                () if now < record.closes => Status::Open,
                () => match rules::at_the_end(class, record.weights, total) {
                    Verdict::Approved => Status::Approved,
                    Verdict::Rejected => Status::Rejected,
                    Verdict::Open | Verdict::Expired => Status::Expired,
                },
            };
            if status == Status::Approved {
                approved_at = record.closes;
            }
        }
        let until = approved_at + u64::from(class.timelock_s) + u64::from(class.expiry_s);
        if status == Status::Approved && now > until {
            status = Status::Expired;
        }
        (status, approved_at)
    }

    pub(super) fn require(&self, id: ProposalId, now: u64, expected: Status) -> Result<u64, Refused> {
        let (status, approved_at) = self.status(id, now);
        if status == expected { Ok(approved_at) } else { Err("WrongStatus") }
    }

    pub(super) fn record(&mut self, id: ProposalId, class: u8) -> &mut Record {
        self.records.entry(id).or_insert_with(|| Record {
            status: Status::None,
            class,
            from_log: false,
            refused_in_log: false,
            epoch: 0,
            closes: 0,
            approved_at: 0,
            weights: [0; 3],
            votes: BTreeMap::new(),
        })
    }

    pub(super) fn close(
        &mut self,
        now: u64,
        sender: AgentId,
        id: ProposalId,
        status: Status,
        told: OnChainStatus,
    ) {
        self.record(id, 0).status = status;
        self.tell_closed(now, sender, id, told);
    }

    pub(in crate::histories) fn propose(
        &mut self,
        now: u64,
        sender: AgentId,
        proposal: &Proposal,
    ) -> Result<(), Refused> {
        if self.seats.weight(sender) == 0 {
            return Err("NotVoter");
        }
        let at = proposal.propose.class;
        let class = self.class(at)?;
        let is_open = match class.opening {
            Opening::Never => false,
            Opening::Stalled => self.has_stalled(now),
            Opening::Always => true,
        };
        if !is_open {
            return Err("LaneClosed");
        }
        rules::permit(&class, proposal.calls(), self.own())?;
        if self.records.get(&proposal.id).is_some_and(|record| record.status != Status::None) {
            return Err("WrongStatus");
        }
        let (epoch, closes) = (self.voters_since(), now + u64::from(class.voting_period_s));
        let record = self.record(proposal.id, at);
        (record.status, record.class, record.epoch, record.closes) = (Status::Open, at, epoch, closes);
        self.tell_opened(now, sender, proposal, closes, OnChainStatus::Open);
        Ok(())
    }

    fn tell_opened(
        &mut self,
        now: u64,
        sender: AgentId,
        proposal: &Proposal,
        voting_ends: u64,
        status: OnChainStatus,
    ) {
        let (class, proposer, proposal) = (proposal.propose.class, proposal.proposer, proposal.id);
        let event = InboxEvent::ProposalOpenedOnChain { proposal, proposer, class, voting_ends, status };
        self.tell(now, sender, event);
    }

    pub(in crate::histories) fn vote(
        &mut self,
        now: u64,
        voter: AgentId,
        id: ProposalId,
        choice: Choice,
    ) -> Result<(), Refused> {
        self.require(id, now, Status::Open)?;
        let weight = self.seats.weight(voter);
        if weight == 0 {
            return Err("NotVoter");
        }
        let record = self.records.get_mut(&id).unwrap();
        let class = &self.group.terms.classes[usize::from(record.class)];
        let before = record.votes.get(&voter).copied();
        if before.is_some_and(|before| before == choice || !class.revotes) {
            return Err("AlreadyVoted");
        }
        if let Some(before) = before {
            record.weights[place(before)] -= u128::from(weight);
        }
        record.weights[place(choice)] += u128::from(weight);
        record.votes.insert(voter, choice);
        let members = self.seats.members.iter();
        let silent: Vec<u64> = members
            .filter(|member| member.weight != 0 && !record.votes.contains_key(&member.agent))
            .map(|member| member.weight)
            .collect();
        match rules::before_the_end(class, record.weights, &silent, self.seats.total()) {
            Verdict::Approved => (record.status, record.approved_at) = (Status::Approved, now),
            Verdict::Rejected => record.status = Status::Rejected,
            Verdict::Open | Verdict::Expired => {}
        }
        Ok(())
    }

    pub(in crate::histories) fn cancel(
        &mut self,
        now: u64,
        sender: AgentId,
        proposal: &Proposal,
    ) -> Result<(), Refused> {
        if sender != proposal.proposer {
            return Err("NotProposer");
        }
        self.require(proposal.id, now, Status::Open)?;
        self.close(now, sender, proposal.id, Status::Cancelled, OnChainStatus::Cancelled);
        Ok(())
    }

    /// `ballots` are votes for with whether their signatures are good for these weights and this end of the voting.
    pub(in crate::histories) fn approve_by_sigs(
        &mut self,
        now: u64,
        sender: AgentId,
        (proposal, voting_ends): (&Proposal, u64),
        ballots: &[(AgentId, bool)],
    ) -> Result<(), Refused> {
        let (id, at) = (proposal.id, proposal.propose.class);
        let class = self.class(at)?;
        if !class.escape {
            return Err("NoEscape");
        }
        if !self.has_stalled(now) {
            return Err("NotStalled");
        }
        if now >= voting_ends {
            return Err("VotingOver");
        }
        rules::permit(&class, proposal.calls(), self.own())?;
        if self.records.get(&id).is_some_and(|record| record.refused_in_log) {
            return Err("RefusedInLog");
        }
        let (status, approved_at) = self.status(id, now);
        let may = matches!(status, Status::None | Status::Open | Status::Rejected | Status::Cancelled);
        if !may && (status != Status::Expired || approved_at != 0) {
            return Err("WrongStatus");
        }
        let weight = self.weigh(ballots);
        if !rules::reaches(weight, class.threshold, self.seats.total()) {
            return Err("NotEnoughWeight");
        }
        self.approve(now, id, at, voting_ends, weight);
        self.tell_opened(now, sender, proposal, voting_ends, OnChainStatus::Approved);
        Ok(())
    }

    fn weigh(&self, ballots: &[(AgentId, bool)]) -> u128 {
        let good = ballots.iter().filter(|(_, is_good)| *is_good);
        good.map(|(voter, _)| u128::from(self.seats.weight(*voter))).sum()
    }

    /// Approves by the log's word; votes that were cast here are of no account any more.
    pub(super) fn approve(&mut self, now: u64, id: ProposalId, class: u8, closes: u64, weight: u128) {
        let epoch = self.voters_since();
        let record = self.record(id, class);
        (record.status, record.class, record.from_log, record.epoch) = (Status::Approved, class, true, epoch);
        (record.closes, record.approved_at, record.weights) = (closes, now, [weight, 0, 0]);
    }

    /// `objections` come with whether their signatures are good.
    pub(in crate::histories) fn veto(
        &mut self,
        now: u64,
        sender: AgentId,
        id: ProposalId,
        objections: &[(AgentId, bool)],
    ) -> Result<(), Refused> {
        self.require(id, now, Status::Approved)?;
        let class = &self.group.terms.classes[usize::from(self.records[&id].class)];
        if !rules::blocks(class, self.weigh(objections), self.seats.total()) {
            return Err("NotEnoughWeight");
        }
        self.close(now, sender, id, Status::Revoked, OnChainStatus::Revoked);
        Ok(())
    }

    /// Something is laid on the log by anybody.
    pub(in crate::histories) fn enqueue(
        &mut self,
        now: u64,
        sender: AgentId,
        (bytes, wei): (usize, u128),
        told: Told,
    ) -> Result<(), Refused> {
        if !(1..=16 * 1024).contains(&bytes) {
            return Err("InvalidCommandLength");
        }
        let mut fee = 0;
        if self.seats.member(sender).is_none() {
            fee = self.group.terms.inbox_fee * bytes.div_ceil(1024) as u128;
            if fee == 0 {
                return Err("InboxClosed");
            }
        }
        if wei != fee {
            return Err("WrongFee");
        }
        self.balance += fee;
        self.push(now, sender, told);
        Ok(())
    }

    /// The next epoch begins.
    pub(super) fn begin_epoch(&mut self, now: u64, log_size: u64, alters_weights: bool) {
        let before = self.voters_since();
        self.epoch += 1;
        let voters_since = if alters_weights { self.epoch } else { before };
        self.starts.push(Start { log_size, second: now, total: self.seats.total(), voters_since });
    }

    /// The epoch since which the weights are as they are.
    pub(in crate::histories) fn voters_since(&self) -> u64 {
        self.starts.last().expect("the first epoch began").voters_since
    }
}
