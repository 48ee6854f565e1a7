//! What leaves a node, and what arrives at one.

use std::sync::Arc;

use quorate_node::core::{Blame, CoreEvent, Outgoing};
use quorate_node::frame::Frame;
use quorate_protocol::keys::verify_all;
use quorate_protocol::{AgentId, Digest, PublicKey};

use super::{Happening, World, violation};
use crate::byzantine::{Actor, Said, Stage, TICK_MS};
use crate::checkers::new_view;
use crate::node::{Bytes, SimNode};
use crate::random::Random;
use crate::violation::Verdict;

/// How long a link stays cut after what came over it was refused, in milliseconds.
const CUT_MS: u64 = 300;
/// How long those who left the group keep their links, in milliseconds.
const FAREWELL_MS: u64 = 10_000;
/// How long a twin talks to the same camp, in milliseconds.
const CAMP_MS: u64 = 700;

impl World {
    /// Carries out what a node wants sent.
    pub(super) fn leave(&mut self, from: usize, outgoing: Outgoing) -> Verdict {
        match outgoing {
            Outgoing::To(to, bytes) => self.say(from, &[to], &bytes),
            Outgoing::All(bytes) => {
                let peers = self.peers(from);
                self.say(from, &peers, &bytes)
            }
            Outgoing::Blame { peer, reason } => self.blame(from, peer, &reason),
            request @ (Outgoing::Batches { .. } | Outgoing::Transfer { .. }) => {
                self.note_request(from, request);
                Ok(())
            }
        }
    }

    fn note_request(&mut self, number: usize, request: Outgoing) {
        let supply_ms = self.random.between(1, 5);
        let node = &mut self.nodes[number];
        let incarnation = node.incarnation;
        let Some(running) = &mut node.running else { return };
        running.note_request(request);
        if running.has_requests() && !std::mem::replace(&mut running.supply_busy, true) {
            self.after(supply_ms, Happening::Supply { node: number, incarnation });
        }
    }

    /// All replicas that a node has links to.
    fn peers(&self, number: usize) -> Vec<AgentId> {
        let node = &self.nodes[number];
        let Some(running) = &node.running else { return Vec::new() };
        running
            .roster(self.now_ms)
            .into_iter()
            .map(|(agent, _)| agent)
            .filter(|agent| *agent != node.agent)
            .collect()
    }

    fn say(&mut self, from: usize, to: &[AgentId], bytes: &Bytes) -> Verdict {
        let Ok(frame) = Frame::decode(bytes) else {
            return violation("frames", format!("{} says what nobody can read", self.nodes[from].name));
        };
        let node = &self.nodes[from];
        if node.is_honest() {
            self.contradiction.said(&node.name, node.agent, &self.groups, &frame)?;
            self.judge_consensus(&node.name, node.agent, &frame)?;
        }
        self.trace.note(self.now_ms, format_args!("{} says {}", node.name, describe(&frame)));
        for to in to {
            let frame = frame.clone();
            let leaving = self.act(from, |actor, stage| actor.outgoing(stage, *to, frame));
            match leaving {
                None => self.put_on_link(from, *to, bytes),
                Some(all) => self.let_go(from, all),
            }
        }
        Ok(())
    }

    /// A correct replica votes within the window above the highest checkpoint that is stable anywhere, and opens
    /// views as it must.
    fn judge_consensus(&self, name: &str, agent: AgentId, frame: &Frame) -> Verdict {
        use quorate_pbft::message::Message;
        let Frame::Consensus { epoch, message } = frame else { return Ok(()) };
        match message {
            Message::Prepare(vote) | Message::Commit(vote) => {
                let (sequence, high) = (vote.sequence.0, self.highest_stable.0 + self.plan.config.window);
                if sequence > high {
                    let detail = format!("{name} ({agent}) votes for {sequence}, the window ends at {high}");
                    return violation("bounds", detail);
                }
                Ok(())
            }
            Message::NewView(new_view) => {
                let base = self.bases.get(epoch.0 as usize).copied().unwrap_or_default();
                new_view::follows(name, base, new_view)
            }
            _ => Ok(()),
        }
    }

