//! The model of what the contract makes of decisions: those of the log, by their proofs, and those of its own lane.

use std::collections::BTreeMap;

use quorate_contracts::ProposalStatus as Status;
use quorate_protocol::class::ETHER;
use quorate_protocol::{AgentId, Call, Class, OnChainStatus, ProposalId};

use super::contract::ContractModel;
use super::rules::{self, Spends};
use super::{Proposal, Refused};

/// A decision in an anchored log, as it is shown to the contract.
pub(in crate::histories) struct Shown {
    /// The size of the anchored log that it is shown in.
    pub(in crate::histories) size: u64,
    /// Whether the proof leads to that log's root.
    pub(in crate::histories) is_proven: bool,
    pub(in crate::histories) epoch: u64,
    pub(in crate::histories) index: u64,
    pub(in crate::histories) decided_at: u64,
}

impl ContractModel {
    /// The log's refusal of a proposal is shown.
    pub(in crate::histories) fn close_from_log(
        &mut self,
        id: ProposalId,
        refuses: bool,
        shown: &Shown,
    ) -> Result<(), Refused> {
        if !refuses {
            return Err("NotRefusal");
        }
        self.require_proven(shown)?;
        let record = self.record(id, 0);
        record.refused_in_log = true;
        if record.status == Status::Approved && record.from_log && !record.is_queued() {
            record.status = Status::Cancelled;
        }
        Ok(())
    }

    fn require_proven(&self, shown: &Shown) -> Result<(), Refused> {
        match () {
            () if !self.roots.contains(&shown.size) => Err("UnknownAnchor"),
            () if !shown.is_proven => Err("EntryNotIncluded"),
            () => Ok(()),
        }
    }

    /// A decision ends by the log's time, and by the chain's where its epoch is over.
    fn require_in_time(&self, now: u64, class: &Class, shown: &Shown) -> Result<(), Refused> {
        let expiry_s = u64::from(class.expiry_s);
        if now > shown.decided_at + expiry_s {
            return Err("ExecutionExpired");
        }
        let at = usize::try_from(shown.epoch).unwrap();
        let (start, next) = (self.starts.get(at), self.starts.get(at + 1));
        let is_within = start.is_some_and(|start| shown.index >= start.log_size)
            && next.is_none_or(|next| shown.index < next.log_size);
        if !is_within {
            return Err("NotInEpoch");
        }
        if next.is_some_and(|next| now > next.second + expiry_s) {
            return Err("ExecutionExpired");
        }
        Ok(())
    }

    /// An approving decision of the log is executed.
    pub(in crate::histories) fn execute_anchored(
        &mut self,
        now: u64,
        proposal: &Proposal,
        shown: &Shown,
    ) -> Result<(), Refused> {
        let class = self.class(proposal.propose.class)?;
        if class.timelock_s != 0 {
            return Err("HasTimelock");
        }
        self.require_proven(shown)?;
        if matches!(self.status(proposal.id, now).0, Status::Revoked | Status::Executed) {
            return Err("WrongStatus");
        }
        self.require_in_time(now, &class, shown)?;
        let (sums, spent) = self.charge(now, proposal, &class)?;
        self.drive(now, proposal)?;
        self.spends.add_where(spent, proposal.propose.class, &class, &sums, now);
        self.record(proposal.id, proposal.propose.class).status = Status::Executed;
        Ok(())
    }

    /// An approving decision of the log is approved here, and waits.
    pub(in crate::histories) fn queue_anchored(
        &mut self,
        now: u64,
        proposal: &Proposal,
        shown: &Shown,
    ) -> Result<(), Refused> {
        let (id, at) = (proposal.id, proposal.propose.class);
        let class = self.class(at)?;
        if class.timelock_s == 0 {
            return Err("NoTimelock");
        }
        self.require_proven(shown)?;
        self.require_in_time(now, &class, shown)?;
        let stored = self.records.get(&id).map(|record| record.status);
        if matches!(stored, Some(Status::Approved | Status::Revoked | Status::Executed)) {
            return Err("WrongStatus");
        }
        rules::permit(&class, proposal.calls(), self.own())?;
        self.approve(now, id, at, 0, 0);
        Ok(())
    }

    pub(in crate::histories) fn execute(
        &mut self,
        now: u64,
        sender: AgentId,
        proposal: &Proposal,
    ) -> Result<(), Refused> {
        let at = proposal.propose.class;
        let approved_at = self.require(proposal.id, now, Status::Approved)?;
        let class = self.class(at)?;
        if now < approved_at + u64::from(class.timelock_s) {
            return Err("TimelockNotOver");
        }
        let (sums, spent) = self.charge(now, proposal, &class)?;
        let (messages, is_queued) = (self.messages.len(), self.records[&proposal.id].is_queued());
        if !is_queued {
            self.tell_closed(now, sender, proposal.id, OnChainStatus::Executed);
        }
        if let Err(refused) = self.drive(now, proposal) {
            self.messages.truncate(messages);
            return Err(refused);
        }
        self.spends.add_where(spent, at, &class, &sums, now);
        self.record(proposal.id, at).status = Status::Executed;
        Ok(())
    }

    /// What the calls take, and whether a window is to count it, if the class permits them and the window leaves so much.
    fn charge(
        &self,
        now: u64,
        proposal: &Proposal,
        class: &Class,
    ) -> Result<(BTreeMap<AgentId, u128>, bool), Refused> {
        let sums = rules::permit(class, proposal.calls(), self.own())?;
        let counts = class.window_s != 0;
        let left = |asset| self.spends.left(proposal.propose.class, class, asset, now);
        if counts && sums.iter().any(|(asset, sum)| *sum > left(*asset)) {
            return Err("AboveWindow");
        }
        Ok((sums, counts))
    }

    /// Makes the calls, all or none.
    fn drive(&mut self, now: u64, proposal: &Proposal) -> Result<(), Refused> {
        let mut balance = self.balance;
        for call in proposal.calls() {
            let value: u128 = call.value.to();
            let works = match (proposal.revokes, &proposal.change) {
                (Some(revoked), _) => {
                    self.records.get(&revoked).is_none_or(|record| record.status != Status::Executed)
                }
                // Only the log changes members; the contract has no such function.
                (None, Some(_)) => false,
                // The account knows no such function.
                (None, None) if call.target == self.group.account => false,
                (None, None) => call.data.is_empty() || call.allow_no_code || is_code(call),
            };
            if !works || value > balance {
                return Err("CallFailed");
            }
            balance -= value;
        }
        self.balance = balance;
        for call in proposal.calls() {
            *self.paid.entry(call.target).or_default() += call.value.to::<u128>();
        }
        if let Some(revoked) = proposal.revokes {
            let account = self.group.account;
            self.close(now, account, revoked, Status::Revoked, OnChainStatus::Revoked);
        }
        assert!(self.executed.insert(proposal.id), "{} is executed twice", proposal.id);
        Ok(())
    }
}

fn is_code(call: &Call) -> bool {
    call.target.0 == crate::histories::chain::TOKEN
}

impl Spends {
    fn add_where(&mut self, counts: bool, at: u8, class: &Class, sums: &BTreeMap<AgentId, u128>, now: u64) {
        if counts {
            let sums = sums.iter().filter(|(asset, sum)| **sum != 0 || **asset != ETHER);
            self.add(at, class, &sums.map(|(asset, sum)| (*asset, *sum)).collect(), now);
        }
    }
}
