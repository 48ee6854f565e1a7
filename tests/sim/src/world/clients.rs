//! What agents do, and how nodes answer them.

use quorate_node::core::CoreEvent;
use quorate_protocol::{Choice, Digest, EntryIndex, Receipt, SignedCommand, TimestampMs, Verified};
use quorate_services::Admission;

use super::processes::MAX_PER_KEY;
use super::{Happening, START_MS, World};
use crate::agents::{Pending, Task, answer};
use crate::checkers::linearizability::Answer;
use crate::violation::Verdict;

/// The most proposals that agents vote on at a time.
const RECENT: usize = 4;
/// How many votes of one proposal are drawn at most, so that its history can be searched.
const MAX_CALLS: usize = 60;
/// How often a command is refused at the edge before its agent gives it up.
const MAX_REFUSALS: u64 = 12;

impl World {
    /// An agent does the next thing, if it waits for nothing.
    pub(super) fn think(&mut self, number: usize) -> Verdict {
        if self.agents[number].pending.is_some() {
            return Ok(());
        }
        let task = match self.agents[number].tasks.pop_front() {
            Some(task) => task,
            None if self.agents[number].left > 0 => {
                self.agents[number].left -= 1;
                self.invent(number)
            }
            None => return Ok(()),
        };
        let identity = self.groups[0].identity;
        // Some commands expire soon; most never do.
        let life_ms = if self.random.percent(3) { self.random.between(50, 2_000) } else { 3_600_000 };
        let expires = TimestampMs(START_MS + self.now_ms + life_ms);
        let agent = &mut self.agents[number];
        let command = agent.sign(&identity, &task, expires);
        let operation = agent.operation(&identity, &task);
        self.reference.issued(&command);
        let call = operation
            .map(|(proposal, operation)| (proposal, self.history.called(proposal, operation, self.now_ms)));
        self.trace.note(self.now_ms, format_args!("agent {number} signs {command:?}: {task:?}"));
        let asked = self.random.index(self.nodes.len());
        self.agents[number].pending = Some(Pending { command, task, call, tries: 0, asked, refusals: 0 });
        self.ask(number);
        Ok(())
    }

    /// An agent sends one node more commands at once than may wait there of all agents, and never asks what
    /// became of them. They ask for nothing new.
    pub(super) fn flood(&mut self) -> Verdict {
        let (number, node) = (self.random.index(self.agents.len()), self.random.index(self.nodes.len()));
        let many = MAX_PER_KEY * (2 * self.agents.len() + 4);
        self.trace.note(self.now_ms, format_args!("agent {number} floods {}", self.nodes[node].name));
        let identity = self.groups[0].identity;
        let expires = TimestampMs(START_MS + self.now_ms + 3_600_000);
        for _ in 0..many {
            let agent = &mut self.agents[number];
            let command = agent.sign(&identity, &Task::Admit(agent.number), expires);
            self.reference.issued(&command);
            self.on_command(number, node, &command)?;
        }
        Ok(())
    }

    /// Something of an agent's own accord.
    fn invent(&mut self, number: usize) -> Task {
        let recent: Vec<_> = self
            .proposals
            .iter()
            .rev()
            .take(RECENT)
            .filter(|(proposal, _)| self.history.calls_of(proposal) < MAX_CALLS)
            .copied()
            .collect();
        if recent.is_empty() || self.random.percent(25) {
            // Sometimes one that exists already.
            let salt = self.random.between(0, 40);
            return Task::Propose { salt, calls: Vec::new(), class: 0 };
        }
        let (proposal, proposer) = self.random.pick(&recent);
        if self.random.percent(if proposer == self.agents[number].id { 10 } else { 2 }) {
            return Task::Cancel(proposal);
        }
        let choice = match self.random.index(10) {
            0..=5 => Choice::For,
            6..=8 => Choice::Against,
            _ => Choice::Abstain,
        };
        Task::Vote(proposal, choice)
    }

