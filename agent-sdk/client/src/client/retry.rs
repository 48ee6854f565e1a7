//! Asking the nodes in turn until one gives a good answer.
//!
//! Every request is safe to repeat: a query changes nothing, and a command has one effect however often its
//! bytes arrive. So a failed, slow or lying node only costs time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use quorate_protocol::EntryIndex;
use quorate_protocol::api::ErrorCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Inner;
use super::node::{Node, NodeFailure};
use crate::error::{NodeReport, SdkError};

/// How a client asks its nodes.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// How long one request may take beyond what the node is asked to wait for a result.
    pub request_timeout: Duration,
    /// How long a node is asked to wait for a command's result before it answers that it is pending.
    pub node_wait: Duration,
    /// How long a call may take in all.
    pub total_timeout: Duration,
    /// When a node takes longer than this, the next one is asked beside it, for a tenth of the calls beyond the first ten.
    /// Nothing: one at a time.
    pub hedge_after: Option<Duration>,
    /// The pause after all nodes failed: a random time from half of this to all of it, doubled with every round …
    pub backoff: Duration,
    /// … but never above this (exponential backoff with equal jitter). A node that names a time of its own with
    /// `Retry-After` is not asked before.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(5),
            node_wait: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            hedge_after: Some(Duration::from_secs(2)),
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    fn pause(&self, round: u32, slowest: Duration) -> Duration {
        let ceiling = self.backoff.saturating_mul(1 << round.min(20)).min(slowest);
        ceiling.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }
}

/// What one call wants of the nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long the call may take in all.
    pub(super) total: Duration,
    /// See [`RetryPolicy::hedge_after`].
    pub(super) hedge_after: Option<Duration>,
    /// Whether "there is no such thing" is worth asking again.
    pub(super) await_absent: bool,
    /// The longest pause between two rounds.
    pub(super) slowest: Duration,
}

/// Why no node gave a good answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Enough nodes to include a correct one, or all of them, claim that the request cannot succeed.
    Rejected { code: ErrorCode, message: String, entry: Option<EntryIndex>, nodes: usize },
    /// Time is over.
    Exhausted { waited: Duration, failures: Vec<NodeReport> },
}

impl From<Failed> for SdkError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Rejected { code, message, entry, nodes } => {
                Self::Rejected { code, message, entry, nodes }
            }
            Failed::Exhausted { waited, failures } => Self::NoAnswer { waited, failures },
        }
    }
}

impl Inner {
    /// Asks the nodes with `ask`, from the one that answered last on, until one gives a good answer.
    ///
    /// A node's claim that the request cannot succeed counts only when so many claim the same that one of
    /// them is correct, or when all nodes do.
    pub(super) async fn ask_nodes<T, F, Answer>(&self, patience: Patience, ask: F) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: Fn(Arc<Node>) -> Answer,
        Answer: Future<Output = Result<T, NodeFailure>> + Send + 'static,
    {
        let started = Instant::now();
        let deadline = started + patience.total;
        let mut claims = Claims::new(self, patience.await_absent);
        let mut running = JoinSet::new();
        let (mut queue, mut round) = (claims.round(self.preferred()), 0);
        let mut hold = started;
        self.hedges.earn();
        loop {
            let held = hold > Instant::now();
            let ready = queue.iter().position(|index| !held && self.nodes[*index].paused_until().is_none());
            if let Some(index) = ready.and_then(|at| queue.remove(at)) {
                let (node, answer) = (self.nodes[index].clone(), ask(self.nodes[index].clone()));
                running.spawn(async move {
                    let result = answer.await;
                    node.count(&result);
                    (index, result)
                });
            } else if running.is_empty() {
                let now = Instant::now();
                let wake = if queue.is_empty() {
                    queue = claims.round(self.preferred());
                    round += 1;
                    now + self.policy.pause(round - 1, patience.slowest)
                } else {
                    let pauses = queue.iter().map(|index| self.nodes[*index].paused_until().unwrap_or(now));
                    pauses.min().unwrap_or(now)
                };
                let wake = wake.max(hold);
                // Nothing more would come of waiting until the end.
                if wake >= deadline && claims.all_ask_to_wait() {
                    return Err(claims.exhausted(started));
                }
                tokio::select! {
                    () = sleep_until(wake) => continue,
                    () = sleep_until(deadline) => return Err(claims.exhausted(started)),
                }
            }
            let more = queue.iter().any(|index| self.nodes[*index].paused_until().is_none());
            let hedge = patience.hedge_after.filter(|_| more && !held && self.hedges.is_left());
            tokio::select! {
                Some(done) = running.join_next() => match done.expect("asking a node neither panics nor is aborted") {
                    (index, Ok(answer)) => {
                        self.prefer(index);
                        return Ok(answer);
                    }
                    (index, Err(failure)) => {
                        // Where one node has too much to do, the next is asked only within what hedging may cost.
                        if failure.is_overload() && !self.hedges.spend() {
                            hold = self.nodes[index].paused_until().unwrap_or(hold);
                        }
                        if let Some(rejected) = claims.record(index, failure) {
                            return Err(rejected);
                        }
                    }
                },
                () = sleep(hedge.unwrap_or_default()), if hedge.is_some() => {
                    self.hedges.spend();
                }
                () = sleep_until(deadline) => return Err(claims.exhausted(started)),
            }
        }
    }
}

