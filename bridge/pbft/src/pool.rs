//! Commands that wait to be ordered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_protocol::{AgentId, Digest, SignedCommand};

/// The most commands that wait.
const MAX_PENDING: usize = 32_768;
/// The most commands of one agent that wait; as many as the reply table can tell apart.
const MAX_PENDING_PER_AGENT: usize = 64;
/// How many executed commands are remembered, so that a late copy is not ordered again for nothing.
const MAX_REMEMBERED: usize = 16_384;

/// What became of a command that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It waits now.
    Added,
    /// It was there, or was executed lately.
    Known,
    /// There is no room, over all or for its agent.
    Full,
}

#[derive(Debug)]
struct Pending {
    command: SignedCommand,
    /// When the wait for the current primary began.
    since_ms: u64,
}

/// The pool: commands in order of arrival, each once, bounded over all and for each agent.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pending: BTreeMap<u64, Pending>,
    by_digest: BTreeMap<Digest, u64>,
    per_agent: BTreeMap<AgentId, usize>,
    /// Arrival numbers of the commands that stand in no batch.
    queue: BTreeSet<u64>,
    /// Those among them that were not told to every replica.
    unspread: BTreeSet<u64>,
    next_arrival: u64,
    remembered: BTreeSet<Digest>,
    remembered_order: VecDeque<Digest>,
}

