//! What becomes of decisions: executed by proof, queued, executed from there, taken back, refused.

use quorate_contracts::{Approval, LogRefusal, ProposalStatus as Status, words};
use quorate_protocol::{AgentId, DecisionStatus, ProposalId};
use quorate_services::ProposalStatus;

use super::Kind;
use crate::histories::chain::call;
use crate::histories::log::Decided;
use crate::histories::model::Proposal;
use crate::histories::model::decided::Shown;
use crate::histories::scene::History;

/// How a decision is shown to the contract.
struct Exhibit {
    approval: Approval,
    refusal: LogRefusal,
    proof: Vec<alloy::primitives::B256>,
    shown: Shown,
    is_refusal: bool,
}

impl History<'_> {
    fn is_decided(&self, id: ProposalId, approved: bool) -> bool {
        let status = self.machine.tallies.get(&id).map(|tally| tally.status);
        let size = self.contract.roots.last().copied().unwrap_or_default();
        let is_anchored = || self.log.decision(id).is_some_and(|decided| decided.entry.index.0 < size);
        match status {
            Some(ProposalStatus::Approved) => approved && is_anchored(),
            Some(ProposalStatus::Open | ProposalStatus::Moved) | None => false,
            Some(_) => !approved && is_anchored(),
        }
    }

    /// Whether the log lets the decision be executed still.
    fn is_in_time(&self, id: ProposalId) -> bool {
        let proposal = self.proposals.iter().find(|proposal| proposal.id == id).unwrap();
        let class = self.group.terms.class(proposal.propose.class);
        let decided = self.log.decision(id);
        class
            .zip(decided)
            .is_some_and(|(class, decided)| class.ends(decided.entry.timestamp) > self.chain.now)
    }

    fn has_timelock(&self, id: ProposalId) -> bool {
        let proposal = self.proposals.iter().find(|proposal| proposal.id == id).unwrap();
        self.group.terms.class(proposal.propose.class).is_some_and(|class| class.timelock_s != 0)
    }

    /// A decision with its proof, sometimes a wrong one. Nothing where the log has no decision.
    fn exhibit(&mut self, proposal: &Proposal) -> Option<Exhibit> {
        let roots: Vec<u64> = self.contract.roots.iter().copied().collect();
        let (newest, flaw) = (self.one_in(2), self.random.below(16));
        let Decided { record, entry, epoch } = self.log.decision(proposal.id)?;
        let index = entry.index.0;
        let good: Vec<u64> = roots.into_iter().filter(|size| *size > index).collect();
        let size = if newest { good.last() } else { good.first() };
        // Before there is an anchor, what the log has is no root that the contract knows.
        let mut size = size.copied().unwrap_or_else(|| self.log.tree.size());
        if flaw == 0 {
            size = self.log.tree.size();
        }
        let proof = self.log.tree.inclusion_proof(index, size).unwrap();
        let mut approval = Approval::of(record, &entry, epoch);
        let mut refusal = LogRefusal::of(&record.decision, &entry);
        let mut is_proven = record.decision.status == DecisionStatus::Approved;
        if flaw == 1 {
            approval.forWeight += 1;
            refusal.againstWeight += 1;
            is_proven = false;
        }
        if flaw == 2 {
            approval.epoch += 1;
        }
        let (epoch, decided_at) = (approval.epoch, entry.timestamp.seconds());
        let is_refusal = record.decision.status != DecisionStatus::Approved;
        // A refusal is no approval, whatever its proof says.
        let shown = Shown { size, is_proven, epoch, index, decided_at };
        Some(Exhibit { approval, refusal, proof: words(&proof), shown, is_refusal })
    }

    pub(super) async fn execute_anchored(&mut self) {
        let suits = |history: &Self, id| {
            history.is_decided(id, true)
                && history.is_in_time(id)
                && !history.has_timelock(id)
                && !history.contract.executed.contains(&id)
        };
        let Some(proposal) = self.some_proposal(suits) else { return };
        let Some(Exhibit { approval, proof, shown, .. }) = self.exhibit(&proposal) else { return };
        let (groupId, anchoredSize) = (self.group.identity.group.0, shown.size);
        let call = call::executeAnchoredCall { groupId, anchoredSize, approval, proof };
        let sender = self.anybody().id();
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.execute_anchored(self.chain.now, &proposal, &shown);
        self.settle(Kind::ExecuteAnchored, &proposal.id.to_string(), expected, found);
    }

    pub(super) async fn queue_anchored(&mut self) {
        let suits = |history: &Self, id| {
            let status = history.contract.records.get(&id).map(|record| record.status);
            history.is_decided(id, true)
                && history.is_in_time(id)
                && history.has_timelock(id)
                && !matches!(status, Some(Status::Approved | Status::Revoked | Status::Executed))
        };
        let Some(proposal) = self.some_proposal(suits) else { return };
        let Some(Exhibit { approval, proof, shown, .. }) = self.exhibit(&proposal) else { return };
        let (groupId, anchoredSize) = (self.group.identity.group.0, shown.size);
        let call = call::queueAnchoredCall { groupId, anchoredSize, approval, proof };
        let sender = self.anybody().id();
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.queue_anchored(self.chain.now, &proposal, &shown);
        self.settle(Kind::QueueAnchored, &proposal.id.to_string(), expected, found);
    }

    pub(super) async fn close_from_log(&mut self) {
        let suits = |history: &Self, id| history.is_decided(id, false);
        if let Some(proposal) = self.some_proposal(suits) {
            self.close_from_log_of(&proposal).await;
        }
    }

    /// Shows the contract how the log decided.
    pub(super) async fn close_from_log_of(&mut self, proposal: &Proposal) {
        let Some(Exhibit { refusal, proof, mut shown, is_refusal, .. }) = self.exhibit(proposal) else {
            return;
        };
        let is_changed =
            self.log.decision(proposal.id).unwrap().record.decision.against_weight != refusal.againstWeight;
        shown.is_proven = is_refusal && !is_changed;
        let (groupId, anchoredSize) = (self.group.identity.group.0, shown.size);
        let call = call::closeFromLogCall { groupId, anchoredSize, refusal, proof };
        let sender = self.anybody().id();
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.close_from_log(proposal.id, is_refusal, &shown);
        self.settle(Kind::CloseFromLog, &proposal.id.to_string(), expected, found);
    }

    fn is_approved(&self, id: ProposalId) -> bool {
        self.contract.status(id, self.chain.now + 1).0 == Status::Approved
    }

    pub(super) async fn execute(&mut self) {
        let Some(proposal) = self.some_proposal(Self::is_approved) else { return };
        // Mostly when it is due, or the second before.
        if self.is_approved(proposal.id) && !self.one_in(3) {
            let (_, approved_at) = self.contract.status(proposal.id, self.chain.now);
            let class = self.contract.records[&proposal.id].class;
            let from = approved_at + u64::from(self.group.terms.classes[usize::from(class)].timelock_s);
            let early = u64::from(self.one_in(4));
            self.pass_to(from - 1 - early).await;
        }
        let call = call::executeCall { groupId: self.group.identity.group.0, content: proposal.content() };
        let sender = self.anybody().id();
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.execute(self.chain.now, sender, &proposal);
        if let (Some(revoked), Ok(())) = (proposal.revokes, expected) {
            self.settle(Kind::Revoke, &format!("{revoked}, by {}", proposal.id), Ok(()), found.clone());
        }
        self.settle(Kind::Execute, &proposal.id.to_string(), expected, found);
    }

    pub(super) async fn veto(&mut self) {
        let Some(proposal) = self.some_proposal(Self::is_approved) else { return };
        let (objections, judged) = self.objections(proposal.id);
        let (groupId, proposalId) = (self.group.identity.group.0, proposal.id.0);
        let call = call::vetoCall { groupId, proposalId, objections };
        let sender = self.anybody().id();
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.veto(self.chain.now, sender, proposal.id, &judged);
        self.settle(Kind::Veto, &format!("{} {judged:?}", proposal.id), expected, found);
    }

    /// Somebody revokes by itself, which is for the group's account alone.
    pub(super) async fn revoke(&mut self) {
        let Some(proposal) = self.some_proposal(Self::is_approved) else { return };
        let (groupId, proposalId) = (self.group.identity.group.0, proposal.id.0);
        let sender: AgentId = self.anybody().id();
        let found = self.chain.send(sender, 0, call::revokeCall { groupId, proposalId }).await.map(drop);
        self.settle(Kind::Revoke, &format!("{sender} {}", proposal.id), Err("NotGroupAccount"), found);
    }
}
