//! Threads that check ed25519 signatures in batches.
//!
//! A batch costs a fraction of its single checks, so a worker takes whatever is queued by the time it is
//! free: one job at a time while there is little to do, large batches under load, and no waiting for a
//! batch to fill. Each job gets its own verdicts; a bad signature costs its batch time, never its result.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;

use quorate_protocol::keys::verify_each;
use quorate_protocol::{Digest, Signature, SignatureCheck, SignedCommand};
use tokio::sync::{mpsc, oneshot};

use crate::error::NodeError;

/// A worker stops adding jobs to its batch at so many checks. Beyond, a batch gains little.
const BATCH_CHECKS: usize = 256;
/// The name of the threads.
const NAME: &str = "quorate-verify";
const NOT_POISONED: &str = "nothing panics while it holds the lock";

/// Called on a worker with one verdict a check, in their order.
type Completion = Box<dyn FnOnce(Vec<bool>) + Send>;

struct Job {
    checks: Vec<SignatureCheck>,
    done: Completion,
}

/// The pool, with a memory of the commands that it has checked. Clones share it; the threads end after the
/// last clone is dropped and what is queued is done.
#[derive(Clone)]
pub struct VerifyPool {
    jobs: mpsc::Sender<Job>,
    known: Arc<Mutex<KnownCommands>>,
}

impl std::fmt::Debug for VerifyPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyPool").field("room", &self.jobs.capacity()).finish_non_exhaustive()
    }
}

impl VerifyPool {
    /// Starts `threads` workers before which at most `waiting` jobs wait, and remembers at least the last
    /// `commands` commands.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    ///
    /// # Panics
    /// When `waiting` is 0.
    pub fn start(threads: usize, waiting: usize, commands: usize) -> Result<Self, NodeError> {
        let (jobs, queue) = mpsc::channel(waiting);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let queue = queue.clone();
            thread::Builder::new()
                .name(NAME.into())
                .spawn(move || work(&queue))
                .map_err(|source| NodeError::Thread { name: NAME, source })?;
        }
        Ok(Self { jobs, known: Arc::new(Mutex::new(KnownCommands::new(commands))) })
    }

    /// Queues `checks`; `done` is called on a worker with a verdict on each. Blocks while the queue is full.
    ///
    /// `done` may block too: it then holds a worker, and in the end whoever submits. It must not submit to
    /// this pool by itself, for it could wait for itself.
    ///
    /// # Panics
    /// When called from an asynchronous task, which [`Self::check`] is for.
    pub fn submit(&self, checks: Vec<SignatureCheck>, done: impl FnOnce(Vec<bool>) + Send + 'static) {
        let queued = self.jobs.blocking_send(Job { checks, done: Box::new(done) });
        assert!(queued.is_ok(), "workers live as long as a handle to the pool does");
    }

    /// The verdict on each of `checks`; waits for room in the queue and for the verdicts without blocking
    /// the thread.
    pub async fn check(&self, checks: Vec<SignatureCheck>) -> Vec<bool> {
        let (done, verdicts) = oneshot::channel();
        // The receiver is gone when the caller has lost interest.
        let done = Box::new(move |result| drop(done.send(result)));
        let queued = self.jobs.send(Job { checks, done }).await;
        assert!(queued.is_ok(), "workers live as long as a handle to the pool does");
        verdicts.await.expect("a worker completes every job")
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Whether this very command, its signature included, was remembered and is not forgotten yet.
    pub fn knows(&self, command: &SignedCommand) -> bool {
        self.known.lock().expect(NOT_POISONED).contains(&name(command))
    }

    /// Remembers a command whose signature was found good, so that it is not checked again when it comes
    /// back in a batch. The caller guarantees the verdict.
    pub fn remember(&self, command: &SignedCommand) {
        self.known.lock().expect(NOT_POISONED).insert(name(command));
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    while let Some(jobs) = collect(queue) {
        let (checks, rest): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.checks, job.done)).unzip();
        let lengths: Vec<_> = checks.iter().map(Vec::len).collect();
        let mut verdicts = verify_each(&checks.concat()).into_iter();
        for (length, done) in lengths.into_iter().zip(rest) {
            done(verdicts.by_ref().take(length).collect());
        }
    }
}

