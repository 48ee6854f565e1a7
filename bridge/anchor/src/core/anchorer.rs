//! When to anchor, and what to do about transactions that do not arrive.
//!
//! # Rules
//! 1. *Due.* An anchor is due when the newest stable checkpoint adds at least `min_entries` to the anchored log, and
//!    the oldest entry that it adds has been stable for `interval_ms`, or the anchored state was seen unchanged for as
//!    long. The end of the epoch that the contract is in is always due, and comes before everything of later epochs.
//! 2. *Turn.* Once it is due, each replica of the group's newest epoch has the turn for `takeover_ms`, in the order of
//!    [`rank`]: those of older ones may be gone, and the contract does not ask who sends an anchor. A replica whose turn
//!    came keeps it until what was due then is anchored: if the first is merely slow, two transactions race, one of them
//!    reverts, and that is no failure. Anybody may anchor a checkpoint that is older than what is due; that neither makes
//!    the rest of it younger nor starts the turns anew, or it would hold the new back for ever.
//! 3. *One at a time.* At most one nonce is in use. A transaction without a receipt after `receipt_timeout_ms` is
//!    replaced, on the same nonce, with more fee and the newest checkpoint.
//! 4. *The chain decides.* Whether a checkpoint is anchored is read from the contract's state, never remembered. A
//!    restart, a reorganisation of the chain and another replica's success are therefore all the same case, also where
//!    they take a change of members back. What is due is read at the head; the node is told what the final block has,
//!    and told again when a reorganisation reached below that. A head below one seen before is believed at once where
//!    it contradicts what was seen, and after `receipt_timeout_ms` where it may be an endpoint that lags.
//! 5. *Distrust.* An endpoint can withhold, delay and invent. Invented nonces cost at most a transaction that waits or
//!    reverts, and [`Spending`] bounds what all of them cost. What is signed is always a call that anchors a checkpoint
//!    that a quorum of its epoch signed, or one that shows how a replica contradicted itself.
//! 6. *Cost.* Units of gas bound an anchor's execution; money bounds what its data costs on the chain's L1, because that
//!    price is another chain's: what can be spent on it counts into the hour.
//! 7. *Reports.* That a replica signed two checkpoints that contradict each other is shown to the contract once the
//!    contract has come to the epochs of both, in turns as in rule 2, and only where the contract has not convicted the replica. A report uses the
//!    one nonce of rule 3 and counts into the same hour; it goes before an anchor, and after one that is on its way.

mod transactions;

use std::sync::Arc;

use alloy::primitives::B256;
use quorate_protocol::{AccountKey, AgentId, Group, GroupIdentity, Sequence};

use super::accusations::Accusations;
use super::epochs::{Anchorable, Epochs, StableState};
use super::event::{AccountView, Action, AnchorState, ChainView, Event, Inspection};
use super::fees::Fees;
use super::report::Report;
use super::rotation::rank;
use super::spending::Spending;
use super::submission::Submission;
use super::transaction::Purpose;
use super::waiting::Waiting;
use crate::settings::Settings;

/// The first pause after a refusal, in milliseconds; it doubles with every further one.
pub(super) const FIRST_PAUSE_MS: u64 = 1_000;
/// The longest pause after a refusal, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Decides what one replica does to keep its group's log anchored. See the rules above.
#[derive(Debug)]
pub struct Anchorer {
    settings: Settings,
    identity: GroupIdentity,
    epochs: Epochs,
    accusations: Accusations,
    pub(super) key: AccountKey,
    chain: Option<ChainView>,
    /// When the head was last as high as it has ever been.
    highest_at_ms: u64,
    /// When the anchored state at the head was first seen as it is.
    anchored_since_ms: u64,
    /// Since when the stable entries wait.
    waiting: Waiting,
    due: Option<Due>,
    submission: Option<Submission>,
    /// What the endpoint was asked about last, while nothing was on its way.
    asked: Option<Purpose>,
    /// The last offer that was made: whatever replaces it has to offer more.
    offered: Option<Offer>,
    /// The last transaction of ours that was seen in a block.
    settled: Option<Settled>,
    /// Since when a pending transaction that is not ours is waited for.
    pending_since_ms: Option<u64>,
    spending: Spending,
    paused_until_ms: u64,
    refusals: u32,
    /// How many messages of the inbox the last checkpoint had taken in that was not accepted.
    refused_inbox: Option<u64>,
    announced: Option<AnchorState>,
    reported: Option<Report>,
}

