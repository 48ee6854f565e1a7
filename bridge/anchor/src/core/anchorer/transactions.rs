//! From what is wanted to transactions: making one, following it, and offering more for one that is stuck.

use std::sync::Arc;

use alloy::primitives::B256;

use super::{Anchorer, Offer, Settled};
use crate::core::event::{AccountView, Action, BroadcastOutcome, ChainView, DataFee, Estimate, Mined};
use crate::core::fees::Fees;
use crate::core::report::Report;
use crate::core::submission::{Submission, Verdict};
use crate::core::transaction::{Purpose, SignedCall, Terms};

impl Anchorer {
    /// Follows a transaction until it is settled or lost.
    pub(super) fn pursue(
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
            Verdict::Done(mined) => {
                self.settle(nonce, &mined);
                let Mined { hash, cost, .. } = mined;
                let report = match submission.purpose.accused() {
                    Some(replica) => {
                        self.accusations.convicted(replica);
                        Report::Convicted { replica, hash, cost }
                    }
                    None => Report::Anchored { sequence, hash, cost },
                };
                self.report(report, actions);
            }
            Verdict::Overtaken(mined) => {
                if let Some(mined) = mined {
                    self.settle(nonce, &mined);
                }
                let report = match submission.purpose.accused() {
                    Some(replica) => {
                        self.accusations.convicted(replica);
                        Report::AlreadyConvicted { replica }
                    }
                    None => Report::Overtaken { sequence },
                };
                self.report(report, actions);
            }
            Verdict::Reverted(mined) => {
                self.settle(nonce, &mined);
                self.hold_back(now_ms, &submission.purpose);
                let hash = mined.hash;
                let report = match submission.purpose.accused() {
                    Some(replica) => {
                        Report::ReportRefused { replica, reason: format!("the transaction {hash} reverted") }
                    }
                    None => Report::Reverted { sequence, hash },
                };
                self.report(report, actions);
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
        let purpose = account.prepared.clone().unwrap_or_else(|| self.renewed(&submission, view));
        let replacement = if submission.is_full() {
            None
        } else {
            self.make(now_ms, stuck.nonce, &purpose, view, account, actions)
        };
        match replacement {
            Some(transaction) => {
                let max_fee = transaction.fees.max_fee;
                submission.replace(now_ms, purpose, transaction.clone());
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

    /// Submits a transaction on the account's next nonce.
    pub(super) fn submit(
        &mut self,
        now_ms: u64,
        purpose: Purpose,
        view: &ChainView,
        account: &AccountView,
        actions: &mut Vec<Action>,
    ) {
        let purpose = account.prepared.clone().unwrap_or(purpose);
        let nonce = account.nonce;
        let ours = self.offered.is_some_and(|offer| offer.nonce == nonce && offer.accepted);
        if account.pending_nonce > nonce && !ours {
            let since = *self.pending_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since) < self.settings.receipt_timeout_ms {
                return self.report(Report::PendingTransaction { nonce }, actions);
            }
        }
        self.pending_since_ms = None;
        if let Some(transaction) = self.make(now_ms, nonce, &purpose, view, account, actions) {
            self.submission = Some(Submission::new(now_ms, purpose, transaction.clone()));
            actions.push(Action::Broadcast(transaction));
        }
    }

    /// Signs the call on `nonce` if the contract would accept it, and fee and cost stay within bounds.
    fn make(
        &mut self,
        now_ms: u64,
        nonce: u64,
        purpose: &Purpose,
        view: &ChainView,
        account: &AccountView,
        actions: &mut Vec<Action>,
    ) -> Option<Arc<SignedCall>> {
        let gas_limit = match &account.estimate {
            Estimate::Gas(gas) => gas_limit(*gas, account.data_fee, purpose.most_gas()),
            Estimate::Refused(reason) => {
                self.refuse(now_ms, purpose, reason.clone(), actions);
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
        Some(Arc::new(SignedCall::sign(&self.key, &self.identity, purpose, terms)))
    }

    pub(super) fn on_broadcast(
        &mut self,
        now_ms: u64,
        hash: B256,
        outcome: BroadcastOutcome,
        actions: &mut Vec<Action>,
    ) {
        let Some(submission) = self.submission.as_mut().filter(|sent| sent.latest().hash == hash) else {
            return;
        };
        let purpose = submission.purpose.clone();
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
        self.refuse(now_ms, &purpose, reason, actions);
    }

    /// Neither the contract nor the endpoint takes a transaction for this, for now.
    fn refuse(&mut self, now_ms: u64, purpose: &Purpose, reason: String, actions: &mut Vec<Action>) {
        self.hold_back(now_ms, purpose);
        let report = match purpose.accused() {
            Some(replica) => Report::ReportRefused { replica, reason },
            None => Report::Refused { sequence: purpose.sequence(), reason },
        };
        self.report(report, actions);
    }
}

/// The gas that a transaction is given: a quarter more than its execution is estimated to take, within bounds that do not
/// depend on the endpoint, and half as much again as its data on L1 takes, whose price moves more. Data is bounded by its
/// price alone: it may take millions of units when the L1 is dear and the chain is cheap.
fn gas_limit(estimated: u64, data: DataFee, most: u64) -> u64 {
    let execution = estimated.saturating_sub(data.gas);
    execution.saturating_add(execution / 4).min(most).saturating_add(data.gas.saturating_add(data.gas / 2))
}

/// What a transaction's data can cost beside its gas: twice what the oracle says, because the price is that of the block
/// that includes the transaction, and nothing signed bounds it.
fn beside(data: DataFee) -> u128 {
    if data.gas == 0 { data.wei.saturating_mul(2) } else { 0 }
}

fn latest_of(submission: &Submission) -> Arc<SignedCall> {
    Arc::clone(submission.latest())
}