    fn let_go(&mut self, from: usize, all: Vec<Said>) {
        for said in all {
            if said.delay_ms == 0 {
                self.put_on_link(from, said.to, &said.bytes);
            } else {
                self.after(said.delay_ms, Happening::Leave { from, to: said.to, bytes: said.bytes });
            }
        }
    }

    /// Lets a faulty replica's actor do something; nothing if it has none.
    pub(super) fn act<T>(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut dyn Actor, &mut Stage<'_>) -> T,
    ) -> Option<T> {
        let (now_ms, wall) = (self.now_ms, self.wall(number));
        let view_timeout_ms = self.plan.config.view_timeout_ms;
        let SimNode { actor, keys, agent: me, running, last_context, .. } = &mut self.nodes[number];
        let (actor, random) = actor.as_mut()?;
        if let Some(running) = running {
            *last_context = Some(running.watch.context.borrow().clone());
        }
        let context = last_context.clone()?;
        let mut stage = Stage { now_ms, wall, keys, me: *me, context: &context, view_timeout_ms, random };
        Some(act(actor.as_mut(), &mut stage))
    }

    pub(super) fn on_act(&mut self, number: usize) -> Verdict {
        self.after(TICK_MS, Happening::Act { node: number });
        let said = self.act(number, |actor, stage| actor.tick(stage)).unwrap_or_default();
        self.let_go(number, said);
        Ok(())
    }

    /// Whether a twin that runs beside another has to do with a node at the moment.
    fn in_camp(&self, twin: usize, other: usize) -> bool {
        let is_twin =
            |at: usize| self.nodes.iter().filter(|node| node.agent == self.nodes[at].agent).count() > 1;
        if !is_twin(twin) {
            return true;
        }
        let spell = self.now_ms / CAMP_MS;
        let camp = Random::new(self.plan.seed ^ spell.wrapping_mul(31) ^ other as u64).draw() % 2;
        camp == u64::from(self.nodes[twin].name.ends_with('\''))
    }

    /// Sends bytes to every process under an address.
    pub(super) fn put_on_link(&mut self, from: usize, to: AgentId, bytes: &Bytes) {
        let places: Vec<usize> = (0..self.nodes.len())
            .filter(|at| *at != from && self.nodes[*at].agent == to)
            .filter(|at| self.in_camp(from, *at) && self.in_camp(*at, from))
            .collect();
        for place in places {
            let incarnation = self.nodes[place].incarnation;
            for delay_ms in self.network.travel(from, place) {
                let bytes = Arc::clone(bytes);
                self.after(delay_ms, Happening::Deliver { from, to: place, incarnation, bytes });
            }
        }
    }

    /// A frame arrives: as in a node, it is decoded, its structure and its signatures are checked, and only
    /// then does the core see it.
    pub(super) fn deliver(&mut self, from: usize, to: usize, incarnation: u64, bytes: &Bytes) -> Verdict {
        let (sender, key) = (self.nodes[from].agent, self.nodes[from].keys.agent.public());
        if self.network.is_cut(from, to) || !self.has_link(to, incarnation, sender, key) {
            return Ok(());
        }
        if let Ok(frame) = Frame::decode(bytes) {
            let name = &self.nodes[to].name;
            self.trace.note(
                self.now_ms,
                format_args!("{name} hears {}: {}", self.nodes[from].name, describe(&frame)),
            );
            let takes = self.act(to, |actor, stage| actor.incoming(stage, sender, &frame));
            if takes == Some(false) {
                return Ok(());
            }
        }
        let wall = self.wall(to);
        let Some(running) = &self.nodes[to].running else { return Ok(()) };
        let epoch = running.watch.context.borrow().epoch;
        let examined = running.inbound.examine(wall, sender, bytes);
        let event = match examined {
            Ok(None) => return Ok(()),
            Ok(Some(unverified)) => {
                let verified = &self.verified;
                let unverified = unverified.without_commands(|command| {
                    verified.contains(&(command.digest(), command.signature().0))
                });
                let checks = unverified.checks();
                let name = Digest::of(&[bytes, &epoch.0.to_be_bytes(), &checks.len().to_be_bytes()]);
                let holds = match self.verdicts.get(&name) {
                    Some(holds) => *holds,
                    None => verify_all(&checks),
                };
                self.verdicts.insert(name, holds);
                if holds {
                    let commands = unverified.commands().iter();
                    self.verified.extend(commands.map(|command| (command.digest(), command.signature().0)));
                }
                unverified.judge(holds)
            }
            Err(blame) => Err(blame),
        };
        match event {
            Ok(event) => self.take_event(to, sender, event),
            Err(blame) => self.refuse(to, sender, &blame),
        }
    }