/// An anchor that is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Since when.
    since_ms: u64,
    /// The checkpoint that the contract could be given then. What is anchored before it does not settle the matter.
    sequence: Sequence,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    nonce: u64,
    fees: Fees,
    /// Whether a pool may hold it. If not, what waits on this nonce is not ours.
    accepted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Settled {
    nonce: u64,
    hash: B256,
}

impl Anchorer {
    /// Anchors for `group` from the account of `key`; `others` is the group in other epochs, such as the contract's.
    /// While the account is no replica's, the chain is watched and nothing is submitted.
    pub fn new(settings: Settings, group: Group, others: Vec<Group>, key: AccountKey) -> Self {
        Self {
            spending: Spending::new(settings.max_spend_per_hour),
            settings,
            identity: group.identity,
            epochs: Epochs::new(group, others),
            accusations: Accusations::default(),
            key,
            chain: None,
            highest_at_ms: 0,
            anchored_since_ms: 0,
            waiting: Waiting::default(),
            due: None,
            submission: None,
            asked: None,
            offered: None,
            settled: None,
            pending_since_ms: None,
            paused_until_ms: 0,
            refusals: 0,
            refused_inbox: None,
            announced: None,
            reported: None,
        }
    }

    /// Takes in an event and says what is to be done about it. `now_ms` counts from any fixed instant and never goes
    /// back.
    pub fn step(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Stable(state) => self.on_stable(now_ms, state, &mut actions),
            Event::Evidence(held) => self.accusations.learn(&self.identity, held),
            Event::Chain(view) => self.on_chain(now_ms, view, &mut actions),
            Event::Account(account) => self.on_account(now_ms, &account, &mut actions),
            Event::Broadcast { hash, outcome } => self.on_broadcast(now_ms, hash, outcome, &mut actions),
            Event::Announced(anchor) => self.announced = Some(anchor),
        }
        actions
    }

    fn on_stable(&mut self, now_ms: u64, state: StableState, actions: &mut Vec<Action>) {
        if let Err(report) = self.epochs.learn(state) {
            self.report(report, actions);
        }
        if let Some(stable) = self.epochs.stable() {
            self.waiting.grow(now_ms, stable.log_size);
        }
    }

    fn on_chain(&mut self, now_ms: u64, view: ChainView, actions: &mut Vec<Action>) {
        if let Some(block) = view.dropped {
            // Also an anchor that is there again may be in another block now.
            self.announced = None;
            self.accusations.ask_again();
            self.report(Report::Reorganised { block }, actions);
        } else if let Some(seen) = self.chain {
            let patience = now_ms.saturating_sub(self.highest_at_ms) < self.settings.receipt_timeout_ms;
            let lags = view.head < seen.head || view.final_block < seen.final_block;
            if lags && patience {
                return self.report(Report::LaggingHead { head: view.head, seen: seen.head }, actions);
            }
        }
        self.highest_at_ms = now_ms;
        if self.chain.is_none_or(|seen| seen.anchor != view.anchor) {
            self.anchored_since_ms = now_ms;
            self.due = self.due.filter(|due| due.sequence > view.anchor.sequence);
            self.resume();
        }
        self.chain = Some(view);
        self.epochs.forget_before(view.epoch);
        self.announce(&view, actions);
        // What the contract refuses over a message of the inbox it may take once the log has taken the message in.
        let taken = self.candidate(&view).map(|candidate| candidate.certificate.checkpoint.inbox_count);
        if self.refused_inbox.is_some() && taken > self.refused_inbox {
            self.resume();
        }

        let stable_epoch = self.epochs.stable().map(|stable| stable.epoch);
        if self.epochs.next(view.epoch).is_none() && stable_epoch > Some(view.epoch) {
            self.report(Report::MissingHandover { epoch: view.epoch }, actions);
        }
        self.due = self.due(now_ms, &view);
        self.asked = if self.submission.is_some() { None } else { self.next_purpose(now_ms, &view) };
        if self.submission.is_some() || self.asked.is_some() {
            actions.push(Action::Inspect(self.inspection(now_ms, &view)));
        }
    }

    /// The anchor that is due, by rule 1.
    fn due(&mut self, now_ms: u64, view: &ChainView) -> Option<Due> {
        if let Some(stable) = self.epochs.stable() {
            // After a reorganisation that took an anchor back, its entries wait anew.
            self.waiting.grow(now_ms, stable.log_size);
        }
        let oldest_ms = self.waiting.since_ms(view.anchor.log_size);
        let waited = |since_ms: u64| now_ms.saturating_sub(since_ms) >= self.settings.interval_ms;
        let waited = view.anchor.sequence == Sequence(0)
            || waited(self.anchored_since_ms)
            || oldest_ms.is_some_and(waited);
        let candidate = self.candidate(view).filter(|candidate| waited || candidate.ends_epoch())?;
        let sequence = candidate.certificate.checkpoint.sequence;
        Some(self.due.unwrap_or(Due { since_ms: now_ms, sequence }))
    }

    /// Says what the chain has anchored, unless it contradicts what a quorum signed.
    fn announce(&mut self, view: &ChainView, actions: &mut Vec<Action>) {
        let confirmed = view.confirmed;
        let other = self.epochs.certificates().find_map(|certificate| {
            let (sequence, group) = (certificate.checkpoint.sequence, certificate.checkpoint.log_root);
            let differs = |anchor: &AnchorState| anchor.sequence == sequence && anchor.log_root != group;
            let other = [view.anchor, confirmed].into_iter().find(differs)?;
            Some(Report::OtherRoot { sequence, chain: other.log_root, group })
        });
        if let Some(report) = other {
            return self.report(report, actions);
        }
        if self.announced != Some(confirmed) {
            actions.push(Action::Announce(confirmed));
        }
    }

    /// What the contract can be given next, if that is worth an anchor on top of the one that it has.
    fn candidate(&self, view: &ChainView) -> Option<&Arc<Anchorable>> {
        self.epochs.next(view.epoch).filter(|next| {
            let checkpoint = &next.certificate.checkpoint;
            let least = view.anchor.log_size.saturating_add(self.settings.min_entries);
            self.settings.submit
                && checkpoint.sequence > view.anchor.sequence
                && (next.ends_epoch() || checkpoint.log_size >= least)
        })
    }

    /// What a transaction is to be for, if it is our turn with anything.
    fn next_purpose(&mut self, now_ms: u64, view: &ChainView) -> Option<Purpose> {
        let replicas = self.epochs.newest().replicas();
        let me = AgentId(self.key.address());
        let terms = (view.epoch, self.settings.takeover_ms);
        let accused = match self.settings.submit && now_ms >= self.paused_until_ms {
            true => self.accusations.turn(now_ms, (&self.identity, &replicas), me, terms),
            false => None,
        };
        let conviction = accused.map(|contradiction| {
            let (accused, epochs) = (contradiction.replica(), contradiction.epochs());
            let members = self.epochs.members_to_show(view.epoch, accused, epochs);
            Purpose::Conviction { contradiction, members }
        });
        conviction.or_else(|| {
            let anchorable = self.may_submit(now_ms, view).then(|| self.candidate(view).cloned());
            anchorable.flatten().map(Purpose::Anchor)
        })
    }

    /// Whether an anchor is due and it is our turn.
    fn may_submit(&self, now_ms: u64, view: &ChainView) -> bool {
        let Some(due) = self.due else { return false };
        let replicas = self.epochs.newest().replicas();
        let Some(me) = replicas.index_of(AgentId(self.key.address())) else { return false };
        let rank = rank(self.identity.group, view.anchor.sequence, me, replicas.len());
        let waited = now_ms.saturating_sub(due.since_ms);
        waited >= rank.saturating_mul(self.settings.takeover_ms) && now_ms >= self.paused_until_ms
    }

    fn inspection(&self, now_ms: u64, view: &ChainView) -> Inspection {
        let mut receipts: Vec<_> = self.settled.iter().map(|settled| settled.hash).collect();
        let Some(submission) = &self.submission else {
            let accused = self.asked.as_ref().and_then(Purpose::accused);
            return Inspection { receipts, pooled: None, estimate: self.asked.clone(), accused };
        };
        receipts.extend(submission.hashes());
        let overdue = now_ms.saturating_sub(submission.made_ms) >= self.settings.receipt_timeout_ms;
        let estimate = overdue.then(|| self.renewed(submission, view));
        let accused = submission.purpose.accused();
        Inspection { receipts, pooled: Some(submission.latest().hash), estimate, accused }
    }

    /// What another version of a submission is for: it anchors the newest checkpoint.
    fn renewed(&self, submission: &Submission, view: &ChainView) -> Purpose {
        match &submission.purpose {
            Purpose::Anchor(anchorable) => {
                Purpose::Anchor(Arc::clone(self.candidate(view).unwrap_or(anchorable)))
            }
            conviction @ Purpose::Conviction { .. } => conviction.clone(),
        }
    }

    fn on_account(&mut self, now_ms: u64, account: &AccountView, actions: &mut Vec<Action>) {
        let Some(view) = self.chain else { return };
        if let Some(report) = self.contradiction(&view, account) {
            return self.report(report, actions);
        }
        match self.submission.take() {
            Some(submission) => self.pursue(now_ms, submission, &view, account, actions),
            None => match self.asked.take() {
                Some(Purpose::Conviction { contradiction, .. }) if account.convicted => {
                    let replica = contradiction.replica();
                    self.accusations.convicted(replica);
                    self.report(Report::AlreadyConvicted { replica }, actions);
                }
                Some(purpose) => self.submit(now_ms, purpose, &view, account, actions),
                None => {}
            },
        }
    }

    /// A nonce that is used up according to a receipt, and free according to the account's count. If the receipt is
    /// gone as well, the chain was reorganised and the nonce really is free again.
    fn contradiction(&mut self, view: &ChainView, account: &AccountView) -> Option<Report> {
        let settled = self.settled.filter(|settled| account.nonce <= settled.nonce)?;
        let has_receipt =
            account.mined.iter().any(|mined| mined.hash == settled.hash && mined.block <= view.head);
        if !has_receipt {
            self.settled = None;
            return None;
        }
        Some(Report::NonceContradiction { reported: account.nonce, used: settled.nonce })
    }

    /// Waits before the next attempt at this. What stands in the way of a report holds up no anchor.
    fn hold_back(&mut self, now_ms: u64, purpose: &Purpose) {
        match purpose {
            Purpose::Anchor(anchorable) => {
                self.pause(now_ms);
                self.refused_inbox = Some(anchorable.certificate.checkpoint.inbox_count);
            }
            Purpose::Conviction { contradiction, .. } => {
                self.accusations.refused(now_ms, contradiction.replica());
            }
        }
    }

    /// Waits before the next attempt, longer each time until the anchored state changes.
    fn pause(&mut self, now_ms: u64) {
        let pause_ms = FIRST_PAUSE_MS.saturating_mul(1 << self.refusals.min(16)).min(LONGEST_PAUSE_MS);
        self.refusals = self.refusals.saturating_add(1);
        self.paused_until_ms = now_ms.saturating_add(pause_ms);
    }

    /// Ends the pause: what was refused has changed.
    fn resume(&mut self) {
        self.paused_until_ms = 0;
        self.refusals = 0;
        self.refused_inbox = None;
    }

    fn report(&mut self, report: Report, actions: &mut Vec<Action>) {
        if self.reported.as_ref() != Some(&report) {
            self.reported = Some(report.clone());
            actions.push(Action::Report(report));
        }
    }
}