/// What asking a second node beside the first may cost: a tenth of the calls, beyond the first few. More would multiply the
/// load just when the nodes have too much of it.
#[derive(Debug)]
pub(super) struct Hedges(Mutex<u32>);

impl Hedges {
    /// Tenths of a hedge that a client has at most, and at first.
    const MOST: u32 = 100;
    /// A whole one.
    const ONE: u32 = 10;

    fn earn(&self) {
        let mut left = self.left();
        *left = (*left + 1).min(Self::MOST);
    }

    fn is_left(&self) -> bool {
        *self.left() >= Self::ONE
    }

    fn spend(&self) -> bool {
        let mut left = self.left();
        let rest = left.checked_sub(Self::ONE);
        *left = rest.unwrap_or(*left);
        rest.is_some()
    }

    fn left(&self) -> MutexGuard<'_, u32> {
        self.0.lock().expect("nobody panics while holding the count")
    }
}

impl Default for Hedges {
    fn default() -> Self {
        Self(Mutex::new(Self::MOST))
    }
}

/// What the nodes claimed in the course of one call.
struct Claims<'a> {
    nodes: &'a [Arc<Node>],
    last: Vec<Option<NodeFailure>>,
    /// How many equal claims include a correct node's.
    enough: usize,
    await_absent: bool,
}

impl<'a> Claims<'a> {
    fn new(inner: &'a Inner, await_absent: bool) -> Self {
        let nodes = &inner.nodes;
        let enough = inner.epochs().newest().replicas().weak_quorum().min(nodes.len());
        Self { nodes, last: vec![None; nodes.len()], enough, await_absent }
    }

    /// The nodes to ask in the next round: those that have not rejected the request.
    fn round(&self, first: usize) -> VecDeque<usize> {
        let count = self.nodes.len();
        (0..count).map(|at| (first + at) % count).filter(|&index| self.rejection(index).is_none()).collect()
    }

    fn rejection(&self, index: usize) -> Option<ErrorCode> {
        let failure = self.last[index].as_ref()?;
        if self.await_absent && failure.is_absence() { None } else { failure.rejection() }
    }

    /// Takes note of a failure, and says so when it settles the call.
    fn record(&mut self, index: usize, failure: NodeFailure) -> Option<Failed> {
        self.last[index] = Some(failure);
        let code = self.rejection(index)?;
        let rejections: Vec<_> = (0..self.nodes.len()).filter_map(|index| self.rejection(index)).collect();
        let same = rejections.iter().filter(|&&claimed| claimed == code).count();
        if same < self.enough && rejections.len() < self.nodes.len() {
            return None;
        }
        match self.last[index].clone() {
            Some(NodeFailure::Answered { message, entry, .. }) => {
                Some(Failed::Rejected { code, message, entry, nodes: same })
            }
            _ => None,
        }
    }

    /// Whether every node has said when it wants to be asked again.
    fn all_ask_to_wait(&self) -> bool {
        self.nodes.iter().all(|node| node.paused_until().is_some())
    }

    fn exhausted(&self, started: Instant) -> Failed {
        let report = |(node, failure): (&Arc<Node>, &Option<NodeFailure>)| {
            Some(NodeReport { url: node.url().to_owned(), failure: failure.clone()? })
        };
        let failures = self.nodes.iter().zip(&self.last).filter_map(report).collect();
        Failed::Exhausted { waited: started.elapsed(), failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedging_costs_a_tenth_of_the_calls_beyond_the_first_ten() {
        let hedges = Hedges::default();
        let spent = (0..1_000).filter(|_| {
            hedges.earn();
            hedges.is_left() && hedges.spend()
        });
        assert_eq!(spent.count(), 109);
        assert!(!hedges.spend());
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_never_shrink_to_nothing() {
        let policy = RetryPolicy::default();
        let slowest = Duration::from_secs(5);
        for round in 0..40 {
            let pause = policy.pause(round, slowest);
            assert!(pause >= policy.backoff / 2 && pause <= slowest, "{pause:?}");
        }
        assert!(policy.pause(30, slowest) >= slowest / 2);
    }
}
