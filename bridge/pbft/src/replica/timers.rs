//! What a replica does when time passes (section 4.5.2).

use quorate_protocol::TimestampMs;

use super::{Replica, ViewState};
use crate::event::Now;
use crate::message::{Forward, MAX_FORWARD, Message};

/// Time-outs stop doubling here: 2^6 times the configured one.
const MAX_DOUBLINGS: u32 = 6;

impl Replica {
    /// How long this replica waits for progress in its view, or for the NEW-VIEW of the view that it asks
    /// for.
    pub(super) fn timeout_ms(&self) -> u64 {
        self.config.view_timeout_ms << self.failed_views.min(MAX_DOUBLINGS)
    }

    /// When the replica wants to be stepped again at the latest, on the monotonic clock.
    pub fn next_deadline_ms(&self, now: Now) -> u64 {
        let mut next = self.status_due_ms;
        let mut consider = |deadline: Option<u64>| next = next.min(deadline.unwrap_or(u64::MAX));
        consider(self.view_deadline_ms());
        consider(self.spread_deadline_ms());
        if self.may_propose_on_time() {
            consider(self.unsettled_since_ms.map(|since| since + self.config.checkpoint_delay_ms));
        }
        let until_due = |due: TimestampMs| now.elapsed_ms.saturating_add(due.since(now.wall));
        consider(self.next_due.filter(|_| self.overdue_since_ms.is_none()).map(until_due));
        next
    }

    fn may_propose_on_time(&self) -> bool {
        self.state == ViewState::Active
            && self.is_primary()
            && self.last_executed.next() == self.next_sequence
    }

    pub(super) fn on_time(&mut self, now: Now) {
        if self.next_due.is_some_and(|due| due <= now.wall) {
            self.overdue_since_ms.get_or_insert(now.elapsed_ms);
        }
        if self.spread_deadline_ms().is_some_and(|deadline| deadline <= now.elapsed_ms) {
            self.spread(now);
        }
        if self.view_deadline_ms().is_some_and(|deadline| deadline <= now.elapsed_ms) {
            self.start_view_change(now, self.view.next());
        }
        if self.status_due_ms <= now.elapsed_ms {
            self.on_status_due(now);
        }
    }

    /// When this replica gives the current view up. A backup waits for the oldest of: a command that waits,
    /// a batch that was proposed and not executed, work that is due. A replica that asked for a view waits
    /// for its NEW-VIEW only once a quorum asked for it too: before that, the view is not late.
    fn view_deadline_ms(&self) -> Option<u64> {
        if self.state == ViewState::Changing {
            return self.new_view_deadline_ms;
        }
        if self.is_primary() || self.is_behind() {
            return None;
        }
        let proposed = self
            .slots
            .range(self.last_executed.next()..)
            .find_map(|(_, slot)| slot.proposal.as_ref())
            .map(|proposal| proposal.accepted_ms);
        let waiting_since = [self.pool.oldest_since(), proposed, self.overdue_since_ms];
        waiting_since.into_iter().flatten().min().map(|since| since.saturating_add(self.timeout_ms()))
    }

    /// Whether a correct replica executed more than this one. Then the view works, and what this replica
    /// waits for is its own to fetch.
    pub fn is_behind(&self) -> bool {
        let ahead = self.peers.values().filter(|peer| peer.last_executed() > self.last_executed).count();
        ahead >= self.context.replicas.weak_quorum()
    }

    /// When commands that the primary did not take up are told to every replica: half-way to giving the view
    /// up, so that all of them watch the primary, not only the one that the client chose.
    fn spread_deadline_ms(&self) -> Option<u64> {
        if self.is_primary() && self.state == ViewState::Active {
            return None;
        }
        self.pool.oldest_unspread_since().map(|since| since.saturating_add(self.timeout_ms() / 2))
    }

    fn spread(&mut self, now: Now) {
        let before = now.elapsed_ms.saturating_sub(self.timeout_ms() / 2);
        let commands = self.pool.take_unspread(before, MAX_FORWARD);
        if !commands.is_empty() {
            self.broadcast(Message::Forward(Forward { commands }));
        }
    }

    fn on_status_due(&mut self, now: Now) {
        self.status_due_ms = now.elapsed_ms + self.config.status_interval_ms;
        self.send_status();
        self.executed_at_status = self.last_executed;
        match self.state {
            ViewState::Changing => {
                if let Some(own) = self.view_changes.get(&self.me).cloned() {
                    self.broadcast(Message::ViewChange(own));
                }
            }
            ViewState::Active => self.request_missing_batches(),
        }
    }
}
