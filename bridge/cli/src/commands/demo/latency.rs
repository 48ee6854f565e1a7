//! How long a command takes, measured over a burst.
//!
//! Every organisation proposes in a loop of its own, and all loops run at once. A round is a proposal without
//! calls and the votes that approve it, each sent when the receipt of the one before has verified: a closed loop
//! with as many commands on their way as there are organisations. The time of a command is from before its signing
//! until its receipt verified.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Choice, DecisionStatus, Weights};

use super::report::Latency;
use super::stage::Stage;
use crate::error::CliError;
use crate::scenario::OFF_CHAIN_CLASS;

/// How long the decision of a round may take.
const ROUND_LIMIT: Duration = Duration::from_secs(20);

impl Stage<'_> {
    /// Measures the scenario's burst.
    pub(super) async fn measure_latency(&self) -> Result<Latency, CliError> {
        let voters = self.approving_voters();
        let commands_a_round = 1 + voters.len();
        let lanes = self.scenario.organisations.len();
        let rounds = self.scenario.burst.div_ceil(commands_a_round);
        self.progress.waiting(format!("measuring the latency of {} commands", rounds * commands_a_round));
        let start = Instant::now();
        let each = (0..lanes).map(|lane| self.lane(lane, (lane..rounds).step_by(lanes).count(), &voters));
        let mut times: Vec<Duration> = try_join_all(each).await?.concat();
        let elapsed = start.elapsed();
        times.sort_unstable();
        Ok(Latency {
            commands: times.len(),
            decisions: rounds,
            concurrency: lanes,
            p50_ms: milliseconds(percentile(&times, 50)),
            p99_ms: milliseconds(percentile(&times, 99)),
            commands_per_second: times.len() as f64 / elapsed.as_secs_f64(),
        })
    }

    async fn lane(
        &self,
        proposer: usize,
        rounds: usize,
        voters: &[usize],
    ) -> Result<Vec<Duration>, CliError> {
        let mut times = Vec::new();
        for round in 0..rounds {
            let operation = Propose {
                salt: rand::random(),
                description: format!("measurement {round} of {}", self.name(proposer)),
                calls: Vec::new(),
                class: OFF_CHAIN_CLASS,
            };
            let start = Instant::now();
            let proposed = self.client.propose(self.agent(proposer), operation).await?;
            times.push(start.elapsed());
            for voter in voters {
                let start = Instant::now();
                self.client.vote(self.agent(*voter), proposed.proposal, Choice::For).await?;
                times.push(start.elapsed());
            }
            let decided = self.client.wait(proposed.proposal, ROUND_LIMIT).await?;
            if decided.record.decision.status != DecisionStatus::Approved {
                return Err(CliError::Verification(format!("{} was not approved", proposed.proposal)));
            }
        }
        Ok(times)
    }

    /// Just enough voters to approve, the weightiest first.
    fn approving_voters(&self) -> Vec<usize> {
        let organisations = &self.scenario.organisations;
        let mut by_weight: Vec<usize> = (0..organisations.len()).collect();
        by_weight.sort_by_key(|at| std::cmp::Reverse(organisations[*at].weight));
        let total = organisations.iter().map(|organisation| u128::from(organisation.weight)).sum();
        let mut weights = Weights { total, ..Weights::default() };
        by_weight
            .into_iter()
            .take_while(|at| {
                let needed = self.scenario.class.verdict(&weights, false).is_none();
                weights.in_favour += u128::from(organisations[*at].weight);
                needed
            })
            .collect()
    }
}

/// The smallest of the sorted `times` that `percent` of them do not exceed (nearest rank).
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
