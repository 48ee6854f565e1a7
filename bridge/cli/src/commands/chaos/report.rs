//! What a run found out, as data and as text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::fault::Kind;
use super::history::{History, Totals, percentile};
use super::judges::Objection;
use super::schedule::Step;
use crate::output::Report;
use crate::output::table::{Align, Table};

/// A fault that was injected, and what followed. Times are in milliseconds, those of moments since the run's start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Injected {
    /// What the schedule said.
    #[serde(flatten)]
    pub(crate) step: Step,
    /// The number of the node that it befell, counted from 1, where it befell one.
    pub(crate) node: Option<usize>,
    /// Whether that node was the primary.
    pub(crate) was_primary: bool,
    /// When it began.
    pub(crate) at_ms: f64,
    /// How long it lasted.
    pub(crate) lasted_ms: f64,
    /// From its beginning, or from its heal where nothing can commit before, to the first acknowledgement of a command
    /// that was sent after that.
    pub(crate) recovery_ms: Option<f64>,
    /// The same from the heal.
    pub(crate) after_heal_ms: Option<f64>,
    /// From the heal until every node had all entries that there were; for a fault of the chain, until they were
    /// anchored.
    pub(crate) rejoin_ms: Option<f64>,
    /// From the heal until every node took part again. Nothing if one still waited for a view that it asked for alone
    /// when the next fault came.
    pub(crate) ready_ms: Option<f64>,
    /// What went wrong with the fault itself.
    pub(crate) trouble: Option<String>,
}

impl Injected {
    /// A fault that begins.
    pub(crate) fn begun(step: Step, at_ms: f64) -> Self {
        Self {
            step,
            node: None,
            was_primary: false,
            at_ms,
            lasted_ms: 0.0,
            recovery_ms: None,
            after_heal_ms: None,
            rejoin_ms: None,
            ready_ms: None,
            trouble: None,
        }
    }

    /// The fault in one line.
    pub(crate) fn line(&self) -> String {
        let node = match (self.node, self.was_primary) {
            (Some(node), true) => format!(", node {node}, which leads"),
            (Some(node), false) => format!(", node {node}"),
            (None, _) => String::new(),
        };
        let after = if self.step.kind.stops_the_group() { " after the heal" } else { "" };
        let back = if self.step.kind.befalls_the_chain() { "anchored" } else { "one log" };
        let trouble = self.trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        format!(
            "{}{node}, for {:.1} s: next commit {} ms{after}, {back} after {} ms, all ready after {} ms{trouble}",
            self.step.kind,
            self.lasted_ms / 1_000.0,
            rounded(self.recovery_ms),
            rounded(self.rejoin_ms),
            rounded(self.ready_ms)
        )
    }
}

/// Median and maximum of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50_ms: f64,
    pub(super) max_ms: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let mut values: Vec<f64> = values.flatten().collect();
        values.sort_unstable_by(f64::total_cmp);
        Some(Self { p50_ms: percentile(&values, 50)?, max_ms: *values.last()? })
    }
}

/// The faults of one kind, or all of them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KindRow {
    /// Nothing for all kinds together.
    pub(super) kind: Option<Kind>,
    pub(super) faults: usize,
    pub(super) of_the_primary: usize,
    pub(super) recovery: Option<Spread>,
    pub(super) after_heal: Option<Spread>,
    pub(super) rejoin: Option<Spread>,
    pub(super) ready: Option<Spread>,
    /// Faults after which a node did not take part again before the next one.
    pub(super) left_waiting: usize,
}

/// One row a kind, and one for all.
pub(super) fn rows(faults: &[Injected]) -> Vec<KindRow> {
    let row = |kind: Option<Kind>| {
        let of_kind = || faults.iter().filter(move |fault| kind.is_none_or(|kind| fault.step.kind == kind));
        KindRow {
            kind,
            faults: of_kind().count(),
            of_the_primary: of_kind().filter(|fault| fault.was_primary).count(),
            recovery: Spread::of(of_kind().map(|fault| fault.recovery_ms)),
            after_heal: Spread::of(of_kind().map(|fault| fault.after_heal_ms)),
            rejoin: Spread::of(of_kind().map(|fault| fault.rejoin_ms)),
            ready: Spread::of(of_kind().map(|fault| fault.ready_ms)),
            left_waiting: of_kind().filter(|fault| fault.ready_ms.is_none()).count(),
        }
    };
    let kinds = Kind::ALL.map(|row| Some(row.0));
    kinds.into_iter().chain([None]).map(row).filter(|row| row.faults > 0).collect()
}