    /// Sends the command that an agent waits for to one node, or to two.
    fn ask(&mut self, number: usize) {
        let nodes = self.nodes.len();
        let both = self.random.percent(10);
        let Some(pending) = &mut self.agents[number].pending else { return };
        pending.tries += 1;
        pending.asked = (pending.asked + 1) % nodes;
        let (command, first, tries) = (pending.command.clone(), pending.asked, pending.tries);
        let digest = command.digest();
        let places = if both { vec![first, (first + 1) % nodes] } else { vec![first] };
        for node in places {
            let travel_ms = self.random.between(1, 5);
            self.after(travel_ms, Happening::Command { agent: number, node, command: command.clone() });
        }
        let wait_ms = self.plan.config.view_timeout_ms + self.random.between(0, 400);
        self.after(wait_ms, Happening::Retry { agent: number, command: digest, tries });
    }

    pub(super) fn on_retry(&mut self, agent: usize, command: &Digest, tries: u64) -> Verdict {
        let waits = self.agents[agent].pending.as_ref();
        if waits.is_some_and(|pending| pending.command.digest() == *command && pending.tries == tries) {
            self.ask(agent);
        }
        Ok(())
    }

    /// A node gets a client's command: as in a node, its signature and its admission come first.
    pub(super) fn on_command(&mut self, agent: usize, number: usize, command: &SignedCommand) -> Verdict {
        let (wall, now_ms) = (self.wall(number), self.now_ms);
        let takes = self.act_on_command(number, command);
        let node = &mut self.nodes[number];
        let round_ms = node.round_ms;
        let Some(running) = node.running.as_mut().filter(|_| takes) else { return Ok(()) };
        let closed = running.reader.read(|ledger| ledger.is_closed() || ledger.divergence().is_some());
        if closed {
            return Ok(());
        }
        let admission = running.reader.read(|ledger| ledger.admit(wall, command));
        self.trace.note(now_ms, format_args!("{} is asked by agent {agent}: {admission:?}", node.name));
        match admission {
            Admission::Order => {
                running.waiting.entry(command.digest()).or_default().push(agent);
                // The agent signed it; a node checks that and would find the same.
                running.inbox.push(CoreEvent::Commands(vec![Verified::vouch(command.clone())]));
                self.verified.insert((command.digest(), command.signature().0));
                self.plan_round(number, now_ms + round_ms);
            }
            Admission::Executed(index) => {
                running.waiting.entry(command.digest()).or_default().push(agent);
                self.answer_if_certified(number, command.digest(), index);
            }
            Admission::Refuse(_) => {
                let travel_ms = self.random.between(1, 5);
                self.after(travel_ms, Happening::Refused { agent, command: command.digest() });
            }
        }
        Ok(())
    }

    /// Answers the clients of a node whose commands are certified by now.
    pub(super) fn answer_clients(&mut self, number: usize) {
        let Some(running) = &mut self.nodes[number].running else { return };
        let certified = running.reader.progress().certified;
        if running.waiting.is_empty() || certified == running.answered {
            return;
        }
        running.answered = certified;
        let digests: Vec<Digest> = running.waiting.keys().copied().collect();
        let settled: Vec<(Digest, EntryIndex)> = digests
            .into_iter()
            .filter_map(|digest| {
                let index = running.reader.index_of(&digest).expect("a simulated store can be read")?;
                (index.0 < certified).then_some((digest, index))
            })
            .collect();
        for (digest, index) in settled {
            self.answer_if_certified(number, digest, index);
        }
    }

    fn answer_if_certified(&mut self, number: usize, digest: Digest, index: EntryIndex) {
        let Some(running) = &mut self.nodes[number].running else { return };
        let receipt = running.reader.receipt(index).expect("a simulated store can be read");
        let Some(receipt) = receipt else { return };
        for agent in running.waiting.remove(&digest).unwrap_or_default() {
            let travel_ms = self.random.between(1, 5);
            let receipt = Box::new(receipt.clone());
            self.after(travel_ms, Happening::Answer { agent, command: digest, receipt });
        }
    }

