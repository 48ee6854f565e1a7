//! When to anchor, and what to do about transactions that do not arrive.
//!
//! # Rules
//! 1. *Due.* An anchor is due when the newest stable checkpoint adds at least `min_entries` to the anchored log and
//!    the last change of the anchored state was seen `interval_ms` ago. The end of the epoch that the contract is in is
//!    always due, and comes before everything of later epochs.
//! 2. *Turn.* Once it is due, each replica of the group's newest epoch has the turn for `takeover_ms`, in the order of
//!    [`rank`]: those of older ones may be gone, and the contract does not ask who sends an anchor. A replica whose turn
//!    came keeps it until the anchored state changes: if the first is merely slow, two transactions race, one of them
//!    reverts, and that is no failure.
//! 3. *One at a time.* At most one nonce is in use. A transaction without a receipt after `receipt_timeout_ms` is
//!    replaced, on the same nonce, with more fee and the newest checkpoint.
//! 4. *The chain decides.* Whether a checkpoint is anchored is read from the contract's state, never remembered. A
//!    restart, a reorganisation of the chain and another replica's success are therefore all the same case, also where
//!    they take a change of members back. What is due is read at the head; the node is told what the final block has,
//!    and told again when a reorganisation reached below that. A head below one seen before is believed at once where
//!    it contradicts what was seen, and after `receipt_timeout_ms` where it may be an endpoint that lags.
//! 5. *Distrust.* An endpoint can withhold, delay and invent. Invented nonces cost at most a transaction that waits or
//!    reverts, and [`Spending`] bounds what all of them cost. What is signed is always a call that anchors a checkpoint
//!    that a quorum of its epoch signed.
//! 6. *Cost.* Units of gas bound an anchor's execution; money bounds what its data costs on the chain's L1, because that
//!    price is another chain's: what can be spent on it counts into the hour.

use std::sync::Arc;

use alloy::primitives::B256;
use quorate_protocol::{AccountKey, AgentId, Checkpoint, Group, GroupIdentity, Sequence};

use super::epochs::{Anchorable, Epochs, StableState};
use super::event::{
    AccountView, Action, AnchorState, BroadcastOutcome, ChainView, DataFee, Estimate, Event, Inspection,
    Mined,
};
use super::fees::Fees;
use super::report::Report;
use super::rotation::rank;
use super::spending::Spending;
use super::submission::{Submission, Verdict};
use super::transaction::{AnchorTransaction, Terms};
use crate::settings::Settings;

