//! Those who wait for a command to be certified.
//!
//! Each waits for its own command: a batch wakes those whose commands it settles and nobody else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use quorate_protocol::{Digest, EntryIndex};
use quorate_services::DropReason;
use tokio::sync::oneshot;

/// The most that may wait at a time; more are turned away as the node is busy.
pub const MAX_WAITERS: usize = 16 * 1024;

/// What became of a command that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It has an entry, and a certificate covers it.
    Certified(EntryIndex),
    /// It was ordered and made no entry.
    Dropped(DropReason),
    /// The ledger diverged or was replaced: nothing is known about the command here.
    Abandoned,
}

/// What became of a command, and when it was executed.
type Notice = (Settled, Option<Instant>);

#[derive(Debug, Default)]
struct Waiting {
    /// The command's entry, once it is executed.
    index: Option<EntryIndex>,
    /// When that was, or when somebody first asked after it.
    executed_at: Option<Instant>,
    /// Those who wait, each by the number of its place.
    senders: Vec<(u64, oneshot::Sender<Notice>)>,
}

#[derive(Debug, Default)]
struct Table {
    by_digest: HashMap<Digest, Waiting>,
    executed: BTreeMap<EntryIndex, Digest>,
    count: usize,
    next_id: u64,
}

/// Who waits, by the command's digest. Clones share one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters(Arc<Mutex<Table>>);

/// A place in the table. Dropping it gives the place up.
#[derive(Debug)]
pub struct Waiter {
    table: Waiters,
    digest: Digest,
    id: u64,
    receiver: oneshot::Receiver<Notice>,
    executed_at: Option<Instant>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("nothing panics while it holds the table of waiters")
    }

    /// Takes a place for the command `digest`, or nothing when all are taken.
    pub(super) fn register(&self, digest: Digest) -> Option<Waiter> {
        let mut table = self.lock();
        if table.count == MAX_WAITERS {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let id = table.next_id;
        table.next_id += 1;
        table.count += 1;
        table.by_digest.entry(digest).or_default().senders.push((id, sender));
        Some(Waiter { table: self.clone(), digest, id, receiver, executed_at: None })
    }

    /// The command `digest` has the entry `index`; certificates cover entries below `certified`.
    pub(super) fn executed(&self, digest: &Digest, index: EntryIndex, certified: u64) {
        let mut table = self.lock();
        if index.0 < certified {
            return table.settle(digest, &Settled::Certified(index));
        }
        if let Some(waiting) = table.by_digest.get_mut(digest) {
            waiting.index = Some(index);
            waiting.executed_at.get_or_insert_with(Instant::now);
            table.executed.insert(index, *digest);
        }
    }

    /// The command `digest` was ordered and made no entry.
    pub(super) fn dropped(&self, digest: &Digest, reason: DropReason) {
        self.lock().settle(digest, &Settled::Dropped(reason));
    }

    /// Certificates cover the entries below `size` from now on.
    pub(super) fn certified(&self, size: u64) {
        let mut table = self.lock();
        let uncertified = table.executed.split_off(&EntryIndex(size));
        for (index, digest) in std::mem::replace(&mut table.executed, uncertified) {
            table.settle(&digest, &Settled::Certified(index));
        }
    }

    /// Tells everybody that the ledger no longer knows.
    pub(super) fn abandon_all(&self) {
        let mut table = self.lock();
        table.executed.clear();
        let digests: Vec<_> = table.by_digest.keys().copied().collect();
        for digest in digests {
            table.settle(&digest, &Settled::Abandoned);
        }
    }
}

impl Table {
    fn settle(&mut self, digest: &Digest, settled: &Settled) {
        let Some(waiting) = self.by_digest.remove(digest) else { return };
        if let Some(index) = waiting.index {
            self.executed.remove(&index);
        }
        self.count -= waiting.senders.len();
        for (_, sender) in waiting.senders {
            // Whoever gave up between now and its drop no longer listens, which is no failure.
            let _ = sender.send((settled.clone(), waiting.executed_at));
        }
    }
}

impl Waiter {
    /// Waits until the command is settled. Cancelling the future loses nothing.
    pub async fn settled(&mut self) -> Settled {
        let (settled, executed_at) = (&mut self.receiver).await.unwrap_or((Settled::Abandoned, None));
        self.executed_at = executed_at;
        settled
    }

    /// When the settled command was executed; nothing if it was certified before anybody waited for it.
    pub fn executed_at(&self) -> Option<Instant> {
        self.executed_at
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let Some(waiting) = table.by_digest.get_mut(&self.digest) else { return };
        let before = waiting.senders.len();
        waiting.senders.retain(|(id, _)| *id != self.id);
        table.count -= before - waiting.senders.len();
        if waiting.senders.is_empty() {
            if let Some(index) = waiting.index {
                table.executed.remove(&index);
            }
            table.by_digest.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_empty(waiters: &Waiters) -> bool {
        let table = waiters.lock();
        table.by_digest.is_empty() && table.executed.is_empty() && table.count == 0
    }

    #[tokio::test]
    async fn a_waiter_is_settled_by_the_certificate_that_covers_its_entry() {
        let waiters = Waiters::default();
        let (first, second) = (Digest::from([1; 32]), Digest::from([2; 32]));
        let mut one = waiters.register(first).unwrap();
        let mut same = waiters.register(first).unwrap();
        let mut other = waiters.register(second).unwrap();
        waiters.executed(&first, EntryIndex(4), 0);
        waiters.executed(&second, EntryIndex(5), 0);
        waiters.certified(5);
        assert_eq!(one.executed_at(), None);
        assert_eq!(one.settled().await, Settled::Certified(EntryIndex(4)));
        assert!(one.executed_at().is_some());
        assert_eq!(same.settled().await, Settled::Certified(EntryIndex(4)));
        assert!(other.receiver.try_recv().is_err(), "entry 5 is not covered by a certificate of size 5");
        waiters.certified(6);
        assert_eq!(other.settled().await, Settled::Certified(EntryIndex(5)));

        let mut late = waiters.register(first).unwrap();
        waiters.executed(&first, EntryIndex(4), 6);
        assert_eq!(late.settled().await, Settled::Certified(EntryIndex(4)));
        assert_eq!(late.executed_at(), None);
        assert!(is_empty(&waiters));
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_nothing_behind() {
        let waiters = Waiters::default();
        let digest = Digest::from([1; 32]);
        let executed = waiters.register(digest).unwrap();
        let pending = waiters.register(Digest::from([2; 32])).unwrap();
        waiters.executed(&digest, EntryIndex(4), 0);
        drop((executed, pending));
        assert!(is_empty(&waiters));

        let mut abandoned = waiters.register(digest).unwrap();
        waiters.abandon_all();
        assert_eq!(abandoned.settled().await, Settled::Abandoned);
        assert!(is_empty(&waiters));
    }

    #[test]
    fn the_table_is_bounded() {
        let waiters = Waiters::default();
        let all: Vec<_> = (0..MAX_WAITERS).map(|_| waiters.register(Digest::default()).unwrap()).collect();
        assert!(waiters.register(Digest::default()).is_none());
        drop(all);
        assert!(waiters.register(Digest::default()).is_some());
    }
}
