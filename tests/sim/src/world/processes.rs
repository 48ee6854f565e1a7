//! Processes: starting, their rounds, their disks, and stopping.

use quorate_node::NodeError;
use quorate_node::core::Outgoing;
use quorate_node::store::{FetchWrite, Write};
use quorate_pbft::{CommittedBatch, Evidence};
use quorate_protocol::{Digest, codec};

use super::{Happening, World, violation};
use crate::byzantine::ActorKind;
use crate::checkers::quorums;
use crate::node::{Boot, Running, Standing};
use crate::plan::{Faulty, Loss};
use crate::sound::sound;
use crate::violation::Verdict;

/// How long a stopped process takes to come back at least, in milliseconds.
const RESTART_MS: u64 = 50;
/// The most commands that may wait at a replica; far more than the agents of a simulation sign.
const MAX_PENDING: usize = 4_096;
/// The most commands of one key that may wait at a replica.
pub(super) const MAX_PER_KEY: usize = 64;
/// The most bytes that the write-ahead log of a simulated replica may take.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;
/// The most writes that may wait for the store.
const MAX_WRITES: usize = 1_024;

impl World {
    /// Starts a node's process, if it is down.
    pub(super) fn start_node(&mut self, number: usize) -> Verdict {
        let (known, wall, now_ms) = (self.known_group(), self.wall(number), self.now_ms);
        let node = &mut self.nodes[number];
        node.back_at_ms = None;
        if node.running.is_some() {
            return Ok(());
        }
        if known.0.member(node.agent).is_none() {
            node.standing = if node.actor.is_some() { Standing::Faulty } else { Standing::Outside };
            return Ok(());
        }
        let boot = Boot {
            config: &self.plan.config,
            keys: &node.keys,
            disk: &node.disk,
            marker: &node.marker,
            known,
            now_ms,
            wall,
        };
        node.incarnation += 1;
        let started = Running::start(boot);
        let name = node.name.clone();
        match started {
            Ok(running) => {
                self.trace.note(now_ms, format_args!("{name} starts: {}", running.picture()));
                node.running = Some(running);
                self.totals.starts += 1;
                self.look_at_inbox(number);
                self.after_round(number)
            }
            Err(error) => self.start_failed(number, &error),
        }
    }

    fn start_failed(&mut self, number: usize, error: &NodeError) -> Verdict {
        let rots = matches!(self.plan.loss, Some((place, Loss::Rot)) if place == number);
        let node = &mut self.nodes[number];
        self.trace.note(self.now_ms, format_args!("{} does not start: {error}", node.name));
        match error {
            NodeError::NotAReplica { .. } | NodeError::OtherKey { .. } => {
                self.start_later(number);
                Ok(())
            }
            // Whoever runs a node whose log has rotted takes the log away. It may show in the next epoch only, in which
            // the node counts among the correct again.
            NodeError::DataCorrupt { .. } if rots || node.standing != Standing::Correct => {
                node.disk.lose_log();
                self.start_later(number);
                Ok(())
            }
            // A disk that is full is emptied one day.
            NodeError::Storage { .. } => {
                self.start_later(number);
                Ok(())
            }
            error => violation("restart", format!("{} does not start: {error}", node.name)),
        }
    }

    fn start_later(&mut self, number: usize) {
        let ms = self.random.between(RESTART_MS, 10 * RESTART_MS);
        self.nodes[number].back_at_ms = Some(self.now_ms + ms);
        self.after(ms, Happening::Start { node: number });
    }

    /// Has the node's next round at `at_ms`, or earlier if one is planned.
    pub(super) fn plan_round(&mut self, number: usize, at_ms: u64) {
        let at_ms = at_ms.max(self.now_ms);
        let node = &mut self.nodes[number];
        let incarnation = node.incarnation;
        let Some(running) = &mut node.running else { return };
        if running.round_at_ms.is_none_or(|planned| planned > at_ms) {
            running.round_at_ms = Some(at_ms);
            self.after(at_ms - self.now_ms, Happening::Round { node: number, incarnation });
        }
    }

