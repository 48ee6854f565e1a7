//! What the demo found out, as data and as text.

use quorate_protocol::{B256, DecisionStatus, Digest, EntryIndex, GroupIdentity, ProposalId};
use quorate_sdk::audit::{AuditReport, Finding};
use serde::Serialize;

use crate::amount;
use crate::output::table::{Align, Table};
use crate::output::{Report, short};

/// The result of a demo in which everything verified.
#[derive(Debug, Serialize)]
pub(super) struct DemoReport {
    /// The scenario.
    pub(super) title: String,
    /// Where the group lived.
    pub(super) group: GroupIdentity,
    /// The account that the group shared.
    pub(super) account: String,
    /// Its nodes.
    pub(super) nodes: usize,
    /// What was decided.
    pub(super) decisions: Vec<DecisionRow>,
    /// What was tried and had no effect.
    pub(super) refusals: Vec<RefusalRow>,
    /// The nodes that were killed.
    pub(super) outages: Vec<Outage>,
    /// What was paid.
    pub(super) payments: Vec<Payment>,
    /// What an outsider verified.
    pub(super) audit: Audit,
    /// What was measured.
    pub(super) figures: Figures,
    /// How long everything took, in seconds.
    pub(super) elapsed_s: f64,
}

/// One decision.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DecisionRow {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) proposal: ProposalId,
    pub(super) proposer: String,
    pub(super) lane: &'static str,
    pub(super) status: DecisionStatus,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    pub(super) for_weight: u128,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    pub(super) against_weight: u128,
    #[serde(serialize_with = "quorate_protocol::decimal::serialize")]
    pub(super) abstain_weight: u128,
    /// The entry in the log; none in the on-chain lane.
    pub(super) entry: Option<u64>,
    /// What it pays when it is approved.
    pub(super) pays: Option<String>,
    /// Whether that was paid.
    pub(super) executed: bool,
}

/// Something that was tried and had no effect.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RefusalRow {
    pub(super) what: String,
    pub(super) outcome: String,
}

/// A node that was killed and came back.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outage {
    pub(super) node: usize,
    pub(super) organisation: String,
    pub(super) was_primary: bool,
    /// Milliseconds from the kill to the next verified receipt.
    pub(super) stopped_ms: Option<u128>,
    /// Milliseconds from the restart until the node had the others' log.
    pub(super) catch_up_ms: Option<u128>,
    /// The log that all nodes had then.
    pub(super) log_size: Option<u64>,
    pub(super) log_root: Option<Digest>,
}

/// A payment on-chain.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Payment {
    pub(super) name: String,
    pub(super) lane: &'static str,
    pub(super) payee: String,
    pub(super) amount_wei: String,
    pub(super) balance_before_wei: String,
    pub(super) balance_after_wei: String,
    pub(super) account_after_wei: String,
    pub(super) transaction: B256,
    pub(super) gas: u64,
}

/// What an outsider verified.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Audit {
    /// The one node that was asked, and not trusted.
    pub(super) node: String,
    /// What the audit of its log found.
    pub(super) report: AuditReport,
    /// How a copy with one changed entry was found out.
    pub(super) tampered: Tampered,
}

/// A copy of the log with one changed entry.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tampered {
    /// The entry that was changed.
    pub(super) entry: EntryIndex,
    /// What was changed about it.
    pub(super) change: String,
    /// What the audit of the copy found, and where.
    pub(super) finding: Finding,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) latency: Latency,
    /// Anchors that the contract accepted.
    pub(super) anchors: u64,
    /// Entries under the last of them.
    pub(super) anchored_entries: u64,
    pub(super) entries_per_anchor: f64,
    /// Mean gas of an anchor's transaction.
    pub(super) gas_per_anchor: u64,
    /// Gas of all anchors by all anchored entries.
    pub(super) gas_per_entry: u64,
    /// What a decision with its payment costs in the log, if one was paid.
    pub(super) anchored_decision: Option<AnchoredCost>,
    /// What a decision with its payment costs by transactions alone, if one was taken.
    pub(super) on_chain_decision: Option<OnChainCost>,
}

/// How long a command took from its signature to its verified receipt.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) commands: usize,
    pub(super) decisions: usize,
    /// Commands on their way at once.
    pub(super) concurrency: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) commands_per_second: f64,
}

