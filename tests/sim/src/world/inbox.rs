//! The contract's inbox: agents put messages in, and every replica sees them over its own endpoint of the chain,
//! each after a while of its own.

use std::sync::Arc;

use quorate_node::anchored::InboxView;
use quorate_node::core::CoreEvent;
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::{AgentId, InboxEvent, InboxMessage, OnChainStatus, ProposalId};

use super::{Happening, START_MS, World};
use crate::node::Standing;
use crate::random::Random;
use crate::violation::Verdict;

/// The chain's inbox, and how each node sees it.
#[derive(Debug)]
pub(super) struct ChainInbox {
    /// Nothing of it is drawn from the randomness of anything else.
    random: Random,
    /// The messages with the time at which their blocks were final.
    messages: Vec<(u64, InboxMessage)>,
    /// Messages that are yet to come.
    left: u64,
    sights: Vec<Sight>,
}

/// A node's endpoint of the chain.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    lag_ms: u64,
    stopped: bool,
}

impl ChainInbox {
    pub(super) fn new(seed: u64, left: u64) -> Self {
        let random = Random::part(seed, "chain inbox");
        Self { random, messages: Vec::new(), left, sights: Vec::new() }
    }

    /// The endpoint of a node, which is drawn when it is first asked for.
    fn sight(&mut self, number: usize) -> Sight {
        while self.sights.len() <= number {
            let lag_ms = match self.random.index(4) {
                0 => self.random.between(2_000, 8_000),
                _ => self.random.between(1, 400),
            };
            self.sights.push(Sight { lag_ms, stopped: false });
        }
        self.sights[number]
    }
}

impl World {
    /// Plans the messages of the inbox, and stops the endpoints of some correct replicas, as long as a quorum of
    /// correct ones see.
    pub(super) fn begin_inbox(&mut self) {
        if self.plan.inbox == 0 {
            return;
        }
        for _ in 0..self.plan.inbox {
            let at_ms = self.inbox.random.between(100, self.plan.turmoil_ms * 5 / 4);
            self.after(at_ms, Happening::Enqueue);
        }
        let correct: Vec<usize> = (0..self.nodes.len())
            .filter(|number| self.nodes[*number].standing == Standing::Correct)
            .filter(|number| self.plan.loss.is_none_or(|(place, _)| place != *number))
            .collect();
        // Who is correct, and how many make a quorum, changes with the members.
        let spare = correct.len().saturating_sub(self.group().replicas().quorum());
        let many = if self.plan.changes.is_empty() { self.inbox.random.index(spare + 1) } else { 0 };
        for _ in 0..many {
            let number = self.inbox.random.pick(&correct);
            self.inbox.sight(number);
            self.inbox.sights[number].stopped = true;
            self.trace
                .note(self.now_ms, format_args!("{} sees nothing of the chain", self.nodes[number].name));
        }
    }

    /// A message of the inbox becomes final.
    pub(super) fn enqueue(&mut self) -> Verdict {
        let index = self.inbox.messages.len() as u64;
        let (kind, payload) = self.inbox_content();
        let sender = AgentId::from([self.inbox.random.draw() as u8; 20]);
        let enqueued_at = (START_MS + self.now_ms) / 1_000;
        let message = InboxMessage { index, kind, sender, enqueued_at, payload };
        self.trace.note(
            self.now_ms,
            format_args!(
                "the chain's inbox has message {index}: kind {kind}, {} bytes",
                message.payload.len()
            ),
        );
        self.reference.inbox.enqueued(message.clone());
        self.inbox.messages.push((self.now_ms, message));
        self.inbox.left -= 1;
        for number in 0..self.nodes.len() {
            self.look_at_inbox(number);
        }
        Ok(())
    }

    /// Mostly a command that an agent waits for, as whoever is ignored sends it.
    fn inbox_content(&mut self) -> (u8, Vec<u8>) {
        let known = self.proposals.last().map(|(proposal, _)| *proposal);
        let random = &mut self.inbox.random;
        let waiting: Vec<Vec<u8>> = self
            .agents
            .iter()
            .filter_map(|agent| agent.pending.as_ref())
            .map(|pending| pending.command.encode())
            .collect();
        match random.index(10) {
            0 | 1 => {
                let event = event(random, known);
                (event.kind(), event.payload())
            }
            2 => (random.draw() as u8 | 0x80, random.bytes(3)),
            3 => (KIND_COMMAND, random.bytes(40)),
            4 => match self.inbox.messages.last() {
                Some((_, last)) => (last.kind, last.payload.clone()),
                None => (KIND_COMMAND, Vec::new()),
            },
            _ if waiting.is_empty() => (KIND_COMMAND, Vec::new()),
            _ => (KIND_COMMAND, waiting[random.index(waiting.len())].clone()),
        }
    }

    /// A node looks at the inbox as soon as its endpoint shows what is there now.
    pub(super) fn look_at_inbox(&mut self, number: usize) {
        if self.inbox.messages.is_empty() {
            return;
        }
        let Sight { lag_ms, stopped } = self.inbox.sight(number);
        if !stopped {
            self.after(lag_ms, Happening::SeeInbox { node: number });
        }
    }

    /// A node's watcher tells it what is final on the chain, from about where the node wants it.
    pub(super) fn see_inbox(&mut self, number: usize) -> Verdict {
        let (now_ms, Sight { lag_ms, .. }) = (self.now_ms, self.inbox.sight(number));
        let back = self.inbox.random.index(3) as u64;
        let node = &mut self.nodes[number];
        let Some(running) = &mut node.running else { return Ok(()) };
        let first = running.watch.inbox_taken.borrow().saturating_sub(back);
        let visible = self.inbox.messages.iter().take_while(|(at_ms, _)| at_ms + lag_ms <= now_ms);
        let messages: Vec<InboxMessage> =
            visible.skip(first as usize).map(|(_, message)| message.clone()).collect();
        if messages.is_empty() {
            return Ok(());
        }
        running.inbox.push(CoreEvent::Inbox(InboxView { first, messages: Arc::new(messages) }));
        let round_ms = node.round_ms;
        self.plan_round(number, now_ms + round_ms);
        Ok(())
    }

    /// Why the inbox is not at rest yet.
    pub(super) fn inbox_unsettled(&self) -> Option<String> {
        if self.inbox.left > 0 {
            return Some("messages of the inbox are yet to come".into());
        }
        let count = self.inbox.messages.len() as u64;
        let mut correct = self.nodes.iter().filter(|node| node.standing == Standing::Correct);
        correct.find_map(|node| {
            let taken = *node.running.as_ref()?.watch.inbox_taken.borrow();
            (taken != count).then(|| format!("{} has taken {taken} of {count} messages", node.name))
        })
    }
}

/// What the contract tells: of the newest proposal, of one that nobody knows, or of somebody who is nobody in the group.
fn event(random: &mut Random, known: Option<ProposalId>) -> InboxEvent {
    let account = AgentId::from([random.draw() as u8; 20]);
    let proposal =
        known.filter(|_| random.percent(70)).unwrap_or(ProposalId::from([random.draw() as u8; 32]));
    match random.index(5) {
        0 => {
            let (class, voting_ends, status) = (0, START_MS / 1_000 + 3_600, OnChainStatus::Open);
            InboxEvent::ProposalOpenedOnChain { proposal, proposer: account, class, voting_ends, status }
        }
        1 => InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Executed },
        2 => InboxEvent::ReplicaConvicted { replica: account },
        3 => InboxEvent::ReplicaLeaving { replica: account, exit_at: START_MS / 1_000 },
        _ => InboxEvent::MemberLeft { member: account },
    }
}
