//! Nonces, counted locally so that one agent can have many commands on their way.
//!
//! The group remembers the last 64 nonces of an agent. A command whose nonce has fallen behind them cannot be told from a
//! replay and is dropped. So a client keeps what is on its way within that window, and beside its keystore it counts
//! together with the other processes that have the key ([`SharedCounter`]). Where others count all the same, on another
//! machine, a command that meets a used nonce is signed again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_protocol::{AgentId, GroupId, Nonce};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::counter::SharedCounter;
use crate::agent::Agent;
use crate::error::SdkError;

/// Commands of one agent that may be on their way at once.
const MAX_IN_FLIGHT: usize = 32;
/// How far the nonces of commands on their way may lie apart. What is left of the group's window is for other processes.
const MAX_SPREAD: u64 = 48;
/// How far a count is moved at random when somebody else is found to count too, so that the two do not meet at each step.
const MAX_STEP_ASIDE: u64 = 16;

/// The nonces of the agents that act through one client.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<HashMap<AgentId, Arc<Lane>>>);

#[derive(Debug)]
struct Lane {
    in_flight: Arc<Semaphore>,
    /// The next nonce. Held while a node is asked, so that only one asks.
    next: tokio::sync::Mutex<Next>,
    /// The nonces of commands on their way.
    flying: Mutex<BTreeSet<u64>>,
    landed: Notify,
}

/// Where an agent's count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A node has to tell.
    Unknown,
    /// Somebody else counts too: a node has to tell, and the count steps aside.
    Contested,
    /// The count of before was wrong, also the shared one: a node has to tell.
    Wrong,
    Known(Nonce),
}

/// Why a count is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distrust {
    /// Somebody else took a nonce.
    Contested,
    /// It is far from the group's.
    Wrong,
}

/// The place of one command among those of an agent that are on their way.
#[derive(Debug)]
pub(super) struct Flight {
    lane: Arc<Lane>,
    nonce: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

impl Nonces {
    /// Waits until the agent may have one more command on its way.
    pub(super) async fn enter(&self, agent: AgentId) -> Flight {
        let lane = self.lane(agent);
        let permit = lane.in_flight.clone().acquire_owned().await;
        Flight { lane, nonce: None, _permit: permit.expect("the semaphore is never closed") }
    }

    /// The agent's next nonce in `group`; `fetch` asks a node.
    pub(super) async fn next(
        &self,
        agent: &Agent,
        group: GroupId,
        fetch: impl Future<Output = Result<Nonce, SdkError>>,
    ) -> Result<Nonce, SdkError> {
        let lane = self.lane(agent.id());
        let counter = agent.home().map(|home| SharedCounter::new(home, group));
        let mut next = lane.next.lock().await;
        let nonce = match (*next, &counter) {
            (Next::Known(nonce), None) => nonce,
            (Next::Known(nonce), Some(counter)) => counter.take(nonce).await,
            (state, counter) => {
                let mut told = fetch.await?;
                if state == Next::Contested {
                    told.0 = told.0.saturating_add(rand::random_range(0..MAX_STEP_ASIDE));
                }
                match counter {
                    // Before the count is shared, so that a lie about it stays here.
                    _ if told.0 == u64::MAX => told,
                    None => told,
                    Some(counter) if state == Next::Wrong => counter.restart(told).await,
                    Some(counter) => counter.take(told).await,
                }
            }
        };
        let following = nonce.0.checked_add(1).ok_or(SdkError::NoncesExhausted(agent.id()))?;
        *next = Next::Known(Nonce(following));
        Ok(nonce)
    }

    /// Gives the count up: somebody else uses the agent's nonces, or a node lied about them.
    pub(super) async fn forget(&self, agent: AgentId, why: Distrust) {
        *self.lane(agent).next.lock().await = match why {
            Distrust::Contested => Next::Contested,
            Distrust::Wrong => Next::Wrong,
        };
    }

