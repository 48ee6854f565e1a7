//! Messages on their way, and what becomes of a replica's effects.

use std::collections::VecDeque;
use std::rc::Rc;

use quorate_pbft::message::{CatchUp, MAX_CATCH_UP};
use quorate_pbft::{Effect, Event, Message, Replica, verify};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{Digest, ReplicaIndex, Verified};

use super::group::Group;
use super::network::Delivery;

impl Group {
    /// Puts a message on the wire as `from` would.
    pub(crate) fn inject(&mut self, from: ReplicaIndex, to: ReplicaIndex, message: &Message) {
        let delivery = Delivery { from, to, bytes: Rc::new(message.encode()) };
        self.deliver(delivery);
    }

    /// Whether the message passes every check when it comes from `from`.
    pub(crate) fn passes(&mut self, from: ReplicaIndex, bytes: &[u8]) -> Option<Message> {
        let message = Message::decode(bytes).ok()?;
        let name = Digest::of(&[&from.0.to_be_bytes(), bytes]);
        let context = &self.members.context;
        let verdict = *self.verdicts.entry(name).or_insert_with(|| {
            verify::checks(context, from, &message).is_ok_and(|checks| verify_all(&checks.all()))
        });
        if self.verdicts.len() > 20_000 {
            self.verdicts.clear();
        }
        verdict.then_some(message)
    }

    pub(super) fn deliver(&mut self, delivery: Delivery) {
        if !self.is_up(delivery.to) {
            return;
        }
        match self.passes(delivery.from, &delivery.bytes) {
            // All checks of the message were made.
            Some(message) => {
                let message = Verified::vouch(message);
                self.step(delivery.to, Event::Message { from: delivery.from, message });
            }
            None => assert!(
                self.checker.is_faulty(delivery.from),
                "a message of the correct replica {} is refused: {:?}",
                delivery.from,
                Message::decode(&delivery.bytes)
            ),
        }
    }

    /// Steps a replica and carries out what it wants.
    pub(crate) fn step(&mut self, index: ReplicaIndex, event: Event) {
        let now = self.now(index);
        let Some(replica) = self.node_mut(index).replica.as_mut() else { return };
        let mut effects: VecDeque<Effect> = replica.step(now, event).into();
        while let Some(effect) = effects.pop_front() {
            let node = self.node_mut(index);
            if node.crash_before == Some(node.effects) {
                self.crash(index);
                return;
            }
            node.effects += 1;
            effects.extend(self.carry_out(index, effect));
        }
        let node = self.node(index);
        if node.replica.as_ref().is_some_and(|replica| replica.awaits_storage().is_some()) {
            let stored = node.machine.last;
            self.step(index, Event::Stored(stored));
        }
    }

    pub(super) fn carry_out(&mut self, index: ReplicaIndex, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::Persist(record) => self.node_mut(index).disk.append(&record),
            Effect::Send { to, message } => self.send(index, &[to], &message),
            Effect::Broadcast(message) => {
                let others: Vec<_> = self.all().into_iter().filter(|&to| to != index).collect();
                self.send(index, &others, &message);
            }
            Effect::Execute { committed, checkpoint } => {
                let node = self.node_mut(index);
                let executed = node.machine.execute(&committed, checkpoint);
                node.disk.batches.insert(committed.sequence, committed.clone());
                let root = node.machine.root;
                self.checker.executed(index, &committed, root);
                let now = self.now(index);
                let replica = self.node_mut(index).replica.as_mut().expect("it runs");
                return replica.step(now, Event::Executed(executed));
            }
            Effect::Stable(certificate) => {
                let rotate = self.options.rotate;
                let node = self.node_mut(index);
                node.disk.stable = Some(certificate);
                if rotate {
                    let records = node.replica.as_ref().expect("it runs").durable_records();
                    node.disk.rotate(&records);
                    self.records_say_it_all(index);
                }
            }
            Effect::SupplyBatches { to, from } => {
                let stored = self.node(index).disk.batches.range(from..).filter(|_| self.supplies);
                let batches: Vec<_> = stored.take(MAX_CATCH_UP).map(|(_, batch)| batch.clone()).collect();
                if !batches.is_empty() {
                    self.send(index, &[to], &Message::CatchUp(CatchUp { batches }));
                }
            }
            Effect::ViewChanged { .. } | Effect::Gathered(_) => {}
            Effect::Withheld { sequence } => self.node_mut(index).withheld.push(sequence),
            Effect::EpochEnded(certificate) => self.node_mut(index).handovers.push(certificate),
            Effect::FetchState(certificate) => {
                self.node_mut(index).wanted_state = Some(certificate.checkpoint.sequence);
            }
            Effect::Evidence(evidence) if self.checker.is_faulty(index) => drop(evidence),
            Effect::Evidence(evidence) => self.checker.evidence(index, evidence),
            Effect::Diverged { sequence } => self.node_mut(index).diverged.push(sequence),
        }
        Vec::new()
    }

    /// Whoever starts from the records that stand for all others would write the same ones.
    pub(super) fn records_say_it_all(&self, index: ReplicaIndex) {
        let (_, recovered) = self.node(index).disk.recover(&self.options.config);
        let records = recovered.records.clone();
        let keys = self.members.keys[usize::from(index.0)].clone();
        let (config, context) = (self.options.config.clone(), self.members.context.clone());
        let again = Replica::new(config, context, keys, recovered, self.now(index));
        assert_eq!(again.durable_records(), records, "replica {index}");
    }

    pub(super) fn send(&mut self, from: ReplicaIndex, to: &[ReplicaIndex], message: &Message) {
        self.node_mut(from).disk.sync();
        self.checker.said(from, message);
        *self.sent.entry(message.kind()).or_default() += 1;
        let bytes = Rc::new(message.encode());
        for &to in to {
            if self.loss.as_ref().is_some_and(|lost| lost(from, to, message)) {
                continue;
            }
            let messages = match self.node_mut(from).tamper.as_mut() {
                None => vec![Rc::clone(&bytes)],
                Some(tamper) => {
                    tamper(to, message.clone()).iter().map(|message| Rc::new(message.encode())).collect()
                }
            };
            for bytes in messages {
                self.network.send(self.now_ms, &mut self.random, Delivery { from, to, bytes });
            }
        }
    }
}
