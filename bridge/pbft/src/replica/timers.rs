//! What a replica does when time passes (section 4.5.2).

use quorate_protocol::TimestampMs;
use quorate_protocol::faults::{self, Fault};

use super::{Replica, ViewState};
use crate::event::Now;
use crate::message::{Forward, MAX_FORWARD, Message};

/// A peer that was not heard of for so many intervals between statuses is out of touch.
const SILENT_INTERVALS: u64 = 4;
/// Time-outs stop doubling here: 2^6 times the configured one.
const MAX_DOUBLINGS: u32 = 6;
/// So many batches take one doubling back.
const BATCHES_PER_HALVING: u32 = 16;
/// For so many of them a batch counts that was there in a quarter of the time-out: half of it would do with room
/// to spare.
const SWIFT_BATCH: u32 = 4;
/// A command that waits for so many time-outs ends the view also at a replica that is behind.
const TIMEOUTS_BEHIND: u64 = 4;

impl Replica {
    /// How long this replica waits for progress in its view, or for the NEW-VIEW of the view that it asks
    /// for.
    pub(super) fn timeout_ms(&self) -> u64 {
        let doublings = if faults::is_on(Fault::TimeoutsNeverDouble) { 0 } else { self.doublings };
        self.config.view_timeout_ms << doublings
    }

    /// Notes that a view failed.
    pub(super) fn note_failure(&mut self) {
        self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        self.batches_in_time = 0;
    }

    /// Notes that a batch of the current view is about to be executed.
    ///
    /// Progress brings the time-out down again, but not at once. If it did, a group whose links are slower than its
    /// configuration supposes would lose every other view: a view that lives has just the time-out that it needs,
    /// and its first batch would take it away. Nor does it take a fast network to come down: a faulty primary that is
    /// always just in time keeps a long time-out for a bounded number of batches.
    pub(super) fn note_progress(&mut self, now: Now) {
        let since_ms =
            self.waits_since_ms().map_or(now.elapsed_ms, |since_ms| since_ms.max(self.waits_from_ms));
        let waited_ms = now.elapsed_ms.saturating_sub(since_ms);
        self.batches_in_time += if waited_ms < self.timeout_ms() / 4 { SWIFT_BATCH } else { 1 };
        if self.batches_in_time >= BATCHES_PER_HALVING {
            self.batches_in_time = 0;
            self.doublings = self.doublings.saturating_sub(1);
        }
    }

    /// When the replica wants to be stepped again at the latest, on the monotonic clock.
    pub fn next_deadline_ms(&self, now: Now) -> u64 {
        let mut next = self.status_due_ms;
        let mut consider = |deadline: Option<u64>| next = next.min(deadline.unwrap_or(u64::MAX));
        consider(self.view_deadline_ms(now));
        consider(self.spread_deadline_ms());
        let at = |due: TimestampMs| now.elapsed_ms.saturating_add(due.since(now.wall));
        if let Some(due) = self.next_due.filter(|_| self.overdue_since_ms.is_none() && !self.ended) {
            consider(Some(at(due.plus(self.config.max_clock_drift_ms))));
        }
        if self.may_propose() {
            consider(self.checkpoint_wanted_ms(now));
            consider(self.unattended_work().map(at));
        }
        next
    }

    pub(super) fn on_time(&mut self, now: Now) {
        if self.next_due.is_some_and(|due| self.is_overdue(now, due)) {
            self.overdue_since_ms.get_or_insert(now.elapsed_ms);
        }
        if self.state == ViewState::Active {
            if self.is_out_of_touch(now) {
                self.in_touch_from_ms = now.elapsed_ms;
            }
            if self.is_out_of_touch(now) || self.is_behind() {
                self.waits_from_ms = now.elapsed_ms;
            }
        }
        if self.view_deadline_ms(now).is_some_and(|deadline| deadline <= now.elapsed_ms) {
            self.start_view_change(now, self.view.next());
        }
        if self.spread_deadline_ms().is_some_and(|deadline| deadline <= now.elapsed_ms) {
            self.spread(now);
        }
        if self.status_due_ms <= now.elapsed_ms {
            self.on_status_due(now);
        }
    }

