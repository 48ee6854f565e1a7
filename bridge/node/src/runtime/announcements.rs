//! Saying what the contract tells the group by its inbox: once each, as soon as this node knows, in the log and in a metric.
//!
//! A node knows of an event from the block that it relies on, or, where others were faster, from the log that took it in.

use quorate_protocol::api::{MAX_PAGE_EVENTS, WaitingMessage};
use quorate_protocol::{InboxEvent, OnChainStatus};

use crate::anchored::{InboxReceiver, InboxView};
use crate::ledger::LedgerReader;
use crate::metrics::Metrics;

/// What was announced so far.
struct Announcer {
    ledger: LedgerReader,
    metrics: Metrics,
    /// The first message that was not looked at.
    next: u64,
}

/// Announces what comes until the node stops. What the log had taken at the start was announced before.
pub(super) async fn announce(ledger: LedgerReader, mut inbox: InboxReceiver, metrics: Metrics) {
    let next = ledger.read(|ledger| ledger.state().inbox_head().0);
    let mut progress = ledger.follow();
    let mut announcer = Announcer { ledger, metrics, next };
    loop {
        announcer.look(&inbox.borrow_and_update().clone());
        let changed = tokio::select! {
            changed = inbox.changed() => changed,
            changed = progress.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

impl Announcer {
    fn look(&mut self, view: &InboxView) {
        let (taken, told) = self.ledger.read(|ledger| {
            let (taken, _) = ledger.state().inbox_head();
            let told = if taken > self.next {
                ledger.state().inbox_told(self.next, MAX_PAGE_EVENTS)
            } else {
                vec![]
            };
            (taken, told)
        });
        for told in &told {
            self.say(told.message, &told.event);
        }
        self.next = self.next.max(taken);
        for message in view.messages.iter() {
            if message.index < self.next {
                continue;
            }
            if let Some(event) = WaitingMessage::from(message).event {
                self.say(message.index, &event);
            }
            self.next = message.index + 1;
        }
    }

    fn say(&self, message: u64, event: &InboxEvent) {
        self.metrics.count_on_chain_event(name(event));
        match *event {
            InboxEvent::ProposalOpenedOnChain {
                proposal,
                proposer,
                status: OnChainStatus::Open,
                voting_ends,
                ..
            } => {
                tracing::warn!(message, %proposal, %proposer, voting_ends, "a proposal is open in the on-chain lane: vote there");
            }
            InboxEvent::ProposalOpenedOnChain { proposal, .. } => {
                tracing::warn!(message, %proposal, "a proposal is approved on-chain by signatures: object if it must not be executed");
            }
            InboxEvent::ProposalClosedOnChain { proposal, status } => {
                tracing::info!(message, %proposal, ?status, "the on-chain lane is done with a proposal");
            }
            InboxEvent::ReplicaConvicted { replica } => {
                tracing::warn!(message, %replica, "the contract convicted a replica");
            }
            InboxEvent::ReplicaLeaving { replica, exit_at } => {
                tracing::warn!(message, %replica, exit_at, "a replica gave notice: its signature counts until exit_at");
            }
            InboxEvent::MemberLeft { member } => {
                tracing::warn!(message, %member, "a member left: its votes count no more");
            }
        }
    }
}

/// The event's name, as the log has it.
fn name(event: &InboxEvent) -> &'static str {
    match event {
        InboxEvent::ProposalOpenedOnChain { .. } => "proposal_opened_on_chain",
        InboxEvent::ProposalClosedOnChain { .. } => "proposal_closed_on_chain",
        InboxEvent::ReplicaConvicted { .. } => "replica_convicted",
        InboxEvent::ReplicaLeaving { .. } => "replica_leaving",
        InboxEvent::MemberLeft { .. } => "member_left",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quorate_protocol::operations::ServiceOperation as _;
    use quorate_protocol::operations::inbox::{InboxOperation, Observe};
    use quorate_protocol::{AgentId, InboxMessage};

    use super::*;
    use crate::ledger::fixture::{Fixture, SharedLedger};

    #[test]
    fn each_event_is_announced_once_whoever_tells_first() {
        let fixture = Fixture::new();
        let shared = SharedLedger::new(&fixture);
        let event = |byte| InboxEvent::MemberLeft { member: AgentId::from([byte; 20]) };
        let message = |index: u64| {
            let event = event(u8::try_from(index).unwrap());
            let (sender, enqueued_at) = (AgentId::from([9; 20]), 5);
            InboxMessage { index, kind: event.kind(), sender, enqueued_at, payload: event.payload() }
        };
        let messages: Vec<_> = (0..3).map(message).collect();
        let (ledger, metrics) = (shared.reader.clone(), Metrics::new());
        let mut announcer = Announcer { ledger, metrics: metrics.clone(), next: 0 };
        let seen = |count: usize| InboxView { first: 0, messages: Arc::new(messages[..count].to_vec()) };
        let count = || {
            let text = metrics.encode();
            let line = text
                .lines()
                .find(|line| line.starts_with("quorate_on_chain_events_total{event=\"member_left\"}"));
            line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
        };
        // The node sees the first by itself; the log takes two more in before it does.
        announcer.look(&seen(1));
        assert_eq!(count(), 1);
        let observe = InboxOperation::Observe(Observe::of(&messages).unwrap()).to_operation();
        for replica in 0..3 {
            shared.execute(&[fixture.sign_operation(replica, 0, observe.clone())]);
        }
        announcer.look(&seen(1));
        assert_eq!(count(), 3);
        announcer.look(&seen(3));
        assert_eq!(count(), 3);
    }
}
