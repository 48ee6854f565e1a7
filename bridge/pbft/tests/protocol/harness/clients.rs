//! Clients that hand commands to replicas.

use quorate_pbft::Event;
use quorate_protocol::{ReplicaIndex, SignedCommand, Verified};

use super::group::{Client, Group};

/// How long a client waits for an execution before it turns to the next replica.
const CLIENT_RETRY_MS: u64 = 1_000;

impl Group {
    /// A client hands a command to one replica, once.
    pub(crate) fn submit(&mut self, to: ReplicaIndex, command: &SignedCommand) {
        self.checker.issued(command.digest());
        if self.is_up(to) {
            // The command was made and signed here.
            self.step(to, Event::Commands(vec![Verified::vouch(command.clone())]));
        }
    }

    /// A client hands a command to one replica after another until f + 1 have executed it.
    pub(crate) fn submit_until_executed(&mut self, first: ReplicaIndex, command: &SignedCommand) {
        self.submit(first, command);
        let ask_at = self.now_ms + CLIENT_RETRY_MS;
        self.clients.push(Client { command: command.clone(), ask_at, next: usize::from(first.0) + 1 });
    }

    /// The services of every replica have come to refuse the command.
    pub(crate) fn take_back(&mut self, command: &SignedCommand) {
        for index in self.all() {
            let now = self.now(index);
            if let Some(replica) = self.node_mut(index).replica.as_mut() {
                replica.retain_commands(now, |waiting| waiting != command);
            }
        }
    }

    pub(crate) fn executed_everywhere(&self, commands: &[SignedCommand]) -> bool {
        self.correct()
            .into_iter()
            .all(|index| self.is_up(index) && commands.iter().all(|command| self.machine(index).has(command)))
    }

    pub(super) fn run_clients(&mut self) {
        let weak = self.members.context.replicas.weak_quorum();
        let nodes = &self.nodes;
        self.clients
            .retain(|client| nodes.iter().filter(|node| node.machine.has(&client.command)).count() < weak);
        for at in 0..self.clients.len() {
            if self.clients[at].ask_at <= self.now_ms {
                let to = ReplicaIndex((self.clients[at].next % self.nodes.len()) as u16);
                let command = self.clients[at].command.clone();
                self.clients[at].ask_at = self.now_ms + CLIENT_RETRY_MS;
                self.clients[at].next += 1;
                self.submit(to, &command);
            }
        }
    }
}
