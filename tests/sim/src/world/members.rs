//! Changes of the members: an agent proposes, all vote, and the nodes follow.

use quorate_protocol::operations::proposals::ProposalsOutcome;
use quorate_protocol::{Choice, Group, Handover, Member, MembersChange, Outcome, ProposalId, codec};

use super::{CONSTITUTION, Happening, PLAIN_AGENTS, World, member};
use crate::agents::{Pending, Task};
use crate::node::{SimNode, Standing};
use crate::plan::Change;
use crate::violation::Verdict;

/// How long a change may take before it is proposed again, in milliseconds.
const PATIENCE_MS: u64 = 6_000;
/// Salts of changes are above those of other proposals.
const SALTS: u64 = 1_000;

/// What a command proposed, and the end of the voting on it in seconds.
fn proposed(outcome: &Outcome) -> Option<(ProposalId, u64)> {
    let Outcome::Applied { results } = outcome else { return None };
    match codec::decode(&results.first()?.body, 128) {
        Ok(ProposalsOutcome::Proposed { proposal, closes }) => Some((proposal, closes.seconds())),
        _ => None,
    }
}

impl World {
    /// Proposes the next change, or the same one again if it has come to nothing.
    pub(super) fn change_members(&mut self) -> Verdict {
        let Some(change) = self.changes.first().copied() else { return Ok(()) };
        let epoch = self.group().epoch;
        let members = self.next_members(change);
        self.trace
            .note(self.now_ms, format_args!("the members are to change after epoch {epoch}: {change:?}"));
        self.changing = Some(epoch);
        let change = MembersChange { epoch, members };
        let calls = vec![change.call(&self.group().identity)];
        let class = if change.alters_weights(self.group()) { CONSTITUTION } else { 0 };
        let salt = SALTS + self.now_ms;
        let proposer = (0..self.agents.len()).find(|at| self.agents[*at].is_voter).expect("there are voters");
        self.agents[proposer].tasks.push_front(Task::Propose { salt, calls, class });
        self.after(1, Happening::Think { agent: proposer });
        self.after(PATIENCE_MS, Happening::Change);
        Ok(())
    }

    /// The members after a change; the same if the change is not possible.
    fn next_members(&mut self, change: Change) -> Vec<Member> {
        let group = self.group().clone();
        let mut members = group.members.clone();
        let at = self.random.index(members.len());
        match change {
            Change::Renew => {}
            Change::RotateKey => {
                let agent = self.agents.iter().find(|agent| agent.id == members[at].agent);
                let agent = agent.expect("members are agents");
                members[at] = member(agent.number, agent.key_version + 1);
            }
            Change::Add => {
                let number = self.agents.iter().filter(|agent| agent.number < PLAIN_AGENTS).count();
                members.push(member(number, 0));
            }
            Change::Remove => {
                members.remove(at);
            }
        }
        members.sort_by_key(|member| member.agent);
        let next = Group { members: members.clone(), ..group.clone() };
        if next.validate().is_ok() { members } else { group.members }
    }

    /// A change that is proposed is voted for by everybody.
    pub(super) fn followed_up(&mut self, number: usize, pending: &Pending, outcome: &Outcome) {
        let Task::Propose { calls, class, .. } = &pending.task else { return };
        let Some((proposal, voting_ends)) = proposed(outcome).filter(|_| !calls.is_empty()) else { return };
        let epoch = self.group().voters_since;
        let vote = match *class {
            CONSTITUTION => Task::SignedVote { proposal, epoch, voting_ends },
            _ => Task::Vote(proposal, Choice::For),
        };
        self.trace.note(self.now_ms, format_args!("agent {number} has proposed a change"));
        for at in 0..self.agents.len() {
            if self.agents[at].is_voter {
                self.agents[at].tasks.push_front(vote.clone());
                self.after(1, Happening::Think { agent: at });
            }
        }
    }

