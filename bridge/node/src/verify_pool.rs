//! Checking signatures on threads of their own, many in one batch.
//!
//! Checking ed25519 signatures is most of what a node computes, and a batch of them costs a fraction of
//! single checks. Each worker takes whatever jobs wait, up to a bound, and checks all of their signatures at
//! once; every job still gets the verdict on its own signatures alone, the same that single checks would
//! give (see [`quorate_protocol::keys`]).

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use quorate_protocol::keys::verify_each;
use quorate_protocol::{Digest, SignatureCheck, SignedCommand};

use crate::error::NodeError;

/// The most jobs that wait. Whoever submits more waits, or is told that the pool is busy.
const MAX_WAITING: usize = 4_096;
/// A worker stops adding jobs to its batch at so many signatures.
const MAX_BATCH: usize = 256;
/// How many commands are remembered whose signatures held.
const MAX_REMEMBERED: usize = 65_536;
const NAME: &str = "quorate-verify";

type Completion = Box<dyn FnOnce(&[bool]) + Send>;

struct Job {
    checks: Vec<SignatureCheck>,
    done: Completion,
}

/// The pool is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_WAITING} jobs wait for signatures to be checked")]
pub struct PoolBusy;

/// Threads that check signatures, and the memory of commands that passed. Cheap to clone; the threads end
/// with the last clone.
#[derive(Clone)]
pub struct VerifyPool {
    jobs: SyncSender<Job>,
    remembered: Arc<Mutex<Remembered>>,
}

impl std::fmt::Debug for VerifyPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyPool").finish_non_exhaustive()
    }
}

impl VerifyPool {
    /// Starts a pool of `threads` threads.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    pub fn start(threads: usize) -> Result<Self, NodeError> {
        let (jobs, queue) = sync_channel(MAX_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(NAME.into())
                .spawn(move || work(&queue))
                .map_err(|source| NodeError::Thread { name: NAME, source })?;
        }
        Ok(Self { jobs, remembered: Arc::default() })
    }

    /// Has `checks` checked and calls `done` on a worker's thread with the verdict on each, in order. Waits
    /// while the pool is full. `done` must not block for long.
    pub fn submit(&self, checks: Vec<SignatureCheck>, done: impl FnOnce(&[bool]) + Send + 'static) {
        let job = Job { checks, done: Box::new(done) };
        self.jobs.send(job).expect("the workers live as long as the pool");
    }

    /// As [`Self::submit`], but never waits.
    ///
    /// # Errors
    /// [`PoolBusy`] when the pool is full; then `done` is not called.
    pub fn try_submit(
        &self,
        checks: Vec<SignatureCheck>,
        done: impl FnOnce(&[bool]) + Send + 'static,
    ) -> Result<(), PoolBusy> {
        match self.jobs.try_send(Job { checks, done: Box::new(done) }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(PoolBusy),
            Err(TrySendError::Disconnected(_)) => unreachable!("the workers live as long as the pool"),
        }
    }

    /// Whether the signature of exactly this command, with exactly this signature, is known to hold.
    pub fn knows(&self, command: &SignedCommand) -> bool {
        self.remembered().set.contains(&fingerprint(command))
    }

    /// Remembers that the command's signature holds, so that it is not checked again when the command comes
    /// back in a batch. The oldest are forgotten.
    pub fn remember(&self, command: &SignedCommand) {
        self.remembered().insert(fingerprint(command));
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // What is remembered is whole after every statement, whatever panicked.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command with its signature: two signatures on one command are two fingerprints.
fn fingerprint(command: &SignedCommand) -> Digest {
    Digest::of(&[command.digest().as_bytes(), &command.signature().0])
}

#[derive(Default)]
struct Remembered {
    set: HashSet<Digest>,
    order: VecDeque<Digest>,
}

impl Remembered {
    fn insert(&mut self, fingerprint: Digest) {
        if self.set.insert(fingerprint) {
            self.order.push_back(fingerprint);
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    while let Some(batch) = take_batch(queue) {
        let checks: Vec<SignatureCheck> =
            batch.iter().flat_map(|job| job.checks.iter().cloned()).collect();
        let verdicts = verify_each(&checks);
        let mut rest = verdicts.as_slice();
        for job in batch {
            let (own, others) = rest.split_at(job.checks.len());
            rest = others;
            (job.done)(own);
        }
    }
}

/// Whatever waits, up to a bound; nothing when the pool is gone. One worker waits at a time, the others for
/// their turn.
fn take_batch(queue: &Mutex<Receiver<Job>>) -> Option<Vec<Job>> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let first = queue.recv().ok()?;
    let mut signatures = first.checks.len();
    let mut batch = vec![first];
    while signatures < MAX_BATCH
        && let Ok(next) = queue.try_recv()
    {
        signatures += next.checks.len();
        batch.push(next);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use quorate_protocol::{AgentKey, AgentId, Command, GroupId, Nonce, Operation, TimestampMs};

    use super::*;

    fn check(seed: u8, holds: bool) -> SignatureCheck {
        let key = AgentKey::from_secret(&[seed; 32]);
        let signed: &[u8] = if holds { b"message" } else { b"another" };
        SignatureCheck::new(&key.public(), b"message", &key.sign(signed))
    }

    #[test]
    fn each_job_gets_the_verdict_on_its_own_signatures() {
        let pool = VerifyPool::start(2).unwrap();
        let (results, verdicts) = channel();
        for job in 0..100u8 {
            let results = results.clone();
            let checks = vec![check(job, true), check(job, job % 7 != 3), check(job, true)];
            pool.submit(checks, move |own| results.send((job, own.to_vec())).unwrap());
        }
        drop(results);
        let mut seen = 0;
        for (job, own) in verdicts {
            assert_eq!(own, [true, job % 7 != 3, true], "job {job}");
            seen += 1;
        }
        assert_eq!(seen, 100);
    }

    #[test]
    fn a_command_is_remembered_with_its_signature() {
        let pool = VerifyPool::start(1).unwrap();
        let key = AgentKey::from_secret(&[1; 32]);
        let command = Command {
            group: GroupId::from([1; 32]),
            agent: AgentId::from([2; 20]),
            key: key.public(),
            nonce: Nonce(1),
            expires: TimestampMs(1),
            operations: vec![Operation { service: "s".into(), body: vec![] }],
        };
        let signed = SignedCommand::sign(command.clone(), &key);
        let forged = SignedCommand::from_parts(command, quorate_protocol::Signature([7; 64]));
        assert_eq!(signed.digest(), forged.digest());
        pool.remember(&signed);
        assert!(pool.knows(&signed));
        assert!(!pool.knows(&forged), "the digest alone says nothing about the signature");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut remembered = Remembered::default();
        for i in 0..=MAX_REMEMBERED as u64 {
            remembered.insert(Digest::of(&[&i.to_be_bytes()]));
        }
        assert_eq!((remembered.set.len(), remembered.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!remembered.set.contains(&Digest::of(&[&0u64.to_be_bytes()])));
    }
}