    fn take_event(&mut self, to: usize, sender: AgentId, event: CoreEvent) -> Verdict {
        self.witness(to, sender, &event);
        let round_ms = self.nodes[to].round_ms;
        if let Some(running) = &mut self.nodes[to].running {
            running.inbox.push(event);
        }
        self.plan_round(to, self.now_ms + round_ms);
        Ok(())
    }

    /// Tells the checker of evidence what a correct replica is told about a batch that is open to it, or about a
    /// state above its stable one.
    fn witness(&mut self, to: usize, sender: AgentId, event: &CoreEvent) {
        let node = &self.nodes[to];
        let CoreEvent::Message { epoch, message, .. } = event else { return };
        let Some(replica) = node.running.as_ref().and_then(|running| running.core.replica()) else { return };
        if !node.is_correct() || replica.is_silent() || replica.context().epoch != *epoch {
            return;
        }
        use quorate_pbft::message::Message;
        let (view, sequence, signer) = match &**message {
            Message::PrePrepare(said) => {
                let primary = said.view.primary(replica.context().replicas.len());
                let member = replica.context().replicas.at(primary).map(|member| member.agent);
                (said.view, said.sequence, member)
            }
            Message::Prepare(said) | Message::Commit(said) => (said.view, said.sequence, Some(sender)),
            Message::Checkpoint(_) => {
                let name = node.name.clone();
                self.evidence.delivered((to, node.incarnation), &name, *epoch, sender, message);
                return;
            }
            _ => return,
        };
        let open = view == replica.view()
            && replica.view_state() == quorate_pbft::ViewState::Active
            && sequence > replica.last_executed()
            && sequence.0 <= replica.last_executed().0 + self.plan.config.pipeline;
        if let Some(signer) = signer.filter(|_| open) {
            let process = (to, node.incarnation);
            let name = node.name.clone();
            self.evidence.delivered(process, &name, *epoch, signer, message);
        }
    }

    fn refuse(&mut self, to: usize, sender: AgentId, blame: &Blame) -> Verdict {
        self.blame(to, sender, &blame.to_string())
    }

    /// A node cuts a peer off. No correct one deserves it.
    fn blame(&mut self, by: usize, peer: AgentId, reason: &str) -> Verdict {
        let node = &self.nodes[by];
        self.trace.note(self.now_ms, format_args!("{} cuts {peer} off: {reason}", node.name));
        if node.is_honest() && !self.was_ever_faulty(peer) {
            return violation("blame", format!("{} cuts a correct replica off: {reason}", node.name));
        }
        let until_ms = self.now_ms + CUT_MS;
        if let Some(running) = &mut self.nodes[by].running {
            running.cut_until_ms.insert(peer, until_ms);
        }
        Ok(())
    }

    /// Whether any process under the address may be faulty.
    pub(super) fn was_ever_faulty(&self, agent: AgentId) -> bool {
        self.nodes.iter().any(|node| node.agent == agent && node.was_faulty)
    }

