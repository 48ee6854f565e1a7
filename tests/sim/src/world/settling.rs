//! The end of a run: everything is mended, the group must come to rest, and then all is compared.

use quorate_protocol::{Digest, Epoch};

use super::{World, violation};
use crate::checkers::linearizability::Rules;
use crate::node::Standing;
use crate::violation::Verdict;

/// How long a group may take to come to rest once everything is mended, in milliseconds: time-outs that
/// doubled in the turmoil have to come down again.
const REST_MS: u64 = 120_000;
/// How long it must stay at rest, in milliseconds.
const STILL_MS: u64 = 1_000;

impl World {
    /// Mends everything but the faulty replicas.
    pub(super) fn heal(&mut self) -> Verdict {
        self.trace.note(self.now_ms, format_args!("everything is mended"));
        self.healed_at_ms = Some(self.now_ms);
        self.network.heal(self.plan.afterwards);
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            node.round_ms = 0;
            node.skew_ms = 0;
            node.disk.set_full(false);
            self.start_node(number)?;
        }
        Ok(())
    }

    /// Runs until the group is at rest, and compares.
    pub(super) fn settle(&mut self) -> Verdict {
        let healed_ms = self.now_ms;
        let end_ms = healed_ms + REST_MS;
        let mut rests_from_ms = None;
        loop {
            match self.unsettled() {
                None if rests_from_ms.is_some_and(|from_ms| self.now_ms >= from_ms + STILL_MS) => break,
                None => {
                    let from_ms = *rests_from_ms.get_or_insert(self.now_ms);
                    self.next(from_ms + STILL_MS)?;
                }
                Some(why) if self.now_ms >= end_ms => {
                    return violation("liveness", format!("{why}, {REST_MS} ms after everything was mended"));
                }
                Some(_) => {
                    rests_from_ms = None;
                    self.next(end_ms)?;
                }
            }
        }
        self.totals.settled_ms = self.now_ms - STILL_MS - healed_ms;
        self.compare()
    }

    /// Why the group is not at rest yet.
    fn unsettled(&self) -> Option<String> {
        if let Some(agent) = self.agents.iter().find(|agent| !agent.is_done()) {
            return Some(format!("agent {} waits or has something to do", agent.number));
        }
        if !self.changes.is_empty() {
            return Some("a change of members is under way".into());
        }
        if let Some(why) = self.inbox_unsettled() {
            return Some(why);
        }
        let (epoch, size) = (self.group().epoch, self.reference.size());
        let mut executed = None;
        for node in self.nodes.iter().filter(|node| node.standing == Standing::Correct) {
            let Some(running) = &node.running else { return Some(format!("{} is down", node.name)) };
            let Some(replica) = running.core.replica() else {
                return Some(format!("{} takes no part", node.name));
            };
            let progress = running.reader.progress();
            if replica.context().epoch != epoch {
                return Some(format!("{} is in epoch {}", node.name, replica.context().epoch));
            }
            if progress.size != size || progress.certified != size {
                let (has, certified) = (progress.size, progress.certified);
                return Some(format!("{} has {has} of {size} entries, {certified} certified", node.name));
            }
            let last = replica.last_executed();
            let first = *executed.get_or_insert(last);
            if last != first {
                return Some(format!("{} has executed up to {last}, another up to {first}", node.name));
            }
            if replica.pending_commands() > 0 {
                return Some(format!("commands wait at {}", node.name));
            }
        }
        None
    }

    fn compare(&mut self) -> Verdict {
        let correct: Vec<_> = self.nodes.iter().filter(|node| node.standing == Standing::Correct).collect();
        let mut smallest = u64::MAX;
        let mut states: Vec<(String, Digest)> = Vec::new();
        for node in &correct {
            let Some(running) = &node.running else { continue };
            let head = running.reader.read(|ledger| ledger.head());
            self.reference.head(&node.name, &head)?;
            smallest = smallest.min(head.size);
            // What is stored is what was executed.
            for index in 0..running.store.log_size().unwrap_or_default() {
                let stored = running.store.entry(quorate_protocol::EntryIndex(index));
                let leaf =
                    stored.ok().flatten().map(|record| crate::checkers::tree::leaf(&record.entry.leaf()));
                if leaf.is_none() || leaf != self.reference.leaf(index) {
                    return violation("durability", format!("{} has not stored entry {index}", node.name));
                }
            }
            let root = running.core.ledger().write().expect("nothing panics with the ledger").summary();
            states.push((node.name.clone(), root.state_root));
        }
        if let Some((name, _)) = states.iter().find(|(_, root)| *root != states[0].1) {
            return violation("agreement", format!("{name} has another state than {} at rest", states[0].0));
        }
        self.receipts.finish(&self.reference, smallest)?;
        self.evidence.finish()?;
        let rules = |proposal: &quorate_protocol::ProposalId| self.rules_of(proposal);
        self.history.check(rules, |proposal| {
            self.proposals.iter().find(|(known, _)| known == proposal).map(|(_, proposer)| *proposer)
        })
    }

    /// The rules of the epoch that a proposal was made in.
    fn rules_of(&self, proposal: &quorate_protocol::ProposalId) -> Rules {
        let epoch = self.history.opened_in(proposal).map_or(Epoch(0), |index| self.reference.epoch_at(index));
        let group = &self.groups[epoch.0 as usize];
        let total: u64 = group.members.iter().map(|member| member.weight).sum();
        let policy = &group.terms.classes[0];
        let threshold =
            (u64::from(policy.threshold) * total).div_ceil(u64::from(quorate_protocol::policy::WHOLE));
        Rules { threshold, total }
    }
}
