//! The rules of the anchorer, each as a script of what is seen and what has to come of it.

mod data_fees;
mod endpoints;
mod epochs;
mod reports;
mod stuck;
mod transactions;
mod turns;

use std::sync::Arc;

use alloy::primitives::B256;
use quorate_node::config::{Finality, L1Fee};
use quorate_protocol::{AccountKey, AgentId, Epoch, Group, Handover, Sequence};

use super::samples::{certificate, certificate_with_inbox, handover, root, sample_group, successor};
use super::*;
use crate::settings::Settings;

const SETTINGS: Settings = Settings {
    submit: true,
    min_entries: 5,
    interval_ms: 1_000,
    takeover_ms: 10_000,
    finality: Finality::Latest,
    l1_fee: L1Fee::None,
    receipt_timeout_ms: 4_000,
    max_fee: 1_000,
    min_tip: 0,
    max_spend_per_hour: 1_000_000_000,
    poll_ms: 100,
    request_timeout_ms: 100,
};

/// One anchorer with the time, what its endpoint says, and what it wants.
struct Script {
    anchorer: Anchorer,
    group: Group,
    keys: Vec<AccountKey>,
    now_ms: u64,
    view: ChainView,
    account: AccountView,
    reports: Vec<Report>,
    announced: Vec<AnchorState>,
    inspections: Vec<Inspection>,
}

impl Script {
    /// The replica that has the turn after the anchor of sequence 0 if `rank` is 0, the one after it if 1, and so on.
    fn of_rank(rank: u64, settings: Settings) -> Self {
        let (group, keys) = sample_group();
        let replicas = group.replicas();
        let at = keys
            .iter()
            .position(|key| {
                let me = replicas.index_of(AgentId(key.address())).unwrap();
                super::rank(group.identity.group, Sequence(0), me, 4) == rank
            })
            .unwrap();
        Self::of_key(keys[at].clone(), group, keys, settings)
    }

    fn first() -> Self {
        Self::of_rank(0, SETTINGS)
    }

    fn of_key(key: AccountKey, group: Group, keys: Vec<AccountKey>, settings: Settings) -> Self {
        let anchor = AnchorState::default();
        Self {
            anchorer: Anchorer::new(settings, group.clone(), Vec::new(), key),
            group,
            keys,
            now_ms: 0,
            view: ChainView {
                head: 100,
                final_block: Some(100),
                dropped: None,
                base_fee: 10,
                epoch: Epoch(0),
                anchor,
                confirmed: anchor,
            },
            account: AccountView {
                nonce: 3,
                pending_nonce: 3,
                tip: 2,
                mined: Vec::new(),
                pooled: true,
                estimate: Estimate::Gas(100_000),
                prepared: None,
                convicted: false,
                data_fee: DataFee::default(),
            },
            reports: Vec::new(),
            announced: Vec::new(),
            inspections: Vec::new(),
        }
    }

    fn stable(&mut self, sequence: u64, log_size: u64) {
        let certificate = certificate(&self.group, &self.keys, sequence, log_size);
        self.learn(certificate.into());
    }

    fn learn(&mut self, state: StableState) {
        let actions = self.anchorer.step(self.now_ms, Event::Stable(state));
        self.run(actions);
    }

    /// Time goes by, and the endpoint is asked once. Returns what is to be sent.
    fn look(&mut self, after_ms: u64) -> Option<Arc<SignedCall>> {
        self.now_ms += after_ms;
        let actions = self.anchorer.step(self.now_ms, Event::Chain(self.view));
        let mut sent = self.run(actions);
        assert!(sent.len() <= 1, "one transaction at a time");
        sent.pop()
    }

    fn run(&mut self, actions: Vec<Action>) -> Vec<Arc<SignedCall>> {
        let mut sent = Vec::new();
        for action in actions {
            match action {
                Action::Inspect(inspection) => {
                    let mut account = self.account.clone();
                    account.mined.retain(|mined| inspection.receipts.contains(&mined.hash));
                    if inspection.estimate.is_none() {
                        account.estimate = Estimate::NotAsked;
                    }
                    self.inspections.push(inspection);
                    let actions = self.anchorer.step(self.now_ms, Event::Account(account));
                    sent.extend(self.run(actions));
                }
                Action::Broadcast(transaction) => sent.push(transaction),
                Action::Announce(anchor) => {
                    self.announced.push(anchor);
                    self.anchorer.step(self.now_ms, Event::Announced(anchor));
                }
                Action::Report(report) => self.reports.push(report),
            }
        }
        sent
    }

    fn outcome(&mut self, hash: B256, outcome: BroadcastOutcome) {
        let actions = self.anchorer.step(self.now_ms, Event::Broadcast { hash, outcome });
        self.run(actions);
    }

    /// The chain includes `transaction`, and its anchor counts.
    fn include(&mut self, transaction: &SignedCall, log_size: u64) {
        self.mine(transaction, true);
        self.anchor(transaction.sequence.0, log_size);
    }

    fn mine(&mut self, transaction: &SignedCall, success: bool) {
        self.view.head += 1;
        self.account.nonce = transaction.nonce + 1;
        self.account.pending_nonce = self.account.nonce;
        let (hash, block) = (transaction.hash, self.view.head);
        self.account.mined.push(Mined { hash, block, success, cost: Cost { execution: 5, data: 2 } });
    }

    fn anchor(&mut self, sequence: u64, log_size: u64) {
        let anchor = AnchorState {
            sequence: Sequence(sequence),
            log_size,
            log_root: root(log_size),
            ..AnchorState::default()
        };
        self.view.anchor = anchor;
        self.view.confirmed = anchor;
    }

    /// A first transaction that the endpoint took.
    fn submitted(&mut self) -> Arc<SignedCall> {
        self.stable(128, 10);
        let sent = self.look(0).expect("it is our turn");
        self.outcome(sent.hash, BroadcastOutcome::Accepted);
        sent
    }
}