/// Gas of a decision in the log.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AnchoredCost {
    /// Its entries: the proposal, the votes and the decision.
    pub(super) entries: u64,
    /// Their share of the anchors' gas.
    pub(super) entries_gas: u64,
    /// Gas of the execution by proof.
    pub(super) execution_gas: u64,
    pub(super) total_gas: u64,
}

/// Gas of a decision in the on-chain lane.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct OnChainCost {
    pub(super) propose_gas: u64,
    pub(super) votes: u64,
    pub(super) votes_gas: u64,
    pub(super) execution_gas: u64,
    pub(super) total_gas: u64,
}

impl DemoReport {
    fn decisions_table(&self) -> String {
        let mut table = Table::new(&[
            ("proposal", Align::Left),
            ("lane", Align::Left),
            ("for", Align::Right),
            ("against", Align::Right),
            ("decision", Align::Left),
            ("entry", Align::Right),
            ("pays", Align::Left),
            ("paid", Align::Left),
        ]);
        for row in &self.decisions {
            table.row([
                row.name.clone(),
                row.lane.to_owned(),
                row.for_weight.to_string(),
                row.against_weight.to_string(),
                format!("{:?}", row.status).to_lowercase(),
                row.entry.map_or_else(|| "–".into(), |entry| entry.to_string()),
                row.pays.clone().unwrap_or_else(|| "–".into()),
                if row.executed { "yes" } else { "no" }.to_owned(),
            ]);
        }
        table.render()
    }

    fn figures_text(&self) -> String {
        let Figures {
            latency,
            anchors,
            anchored_entries,
            entries_per_anchor,
            gas_per_anchor,
            gas_per_entry,
            ..
        } = &self.figures;
        let mut text = format!(
            "  commit latency       p50 {:.1} ms, p99 {:.1} ms (from signing to the verified receipt; {} commands\n                       that made {} decisions, {} at a time, {:.0} commands/s; all nodes on this machine)\n",
            latency.p50_ms,
            latency.p99_ms,
            latency.commands,
            latency.decisions,
            latency.concurrency,
            latency.commands_per_second
        );
        text.push_str(&format!(
            "  entries per anchor   {entries_per_anchor:.0} ({anchored_entries} entries under {anchors} anchors)\n"
        ));
        text.push_str(&format!("  gas of an anchor     {} (mean)\n", digits(*gas_per_anchor)));
        text.push_str(&format!("  gas per entry        {} (anchors by entries)\n", digits(*gas_per_entry)));
        if let Some(cost) = &self.figures.anchored_decision {
            text.push_str(&format!(
                "  gas per decision     {} in the log: {} for its {} entries and {} for the execution by proof\n",
                digits(cost.total_gas),
                digits(cost.entries_gas),
                cost.entries,
                digits(cost.execution_gas)
            ));
        }
        if let Some(cost) = &self.figures.on_chain_decision {
            text.push_str(&format!(
                "                       {} on-chain: {} to propose, {} for {} votes and {} for the execution\n",
                digits(cost.total_gas),
                digits(cost.propose_gas),
                digits(cost.votes_gas),
                cost.votes,
                digits(cost.execution_gas)
            ));
        }
        text
    }
}

impl Report for DemoReport {
    fn text(&self) -> String {
        format!(
            "\nDecisions of group {}\n\n{}\nFigures\n\n{}\nEverything verified, in {:.1} s.\n",
            short(self.group.group),
            self.decisions_table(),
            self.figures_text(),
            self.elapsed_s
        )
    }
}

impl Payment {
    /// The payment as a sentence.
    pub(super) fn sentence(&self) -> String {
        let wei = |text: &str| text.parse().map(amount::ether).unwrap_or_else(|_| text.to_owned());
        format!(
            "{} had {} and has {}; the group's account has {} left.",
            self.payee,
            wei(&self.balance_before_wei),
            wei(&self.balance_after_wei),
            wei(&self.account_after_wei)
        )
    }
}

/// A number with a comma between thousands.
fn digits(number: u64) -> String {
    let text = number.to_string();
    let mut grouped = String::with_capacity(text.len() + text.len() / 3);
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 12, 123, 1_234, 123_456, 1_234_567].map(digits),
            ["0", "12", "123", "1,234", "123,456", "1,234,567"]
        );
    }
}
