//! The way of a peer's frame to the core: one thread examines it, the verify pool checks its signatures in
//! batches. Whoever sends what a correct replica would not send is counted and cut off.

use std::sync::mpsc::SyncSender;

use quorate_protocol::AgentId;

use super::driver::wall_clock;
use crate::core::{Blame, CoreEvent, Inbound};
use crate::transport::Transport;
use crate::verify_pool::VerifyPool;

/// Turns frames of peers into events for the core, with the pool's help.
#[derive(Clone)]
pub(super) struct PooledInbound {
    pub(super) inbound: Inbound,
    pub(super) pool: VerifyPool,
    pub(super) core: SyncSender<CoreEvent>,
    /// Cuts off whoever sends what a correct replica would not send.
    pub(super) transport: Transport,
}

impl PooledInbound {
    /// Takes one frame from the link of `from`.
    pub(super) fn take(&self, from: AgentId, bytes: &[u8]) {
        let unverified = match self.inbound.examine(wall_clock(), from, bytes) {
            Ok(Some(unverified)) => unverified.without_commands(|command| self.pool.knows(command)),
            Ok(None) => return,
            Err(blame) => return self.blame(from, &blame),
        };
        let checks = unverified.checks();
        let pooled = self.clone();
        let done = move |all_hold: bool| {
            if all_hold {
                unverified.commands().iter().for_each(|command| pooled.pool.remember(command));
            }
            match unverified.judge(all_hold) {
                Ok(event) => pooled.give(event),
                Err(blame) => pooled.blame(from, &blame),
            }
        };
        if checks.is_empty() {
            return done(true);
        }
        self.pool.submit(checks, move |verdicts| done(verdicts.iter().all(|holds| *holds)));
    }

    fn blame(&self, from: AgentId, blame: &Blame) {
        self.transport.blame(from, &blame.to_string());
    }

    /// Waits while the core is busy: the peers' queues fill up then, not this node's memory.
    fn give(&self, event: CoreEvent) {
        // The core is gone only when the node stops.
        let _ = self.core.send(event);
    }
}
