//! After each act: the contract, the machine and the model stand alike.

use quorate_contracts::ProposalStatus as Status;
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::{Digest, Member, ProposalId};
use quorate_services::ProposalStatus;

use super::chain::call;
use super::model::Proposal;
use super::model::machine::Told;
use super::scene::History;

impl History<'_> {
    /// Compares all that acts could have changed. That the contract knows nothing of what it was not told, it is not asked each
    /// time.
    pub(super) async fn compare(&mut self, is_thorough: bool) {
        self.compare_inbox().await;
        for Proposal { id, .. } in &self.proposals {
            if is_thorough || self.contract.records.contains_key(id) {
                let found = self.compare_on_chain(*id).await;
                self.compare_lanes(*id, found);
            }
            self.compare_in_log(*id);
        }
        self.compare_funds().await;
        self.compare_seats().await;
    }

    /// The record of a proposal is what the model has. Returns where it stands.
    async fn compare_on_chain(&self, id: ProposalId) -> Status {
        let (groupId, proposalId) = (self.group.identity.group.0, id.0);
        let found = self.chain.ask(call::proposalCall { groupId, proposalId }).await;
        let (expected, approved_at) = self.contract.status(id, self.chain.now);
        let status = Status::try_from(found.status).unwrap();
        assert_eq!((status, found.approvedAt), (expected, approved_at), "{id} on-chain");
        if let Some(record) = self.contract.records.get(&id).filter(|record| record.status != Status::None) {
            let weights = [found.forWeight, found.againstWeight, found.abstainWeight];
            assert_eq!(weights, record.weights, "{id} on-chain");
            let expected = (record.from_log, record.refused_in_log, record.closes);
            assert_eq!((found.fromLog, found.refusedInLog, found.votingEnds), expected, "{id} on-chain");
        }
        status
    }

    /// What the log has of a proposal is what the model has.
    fn compare_in_log(&self, id: ProposalId) {
        let (found, expected) = (self.log.machine.proposal(&id), self.machine.tallies.get(&id));
        assert_eq!(found.is_some(), expected.is_some(), "{id} in the log");
        let (Some(found), Some(expected)) = (found, expected) else { return };
        assert_eq!(found.status, expected.status, "{id} in the log");
        assert_eq!([found.for_weight, found.against_weight, found.abstain_weight], expected.weights, "{id}");
        assert_eq!((found.closes.seconds(), found.epoch.0), (expected.closes, expected.epoch), "{id}");
    }

    /// What the one lane says of a proposal fits what the other says, whatever the model thinks.
    fn compare_lanes(&self, id: ProposalId, on_chain: Status) {
        let executions = self.chain.executions.get(&id).copied().unwrap_or_default();
        assert_eq!(executions, u32::from(on_chain == Status::Executed), "executions of {id}");
        let in_log = self.log.machine.proposal(&id).map(|view| view.status);
        if in_log == Some(ProposalStatus::Moved) {
            assert_ne!(on_chain, Status::None, "{id} moved to a lane that does not have it");
        }
        let Some(record) = self.contract.records.get(&id) else { return };
        if record.is_queued() {
            assert_eq!(in_log, Some(ProposalStatus::Approved), "{id} is queued");
        }
        if record.refused_in_log {
            use ProposalStatus::{Cancelled, Expired, Rejected};
            assert!(matches!(in_log, Some(Rejected | Expired | Cancelled)), "{id} is refused: {in_log:?}");
        }
        // Once all is told, no proposal takes votes in both lanes.
        let told = self.machine.taken == self.contract.messages.len() as u64;
        let opened_here = !record.is_queued() && on_chain == Status::Open;
        assert!(!told || !opened_here || in_log != Some(ProposalStatus::Open), "{id} is open in both lanes");
    }

    /// The contract's inbox is the model's, message by message, and the log has as much of it as the model says.
    async fn compare_inbox(&self) {
        let group = self.group.identity.group;
        let found = self.chain.messages.get(&group).map_or(&[][..], |messages| &messages[..]);
        assert_eq!(found.len(), self.contract.messages.len());
        let (taken, hash) = self.log.machine.inbox_head();
        assert_eq!(taken, self.machine.taken);
        let (mut own, mut last) = (Digest::default(), Digest::default());
        for (message, expected) in found.iter().zip(&self.contract.messages) {
            assert_eq!((message.sender, message.enqueued_at), (expected.sender, expected.second));
            match &expected.told {
                Told::Command(_) => assert_eq!(message.kind, KIND_COMMAND),
                Told::Event(event) => {
                    assert_eq!((message.kind, &message.payload), (event.kind(), &event.payload()));
                }
            }
            last = message.chain_hash(last);
            if message.index + 1 == taken {
                own = last;
            }
        }
        assert_eq!(own, hash, "the log took other messages");
        let state = self.chain.ask(call::inboxCall { groupId: group.0 }).await;
        assert_eq!((state.length, state.taken), (found.len() as u64, self.contract.taken));
        assert_eq!(state.waitingSince, self.contract.waiting_since().unwrap_or_default());
        let stalled = self.chain.ask(call::hasStalledCall { groupId: group.0 }).await;
        assert_eq!(stalled, self.contract.has_stalled(self.chain.now));
        if let Some(message) = found.last() {
            let mark = call::inboxMessageCall { groupId: group.0, index: message.index };
            assert_eq!(Digest(self.chain.ask(mark).await.inboxHash), last, "the contract hashed others");
        }
    }

    /// Who was paid has what the model says, and so has the group.
    async fn compare_funds(&self) {
        assert_eq!(self.chain.balance(self.group.account).await, self.contract.balance);
        for (payee, wei) in &self.contract.paid {
            if payee.0 != super::chain::TOKEN && *payee != self.group.identity.contract {
                assert_eq!(self.chain.balance(*payee).await, *wei, "{payee}");
            }
        }
        let bonds = self.chain.balance(self.group.identity.contract).await - self.others_bonds;
        assert_eq!(bonds, self.contract.seats.deposited());
    }

    /// The members of the contract's epoch; and the machine's, where it is in the same one.
    async fn compare_seats(&self) {
        let groupId = self.group.identity.group.0;
        let found: Vec<Member> =
            self.chain.ask(call::membersCall { groupId }).await.iter().map(Into::into).collect();
        assert_eq!(found, self.contract.seats.members);
        let state = self.chain.ask(call::groupCall { groupId }).await;
        let expected = (self.contract.epoch, self.contract.voters_since(), self.contract.seats.total());
        assert_eq!((state.epoch, state.votersSince, state.totalWeight), expected);
        let machine = self.log.machine.group();
        assert_eq!(
            (&machine.members, machine.epoch, machine.voters_since),
            (&self.machine.group.members, self.machine.group.epoch, self.machine.group.voters_since)
        );
        assert_eq!(self.log.machine.change_pending(), self.machine.next.is_some());
        if machine.epoch.0 == state.epoch {
            assert_eq!(machine.members, found, "the lanes are of one epoch and of other members");
        }
        let counted = self.chain.ask(call::countedReplicasCall { groupId }).await;
        let now = self.chain.now;
        let members = self.contract.seats.members.iter().map(|member| member.agent);
        let expected: Vec<_> = members
            .filter(|member| self.contract.seats.counts(*member, now))
            .map(|member| member.0)
            .collect();
        assert_eq!(counted, expected);
    }

    /// The voting and the time of all that is left ends.
    pub(super) async fn end(&mut self) {
        self.chain.pass_to(self.chain.now + 3 * 24 * 3600).await;
        self.log.execute(self.chain.now, None).unwrap();
        self.machine.pass_to(self.chain.now);
        self.compare(true).await;
    }
}