impl Pool {
    /// How many commands wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether a command waits that stands in no batch.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn offer(&mut self, command: &SignedCommand, now_ms: u64) -> Offer {
        let digest = command.digest();
        if self.by_digest.contains_key(&digest) || self.remembered.contains(&digest) {
            return Offer::Known;
        }
        let of_agent = self.per_agent.entry(command.command().agent).or_default();
        if self.pending.len() >= MAX_PENDING || *of_agent >= MAX_PENDING_PER_AGENT {
            return Offer::Full;
        }
        *of_agent += 1;
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.by_digest.insert(digest, arrival);
        self.queue.insert(arrival);
        self.unspread.insert(arrival);
        self.pending.insert(arrival, Pending { command: command.clone(), since_ms: now_ms });
        Offer::Added
    }

    /// Takes commands for a batch, oldest first, within both bounds.
    pub(crate) fn take_batch(&mut self, max_commands: usize, max_bytes: usize) -> Vec<SignedCommand> {
        let mut commands = Vec::new();
        let mut bytes = 0;
        while let Some(&arrival) = self.queue.first() {
            let pending = self.pending.get(&arrival).expect("the queue names pending commands");
            bytes += pending.command.payload_len();
            if commands.len() == max_commands || (bytes > max_bytes && !commands.is_empty()) {
                break;
            }
            commands.push(pending.command.clone());
            self.unqueue(arrival);
        }
        commands
    }

    /// Notes that the commands stand in a batch of the current view.
    pub(crate) fn mark_proposed(&mut self, commands: &[SignedCommand]) {
        for command in commands {
            if let Some(&arrival) = self.by_digest.get(&command.digest()) {
                self.unqueue(arrival);
            }
        }
    }

    /// Forgets commands that were executed.
    pub(crate) fn executed(&mut self, commands: &[SignedCommand]) {
        for command in commands {
            let digest = command.digest();
            if let Some(arrival) = self.by_digest.remove(&digest) {
                self.unqueue(arrival);
                self.pending.remove(&arrival);
                let agent = command.command().agent;
                if let Some(count) = self.per_agent.get_mut(&agent) {
                    *count -= 1;
                    if *count == 0 {
                        self.per_agent.remove(&agent);
                    }
                }
            }
            if self.remembered.insert(digest) {
                self.remembered_order.push_back(digest);
            }
        }
        while self.remembered_order.len() > MAX_REMEMBERED {
            if let Some(oldest) = self.remembered_order.pop_front() {
                self.remembered.remove(&oldest);
            }
        }
    }

    /// A new view begins: nothing stands in a batch, and every wait begins again.
    pub(crate) fn restart(&mut self, now_ms: u64) {
        for (&arrival, pending) in &mut self.pending {
            pending.since_ms = now_ms;
            self.queue.insert(arrival);
            self.unspread.insert(arrival);
        }
    }

    /// When the longest wait began.
    pub(crate) fn oldest_since(&self) -> Option<u64> {
        // Arrival numbers and waits grow together, except that a new view restarts all waits at once.
        self.pending.first_key_value().map(|(_, pending)| pending.since_ms)
    }

    /// Up to `max` commands that stand in no batch, oldest first.
    pub(crate) fn queued(&self, max: usize) -> Vec<SignedCommand> {
        self.queue.iter().take(max).map(|arrival| self.pending[arrival].command.clone()).collect()
    }

    /// Up to `max` commands that stand in no batch since `before_ms` or longer and were not spread yet; notes
    /// that they are.
    pub(crate) fn take_unspread(&mut self, before_ms: u64, max: usize) -> Vec<SignedCommand> {
        let due: Vec<u64> = self
            .unspread
            .iter()
            .copied()
            .take_while(|arrival| self.pending[arrival].since_ms <= before_ms)
            .take(max)
            .collect();
        for arrival in &due {
            self.unspread.remove(arrival);
        }
        due.iter().map(|arrival| self.pending[arrival].command.clone()).collect()
    }

    /// Since when the command waits that is to be spread next.
    pub(crate) fn oldest_unspread_since(&self) -> Option<u64> {
        self.unspread.first().map(|arrival| self.pending[arrival].since_ms)
    }

    fn unqueue(&mut self, arrival: u64) {
        self.queue.remove(&arrival);
        self.unspread.remove(&arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_protocol::{AgentKey, Command, GroupId, Nonce, Operation, TimestampMs};

    fn command(agent: u8, nonce: u64) -> SignedCommand {
        let key = AgentKey::from_secret(&[agent; 32]);
        let command = Command {
            group: GroupId::from([1; 32]),
            agent: AgentId::from([agent; 20]),
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![Operation { service: "s".into(), body: vec![] }],
        };
        SignedCommand::sign(command, &key)
    }

    #[test]
    fn a_command_waits_once_and_is_not_taken_back_after_execution() {
        let mut pool = Pool::default();
        assert_eq!(pool.offer(&command(1, 1), 0), Offer::Added);
        assert_eq!(pool.offer(&command(1, 1), 5), Offer::Known);
        assert_eq!(pool.take_batch(10, 10_000).len(), 1);
        assert!(!pool.has_queued());
        pool.executed(&[command(1, 1)]);
        assert_eq!(pool.len(), 0);
        assert_eq!(pool.offer(&command(1, 1), 9), Offer::Known);
    }

    #[test]
    fn one_agent_cannot_fill_the_pool() {
        let mut pool = Pool::default();
        for nonce in 0..MAX_PENDING_PER_AGENT as u64 {
            assert_eq!(pool.offer(&command(1, nonce), 0), Offer::Added);
        }
        assert_eq!(pool.offer(&command(1, 999), 0), Offer::Full);
        assert_eq!(pool.offer(&command(2, 0), 0), Offer::Added);
    }

    #[test]
    fn a_new_view_takes_everything_up_again() {
        let mut pool = Pool::default();
        pool.offer(&command(1, 1), 0);
        pool.offer(&command(2, 1), 3);
        assert_eq!(pool.take_batch(1, 10_000).len(), 1);
        pool.restart(50);
        assert_eq!(pool.oldest_since(), Some(50));
        assert_eq!(pool.take_batch(10, 10_000).len(), 2);
    }

    #[test]
    fn a_batch_keeps_its_bounds_but_is_never_empty() {
        let mut pool = Pool::default();
        pool.offer(&command(1, 1), 0);
        pool.offer(&command(2, 1), 0);
        assert_eq!(pool.take_batch(10, 1).len(), 1);
        assert_eq!(pool.take_batch(10, 1).len(), 1);
    }
}
