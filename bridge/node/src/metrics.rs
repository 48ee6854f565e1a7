//! What a node counts and measures, for Prometheus.
//!
//! One [`Metrics`] is made at the start and cloned into every part; all clones share the same numbers, and
//! counting takes an atomic operation and no lock. Names carry the prefix `quorate_` and their unit.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as SignedGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use quorate_protocol::EntryStatus;
use quorate_services::Disposition;

use crate::ledger::{ExecutedBatch, Progress};

/// A gauge of counts, which are never negative.
pub type Gauge = SignedGauge<u64, AtomicU64>;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    /// `applied`, `refused`, `duplicate` or `dropped`.
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

/// Everything that a node counts and measures.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    commands: Family<CommandLabels, Counter>,
    refused_requests: Family<RequestLabels, Counter>,
    on_chain_events: Family<EventLabels, Counter>,
    entries: Counter,
    batches: Counter,
    batch_commands: Histogram,
    log_size: Gauge,
    certified_size: Gauge,
    anchored_size: Gauge,
    diverged: Gauge,
    commit_latency: Histogram,
    order_latency: Histogram,
    wal_fsync: Histogram,
    /// The epoch that the replica is in.
    pub epoch: Gauge,
    /// The view that the replica is in.
    pub view: Gauge,
    /// How often the view changed.
    pub view_changes: Counter,
    /// How many peers are connected.
    pub peers_connected: Gauge,
    /// How many frames to peers were dropped because a queue was full.
    pub frames_dropped: Counter,
    /// How many proofs of a replica contradicting itself are held.
    pub evidence: Gauge,
    /// 1 while this replica signs no checkpoints because its log is not the one that its key signed.
    pub checkpoints_withheld: Gauge,
    /// How many messages of the contract's inbox are taken.
    pub inbox_taken: Gauge,
    /// How many messages this node saw in the contract's inbox that are not taken.
    pub inbox_waiting: Gauge,
    /// How many jobs of signatures wait to be checked.
    pub verify_queue: Gauge,
    /// How many HTTP connections are open.
    pub http_connections: Gauge,
    /// What this node's anchors cost.
    pub anchor_costs: AnchorCosts,
}

/// What the anchors and the reports of this node cost. A fee beyond 2^64 wei, 18 ether, counts as that.
#[derive(Clone, Debug, Default)]
pub struct AnchorCosts {
    anchors: Counter,
    convictions: Counter,
    last_execution: Gauge,
    last_data: Gauge,
    spent: Counter,
}

impl AnchorCosts {
    /// An anchor of this node was included, for so many wei of execution on the chain and of data on its L1.
    pub fn count(&self, execution_wei: u128, data_wei: u128) {
        let bounded = |wei| u64::try_from(wei).unwrap_or(u64::MAX);
        self.anchors.inc();
        self.last_execution.set(bounded(execution_wei));
        self.last_data.set(bounded(data_wei));
        self.spent.inc_by(bounded(execution_wei.saturating_add(data_wei)));
    }