/// What the load measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LoadFigures {
    #[serde(flatten)]
    pub(super) totals: Totals,
    /// Why commands failed.
    pub(super) failures: BTreeMap<String, usize>,
    /// Commands a second that were asked for.
    pub(super) rate: f64,
    /// Acknowledged commands a second, over the time of the load.
    pub(super) acknowledged_per_second: f64,
    /// Times from sending to the verified receipt.
    pub(super) latency_p50_ms: Option<f64>,
    pub(super) latency_p99_ms: Option<f64>,
    /// The longest time between two acknowledgements, and when it began.
    pub(super) longest_gap_ms: Option<f64>,
    pub(super) longest_gap_at_ms: Option<f64>,
}

impl LoadFigures {
    /// The figures of a load of `seconds`.
    pub(super) fn of(history: &History, rate: f64, seconds: f64) -> Self {
        let totals = history.totals();
        let latencies = history.latencies();
        let gap = history.longest_gap();
        Self {
            failures: history.failures(),
            rate,
            acknowledged_per_second: totals.acknowledged as f64 / seconds,
            latency_p50_ms: percentile(&latencies, 50),
            latency_p99_ms: percentile(&latencies, 99),
            longest_gap_ms: gap.map(|gap| gap.0),
            longest_gap_at_ms: gap.map(|gap| gap.1),
            totals,
        }
    }
}

/// What was found when all was quiet.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Ending {
    /// Entries in the log, which is the same on all nodes.
    pub(super) entries: u64,
    /// Its root.
    pub(super) root: String,
    /// The epoch that the group is in.
    pub(super) epoch: u64,
    /// How many anchors the audit found in the contract and in the log.
    pub(super) anchors: u64,
    /// How many entries the contract's newest anchor covers.
    pub(super) anchored_entries: Option<u64>,
    /// How many different logs the nodes were seen with, and receipts attested, all of them prefixes.
    pub(super) heads_compared: usize,
    /// Resident memory of each node, in MiB.
    pub(super) memory_mib: Vec<f64>,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChaosReport {
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    pub(super) seed: u64,
    pub(super) nodes: usize,
    pub(super) voters: usize,
    /// How long faults were injected.
    pub(super) seconds: f64,
    /// The kinds that were injected.
    pub(super) kinds: Vec<Kind>,
    /// The kinds that were not, and why.
    pub(super) left_out: BTreeMap<&'static str, String>,
    pub(super) load: LoadFigures,
    /// How many times a node was started again.
    pub(super) restarts: usize,
    pub(super) by_kind: Vec<KindRow>,
    pub(super) ending: Ending,
    /// What must not be; nothing when all is well.
    pub(super) objections: Vec<Objection>,
    /// Where data and logs are kept, if they are.
    pub(super) kept: Option<PathBuf>,
    /// Every fault in its order.
    pub(super) faults: Vec<Injected>,
}

impl Report for ChaosReport {
    fn text(&self) -> String {
        let mut text = format!("\n{}\n", self.faults_table());
        text.push_str(&self.figures());
        for (kind, why) in &self.left_out {
            text.push_str(&format!("  left out          {kind}: {why}\n"));
        }
        if self.objections.is_empty() {
            text.push_str(
                "\nNo judge objects: no acknowledged command is lost or there twice, all nodes have one log, every log\n\
                 that was ever shown is a prefix of it, nothing is held against anybody, and the audit verifies it.\n",
            );
        } else {
            text.push_str("\nObjections:\n");
            for objection in &self.objections {
                text.push_str(&format!("  {}: {}\n", objection.judge, objection.reason));
            }
        }
        text
    }
}

