//! What became of every command that was sent, and what follows from it: recovery, gaps, rates.
//!
//! Times are milliseconds since the run's start.

use std::collections::BTreeMap;

/// A digest or a root.
pub(crate) type Hash = [u8; 32];

/// A command that was signed and sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// What it does, such as `vote`.
    pub(crate) what: &'static str,
    /// Its digest.
    pub(crate) digest: Hash,
    /// When it was sent.
    pub(crate) at: f64,
    /// What came of it; nothing while it is on its way.
    pub(crate) outcome: Option<Outcome>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A receipt that verified.
    Acknowledged(Acknowledged),
    /// No receipt, and why.
    Failed(String),
}

/// What a verified receipt says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Acknowledged {
    /// When it was verified.
    pub(crate) at: f64,
    /// The entry's index.
    pub(crate) index: u64,
    /// The entry's leaf hash.
    pub(crate) leaf: Hash,
    /// The size that the quorum attested.
    pub(crate) size: u64,
    /// The root over it.
    pub(crate) root: Hash,
    /// Whether the group refused the command, which is an entry, too.
    pub(crate) refused: bool,
}

/// A command that was sent a second time after it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    /// Its digest.
    pub(crate) digest: Hash,
    /// The entry of the first answer.
    pub(crate) first: u64,
    /// The entry of the second.
    pub(crate) second: u64,
}

/// All commands of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    sent: Vec<Sent>,
    repeated: Vec<Repeated>,
    held_back: u64,
}

/// Totals of a history.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Totals {
    /// Commands that were sent.
    pub(crate) sent: usize,
    /// Commands whose receipt verified.
    pub(crate) acknowledged: usize,
    /// Of these, those that the group refused.
    pub(crate) refused: usize,
    /// Commands without a receipt.
    pub(crate) failed: usize,
    /// Commands that were acknowledged and sent once more.
    pub(crate) repeated: usize,
    /// Commands that were due but not sent, because too many were on their way.
    pub(crate) held_back: u64,
    /// Sent commands of each kind.
    pub(crate) by_kind: BTreeMap<&'static str, usize>,
}

impl History {
    /// Notes a command that is about to be sent, and gives its number.
    pub(crate) fn send(&mut self, what: &'static str, digest: Hash, at: f64) -> usize {
        self.sent.push(Sent { what, digest, at, outcome: None });
        self.sent.len() - 1
    }

    /// Notes what came of a command.
    pub(crate) fn settle(&mut self, number: usize, outcome: Outcome) {
        self.sent[number].outcome = Some(outcome);
    }

    /// Notes that a command was sent again, and with which answer.
    pub(crate) fn repeat(&mut self, repeated: Repeated) {
        self.repeated.push(repeated);
    }

    /// Notes that a command was due and not sent.
    pub(crate) fn hold_back(&mut self) {
        self.held_back += 1;
    }

    /// The commands that were sent again.
    pub(crate) fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// How many commands have no outcome yet.
    pub(crate) fn on_their_way(&self) -> usize {
        self.sent.iter().filter(|sent| sent.outcome.is_none()).count()
    }