    /// Whether a running process lets a peer in: as a link does, it knows the key of each replica of the epoch,
    /// and for a while of the one before.
    fn has_link(&self, to: usize, incarnation: u64, sender: AgentId, key: PublicKey) -> bool {
        let node = &self.nodes[to];
        let Some(running) = node.running.as_ref().filter(|_| node.incarnation == incarnation) else {
            return false;
        };
        let cut = running.cut_until_ms.get(&sender).is_some_and(|until_ms| self.now_ms < *until_ms);
        !cut && running.roster(self.now_ms).contains(&(sender, key))
    }

    /// Notes when a node enters an epoch: the links of the one before live on for a while.
    pub(super) fn follow_epoch(&mut self, number: usize) {
        let now_ms = self.now_ms;
        if let Some(running) = &mut self.nodes[number].running {
            running.follow_epoch(now_ms + FAREWELL_MS);
        }
    }
}

/// A frame in a few words.
pub(super) fn describe(frame: &Frame) -> String {
    use quorate_node::transfer::TransferMessage as Transfer;
    use quorate_pbft::message::Message;
    match frame {
        Frame::Consensus { epoch, message } => match message {
            Message::PrePrepare(said) => format!(
                "pre-prepare {}/{} {:.10} with {} commands (epoch {epoch})",
                said.view,
                said.sequence,
                said.digest.to_string(),
                said.batch.commands.len()
            ),
            Message::Prepare(said) => {
                format!(
                    "prepare {}/{} {:.10} (epoch {epoch})",
                    said.view,
                    said.sequence,
                    said.digest.to_string()
                )
            }
            Message::Commit(said) => {
                format!(
                    "commit {}/{} {:.10} (epoch {epoch})",
                    said.view,
                    said.sequence,
                    said.digest.to_string()
                )
            }
            Message::Checkpoint(said) => format!("checkpoint {} (epoch {epoch})", said.checkpoint.sequence),
            Message::Stable(said) => format!("stable {} (epoch {epoch})", said.checkpoint.sequence),
            Message::ViewChange(said) => {
                let prepared: Vec<String> =
                    said.prepared.iter().map(|shown| format!("{}/{}", shown.view, shown.sequence)).collect();
                format!("view-change {} with [{}] (epoch {epoch})", said.view, prepared.join(" "))
            }
            Message::NewView(said) => {
                format!("new-view {} with {} batches (epoch {epoch})", said.view, said.reproposals.len())
            }
            Message::Status(said) => format!(
                "status view {}{} stable {} executed {} (epoch {epoch})",
                said.view,
                if said.active { "" } else { "?" },
                said.stable,
                said.last_executed
            ),
            Message::CatchUp(said) => format!("catch-up of {} batches (epoch {epoch})", said.batches.len()),
            other => format!("{} (epoch {epoch})", other.kind()),
        },
        Frame::Attestation { epoch, signed } => {
            format!("attestation of {} (epoch {epoch})", signed.head.size)
        }
        Frame::Certificate(certificate) => format!("certificate of {}", certificate.head.size),
        Frame::CertificateWanted(size) => format!("certificate wanted of {size}"),
        Frame::HandoversWanted(epoch) => format!("handovers wanted from epoch {epoch}"),
        Frame::Handovers(handovers) => format!("{} handovers", handovers.len()),
        Frame::Transfer(message) => match message {
            Transfer::StateWanted(said) => format!("state of {} wanted from {}", said.sequence, said.from),
            Transfer::StateChunk(said) => format!("state of {}: buckets at {}", said.sequence, said.first),
            Transfer::LogWanted(said) => format!("log of {} wanted from {}", said.size, said.from),
            Transfer::LogChunk(said) => format!("log from {}: {} records", said.from, said.records.len()),
            Transfer::Unavailable(said) => format!("state of {} unavailable", said.sequence),
        },
    }
}
