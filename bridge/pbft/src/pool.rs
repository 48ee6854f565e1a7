//! Commands that wait to be ordered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{Digest, PublicKey, ReplicaIndex, SignedCommand};

/// The most commands that wait, over all sources.
const MAX_PENDING: usize = 32_768;
/// The most bytes of commands that wait, over all sources.
const MAX_PENDING_BYTES: usize = 64 * 1024 * 1024;
/// The most commands of one key that wait; as many as the reply table can tell apart. What counts is the
/// key that signed, not the agent that is named: anybody can name an agent.
const MAX_PENDING_PER_KEY: usize = 64;
/// How many executed commands are remembered, so that a late copy is not ordered again for nothing.
const MAX_REMEMBERED: usize = 16_384;

/// What became of a command that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It waits now.
    Added,
    /// It was there, or was executed lately.
    Known,
    /// There is no room for its key or from its source.
    Full,
}

#[derive(Clone, Debug)]
struct Pending {
    command: SignedCommand,
    source: ReplicaIndex,
    /// When it is told to every replica next.
    spread_at_ms: u64,
}

/// How much of the pool a source uses.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    commands: usize,
    bytes: usize,
}

/// The pool: commands in order of arrival, each once, bounded over all, for each key and for each source.
///
/// A source is the replica that handed the command over, this one for its own clients. Each has an equal
/// share, so a faulty replica can fill no more than its own, and the primary has room for what every other
/// replica lets in.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    sources: usize,
    pending: BTreeMap<u64, Pending>,
    by_digest: BTreeMap<Digest, u64>,
    per_key: BTreeMap<PublicKey, usize>,
    per_source: BTreeMap<ReplicaIndex, Share>,
    /// Arrival numbers of the commands that stand in no batch.
    queue: BTreeSet<u64>,
    /// When each command is told to every replica next, with its arrival number.
    spread_due: BTreeSet<(u64, u64)>,
    next_arrival: u64,
    /// Since when the command that came first is the first.
    first_since_ms: u64,
    remembered: BTreeSet<Digest>,
    remembered_order: VecDeque<Digest>,
}

impl Pool {
    /// An empty pool of a group with so many replicas.
    pub(crate) fn new(sources: usize) -> Self {
        Self {
            sources,
            pending: BTreeMap::new(),
            by_digest: BTreeMap::new(),
            per_key: BTreeMap::new(),
            per_source: BTreeMap::new(),
            queue: BTreeSet::new(),
            spread_due: BTreeSet::new(),
            next_arrival: 0,
            first_since_ms: 0,
            remembered: BTreeSet::new(),
            remembered_order: VecDeque::new(),
        }
    }

    /// How many commands wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether a command waits that stands in no batch.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes a command in that `source` handed over. If it still waits at `spread_at_ms`, every replica is to
    /// be told of it.
    pub(crate) fn offer(
        &mut self,
        command: &SignedCommand,
        source: ReplicaIndex,
        now_ms: u64,
        spread_at_ms: u64,
    ) -> Offer {
        let digest = command.digest();
        if self.by_digest.contains_key(&digest) || self.remembered.contains(&digest) {
            return Offer::Known;
        }
        let of_key = self.per_key.get(&command.command().key).copied().unwrap_or_default();
        let share = self.per_source.get(&source).copied().unwrap_or_default();
        let bytes = share.bytes + command.payload_len();
        let full = of_key >= MAX_PENDING_PER_KEY
            || share.commands >= MAX_PENDING / self.sources
            || bytes > MAX_PENDING_BYTES / self.sources;
        if full && !faults::is_on(Fault::PoolUnbounded) {
            return Offer::Full;
        }
        self.per_key.insert(command.command().key, of_key + 1);
        self.per_source.insert(source, Share { commands: share.commands + 1, bytes });
        if self.pending.is_empty() {
            self.first_since_ms = now_ms;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.by_digest.insert(digest, arrival);
        self.queue.insert(arrival);
        self.spread_due.insert((spread_at_ms, arrival));
        self.pending.insert(arrival, Pending { command: command.clone(), source, spread_at_ms });
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
            self.queue.remove(&arrival);
        }
        commands
    }

    /// Notes that the commands stand in a batch of the current view.
    pub(crate) fn mark_proposed(&mut self, commands: &[SignedCommand]) {
        for command in commands {
            if let Some(arrival) = self.by_digest.get(&command.digest()) {
                self.queue.remove(arrival);
            }
        }
    }

    /// Forgets commands that were executed.
    pub(crate) fn executed(&mut self, commands: &[SignedCommand], now_ms: u64) {
        let first = self.first();
        for command in commands {
            let digest = command.digest();
            if let Some(arrival) = self.by_digest.remove(&digest) {
                self.remove(arrival);
            }
            if self.remembered.insert(digest) {
                self.remembered_order.push_back(digest);
            }
        }
        self.note_first(first, now_ms);
        while self.remembered_order.len() > MAX_REMEMBERED {
            if let Some(oldest) = self.remembered_order.pop_front() {
                self.remembered.remove(&oldest);
            }
        }
    }