    /// The acknowledged commands, in the order in which they were sent.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&Sent, &Acknowledged)> {
        self.sent.iter().filter_map(|sent| match &sent.outcome {
            Some(Outcome::Acknowledged(acknowledged)) => Some((sent, acknowledged)),
            _ => None,
        })
    }

    /// Why commands failed, with how many of each reason.
    pub(crate) fn failures(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for sent in &self.sent {
            if let Some(Outcome::Failed(reason)) = &sent.outcome {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        reasons
    }

    /// How long after `from` the first command that was sent after it was acknowledged.
    pub(crate) fn recovery(&self, from: f64) -> Option<f64> {
        // Commands are sent in the order of their numbers.
        let first = self.sent.partition_point(|sent| sent.at < from);
        let at = |sent: &Sent| match &sent.outcome {
            Some(Outcome::Acknowledged(acknowledged)) => Some(acknowledged.at),
            _ => None,
        };
        self.sent[first..].iter().filter_map(at).min_by(f64::total_cmp).map(|at| at - from)
    }

    /// The longest time between two acknowledgements, and when it began.
    pub(crate) fn longest_gap(&self) -> Option<(f64, f64)> {
        let mut times: Vec<f64> = self.acknowledged().map(|(_, acknowledged)| acknowledged.at).collect();
        times.sort_unstable_by(f64::total_cmp);
        let gaps = times.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
        gaps.max_by(|one, other| one.0.total_cmp(&other.0))
    }

    /// Times from sending to the verified receipt, ascending.
    pub(crate) fn latencies(&self) -> Vec<f64> {
        let mut times: Vec<f64> =
            self.acknowledged().map(|(sent, acknowledged)| acknowledged.at - sent.at).collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    /// How many there were of what.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            sent: self.sent.len(),
            held_back: self.held_back,
            repeated: self.repeated.len(),
            ..Totals::default()
        };
        for sent in &self.sent {
            *totals.by_kind.entry(sent.what).or_default() += 1;
            match &sent.outcome {
                Some(Outcome::Acknowledged(acknowledged)) => {
                    totals.acknowledged += 1;
                    totals.refused += usize::from(acknowledged.refused);
                }
                Some(Outcome::Failed(_)) => totals.failed += 1,
                None => {}
            }
        }
        totals
    }
}

/// The smallest of the ascending `values` that `percent` of them do not exceed (nearest rank).
pub(crate) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An acknowledgement of entry `index` whose hashes are made of that number.
    pub(crate) fn acknowledged(at: f64, index: u64) -> Acknowledged {
        let hash = [index as u8; 32];
        Acknowledged { at, index, leaf: hash, size: index + 1, root: hash, refused: false }
    }

    fn history(times: &[(f64, Option<f64>)]) -> History {
        let mut history = History::default();
        for (number, (sent, received)) in times.iter().enumerate() {
            let number = history.send("vote", [number as u8; 32], *sent);
            let outcome = match received {
                Some(at) => Outcome::Acknowledged(acknowledged(*at, number as u64)),
                None => Outcome::Failed("nobody answered".into()),
            };
            history.settle(number, outcome);
        }
        history
    }

    #[test]
    fn recovery_counts_only_what_was_sent_after_the_fault() {
        // The first was sent before the fault at 100 and acknowledged after it: that shows nothing.
        let history =
            history(&[(90.0, Some(110.0)), (120.0, None), (130.0, Some(400.0)), (140.0, Some(350.0))]);
        assert_eq!(history.recovery(100.0), Some(250.0));
        assert_eq!(history.recovery(135.0), Some(215.0));
        assert_eq!(history.recovery(141.0), None);
    }

    #[test]
    fn the_longest_gap_lies_between_acknowledgements_in_their_order() {
        let history = history(&[(0.0, Some(500.0)), (1.0, Some(10.0)), (2.0, Some(100.0)), (3.0, None)]);
        assert_eq!(history.longest_gap(), Some((400.0, 100.0)));
        assert_eq!(History::default().longest_gap(), None);
    }

    #[test]
    fn totals_tell_what_became_of_the_commands() {
        let mut history = history(&[(0.0, Some(1.0)), (0.0, None)]);
        history.send("cancel", [9; 32], 5.0);
        history.hold_back();
        let totals = history.totals();
        assert_eq!((totals.sent, totals.acknowledged, totals.failed, totals.held_back), (3, 1, 1, 1));
        assert_eq!(totals.by_kind, BTreeMap::from([("vote", 2), ("cancel", 1)]));
        assert_eq!(history.on_their_way(), 1);
        assert_eq!(history.failures(), BTreeMap::from([("nobody answered".into(), 1)]));
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(100.0));
        assert_eq!(percentile(&values, 99), Some(198.0));
        assert_eq!(percentile(&values, 100), Some(200.0));
        assert_eq!(percentile(&[], 50), None);
    }
}
