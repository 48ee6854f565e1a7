//! The thread that owns the write-ahead log.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use super::segment::MAX_FRAME_BYTES;
use super::{Directory, Wal};
use crate::error::NodeError;

/// The most jobs that share one `fdatasync`.
const MAX_GROUP: usize = 1024;
/// The name of the thread.
const NAME: &str = "quorate-wal";

/// What a [`WalWriter`] tells, in the order in which the jobs were given.
#[derive(Debug)]
pub enum WalEvent<T> {
    /// All records given with or before this token are durable: what depends on them may be said.
    Durable(T),
    /// A write failed. No later job will be done, and the node must stop.
    Failed(NodeError),
}

enum Job<T> {
    Append(Vec<Vec<u8>>, T),
    Rotate(Vec<Vec<u8>>, T),
}

/// Runs a [`Wal`] on a thread of its own. `T` is what waits for durability, such as the messages to send.
///
/// While one `fdatasync` runs, jobs queue up; the next one covers all of them. Dropping the writer makes
/// everything that is queued durable, releases it, and then closes the log.
#[derive(Debug)]
pub struct WalWriter<T> {
    /// Taken when the writer is dropped, which ends the thread.
    jobs: Option<SyncSender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> WalWriter<T> {
    /// Starts the thread. At most `capacity` jobs wait; `sink` is called on the thread and must not block
    /// for long, or every vote of this replica waits with it.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    pub fn start<D: Directory>(
        wal: Wal<D>,
        capacity: usize,
        sink: impl FnMut(WalEvent<T>) + Send + 'static,
    ) -> Result<Self, NodeError> {
        let (jobs, queue) = mpsc::sync_channel(capacity);
        let thread = thread::Builder::new()
            .name(NAME.into())
            .spawn(move || run(wal, queue, sink))
            .map_err(|source| NodeError::Thread { name: NAME, source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues `records`, and releases `token` once they and everything before them are durable. Without
    /// records it only keeps its place in the order.
    ///
    /// Blocks while the queue is full: whoever promises things waits for the disk.
    ///
    /// # Errors
    /// [`NodeError::StorageStopped`] after a failure.
    pub fn persist(&self, records: Vec<Vec<u8>>, token: T) -> Result<(), NodeError> {
        self.give(Job::Append(records, token))
    }

    /// Queues a rotation (see [`Wal::rotate`]), and releases `token` once it is done.
    ///
    /// # Errors
    /// [`NodeError::StorageStopped`] after a failure.
    pub fn rotate(&self, records: Vec<Vec<u8>>, token: T) -> Result<(), NodeError> {
        self.give(Job::Rotate(records, token))
    }

    fn give(&self, job: Job<T>) -> Result<(), NodeError> {
        let stopped = NodeError::StorageStopped { what: "the write-ahead log" };
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(stopped)
    }
}

impl<T> Drop for WalWriter<T> {
    fn drop(&mut self) {
        self.jobs = None;
        // A panic on the thread was reported there; there is nothing left to do about it here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What shares the next `fdatasync`.
struct Group<T> {
    records: Vec<Vec<u8>>,
    bytes: usize,
    tokens: Vec<T>,
}

impl<T> Group<T> {
    fn new() -> Self {
        Self { records: Vec::new(), bytes: 0, tokens: Vec::new() }
    }

    fn add(&mut self, records: Vec<Vec<u8>>, token: T) {
        self.bytes += records.iter().map(Vec::len).sum::<usize>();
        self.records.extend(records);
        self.tokens.push(token);
    }

    fn has_room(&self) -> bool {
        self.bytes < MAX_FRAME_BYTES / 2 && self.tokens.len() < MAX_GROUP
    }

    /// Makes the group durable and releases its tokens.
    fn commit<D: Directory, S: FnMut(WalEvent<T>)>(
        &mut self,
        wal: &mut Wal<D>,
        sink: &mut S,
    ) -> Result<(), NodeError> {
        wal.append(&self.records)?;
        self.records.clear();
        self.bytes = 0;
        self.tokens.drain(..).for_each(|token| sink(WalEvent::Durable(token)));
        Ok(())
    }
}

fn run<D: Directory, T, S: FnMut(WalEvent<T>)>(mut wal: Wal<D>, queue: Receiver<Job<T>>, mut sink: S) {
    let mut group = Group::new();
    while let Ok(first) = queue.recv() {
        let done = serve(&mut wal, &mut group, &queue, first, &mut sink);
        if let Err(error) = done {
            // Closed first, so that whoever learns of the failure can queue nothing more.
            drop(queue);
            sink(WalEvent::Failed(error));
            return;
        }
    }
}

/// Does `first` and whatever else is queued by now.
fn serve<D: Directory, T, S: FnMut(WalEvent<T>)>(
    wal: &mut Wal<D>,
    group: &mut Group<T>,
    queue: &Receiver<Job<T>>,
    first: Job<T>,
    sink: &mut S,
) -> Result<(), NodeError> {
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Append(records, token) => group.add(records, token),
            Job::Rotate(records, token) => {
                group.commit(wal, sink)?;
                wal.rotate(&records)?;
                sink(WalEvent::Durable(token));
            }
        }
        next = if group.has_room() { queue.try_recv().ok() } else { None };
    }
    group.commit(wal, sink)
}