/// Waits for a job and takes what else is queued, up to [`BATCH_CHECKS`]. Nothing when the pool ends.
fn collect(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Vec<Job>> {
    // The one worker that waits here holds the lock; the others wait for it, which is the same to them.
    let mut queue = queue.lock().expect(NOT_POISONED);
    let first = queue.blocking_recv()?;
    let mut checks = first.checks.len();
    let mut jobs = vec![first];
    while checks < BATCH_CHECKS
        && let Ok(job) = queue.try_recv()
    {
        checks += job.checks.len();
        jobs.push(job);
    }
    Some(jobs)
}

/// What is remembered of a command. The digest does not cover the signature, and a command with a good
/// signature must not vouch for itself with a bad one.
type Name = (Digest, Signature);

fn name(command: &SignedCommand) -> Name {
    (command.digest(), *command.signature())
}

/// A set that forgets the oldest: when the young generation is full, it becomes the old one, and the old
/// one is forgotten. So it holds between one and two times its capacity, at the cost of a plain set.
#[derive(Debug)]
struct KnownCommands {
    capacity: usize,
    young: HashSet<Name>,
    old: HashSet<Name>,
}

impl KnownCommands {
    fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), young: HashSet::new(), old: HashSet::new() }
    }

    fn contains(&self, name: &Name) -> bool {
        self.young.contains(name) || self.old.contains(name)
    }

    fn insert(&mut self, name: Name) {
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use quorate_protocol::{AgentId, AgentKey, Command, GroupId, Nonce, Operation, TimestampMs};

    use super::*;

    fn check(seed: u8, holds: bool) -> SignatureCheck {
        let key = AgentKey::from_secret(&[seed; 32]);
        let signed: &[u8] = if holds { b"claimed" } else { b"other" };
        SignatureCheck::new(&key.public(), b"claimed", &key.sign(signed))
    }

    fn command(nonce: u64) -> SignedCommand {
        let key = AgentKey::from_secret(&[3; 32]);
        let command = Command {
            group: GroupId::from([1; 32]),
            agent: AgentId::from([2; 20]),
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(0),
            operations: vec![Operation { service: "proposals".into(), body: vec![] }],
        };
        SignedCommand::sign(command, &key)
    }

    #[test]
    fn each_job_gets_its_own_verdicts() {
        let pool = VerifyPool::start(2, 4, 1).unwrap();
        let (sink, results) = channel();
        for job in 0..100u8 {
            let sink = sink.clone();
            let checks = (0..job % 5).map(|at| check(job, (job + at) % 7 != 0)).collect();
            pool.submit(checks, move |verdicts| sink.send((job, verdicts)).unwrap());
        }
        drop((pool, sink));
        let mut results: Vec<_> = results.iter().collect();
        results.sort();
        for (expected, (job, verdicts)) in (0..100u8).zip(&results) {
            assert_eq!(*job, expected);
            assert_eq!(*verdicts, (0..job % 5).map(|at| (job + at) % 7 != 0).collect::<Vec<_>>());
        }
        assert_eq!(results.len(), 100, "what was queued is done before the threads end");
    }

    #[test]
    fn a_full_queue_holds_back_whoever_submits() {
        let pool = VerifyPool::start(1, 2, 1).unwrap();
        let (release, gate) = channel::<()>();
        let (entered, inside) = channel();
        pool.submit(vec![], move |_| {
            entered.send(()).unwrap();
            gate.recv().unwrap();
        });
        inside.recv().unwrap();
        // The worker is held; two more fit, a third does not.
        pool.submit(vec![check(1, true)], |_| {});
        pool.submit(vec![check(2, true)], |_| {});
        let (sink, submitted) = channel();
        let third = pool.clone();
        let submitter = thread::spawn(move || {
            third.submit(vec![check(3, false)], move |verdicts| sink.send(verdicts).unwrap());
        });
        assert_eq!(pool.jobs.capacity(), 0);
        assert!(submitted.try_recv().is_err());
        release.send(()).unwrap();
        assert_eq!(submitted.recv_timeout(Duration::from_secs(10)).unwrap(), [false]);
        submitter.join().unwrap();
    }

    #[tokio::test]
    async fn a_task_gets_its_verdicts_without_blocking() {
        let pool = VerifyPool::start(1, 1, 1).unwrap();
        let jobs = (0..20u8).map(|seed| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.check(vec![check(seed, seed % 3 != 0)]).await })
        });
        for (seed, job) in (0..20u8).zip(jobs.collect::<Vec<_>>()) {
            assert_eq!(job.await.unwrap(), [seed % 3 != 0]);
        }
    }

    #[test]
    fn a_command_is_known_by_its_signature_too() {
        let pool = VerifyPool::start(1, 1, 8).unwrap();
        let good = command(1);
        assert!(!pool.knows(&good));
        pool.remember(&good);
        assert!(pool.knows(&good));
        let forged = SignedCommand::from_parts(good.command().clone(), Signature([1; 64]));
        assert_eq!(forged.digest(), good.digest());
        assert!(!pool.knows(&forged));
    }

    #[test]
    fn the_oldest_commands_are_forgotten() {
        let pool = VerifyPool::start(1, 1, 4).unwrap();
        let commands: Vec<_> = (0..12).map(command).collect();
        commands.iter().for_each(|command| pool.remember(command));
        assert!(commands[8..].iter().all(|command| pool.knows(command)), "the last four are kept");
        let known = commands.iter().filter(|command| pool.knows(command)).count();
        assert!(known <= 8, "{known} are known, at most twice the capacity may be");
    }
}