    pub(super) fn on_round(&mut self, number: usize, incarnation: u64) -> Verdict {
        let (now_ms, wall) = (self.now_ms, self.wall(number));
        let node = &mut self.nodes[number];
        let Some(running) = node.running.as_mut().filter(|_| node.incarnation == incarnation) else {
            return Ok(());
        };
        if running.round_at_ms != Some(now_ms) {
            return Ok(());
        }
        running.round_at_ms = None;
        let now = running.now(now_ms, wall);
        match running.round(now) {
            Ok(()) => self.after_round(number),
            Err(error) => {
                self.judge_writes(number)?;
                self.stopped(number, &error)
            }
        }
    }

    /// Looks at what a round did, and plans what follows from it.
    fn after_round(&mut self, number: usize) -> Verdict {
        self.judge_writes(number)?;
        self.judge_bounds(number)?;
        self.judge_divergence(number)?;
        self.answer_clients(number);
        let (now_ms, wall) = (self.now_ms, self.wall(number));
        self.follow_epoch(number);
        self.note_looked(number);
        let sync_ms = self.random.between(0, self.plan.sync_ms);
        let store_ms = self.random.between(1, 2 + 4 * self.plan.sync_ms);
        let node = &mut self.nodes[number];
        let (incarnation, round_ms) = (node.incarnation, node.round_ms);
        let Some(running) = &mut node.running else { return Ok(()) };
        let (log, store) = {
            let storage = running.core.storage_mut();
            (!storage.log.is_empty(), !storage.writes.is_empty())
        };
        let log = log && !std::mem::replace(&mut running.log_busy, true);
        let store = store && !std::mem::replace(&mut running.store_busy, true);
        let deadline_ms = running.core.next_deadline_ms(running.now(now_ms, wall));
        let due_ms = running.started_ms.saturating_add(deadline_ms);
        if log {
            self.after(sync_ms + round_ms, Happening::Log { node: number, incarnation });
        }
        if store {
            self.after(store_ms + round_ms, Happening::Store { node: number, incarnation });
        }
        if due_ms < u64::MAX / 2 {
            self.plan_round(number, due_ms.max(now_ms + 1 + round_ms));
        }
        Ok(())
    }

    fn note_looked(&mut self, number: usize) {
        let node = &self.nodes[number];
        let replica = node.running.as_ref().and_then(|running| running.core.replica());
        if let Some(replica) = replica {
            let stable = replica.stable_checkpoint().map(|stable| stable.checkpoint.sequence);
            let stable = stable.unwrap_or(replica.context().base);
            self.evidence.looked((number, node.incarnation), replica.context().epoch, stable);
        }
    }

    /// A process ended because of an error: one that a correct node may end with, or a violation.
    fn stopped(&mut self, number: usize, error: &NodeError) -> Verdict {
        let node = &self.nodes[number];
        self.trace.note(self.now_ms, format_args!("{} stops: {error}", node.name));
        let expected = match error {
            // Its place in the group is gone, or its key.
            NodeError::NotAReplica { .. } | NodeError::OtherKey { .. } => true,
            NodeError::Storage { .. } | NodeError::StorageStopped { .. } => node.disk.is_full(),
            _ => false,
        };
        let node = &self.nodes[number];
        if !expected && node.is_honest() {
            return violation("stopped", format!("{} stops: {error}", node.name));
        }
        self.nodes[number].disk.kill();
        self.nodes[number].running = None;
        self.start_later(number);
        Ok(())
    }

