//! Nonces, counted locally so that one agent can have many commands on their way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_protocol::{AgentId, Nonce};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::SdkError;

/// Commands of one agent that may be on their way at once. The group remembers the last 64 nonces of an
/// agent; a command that comes in later than that cannot be told from a replay and is dropped.
const MAX_IN_FLIGHT: usize = 32;

/// The nonces of the agents that act through one client.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<HashMap<AgentId, Arc<Lane>>>);

#[derive(Debug)]
struct Lane {
    in_flight: Arc<Semaphore>,
    /// The next nonce, once a node has told the first. Held while a node is asked, so that only one asks.
    next: tokio::sync::Mutex<Option<Nonce>>,
}

impl Nonces {
    /// Waits until the agent may have one more command on its way.
    pub(super) async fn enter(&self, agent: AgentId) -> OwnedSemaphorePermit {
        let lane = self.lane(agent);
        lane.in_flight.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// The agent's next nonce; `fetch` asks for the first.
    pub(super) async fn next(
        &self,
        agent: AgentId,
        fetch: impl Future<Output = Result<Nonce, SdkError>>,
    ) -> Result<Nonce, SdkError> {
        let lane = self.lane(agent);
        let mut next = lane.next.lock().await;
        let nonce = match *next {
            Some(nonce) => nonce,
            None => fetch.await?,
        };
        let following = nonce.0.checked_add(1).ok_or(SdkError::NoncesExhausted(agent))?;
        *next = Some(Nonce(following));
        Ok(nonce)
    }

    /// Forgets the count: somebody else uses the agent's nonces, or a node lied about them.
    pub(super) async fn forget(&self, agent: AgentId) {
        *self.lane(agent).next.lock().await = None;
    }

    fn lane(&self, agent: AgentId) -> Arc<Lane> {
        // The map is valid at every moment, so a panic elsewhere cannot have left it half-changed.
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Lane {
            in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            next: tokio::sync::Mutex::new(None),
        };
        lanes.entry(agent).or_insert_with(|| Arc::new(new())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nonces_are_fetched_once_and_counted_from_there() {
        let nonces = Nonces::default();
        let (one, two) = (AgentId::from([1; 20]), AgentId::from([2; 20]));
        let unasked = || async { unreachable!("the count is known") };
        assert_eq!(nonces.next(one, async { Ok(Nonce(7)) }).await.unwrap(), Nonce(7));
        assert_eq!(nonces.next(one, unasked()).await.unwrap(), Nonce(8));
        assert_eq!(nonces.next(two, async { Ok(Nonce(0)) }).await.unwrap(), Nonce(0));
        nonces.forget(one).await;
        assert_eq!(nonces.next(one, async { Ok(Nonce(3)) }).await.unwrap(), Nonce(3));
    }

    #[tokio::test]
    async fn a_claim_of_the_last_nonce_is_an_error_and_not_an_overflow() {
        let nonces = Nonces::default();
        let agent = AgentId::from([1; 20]);
        let claimed = nonces.next(agent, async { Ok(Nonce(u64::MAX)) }).await;
        assert!(matches!(claimed, Err(SdkError::NoncesExhausted(_))));
        assert_eq!(nonces.next(agent, async { Ok(Nonce(1)) }).await.unwrap(), Nonce(1));
    }
}