/// The most gas that an anchor's execution is given. One with the signatures of 64 replicas stays far below it.
const MAX_GAS: u64 = 3_000_000;
/// The most gas that the execution of an epoch's end is given. Replacing 64 replicas by 64 others takes 4.4 million.
const MAX_ROTATION_GAS: u64 = 8_000_000;
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
    key: AccountKey,
    chain: Option<ChainView>,
    /// When the head was last as high as it has ever been.
    highest_at_ms: u64,
    /// When the anchored state at the head was first seen as it is.
    anchored_since_ms: u64,
    /// Since when an anchor is due.
    due_since_ms: Option<u64>,
    submission: Option<Submission>,
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
            key,
            chain: None,
            highest_at_ms: 0,
            anchored_since_ms: 0,
            due_since_ms: None,
            submission: None,
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
            Event::Stable(state) => self.on_stable(state, &mut actions),
            Event::Chain(view) => self.on_chain(now_ms, view, &mut actions),
            Event::Account(account) => self.on_account(now_ms, &account, &mut actions),
            Event::Broadcast { hash, outcome } => self.on_broadcast(now_ms, hash, outcome, &mut actions),
            Event::Announced(anchor) => self.announced = Some(anchor),
        }
        actions
    }

    fn on_stable(&mut self, state: StableState, actions: &mut Vec<Action>) {
        if let Err(report) = self.epochs.learn(state) {
            self.report(report, actions);
        }
    }

    fn on_chain(&mut self, now_ms: u64, view: ChainView, actions: &mut Vec<Action>) {
        if let Some(block) = view.dropped {
            // Also an anchor that is there again may be in another block now.
            self.announced = None;
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
            self.due_since_ms = None;
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

        let waited = view.anchor.sequence == Sequence(0)
            || now_ms.saturating_sub(self.anchored_since_ms) >= self.settings.interval_ms;
        let due = self.candidate(&view).is_some_and(|candidate| waited || candidate.ends_epoch());
        if self.epochs.next(view.epoch).is_none() && self.epochs.stable_epoch() > Some(view.epoch) {
            self.report(Report::MissingHandover { epoch: view.epoch }, actions);
        }
        self.due_since_ms = if due { self.due_since_ms.or(Some(now_ms)) } else { None };
        if self.submission.is_some() || self.may_submit(now_ms, &view) {
            actions.push(Action::Inspect(self.inspection(now_ms, &view)));
        }
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

    /// Whether an anchor is due and it is our turn.
    fn may_submit(&self, now_ms: u64, view: &ChainView) -> bool {
        let Some(due_since_ms) = self.due_since_ms else { return false };
        let replicas = self.epochs.newest().replicas();
        let Some(me) = replicas.index_of(AgentId(self.key.address())) else { return false };
        let rank = rank(self.identity.group, view.anchor.sequence, me, replicas.len());
        let waited = now_ms.saturating_sub(due_since_ms);
        waited >= rank.saturating_mul(self.settings.takeover_ms) && now_ms >= self.paused_until_ms
    }

    fn inspection(&self, now_ms: u64, view: &ChainView) -> Inspection {
        let candidate = self.candidate(view);
        let mut receipts: Vec<_> = self.settled.iter().map(|settled| settled.hash).collect();
        let Some(submission) = &self.submission else {
            return Inspection { receipts, pooled: None, estimate: candidate.cloned() };
        };
        receipts.extend(submission.hashes());
        let overdue = now_ms.saturating_sub(submission.made_ms) >= self.settings.receipt_timeout_ms;
        let estimate = overdue.then(|| candidate.unwrap_or(&submission.anchorable).clone());
        Inspection { receipts, pooled: Some(submission.latest().hash), estimate }
    }

    fn on_account(&mut self, now_ms: u64, account: &AccountView, actions: &mut Vec<Action>) {
        let Some(view) = self.chain else { return };
        if let Some(report) = self.contradiction(&view, account) {
            return self.report(report, actions);
        }
        match self.submission.take() {
            Some(submission) => self.pursue(now_ms, submission, &view, account, actions),
            None if self.may_submit(now_ms, &view) => self.submit(now_ms, &view, account, actions),
            None => {}
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

    /// Follows a transaction until it is settled or lost.
    fn pursue(
        &mut self,
        now_ms: u64,
        mut submission: Submission,
        view: &ChainView,
        account: &AccountView,
        actions: &mut Vec<Action>,
    ) {
        let latest = submission.latest();
        let (sequence, nonce) = (latest.sequence, latest.nonce);
        match submission.judge(now_ms, view, account, self.settings.receipt_timeout_ms) {
            Verdict::Wait => self.submission = Some(submission),
            Verdict::SendAgain => {
                submission.sent_ms = now_ms;
                actions.push(Action::Broadcast(latest_of(&submission)));
                self.submission = Some(submission);
            }
            // It became overdue only after the endpoint was asked.
            Verdict::Bump if account.estimate == Estimate::NotAsked => self.submission = Some(submission),
            Verdict::Bump => self.bump(now_ms, submission, view, account, actions),
            Verdict::Anchored(mined) => {
                self.settle(nonce, &mined);
                self.report(Report::Anchored { sequence, hash: mined.hash, cost: mined.cost }, actions);
            }
            Verdict::Overtaken(mined) => {
                if let Some(mined) = mined {
                    self.settle(nonce, &mined);
                }
                self.report(Report::Overtaken { sequence }, actions);
            }
            Verdict::Reverted(mined) => {
                self.settle(nonce, &mined);
                self.pause(now_ms);
                self.refused_inbox = Some(submission.anchorable.certificate.checkpoint.inbox_count);
                self.report(Report::Reverted { sequence, hash: mined.hash }, actions);
            }
            Verdict::Lost => self.report(Report::Lost { sequence, nonce }, actions),
        }
    }

    /// A transaction of ours is in a block.
    fn settle(&mut self, nonce: u64, mined: &Mined) {
        self.settled = Some(Settled { nonce, hash: mined.hash });
        self.spending.paid(nonce, mined.cost.total());
    }

    /// Replaces a stuck transaction, or sends it again where it cannot be replaced.
    fn bump(
        &mut self,
        now_ms: u64,
        mut submission: Submission,
        view: &ChainView,
        account: &AccountView,
        actions: &mut Vec<Action>,
    ) {
        let stuck = latest_of(&submission);
        let anchorable = self.candidate(view).unwrap_or(&submission.anchorable).clone();
        let replacement = if submission.is_full() {
            None
        } else {
            self.make(now_ms, stuck.nonce, &anchorable, view, account, actions)
        };
        match replacement {
            Some(transaction) => {
                let max_fee = transaction.fees.max_fee;
                submission.replace(now_ms, anchorable, transaction.clone());
                self.report(Report::Bumped { nonce: stuck.nonce, max_fee }, actions);
                actions.push(Action::Broadcast(transaction));
            }
            None => {
                self.offered = Some(Offer { nonce: stuck.nonce, fees: stuck.fees, accepted: true });
                submission.made_ms = now_ms;
                submission.sent_ms = now_ms;
                actions.push(Action::Broadcast(stuck));
            }
        }
        self.submission = Some(submission);
    }

    /// Submits the candidate on the account's next nonce.
    fn submit(&mut self, now_ms: u64, view: &ChainView, account: &AccountView, actions: &mut Vec<Action>) {
        let Some(anchorable) = self.candidate(view).cloned() else { return };
        let nonce = account.nonce;
        let ours = self.offered.is_some_and(|offer| offer.nonce == nonce && offer.accepted);
        if account.pending_nonce > nonce && !ours {
            let since = *self.pending_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since) < self.settings.receipt_timeout_ms {
                return self.report(Report::PendingTransaction { nonce }, actions);
            }
        }
        self.pending_since_ms = None;
        if let Some(transaction) = self.make(now_ms, nonce, &anchorable, view, account, actions) {
            self.submission = Some(Submission::new(now_ms, anchorable, transaction.clone()));
            actions.push(Action::Broadcast(transaction));
        }
    }

    /// Signs the call that anchors on `nonce` if the contract would accept it, and fee and cost stay within bounds.
    fn make(
        &mut self,
        now_ms: u64,
        nonce: u64,
        anchorable: &Anchorable,
        view: &ChainView,
        account: &AccountView,
        actions: &mut Vec<Action>,
    ) -> Option<Arc<AnchorTransaction>> {
        let gas_limit = match &account.estimate {
            Estimate::Gas(gas) => gas_limit(*gas, account.data_fee, anchorable),
            Estimate::Refused(reason) => {
                self.pause(now_ms);
                let Checkpoint { sequence, inbox_count, .. } = anchorable.certificate.checkpoint;
                self.refused_inbox = Some(inbox_count);
                self.report(Report::Refused { sequence, reason: reason.clone() }, actions);
                return None;
            }
            Estimate::NotAsked => return None,
        };
        let cap = self.settings.max_fee;
        let market = Fees::quote(view.base_fee, account.tip.max(self.settings.min_tip), cap);
        let offered = self.offered.filter(|offer| offer.nonce == nonce);
        let fees =
            market.and_then(|market| offered.map_or(Some(market), |offer| offer.fees.bump(market, cap)));
        let Some(fees) = fees else {
            // What was offered may be gone from every pool; after the pause the market's price is tried alone.
            self.offered = None;
            self.pause(now_ms);
            let base_fee = view.base_fee;
            let report = match (market, offered) {
                (Some(_), Some(offer)) => Report::StuckAtCap { nonce, max_fee: offer.fees.max_fee, cap },
                _ => Report::FeeAboveCap { base_fee, cap },
            };
            self.report(report, actions);
            return None;
        };
        let cost =
            u128::from(gas_limit).saturating_mul(fees.max_fee).saturating_add(beside(account.data_fee));
        if let Err(total) = self.spending.reserve(now_ms, nonce, cost) {
            self.pause(now_ms);
            let limit = self.settings.max_spend_per_hour;
            self.report(Report::SpendLimit { total, limit }, actions);
            return None;
        }
        let accepted = offered.is_some_and(|offer| offer.accepted);
        self.offered = Some(Offer { nonce, fees, accepted });
        let terms = Terms { nonce, gas_limit, fees, data_fee: account.data_fee.wei };
        Some(Arc::new(AnchorTransaction::sign(&self.key, &self.identity, anchorable, terms)))
    }

    fn on_broadcast(
        &mut self,
        now_ms: u64,
        hash: B256,
        outcome: BroadcastOutcome,
        actions: &mut Vec<Action>,
    ) {
        let Some(submission) = self.submission.as_mut().filter(|sent| sent.latest().hash == hash) else {
            return;
        };
        let sequence = submission.latest().sequence;
        let reason = match outcome {
            BroadcastOutcome::Accepted | BroadcastOutcome::Unknown => {
                submission.accepted = true;
                if let Some(offer) = &mut self.offered {
                    offer.accepted = true;
                }
                return;
            }
            // An earlier version may be the reason, and if it is, its receipt will tell.
            _ if submission.accepted => return,
            // `offered` stays: the next attempt offers more, after whoever is there has had time to be included.
            BroadcastOutcome::Underpriced => "another transaction of this nonce offers as much".to_owned(),
            BroadcastOutcome::NonceUsed => {
                self.offered = None;
                "the nonce is used up, against what the endpoint said before".to_owned()
            }
            BroadcastOutcome::Refused(reason) => {
                self.offered = None;
                reason
            }
        };
        self.submission = None;
        self.pause(now_ms);
        self.report(Report::Refused { sequence, reason }, actions);
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

/// The gas that a transaction is given: a quarter more than its execution is estimated to take, within bounds that do not
/// depend on the endpoint, and half as much again as its data on L1 takes, whose price moves more. Data is bounded by its
/// price alone: it may take millions of units when the L1 is dear and the chain is cheap.
fn gas_limit(estimated: u64, data: DataFee, anchorable: &Anchorable) -> u64 {
    let most = if anchorable.ends_epoch() { MAX_ROTATION_GAS } else { MAX_GAS };
    let execution = estimated.saturating_sub(data.gas);
    execution.saturating_add(execution / 4).min(most).saturating_add(data.gas.saturating_add(data.gas / 2))
}

/// What a transaction's data can cost beside its gas: twice what the oracle says, because the price is that of the block
/// that includes the transaction, and nothing signed bounds it.
fn beside(data: DataFee) -> u128 {
    if data.gas == 0 { data.wei.saturating_mul(2) } else { 0 }
}

fn latest_of(submission: &Submission) -> Arc<AnchorTransaction> {
    Arc::clone(submission.latest())
}