    pub(super) fn on_log(&mut self, number: usize, incarnation: u64) -> Verdict {
        let node = &mut self.nodes[number];
        let Some(running) = node.running.as_mut().filter(|_| node.incarnation == incarnation) else {
            return Ok(());
        };
        running.log_busy = false;
        let outgoing = match running.write_log(self.plan.hasty) {
            Ok(outgoing) => outgoing,
            Err(error) => {
                running.core.storage_mut().failed = true;
                return self.stopped(number, &error);
            }
        };
        let more = !running.core.storage_mut().log.is_empty();
        running.log_busy = more;
        let sync_ms = self.random.between(0, self.plan.sync_ms);
        if more {
            self.after(sync_ms, Happening::Log { node: number, incarnation });
        }
        for outgoing in outgoing {
            self.leave(number, outgoing)?;
        }
        Ok(())
    }

    pub(super) fn on_store(&mut self, number: usize, incarnation: u64) -> Verdict {
        let (now_ms, store_ms) = (self.now_ms, self.random.between(1, 2 + 4 * self.plan.sync_ms));
        let node = &mut self.nodes[number];
        let Some(running) = node.running.as_mut().filter(|_| node.incarnation == incarnation) else {
            return Ok(());
        };
        running.store_busy = false;
        if let Err(error) = running.write_store() {
            running.core.storage_mut().failed = true;
            return self.stopped(number, &error);
        }
        let more = !running.core.storage_mut().writes.is_empty();
        running.store_busy = more;
        // A fetch goes on when its last step is stored.
        let fetches = running.core.fetch_progress().is_some();
        if more {
            self.after(store_ms, Happening::Store { node: number, incarnation });
        }
        if fetches {
            self.plan_round(number, now_ms + 1);
        }
        Ok(())
    }

    pub(super) fn on_supply(&mut self, number: usize, incarnation: u64) -> Verdict {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[number];
        let Some(running) = node.running.as_mut().filter(|_| node.incarnation == incarnation) else {
            return Ok(());
        };
        running.supply_busy = false;
        let answers = match running.supply(now_ms - running.started_ms) {
            Ok(answers) => answers,
            Err(error) => return violation("supply", format!("{}: {error}", node.name)),
        };
        for (to, frame) in answers {
            self.leave(number, Outgoing::To(to, frame.encode().into()))?;
        }
        Ok(())
    }

    /// Shows the checkers what a correct node gave to its store.
    fn judge_writes(&mut self, number: usize) -> Verdict {
        let node = &mut self.nodes[number];
        let (name, honest) = (node.name.clone(), node.is_honest());
        let Some(running) = &mut node.running else { return Ok(()) };
        let seen = std::mem::take(&mut running.core.storage_mut().seen);
        let head = running.reader.read(|ledger| (!ledger.is_closed()).then(|| ledger.head()));
        if !honest {
            return Ok(());
        }
        for write in seen {
            match write {
                Write::Executed { sequence, batch, records } => {
                    self.trace.note(
                        self.now_ms,
                        format_args!("{name} executes {sequence}: {} entries", records.len()),
                    );
                    if self.is_news(&batch) {
                        self.judge_commits(&name, &batch)?;
                    }
                    self.reference.executed(&name, sequence, &batch, &records)?;
                    let nodes = &self.nodes;
                    self.reference.inbox.judge_words(|agent| {
                        nodes.iter().any(|node| node.agent == agent && node.was_faulty)
                    })?;
                }
                Write::Stable(certificate) => {
                    if self.is_news(&codec::encode(&certificate)) {
                        sound(|| quorums::checkpoint(&name, &self.groups, &certificate))?;
                    }
                    self.reference.checkpoint(&name, &certificate)?;
                    self.highest_stable = self.highest_stable.max(certificate.checkpoint.sequence);
                }
                Write::Handover { handover, .. } => {
                    sound(|| quorums::handover(&name, &self.groups, &handover))?;
                    self.highest_stable = self.highest_stable.max(handover.certificate.checkpoint.sequence);
                    self.register(&handover);
                }
                Write::Evidence { evidence, .. } => self.judge_evidence(&name, &evidence)?,
                Write::Fetch(FetchWrite::Install) => self.totals.fetches += 1,
                Write::State { .. }
                | Write::Group(_)
                | Write::SilentUntil(_)
                | Write::Anchor { .. }
                | Write::NoAnchor
                | Write::Era(_)
                | Write::Fetch(_) => {}
            }
        }
        match head {
            Some(head) if head.size > 0 => self.reference.head(&name, &head),
            _ => Ok(()),
        }
    }

