//! Helping replicas that are behind, and catching up.
//!
//! Every replica tells the others from time to time where it stands. The answer to a status is whatever its
//! sender seems to have missed: the NEW-VIEW, a checkpoint, votes. That is all the retransmission there is.
//! It costs nothing while everybody keeps up, and it needs no acknowledgement.

use std::ops::Bound::{Excluded, Unbounded};

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{ReplicaIndex, Sequence};

use super::{Replica, ViewState};
use crate::event::{Effect, Now};
use crate::evidence::Phase;
use crate::message::{CatchUp, CatchUpRequest, Message, PrePrepare, Status};

/// For how many sequences votes are sent again in answer to one status.
const MAX_RESENT: u64 = 16;
/// A replica that is so many windows behind a stable checkpoint fetches its state rather than replay it.
const REPLAYED_WINDOWS: u64 = 16;

/// What is known of another replica.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    /// Where it said last that it stands. Only a claim.
    pub(super) status: Option<Status>,
    /// When anything came from it last.
    pub(super) heard_ms: Option<u64>,
    /// When a status of its was last answered.
    answered_ms: Option<u64>,
}

impl Peer {
    /// The last sequence that the peer claims to have executed.
    pub(super) fn last_executed(&self) -> Sequence {
        self.status.map_or(Sequence(0), |status| status.last_executed)
    }
}

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

    /// Nothing in a status is signed or believed: it may name any number. Answers are far larger than the
    /// status, so a peer gets no more of them than its own interval between statuses calls for.
    pub(super) fn on_status(&mut self, now: Now, from: ReplicaIndex, status: Status) {
        let pause_ms = self.config.status_interval_ms / 2;
        let peer = self.peers.entry(from).or_default();
        let stalled = peer.status.is_some_and(|earlier| earlier.last_executed == status.last_executed);
        peer.status = Some(status);
        if peer.answered_ms.is_none_or(|at| now.elapsed_ms.saturating_sub(at) >= pause_ms) {
            peer.answered_ms = Some(now.elapsed_ms);
            self.help_with_view(from, status);
            self.help_with_checkpoint(from, status);
            if stalled && status.active && status.view == self.view && self.state == ViewState::Active {
                self.resend_votes(from, status.last_executed);
            }
        }
        self.ask_if_behind(now, status);
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
            .range((Excluded(status.stable), Unbounded))
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
        let stuck = self.slots.range((Excluded(executed), Unbounded));
        for (&sequence, slot) in stuck.take_while(|(at, _)| at.0 - executed.0 <= MAX_RESENT) {
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
            // Votes of earlier views are of no use to a peer in this one, and after a crash they may be
            // votes that never left: this replica has promised not to take part in those views any more.
            let vote = |phase| slot.vote(phase, me).copied().filter(|vote| vote.view == self.view);
            messages.extend(vote(Phase::Prepare).map(Message::Prepare));
            messages.extend(vote(Phase::Commit).map(Message::Commit));
        }
        for message in messages {
            self.send(to, message);
        }
    }

    /// Asks for committed batches when a peer is ahead and either this replica makes no progress by itself
    /// or the votes that it lacks are gone.
    fn ask_if_behind(&mut self, now: Now, status: Status) {
        if faults::is_on(Fault::NeverCatchesUp) {
            return;
        }
        let stuck = self.last_executed == self.executed_at_status || status.stable > self.last_executed;
        let asked_lately = self
            .catch_up_sent_ms
            .is_some_and(|sent| now.elapsed_ms.saturating_sub(sent) < self.config.status_interval_ms);
        if status.last_executed > self.last_executed && stuck && !asked_lately && !self.ended {
            self.fetch_state_if_lost();
            self.ask_for_batches(now);
        }
    }

    /// Asks the next peer in turn that claims to be ahead. Turns see to it that peers which claim much and
    /// supply nothing, or little and late, cannot keep this replica from those that would help.
    fn ask_for_batches(&mut self, now: Now) {
        let ahead = |(_, peer): &(&ReplicaIndex, &Peer)| peer.last_executed() > self.last_executed;
        let after = self.catch_up_asked.map_or(Unbounded, Excluded);
        let next = self.peers.range((after, Unbounded)).find(ahead).or_else(|| self.peers.iter().find(ahead));
        let Some((&to, _)) = next else { return };
        self.catch_up_asked = Some(to);
        self.catch_up_sent_ms = Some(now.elapsed_ms);
        self.unsupplied += 1;
        self.send(to, Message::CatchUpRequest(CatchUpRequest { from: self.last_executed.next() }));
    }

    /// Executes committed batches that follow. Each carries commits of a quorum, so it matters neither who
    /// sent them nor which view this replica is in.
    pub(super) fn on_catch_up(&mut self, now: Now, catch_up: CatchUp) {
        if self.ended || !self.supplied.is_empty() {
            return;
        }
        // No more than one answer is held, so what waits is bounded by the bounds of an answer.
        for committed in catch_up.batches {
            let next = self.supplied.last_key_value().map_or(self.last_executed, |(&last, _)| last).next();
            if committed.sequence == next {
                self.supplied.insert(next, committed);
            }
        }
        if !self.supplied.is_empty() {
            self.unsupplied = 0;
            self.asks_on = true;
            self.execute_committed(now);
        }
    }

    /// Asks for what follows once an answer is used up.
    pub(super) fn ask_for_more(&mut self, now: Now) {
        if self.supplied.is_empty() && std::mem::take(&mut self.asks_on) && !self.ended {
            self.ask_for_batches(now);
        }
    }

    /// Asks for the state of the stable checkpoint when it is far ahead, or when everybody who claims to be
    /// ahead was asked for the batches twice and nothing came: nobody keeps them for ever.
    fn fetch_state_if_lost(&mut self) {
        let Some(stable) = self.stable.clone() else { return };
        let gap = stable.checkpoint.sequence.0.saturating_sub(self.last_executed.0);
        let far = gap > REPLAYED_WINDOWS * self.config.window;
        let ahead = self.peers.values().filter(|peer| peer.last_executed() > self.last_executed).count();
        let unsupplied = self.unsupplied >= 2 * ahead.max(self.context.replicas.weak_quorum());
        if gap > 0 && !self.executing && (far || unsupplied) {
            self.unsupplied = 0;
            self.effects.push(Effect::FetchState(stable));
        }
    }
}