    /// A correct replica shows how an epoch ended: the contract follows, and so do those who run the nodes.
    pub(super) fn register(&mut self, handover: &Handover) {
        let old = self.group().clone();
        if handover.from() != old.epoch {
            return;
        }
        let change = MembersChange { epoch: old.epoch, members: handover.members.clone() };
        let next = change.apply(&old).expect("the replicas hold every change to the rules");
        self.trace.note(
            self.now_ms,
            format_args!("epoch {} begins with {} members", next.epoch, next.members.len()),
        );
        self.bases.push(handover.certificate.checkpoint.sequence);
        self.groups.push(next);
        if self.changing == Some(handover.from()) {
            self.changing = None;
            self.changes.remove(0);
            if !self.changes.is_empty() {
                let pause_ms = self.random.between(500, 3_000);
                self.after(pause_ms, Happening::Change);
            }
        }
        self.follow_members();
    }

    /// Whoever runs the nodes starts those that joined and gives those their keys that have new ones.
    fn follow_members(&mut self) {
        let members = self.group().members.clone();
        for number in 0..self.nodes.len() {
            let agent = self.nodes[number].agent;
            match members.iter().find(|member| member.agent == agent) {
                None if self.nodes[number].standing != Standing::Faulty => {
                    self.nodes[number].standing = Standing::Outside;
                }
                None => {}
                Some(member) => self.follow_member(number, member),
            }
        }
        for member in &members {
            if self.nodes.iter().all(|node| node.agent != member.agent) {
                self.join();
            }
        }
        for agent in &mut self.agents {
            let leaves = agent.is_voter && members.iter().all(|member| member.agent != agent.id);
            if leaves {
                agent.is_voter = false;
                agent.left = 0;
            }
        }
    }

    fn follow_member(&mut self, number: usize, member: &Member) {
        let node = &mut self.nodes[number];
        // In a new epoch nothing that it forgot can be contradicted.
        let only_lost = node.actor.is_none() && !node.is_twin;
        if only_lost {
            node.standing = Standing::Correct;
        }
        if node.keys.agent.public() != member.key {
            let versions = 0..=node.key_version + 4;
            let of = node.number;
            let version = versions
                .into_iter()
                .find(|version| crate::node::keys(of, *version).agent.public() == member.key)
                .expect("a rotated key is a later version");
            let after_ms = self.random.between(20, 1_500);
            self.after(after_ms, Happening::Rekey { node: number, version });
            let id = self.nodes[number].agent;
            self.agents
                .iter_mut()
                .filter(|agent| agent.id == id)
                .for_each(|agent| agent.key_version = version);
        }
    }

    /// A replica that was never in the group, and its agent.
    fn join(&mut self) {
        let number = self.agents.iter().filter(|agent| agent.number < PLAIN_AGENTS).count();
        let node = SimNode::new(number, self.plan.seed);
        self.trace.note(self.now_ms, format_args!("{} joins", node.name));
        // Agents of replicas are numbered as their nodes; a twin is no agent of its own.
        self.nodes.push(node);
        self.agents.push(crate::agents::Agent::new(number, 2, true));
        let (node, agent) = (self.nodes.len() - 1, self.agents.len() - 1);
        let after_ms = self.random.between(1, 1_000);
        self.after(after_ms, Happening::Start { node });
        self.after(after_ms + 500, Happening::Think { agent });
    }

    pub(super) fn rekey(&mut self, number: usize, version: u8) -> Verdict {
        self.trace.note(self.now_ms, format_args!("{} gets its new key", self.nodes[number].name));
        self.kill(number, 20);
        let node = &mut self.nodes[number];
        if node.running.is_none() && node.back_at_ms.is_none() {
            self.after(20, Happening::Start { node: number });
        }
        let node = &mut self.nodes[number];
        node.keys = crate::node::keys(node.number, version);
        node.key_version = version;
        node.marker.clear();
        Ok(())
    }
}