    /// Whether a proof is judged for the first time: the same bytes prove the same again.
    fn is_news(&mut self, proof: &[u8]) -> bool {
        self.judged.insert(Digest::of(&[proof]))
    }

    fn judge_commits(&self, name: &str, bytes: &[u8]) -> Verdict {
        let Ok(committed) = CommittedBatch::decode(bytes) else { return Ok(()) };
        let epoch = self.bases.iter().rposition(|base| *base < committed.sequence).unwrap_or_default();
        sound(|| quorums::commits(name, &self.groups[epoch], self.bases[epoch], &committed))
    }

    fn judge_evidence(&mut self, name: &str, bytes: &[u8]) -> Verdict {
        let evidence: Evidence =
            codec::decode(bytes, Evidence::MAX_BYTES).expect("the core encodes evidence");
        let against = match &evidence {
            Evidence::Votes { epoch, replica, .. } => self
                .groups
                .get(epoch.0 as usize)
                .and_then(|group| group.replicas().at(*replica).map(|member| member.agent)),
            Evidence::Checkpoints { first, second, .. } => {
                let identity = &self.groups[0].identity;
                let signed = [first, second].iter().all(|signed| signed.verify(identity));
                (signed && first.replica == second.replica).then_some(first.replica)
            }
        };
        let Some(against) = against else {
            return violation("evidence", format!("{name} holds evidence against nobody: {evidence:?}"));
        };
        self.trace.note(self.now_ms, format_args!("{name} holds evidence against {against}"));
        let faulty = self.was_ever_faulty(against);
        self.evidence.kept(name, against, evidence.kind(), faulty)
    }

    /// The most commands that may wait at a replica: so many of each key, and all the keys are the agents'
    /// unless a flooder makes up more.
    fn most_pending(&self) -> usize {
        let flooder = Faulty::Actor(ActorKind::Flooder);
        if self.plan.faulty.iter().any(|(_, faulty)| *faulty == flooder) {
            return MAX_PENDING;
        }
        let keys: usize = self.agents.iter().map(|agent| usize::from(agent.key_version) + 1).sum();
        keys * MAX_PER_KEY
    }

    fn judge_bounds(&mut self, number: usize) -> Verdict {
        let most_pending = self.most_pending();
        let node = &mut self.nodes[number];
        let honest = node.is_honest();
        let Some(running) = node.running.as_mut().filter(|_| honest) else { return Ok(()) };
        if let Some(replica) = running.core.replica() {
            self.totals.views = self.totals.views.max(replica.view().0);
        }
        let pending = running.core.replica().map_or(0, quorate_pbft::Replica::pending_commands);
        let writes = running.writes_waiting();
        let log_bytes = node.disk.log_bytes();
        if pending > most_pending || writes > MAX_WRITES || log_bytes > MAX_LOG_BYTES {
            let detail = format!(
                "{}: {pending} commands wait, {writes} writes wait, the log has {log_bytes} bytes",
                node.name
            );
            return violation("bounds", detail);
        }
        Ok(())
    }

    /// What a correct replica holds is the group's, whatever it was told: it has nothing to mend.
    fn judge_divergence(&self, number: usize) -> Verdict {
        let node = &self.nodes[number];
        let Some(running) = node.running.as_ref().filter(|_| node.is_correct()) else { return Ok(()) };
        match running.reader.read(|ledger| ledger.divergence()) {
            None => Ok(()),
            Some(divergence) => violation("agreement", format!("{}: {divergence}", node.name)),
        }
    }
}