impl ChaosReport {
    fn faults_table(&self) -> String {
        let right = Align::Right;
        let mut table = Table::new(&[
            ("fault", Align::Left),
            ("what", Align::Left),
            ("times", right),
            ("primary", right),
            ("next commit p50", right),
            ("max ms", right),
            ("after heal p50", right),
            ("max ms", right),
            ("one log p50", right),
            ("max ms", right),
            ("all ready p50", right),
            ("max ms", right),
            ("left waiting", right),
        ]);
        for row in &self.by_kind {
            let (name, words) = match row.kind {
                Some(kind) => (kind.name(), kind.words()),
                None => ("all", ""),
            };
            let mut cells =
                vec![name.into(), words.into(), row.faults.to_string(), row.of_the_primary.to_string()];
            for spread in [row.recovery, row.after_heal, row.rejoin, row.ready] {
                cells.push(rounded(spread.map(|spread| spread.p50_ms)));
                cells.push(rounded(spread.map(|spread| spread.max_ms)));
            }
            cells.push(row.left_waiting.to_string());
            table.row(cells);
        }
        table.render()
    }

    fn figures(&self) -> String {
        let LoadFigures { totals, .. } = &self.load;
        let kinds: Vec<_> = totals.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let memory: Vec<_> = self.ending.memory_mib.iter().map(|mib| format!("{mib:.0}")).collect();
        format!(
            "  commands          {} sent ({}), {} acknowledged of which {} refused, {} failed\n\
             \x20                   {} sent again, {} held back\n\
             \x20 commits           {:.1} a second of {} asked for; p50 {} ms, p99 {} ms\n\
             \x20 longest gap       {} ms between two acknowledgements, at {:.0} s\n\
             \x20 log               {} entries in epoch {}, {} anchored by {} anchors; {} heads compared\n\
             \x20 nodes             {} with {} restarts; {} MiB of memory at last\n\
             \x20 run               {:.0} s with {} faults from seed {}\n",
            totals.sent,
            kinds.join(", "),
            totals.acknowledged,
            totals.refused,
            totals.failed,
            totals.repeated,
            totals.held_back,
            self.load.acknowledged_per_second,
            self.load.rate,
            rounded(self.load.latency_p50_ms),
            rounded(self.load.latency_p99_ms),
            rounded(self.load.longest_gap_ms),
            self.load.longest_gap_at_ms.unwrap_or_default() / 1_000.0,
            self.ending.entries,
            self.ending.epoch,
            self.ending.anchored_entries.unwrap_or_default(),
            self.ending.anchors,
            self.ending.heads_compared,
            self.nodes,
            self.restarts,
            memory.join(", "),
            self.seconds,
            self.faults.len(),
            self.seed
        )
    }
}

fn rounded(ms: Option<f64>) -> String {
    ms.map_or("–".into(), |ms| format!("{ms:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Kind, recovery: f64) -> Injected {
        let step = Step { number: 1, kind, target: None, hold_ms: 10, chance: 0 };
        Injected { recovery_ms: Some(recovery), was_primary: recovery > 5.0, ..Injected::begun(step, 0.0) }
    }

    #[test]
    fn faults_are_summed_up_by_kind_and_in_all() {
        let faults =
            [fault(Kind::Kill, 3.0), fault(Kind::Reorg, 1.0), fault(Kind::Kill, 9.0), fault(Kind::Kill, 4.0)];
        let rows = rows(&faults);
        let kinds: Vec<_> = rows.iter().map(|row| (row.kind, row.faults)).collect();
        assert_eq!(kinds, [(Some(Kind::Kill), 3), (Some(Kind::Reorg), 1), (None, 4)]);
        assert_eq!(rows[0].recovery, Some(Spread { p50_ms: 4.0, max_ms: 9.0 }));
        assert_eq!((rows[0].of_the_primary, rows[0].rejoin), (1, None));
        assert_eq!(rows[2].recovery, Some(Spread { p50_ms: 3.0, max_ms: 9.0 }));
    }

    #[test]
    fn a_line_tells_who_suffered_what() {
        let line = Injected { node: Some(3), lasted_ms: 1_500.0, ..fault(Kind::Pause, 812.3) }.line();
        assert!(line.starts_with("pause, node 3, which leads, for 1.5 s: next commit 812 ms"), "{line}");
        let line = fault(Kind::KillAll, 4.0).line();
        assert!(line.contains("after the heal") && line.contains("after – ms"), "{line}");
    }
}