    /// A report of this node was included and had a replica convicted, for so many wei in all.
    pub fn count_conviction(&self, wei: u128) {
        self.convictions.inc();
        self.spent.inc_by(u64::try_from(wei).unwrap_or(u64::MAX));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// New numbers, all zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("quorate");
        let r = &mut registry;
        let metrics = Self {
            commands: family(r, "commands", "Ordered commands by what became of them"),
            refused_requests: family(r, "http_refused_requests", "HTTP requests refused, by error code"),
            on_chain_events: family(
                r,
                "on_chain_events",
                "What the contract told by its inbox since the start, by event",
            ),
            entries: counter(r, "entries", "Entries appended to the log"),
            batches: counter(r, "batches", "Batches executed"),
            batch_commands: batch_commands(r),
            log_size: gauge(r, "log_entries", "Entries in the log"),
            certified_size: gauge(r, "log_certified_entries", "Entries that a certificate covers"),
            anchored_size: gauge(r, "log_anchored_entries", "Entries that an anchor covers"),
            diverged: gauge(r, "log_diverged", "1 if the log contradicts a quorum's, else 0"),
            commit_latency: seconds(r, "commit", "From a command's arrival here to its certificate"),
            order_latency: seconds(r, "order", "From a command's arrival here to its execution"),
            wal_fsync: seconds(r, "wal_fsync", "Making a group of write-ahead records durable"),
            epoch: gauge(r, "epoch", "The epoch that the replica is in"),
            view: gauge(r, "view", "The view that the replica is in"),
            view_changes: counter(r, "view_changes", "Changes of view"),
            peers_connected: gauge(r, "peers_connected", "Peers that are connected"),
            frames_dropped: counter(r, "frames_dropped", "Frames to peers dropped from full queues"),
            evidence: gauge(r, "evidence", "Proofs held of replicas that contradicted themselves"),
            checkpoints_withheld: gauge(
                r,
                "checkpoints_withheld",
                "1 while no checkpoints are signed because the log is not the one that the key signed",
            ),
            inbox_taken: gauge(r, "inbox_taken_messages", "Messages of the contract's inbox that are taken"),
            inbox_waiting: gauge(
                r,
                "inbox_waiting_messages",
                "Messages seen in the contract's inbox and not taken",
            ),
            verify_queue: gauge(r, "verify_queue", "Jobs of signatures that wait to be checked"),
            http_connections: gauge(r, "http_connections", "Open HTTP connections"),
            anchor_costs: AnchorCosts {
                anchors: counter(r, "anchors", "Checkpoints that a transaction of this node anchored"),
                convictions: counter(r, "convictions", "Replicas that a report of this node had convicted"),
                last_execution: gauge(r, "anchor_execution_fee_wei", "Execution of this node's last anchor"),
                last_data: gauge(r, "anchor_l1_data_fee_wei", "Data of this node's last anchor on L1"),
                spent: counter(r, "anchor_fees_wei", "What this node's anchors and reports cost together"),
            },
            registry: Arc::new(Registry::default()),
        };
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// The contract told the group something by its inbox.
    pub fn count_on_chain_event(&self, event: &'static str) {
        self.on_chain_events.get_or_create(&EventLabels { event }).inc();
    }

    /// Counts an executed batch, its commands and its entries.
    pub fn count_batch(&self, batch: &ExecutedBatch) {
        self.batches.inc();
        self.entries.inc_by(batch.records.len() as u64);
        self.batch_commands.observe(batch.dispositions.len() as f64);
        for disposition in &batch.dispositions {
            let result = match disposition {
                Disposition::Recorded(index) => {
                    let made = batch.records.iter().find(|record| record.entry.index == *index);
                    match made.map(|record| record.entry.status) {
                        Some(EntryStatus::Refused) => "refused",
                        _ => "applied",
                    }
                }
                Disposition::Duplicate(_) => "duplicate",
                Disposition::Dropped(_) => "dropped",
            };
            self.commands.get_or_create(&CommandLabels { result }).inc();
        }
    }

    /// Takes over how far the ledger is.
    pub fn set_progress(&self, progress: Progress) {
        self.log_size.set(progress.size);
        self.certified_size.set(progress.certified);
        self.anchored_size.set(progress.anchored);
        self.diverged.set(u64::from(progress.diverged));
    }

    /// Counts a request that was refused with the error `code`.
    pub fn count_refused_request(&self, code: &str) {
        self.refused_requests.get_or_create(&RequestLabels { code: code.into() }).inc();
    }

    /// A command took `elapsed` from its arrival to its certificate.
    pub fn observe_commit(&self, elapsed: Duration) {
        self.commit_latency.observe(elapsed.as_secs_f64());
    }

    /// A command took `elapsed` from its arrival to its execution.
    pub fn observe_order(&self, elapsed: Duration) {
        self.order_latency.observe(elapsed.as_secs_f64());
    }

    /// Making a group of records durable took `elapsed`.
    pub fn observe_wal_fsync(&self, elapsed: Duration) {
        self.wal_fsync.observe(elapsed.as_secs_f64());
    }

    /// All numbers in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing into memory cannot fail");
        text
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let metric = Counter::default();
    registry.register(name, help, metric.clone());
    metric
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let metric = Gauge::default();
    registry.register(name, help, metric.clone());
    metric
}

fn family<L>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Counter>
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    let metric = Family::default();
    registry.register(name, help, metric.clone());
    metric
}

/// From 0.1 ms to 26 s: a commit takes a millisecond at best, a view change a few seconds.
fn seconds(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    let metric = Histogram::new(exponential_buckets(0.000_1, 2.0, 19));
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

fn batch_commands(registry: &mut Registry) -> Histogram {
    let metric = Histogram::new(exponential_buckets(1.0, 2.0, 13));
    registry.register("batch_commands", "Commands in a batch", metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_numbers_and_every_metric_is_in_the_text() {
        let metrics = Metrics::new();
        let clone = metrics.clone();
        clone.view.set(3);
        clone.view_changes.inc();
        clone.inbox_taken.set(5);
        clone.inbox_waiting.set(2);
        clone.set_progress(Progress { size: 9, certified: 8, anchored: 7, diverged: true, closed: false });
        clone.observe_commit(Duration::from_millis(3));
        clone.observe_order(Duration::from_millis(2));
        clone.observe_wal_fsync(Duration::from_micros(200));
        clone.count_refused_request("rate_limited");
        clone.anchor_costs.count(7, 5);
        clone.anchor_costs.count(30, u128::MAX);
        let text = metrics.encode();
        for line in [
            "quorate_view 3",
            "quorate_view_changes_total 1",
            "quorate_inbox_taken_messages 5",
            "quorate_inbox_waiting_messages 2",
            "quorate_log_entries 9",
            "quorate_log_certified_entries 8",
            "quorate_log_anchored_entries 7",
            "quorate_log_diverged 1",
            "quorate_commit_seconds_count 1",
            "quorate_order_seconds_count 1",
            "quorate_wal_fsync_seconds_count 1",
            "quorate_anchors_total 2",
            "quorate_anchor_execution_fee_wei 30",
            "quorate_anchor_l1_data_fee_wei 18446744073709551615",
            "quorate_http_refused_requests_total{code=\"rate_limited\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