    /// Forgets commands that no longer have to be ordered.
    pub(crate) fn retain(&mut self, now_ms: u64, keep: impl Fn(&SignedCommand) -> bool) {
        let first = self.first();
        let dropped = self.pending.iter().filter(|(_, pending)| !keep(&pending.command));
        let dropped: Vec<(u64, Digest)> =
            dropped.map(|(&arrival, pending)| (arrival, pending.command.digest())).collect();
        for (arrival, digest) in dropped {
            self.by_digest.remove(&digest);
            self.remove(arrival);
        }
        self.note_first(first, now_ms);
    }

    /// All commands that wait, in order of arrival.
    pub(crate) fn into_commands(self) -> Vec<SignedCommand> {
        self.pending.into_values().map(|pending| pending.command).collect()
    }

    fn first(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(&arrival, _)| arrival)
    }

    /// The wait begins anew if `before` is the first no more.
    fn note_first(&mut self, before: Option<u64>, now_ms: u64) {
        if self.first() != before {
            self.first_since_ms = now_ms;
        }
    }

    fn remove(&mut self, arrival: u64) {
        let Some(pending) = self.pending.remove(&arrival) else { return };
        self.queue.remove(&arrival);
        self.spread_due.remove(&(pending.spread_at_ms, arrival));
        if let Some(count) = self.per_key.get_mut(&pending.command.command().key) {
            *count -= 1;
            if *count == 0 {
                self.per_key.remove(&pending.command.command().key);
            }
        }
        if let Some(share) = self.per_source.get_mut(&pending.source) {
            share.commands -= 1;
            share.bytes -= pending.command.payload_len();
        }
    }

    /// A new view begins: nothing stands in a batch, and every wait begins again.
    pub(crate) fn restart(&mut self, now_ms: u64) {
        self.first_since_ms = now_ms;
        self.queue.extend(self.pending.keys());
    }

    /// Since when the command that came first is waited for. Section 4.5.2: the wait begins anew with each
    /// command that is waited for, so that a long queue which moves is no reason to give a primary up, and
    /// one command that is passed over is.
    pub(crate) fn waiting_since(&self) -> Option<u64> {
        (!self.pending.is_empty()).then_some(self.first_since_ms)
    }

    /// Up to `max` commands that stand in no batch, oldest first.
    pub(crate) fn queued(&self, max: usize) -> Vec<SignedCommand> {
        self.queue.iter().take(max).map(|arrival| self.pending[arrival].command.clone()).collect()
    }

    /// Up to `max` commands that every replica is to be told of by now, and again at `again_ms`. It matters
    /// not whether they stand in a batch: nobody but this replica may have seen it.
    pub(crate) fn take_spread(&mut self, now_ms: u64, again_ms: u64, max: usize) -> Vec<SignedCommand> {
        let due = self.spread_due.iter().take_while(|(at, _)| *at <= now_ms).take(max);
        let due: Vec<(u64, u64)> = due.copied().collect();
        let mut commands = Vec::with_capacity(due.len());
        for (at, arrival) in due {
            self.spread_due.remove(&(at, arrival));
            self.spread_due.insert((again_ms, arrival));
            let pending = self.pending.get_mut(&arrival).expect("only pending commands are spread");
            pending.spread_at_ms = again_ms;
            commands.push(pending.command.clone());
        }
        commands
    }

    /// What of the pool decides what the replica does next: see [`crate::Replica::fingerprint`].
    pub(crate) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let waiting = self.pending.iter();
        let waiting = waiting.map(|(arrival, pending)| {
            (pending.command.digest(), pending.source, self.queue.contains(arrival))
        });
        waiting.collect::<Vec<_>>().hash(hasher);
        self.remembered_order.hash(hasher);
    }

    /// When the next command is to be told to every replica.
    pub(crate) fn next_spread_ms(&self) -> Option<u64> {
        self.spread_due.first().map(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_protocol::{AgentId, AgentKey, Command, GroupId, Nonce, Operation, TimestampMs};

    const ME: ReplicaIndex = ReplicaIndex(0);
    const PEER: ReplicaIndex = ReplicaIndex(1);

    fn command_of(agent: u8, key: u64, nonce: u64, bytes: usize) -> SignedCommand {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&key.to_be_bytes());
        let key = AgentKey::from_secret(&secret);
        let command = Command {
            group: GroupId::from([1; 32]),
            agent: AgentId::from([agent; 20]),
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![Operation { service: "s".into(), body: vec![0; bytes] }],
        };
        SignedCommand::sign(command, &key)
    }

    fn command(agent: u8, nonce: u64) -> SignedCommand {
        command_of(agent, u64::from(agent), nonce, 0)
    }

    fn offer(pool: &mut Pool, command: &SignedCommand, now_ms: u64) -> Offer {
        pool.offer(command, ME, now_ms, now_ms + 10)
    }

    #[test]
    fn a_command_waits_once_and_is_not_taken_back_after_execution() {
        let mut pool = Pool::new(4);
        assert_eq!(offer(&mut pool, &command(1, 1), 0), Offer::Added);
        assert_eq!(offer(&mut pool, &command(1, 1), 5), Offer::Known);
        assert_eq!(pool.take_batch(10, 10_000).len(), 1);
        assert!(!pool.has_queued());
        pool.executed(&[command(1, 1)], 6);
        assert_eq!((pool.len(), pool.next_spread_ms(), pool.waiting_since()), (0, None, None));
        assert_eq!(offer(&mut pool, &command(1, 1), 9), Offer::Known);
    }

    #[test]
    fn one_key_cannot_fill_the_pool_nor_use_up_the_room_of_the_agent_it_names() {
        let mut pool = Pool::new(4);
        for nonce in 0..MAX_PENDING_PER_KEY as u64 {
            assert_eq!(offer(&mut pool, &command_of(2, 99, nonce, 0), 0), Offer::Added);
        }
        assert_eq!(offer(&mut pool, &command_of(2, 99, 999, 0), 0), Offer::Full);
        assert_eq!(offer(&mut pool, &command(2, 0), 0), Offer::Added, "the agent's own key has room");
    }

    #[test]
    fn one_source_cannot_fill_the_pool() {
        let mut pool = Pool::new(2_048);
        let share = (MAX_PENDING / 2_048) as u64;
        for key in 0..share {
            assert_eq!(pool.offer(&command_of(1, key, 0, 0), PEER, 0, 10), Offer::Added);
        }
        for key in share..2 * share {
            assert_eq!(pool.offer(&command_of(1, key, 0, 0), PEER, 0, 10), Offer::Full);
        }
        assert_eq!(pool.per_key.len(), share as usize, "what was refused leaves nothing behind");
        assert_eq!(offer(&mut pool, &command_of(1, share, 0, 0), 0), Offer::Added);

        pool.executed(&[command_of(1, 0, 0, 0)], 1);
        assert_eq!(pool.offer(&command_of(1, 3 * share, 0, 0), PEER, 0, 10), Offer::Added);
    }

    #[test]
    fn the_bytes_of_a_source_are_bounded() {
        let mut pool = Pool::new(1_024);
        assert_eq!(offer(&mut pool, &command_of(1, 1, 0, 40_000), 0), Offer::Added);
        assert_eq!(offer(&mut pool, &command_of(1, 2, 0, 40_000), 0), Offer::Full);
        assert_eq!(offer(&mut pool, &command_of(1, 3, 0, 10_000), 0), Offer::Added);
    }

    #[test]
    fn a_queue_that_moves_is_no_reason_to_lose_patience_and_a_command_passed_over_is() {
        let mut pool = Pool::new(4);
        for nonce in 0..3 {
            offer(&mut pool, &command(1, nonce), nonce);
        }
        assert_eq!(pool.waiting_since(), Some(0));
        pool.executed(&[command(1, 0)], 50);
        assert_eq!(pool.waiting_since(), Some(50));
        pool.executed(&[command(1, 2)], 90);
        assert_eq!(pool.waiting_since(), Some(50), "the first one still waits");
    }

    #[test]
    fn a_command_that_need_not_be_ordered_any_more_is_not_waited_for() {
        let mut pool = Pool::new(4);
        offer(&mut pool, &command(1, 1), 0);
        offer(&mut pool, &command(2, 1), 0);
        pool.retain(70, |waiting| *waiting != command(1, 1));
        assert_eq!((pool.len(), pool.waiting_since()), (1, Some(70)));
        pool.retain(80, |_| false);
        assert_eq!((pool.len(), pool.waiting_since(), pool.next_spread_ms()), (0, None, None));
        assert!(pool.per_key.is_empty());
        assert_eq!(offer(&mut pool, &command(1, 1), 90), Offer::Added, "it was not executed");
    }

    #[test]
    fn a_new_view_takes_everything_up_again() {
        let mut pool = Pool::new(4);
        offer(&mut pool, &command(1, 1), 0);
        offer(&mut pool, &command(2, 1), 3);
        assert_eq!(pool.take_batch(1, 10_000).len(), 1);
        pool.restart(50);
        assert_eq!(pool.waiting_since(), Some(50));
        assert_eq!(pool.take_batch(10, 10_000).len(), 2);
    }

    #[test]
    fn a_command_is_spread_again_and_again_until_it_is_executed() {
        let mut pool = Pool::new(4);
        offer(&mut pool, &command(1, 1), 0);
        pool.mark_proposed(&[command(1, 1)]);
        assert_eq!(pool.take_spread(9, 100, 10).len(), 0);
        assert_eq!(pool.take_spread(10, 100, 10).len(), 1);
        assert_eq!(pool.take_spread(99, 200, 10).len(), 0);
        assert_eq!(pool.take_spread(100, 200, 10).len(), 1);
        pool.executed(&[command(1, 1)], 150);
        assert_eq!(pool.take_spread(999, 2_000, 10).len(), 0);
    }

    #[test]
    fn a_batch_keeps_its_bounds_but_is_never_empty() {
        let mut pool = Pool::new(4);
        offer(&mut pool, &command(1, 1), 0);
        offer(&mut pool, &command(2, 1), 0);
        assert_eq!(pool.take_batch(10, 1).len(), 1);
        assert_eq!(pool.take_batch(10, 1).len(), 1);
    }
}