    /// When this replica gives the current view up. It waits for the oldest of: a command that waits, a batch
    /// that was proposed and not executed, work that is due, a change of members. The primary waits like
    /// everybody else: it may be the only one who knows of a batch that the others refuse or never saw. A
    /// replica that asked for a view waits for its NEW-VIEW only once a quorum asked for it too: before that, the
    /// view is not late.
    fn view_deadline_ms(&self, now: Now) -> Option<u64> {
        if self.ended || self.silent {
            return None;
        }
        if self.state == ViewState::Changing {
            return self.new_view_deadline_ms;
        }
        if self.is_out_of_touch(now) || !self.hears_a_quorum(now, self.recent_ms()) {
            return None;
        }
        let command = self.command_waits_since_ms();
        let timeout_ms = self.timeout_ms();
        let after = |since: u64, from_ms: u64, timeouts: u64| {
            since.max(from_ms).saturating_add(timeouts.saturating_mul(timeout_ms))
        };
        let usual =
            self.waits_since_ms().filter(|_| !self.is_behind()).map(|at| after(at, self.waits_from_ms, 1));
        let at_last = command.map(|at| after(at, self.in_touch_from_ms, TIMEOUTS_BEHIND));
        usual.into_iter().chain(at_last).min()
    }

    /// Since when the oldest waits of what a batch is to bring.
    fn waits_since_ms(&self) -> Option<u64> {
        let proposed = self
            .slots
            .range(self.last_executed.next()..)
            .find_map(|(_, slot)| slot.proposal.as_ref())
            .map(|proposal| proposal.accepted_ms);
        let (overdue, change) = (self.overdue_since_ms, self.change_pending_since_ms);
        [self.command_waits_since_ms(), proposed, overdue, change].into_iter().flatten().min()
    }

    fn command_waits_since_ms(&self) -> Option<u64> {
        self.pool.waiting_since().filter(|_| !faults::is_on(Fault::CommandsUntimed))
    }

    /// Whether work should have been brought by a batch of a correct primary, whose clock may be behind this
    /// replica's by the allowed drift.
    fn is_overdue(&self, now: Now, due: TimestampMs) -> bool {
        due.plus(self.config.max_clock_drift_ms) <= now.wall
    }

    /// Whether this replica hears too few others to make a quorum with. It could not change the view either; if
    /// it asked, it would be lost to the view that the others go on in when it is in touch again.
    fn is_out_of_touch(&self, now: Now) -> bool {
        !self.hears_a_quorum(now, SILENT_INTERVALS * self.config.status_interval_ms)
    }

    /// Whether this replica and those that it heard of in the last `within_ms` are a quorum.
    fn hears_a_quorum(&self, now: Now, within_ms: u64) -> bool {
        let since = now.elapsed_ms.saturating_sub(within_ms);
        let heard = self.peers.values().filter(|peer| peer.heard_ms.is_some_and(|at| at >= since)).count();
        heard + 1 >= self.quorum()
    }

    /// Within what time a replica must have heard of a quorum to give its view up.
    ///
    /// A command that waits when the replica is cut off reaches its time-out before, or just when, the others count
    /// as out of touch. So the last word is with the second half of the wait: who heard of nobody in it was cut off,
    /// and waits until that is clear, or until it hears of the others again. A live peer is heard of once an
    /// interval, whatever the delay; two allow for one loss.
    fn recent_ms(&self) -> u64 {
        let interval_ms = self.config.status_interval_ms;
        (self.timeout_ms() / 2).clamp(2 * interval_ms, SILENT_INTERVALS * interval_ms)
    }

    /// Whether a correct replica executed more than this one. Such a replica has its own lack to make up before it
    /// judges the primary. Not without end: with its claims, and with the messages that it withholds, a faulty
    /// primary can see to it that every backup in turn is behind, and would never be judged.
    pub fn is_behind(&self) -> bool {
        let ahead = self.peers.values().filter(|peer| peer.last_executed() > self.last_executed).count();
        ahead >= self.context.replicas.weak_quorum()
    }

    /// When commands that wait are told to every replica: long before the view is given up, so that all of them
    /// watch the primary, not only the one that the client chose. Then again and again, because messages get
    /// lost.
    fn spread_deadline_ms(&self) -> Option<u64> {
        if self.ended || (self.is_primary() && !self.silent && self.state == ViewState::Active) {
            return None;
        }
        self.pool.next_spread_ms()
    }

    fn spread(&mut self, now: Now) {
        let again_ms = now.elapsed_ms.saturating_add(self.timeout_ms());
        let commands = self.pool.take_spread(now.elapsed_ms, again_ms, MAX_FORWARD);
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
                let own = self.view_changes.get(&self.me).cloned();
                if let Some(own) = own.filter(|_| !faults::is_on(Fault::ViewChangeSaidOnce)) {
                    self.broadcast(Message::ViewChange(own));
                }
            }
            ViewState::Active => self.take_up_again(now),
        }
    }
}
