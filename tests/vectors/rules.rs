//! What is decided by arithmetic alone: verdicts, windows, and the end of a decision.

use quorate_protocol::class::{DAY_S, HOUR_S, MAX_LIMIT};
use quorate_protocol::{Basis, Class, TimestampMs, Weights, Window};
use serde_json::json;

use crate::pinned;
use crate::random::Random;

/// Rows of numbers, which may be large.
fn table(name: &str, columns: usize, rows: &[Vec<u128>]) {
    assert!(rows.iter().all(|row| row.len() == columns), "{name} has {columns} columns");
    let values: Vec<String> = rows.iter().flatten().map(u128::to_string).collect();
    pinned(name, &json!({ "columns": columns, "values": values }));
}

/// What votes decide, by every kind of class: rows of threshold, basis, turnout, veto, whether votes change, the weights
/// for, against, abstaining and of all, and the verdicts before and after the end of the voting (0 open, else the status).
#[test]
fn policies() {
    let mut random = Random::new();
    let mut random = |below| random.below(below);
    let mut rows = Vec::new();
    for _ in 0..600 {
        let basis = random(2);
        let class = Class {
            threshold: [5_001, 6_666, 7_500, 10_000, 5_001 + random(5_000) as u16][random(5) as usize],
            basis: if basis == 0 { Basis::All } else { Basis::Cast },
            turnout: [basis as u16, 2_500, 5_000, 10_000][random(4) as usize],
            veto: [0, 0, 3_333, 1 + random(10_000) as u16][random(4) as usize],
            revotes: random(4) == 0,
            ..Class::of_weight(1, 1, 60)
        };
        // Small groups, where weights meet their thresholds exactly, and weights as large as they get.
        let unit = [1, 1, 1, u128::from(u64::MAX)][random(4) as usize];
        let [in_favour, against, abstain, left] = [8, 6, 4, 8].map(|most| u128::from(random(most)) * unit);
        let total = (in_favour + against + abstain + left).max(1);
        let weights = Weights { in_favour, against, abstain, total };
        let verdict = |ended| class.verdict(&weights, ended).map_or(0, |status| status as u128);
        let parts = [class.threshold, basis as u16, class.turnout, class.veto, u16::from(class.revotes)];
        let weights = [in_favour, against, abstain, total, verdict(false), verdict(true)];
        rows.push(parts.map(u128::from).into_iter().chain(weights).collect());
    }
    table("policies.json", 11, &rows);
}

/// Histories of charges: rows of history, window, limit, time, sum, whether it is taken, what is left before, and the
/// window's bucket, previous and current sum after.
#[test]
fn windows() {
    let mut random = Random::new();
    let mut rows = Vec::new();
    for history in 0..24u128 {
        let window_s = [HOUR_S, DAY_S, 7 * DAY_S, 12_345][random.below(4) as usize];
        let limit = [100, 1_000, MAX_LIMIT][random.below(3) as usize];
        let mut now = 1_700_000_000 + random.below(1_000_000);
        let mut window = Window::default();
        for _ in 0..12 {
            let left = window.left(window_s, limit, now);
            let sum = match random.below(6) {
                0 => left,
                1 => left.saturating_add(1),
                2 => limit / 2,
                3 => limit,
                _ => limit * u128::from(random.below(40)) / 100,
            };
            let charged = window.charge(window_s, limit, now, sum);
            window = charged.unwrap_or(window);
            let Window { bucket, previous, current } = window;
            let (taken, bucket) = (u128::from(charged.is_ok()), u128::from(bucket));
            rows.push(vec![
                history,
                window_s.into(),
                limit,
                now.into(),
                sum,
                taken,
                left,
                bucket,
                previous,
                current,
            ]);
            // Within the bucket, to its very end, over into the next, and far beyond.
            let window_s = u64::from(window_s);
            now += match random.below(5) {
                0 => 0,
                1 => window_s - 1 - now % window_s,
                2 => window_s - now % window_s,
                3 => random.below(2 * window_s),
                _ => random.below(window_s / 2),
            };
        }
    }
    let taken = rows.iter().filter(|row| row[5] == 1).count();
    assert!(taken > 100 && rows.len() - taken > 40, "{taken} of {} are taken", rows.len());
    table("windows.json", 10, &rows);
}

/// The last second of a decision: rows of the entry's time in milliseconds, the class' expiry, and that second.
#[test]
fn decisions() {
    let mut rows = Vec::new();
    for timestamp_ms in [0, 999, 1_000, 1_700_000_000_000, 1_700_000_000_999, 1_700_000_001_000, u64::MAX] {
        for expiry_s in [HOUR_S, 12_345, DAY_S, 365 * DAY_S] {
            let class = Class { expiry_s, ..Class::of_weight(3, 4, 60) };
            let ends = class.ends(TimestampMs(timestamp_ms));
            rows.push(vec![timestamp_ms.into(), expiry_s.into(), ends.into()]);
        }
    }
    table("decisions.json", 3, &rows);
}