    pub(super) fn on_answer(&mut self, number: usize, command: &Digest, receipt: &Receipt) -> Verdict {
        // A client asks on until it can check what it is told.
        let known = receipt.epoch.0 < self.groups.len() as u64;
        let waits =
            self.agents[number].pending.take_if(|pending| known && pending.command.digest() == *command);
        let Some(pending) = waits else { return Ok(()) };
        self.trace.note(
            self.now_ms,
            format_args!(
                "agent {number} has a receipt of {}: {:?}",
                receipt.record.entry.index, receipt.record.entry.status
            ),
        );
        self.receipts.acknowledged(&self.reference, &self.groups, &pending.command, receipt)?;
        let answer = answer(&receipt.record.outcome);
        if let Some((proposal, call)) = pending.call {
            self.history.returned(proposal, call, self.now_ms, answer);
            if matches!(pending.task, Task::Propose { .. }) && answer == Answer::Done {
                self.history.opened(proposal, receipt.record.entry.index.0);
            }
            let proposer = self.agents[number].id;
            let known = self.proposals.iter().any(|(known, _)| *known == proposal);
            if matches!(&pending.task, Task::Propose { calls, .. } if calls.is_empty()) && !known {
                self.proposals.push((proposal, proposer));
            }
        }
        if self.plan.repeats > 0 && self.random.percent(self.plan.repeats) {
            let (later_ms, node) = (self.random.between(200, 4_000), self.random.index(self.nodes.len()));
            let command = pending.command.clone();
            self.after(later_ms, Happening::Command { agent: number, node, command });
        }
        self.followed_up(number, &pending, &receipt.record.outcome);
        self.think_on(number);
        Ok(())
    }

    /// Nothing came of a command; whoever is behind may say so of one that is sound.
    pub(super) fn on_refused(&mut self, number: usize, command: &Digest) -> Verdict {
        let waits =
            self.agents[number].pending.as_mut().filter(|pending| pending.command.digest() == *command);
        let Some(pending) = waits else { return Ok(()) };
        pending.refusals += 1;
        if pending.refusals < MAX_REFUSALS {
            let (command, tries) = (*command, pending.tries);
            let pause_ms = self.random.between(20, 200);
            self.after(pause_ms, Happening::Retry { agent: number, command, tries });
            return Ok(());
        }
        let pending = self.agents[number].pending.take();
        self.trace.note(self.now_ms, format_args!("agent {number} gives up"));
        self.follow_nonces(number);
        // A change of the members is proposed again, others are not.
        if let Some(Pending {
            task: task @ (Task::Admit(_) | Task::Vote(..) | Task::SignedVote { .. }), ..
        }) = pending
            && self.changing.is_some()
        {
            self.agents[number].tasks.push_back(task);
        }
        self.think_on(number);
        Ok(())
    }

    /// An agent whose node says with the same key what the inbox has asks for its next nonce, as the SDK does.
    fn follow_nonces(&mut self, number: usize) {
        if self.plan.inbox == 0 {
            return;
        }
        let id = self.agents[number].id;
        let next = self.nodes.iter().filter(|node| node.is_correct()).filter_map(|node| {
            let agent = node.running.as_ref()?.reader.read(|ledger| ledger.state().agent(id))?;
            Some(agent.next_nonce.0)
        });
        let used = next.max().unwrap_or_default().saturating_sub(1);
        self.agents[number].nonce = self.agents[number].nonce.max(used);
    }

    fn think_on(&mut self, number: usize) {
        let think_ms = self.random.between(1, 250);
        self.after(think_ms, Happening::Think { agent: number });
    }

    fn act_on_command(&mut self, number: usize, command: &SignedCommand) -> bool {
        self.act(number, |actor, stage| actor.command(stage, command)).unwrap_or(true)
    }
}