    fn lane(&self, agent: AgentId) -> Arc<Lane> {
        // The map is valid at every moment, so a panic elsewhere cannot have left it half-changed.
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Lane {
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            next: tokio::sync::Mutex::new(Next::Unknown),
            flying: Mutex::default(),
            landed: Notify::new(),
        };
        lanes.entry(agent).or_insert_with(|| Arc::new(new())).clone()
    }
}

impl Flight {
    /// Takes off with a nonce, once all others on their way are near enough that none falls out of the group's window.
    pub(super) async fn take_off(&mut self, nonce: Nonce) {
        self.land();
        self.lane.flying().insert(nonce.0);
        self.nonce = Some(nonce.0);
        loop {
            let landed = self.lane.landed.notified();
            let lowest = self.lane.flying().first().copied().unwrap_or(nonce.0);
            if nonce.0 - lowest.min(nonce.0) <= MAX_SPREAD {
                return;
            }
            landed.await;
        }
    }

    fn land(&mut self) {
        if let Some(nonce) = self.nonce.take() {
            self.lane.flying().remove(&nonce);
            self.lane.landed.notify_waiters();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.land();
    }
}

impl Lane {
    fn flying(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // A set of numbers is valid at every moment.
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GROUP: [u8; 32] = [7; 32];

    async fn next(nonces: &Nonces, agent: &Agent, told: u64) -> Result<Nonce, SdkError> {
        nonces.next(agent, GROUP.into(), async { Ok(Nonce(told)) }).await
    }

    #[tokio::test]
    async fn nonces_are_fetched_once_and_counted_from_there() {
        let nonces = Nonces::default();
        let (one, two) = (Agent::generate(), Agent::generate());
        assert_eq!(next(&nonces, &one, 7).await.unwrap(), Nonce(7));
        let unasked = async { unreachable!("the count is known") };
        assert_eq!(nonces.next(&one, GROUP.into(), unasked).await.unwrap(), Nonce(8));
        assert_eq!(next(&nonces, &two, 0).await.unwrap(), Nonce(0));
        nonces.forget(one.id(), Distrust::Wrong).await;
        assert_eq!(next(&nonces, &one, 3).await.unwrap(), Nonce(3));
        nonces.forget(one.id(), Distrust::Contested).await;
        assert!((20..20 + MAX_STEP_ASIDE).contains(&next(&nonces, &one, 20).await.unwrap().0));
    }

    #[tokio::test]
    async fn a_claim_of_the_last_nonce_is_an_error_and_not_an_overflow() {
        let nonces = Nonces::default();
        let agent = Agent::generate();
        assert!(matches!(next(&nonces, &agent, u64::MAX).await, Err(SdkError::NoncesExhausted(_))));
        assert_eq!(next(&nonces, &agent, 1).await.unwrap(), Nonce(1));
    }

    #[tokio::test]
    async fn clients_of_one_keystore_count_together_and_leave_a_wrong_count_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut agent = Agent::generate();
        agent.live_in(dir.path());
        let (here, there) = (Nonces::default(), Nonces::default());
        assert_eq!(next(&here, &agent, 7).await.unwrap(), Nonce(7));
        assert_eq!(next(&there, &agent, 7).await.unwrap(), Nonce(8));
        assert_eq!(next(&here, &agent, 0).await.unwrap(), Nonce(9));
        assert_eq!(next(&there, &agent, 0).await.unwrap(), Nonce(10));
        there.forget(agent.id(), Distrust::Wrong).await;
        assert_eq!(next(&there, &agent, 2).await.unwrap(), Nonce(2));
    }

    #[tokio::test]
    async fn a_command_that_is_slow_keeps_the_others_within_the_group_s_window() {
        let nonces = Nonces::default();
        let agent = AgentId::from([1; 20]);
        let mut slow = nonces.enter(agent).await;
        slow.take_off(Nonce(10)).await;
        let mut near = nonces.enter(agent).await;
        near.take_off(Nonce(10 + MAX_SPREAD)).await;
        let mut far = nonces.enter(agent).await;
        let waits = async {
            far.take_off(Nonce(11 + MAX_SPREAD)).await;
            far
        };
        let waits = tokio::spawn(waits);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waits.is_finished());
        drop(slow);
        tokio::time::timeout(Duration::from_secs(5), waits).await.unwrap().unwrap();
    }
}
