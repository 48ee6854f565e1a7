//! Helping replicas that are behind, and catching up.
//!
//! Every replica tells the others from time to time where it stands. The answer to a status is whatever its
//! sender seems to have missed: the NEW-VIEW, a checkpoint, votes. That is all the retransmission there is.
//! It costs nothing while everybody keeps up, and it needs no acknowledgement.

use quorate_protocol::{ReplicaIndex, Sequence};

use super::{Replica, ViewState};
use crate::event::Now;
use crate::evidence::Phase;
use crate::message::{CatchUp, CatchUpRequest, Message, PrePrepare, Status};

/// For how many sequences votes are sent again in answer to one status.
const MAX_RESENT: u64 = 16;

impl Replica {
    pub(super) fn send_status(&mut self) {
        let status = Status {
            view: self.view,
            active: self.state == ViewState::Active,
            stable: self.low(),
            last_executed: self.last_executed,
        };
        self.broadcast(Message::Status(status));
    }

    pub(super) fn on_status(&mut self, now: Now, from: ReplicaIndex, status: Status) {
        let earlier = self.peers.insert(from, status);
        let stalled = earlier.is_some_and(|earlier| earlier.last_executed == status.last_executed);
        self.help_with_view(from, status);
        self.help_with_checkpoint(from, status);
        if stalled && status.active && status.view == self.view && self.state == ViewState::Active {
            self.resend_votes(from, status.last_executed);
        }
        self.ask_if_behind(now, from, status);
    }

    fn help_with_view(&mut self, from: ReplicaIndex, status: Status) {
        let missed = status.view < self.view || (status.view == self.view && !status.active);
        if missed
            && self.state == ViewState::Active
            && let Some(new_view) = self.new_view.clone()
        {
            self.send(from, Message::NewView(new_view));
        }
    }

    fn help_with_checkpoint(&mut self, from: ReplicaIndex, status: Status) {
        if status.stable < self.low() {
            if let Some(stable) = self.stable.clone() {
                self.send(from, Message::Stable(stable));
            }
            return;
        }
        let own: Vec<_> = self
            .checkpoints
            .range(status.stable.next()..)
            .filter_map(|(_, signers)| signers.get(&self.me).cloned())
            .collect();
        for signed in own {
            self.send(from, Message::Checkpoint(signed));
        }
    }

    /// Sends again what this replica said about the sequences that the peer is stuck at.
    fn resend_votes(&mut self, to: ReplicaIndex, executed: Sequence) {
        let me = self.me;
        let mut messages = Vec::new();
        for (&sequence, slot) in self.slots.range(executed.next()..Sequence(executed.0 + 1 + MAX_RESENT)) {
            if let Some(proposal) = &slot.proposal
                && proposal.view == self.view
                && self.is_primary()
                && let Some(batch) = &proposal.batch
            {
                messages.push(Message::PrePrepare(PrePrepare {
                    view: proposal.view,
                    sequence,
                    digest: proposal.digest,
                    signature: proposal.signature,
                    batch: batch.clone(),
                }));
            }
            messages.extend(slot.vote(Phase::Prepare, me).copied().map(Message::Prepare));
            messages.extend(slot.vote(Phase::Commit, me).copied().map(Message::Commit));
        }
        for message in messages {
            self.send(to, message);
        }
    }

    /// Asks for committed batches when a peer is ahead and either this replica makes no progress by itself
    /// or the votes that it lacks are gone.
    fn ask_if_behind(&mut self, now: Now, from: ReplicaIndex, status: Status) {
        let stuck = self.last_executed == self.executed_at_status || status.stable > self.last_executed;
        let asked_lately = self
            .catch_up_sent_ms
            .is_some_and(|sent| now.elapsed_ms.saturating_sub(sent) < 2 * self.config.status_interval_ms);
        if status.last_executed > self.last_executed && stuck && !asked_lately {
            self.ask_for_batches(now, from);
        }
    }

    fn ask_for_batches(&mut self, now: Now, from: ReplicaIndex) {
        self.catch_up_sent_ms = Some(now.elapsed_ms);
        self.send(from, Message::CatchUpRequest(CatchUpRequest { from: self.last_executed.next() }));
    }

    /// Executes committed batches that follow. Each carries commits of a quorum, so it matters neither who
    /// sent them nor which view this replica is in.
    pub(super) fn on_catch_up(&mut self, now: Now, from: ReplicaIndex, catch_up: CatchUp) {
        let before = self.last_executed;
        for committed in catch_up.batches {
            if committed.sequence == self.last_executed.next() {
                self.execute(now, committed);
            }
        }
        if self.last_executed == before {
            return;
        }
        self.catch_up_sent_ms = None;
        self.execute_committed(now);
        let ahead = self.peers.get(&from).is_some_and(|peer| peer.last_executed > self.last_executed);
        if ahead {
            self.ask_for_batches(now, from);
        }
    }
}
