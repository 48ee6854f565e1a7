//! What a voter must not miss of what happens on-chain: a proposal that takes votes there, one that waits for its timelock and
//! can still be objected to, members that leave, a group that has stalled.

use quorate_sdk::{Alert, Client, OnChain, OnChainOptions};

use crate::output::complain;
use crate::output::terminal::page;

/// The alerts, a line each, with what to do about them.
pub(crate) fn lines(on_chain: &OnChain) -> Vec<String> {
    on_chain.alerts().iter().map(|alert| line(alert, on_chain.time_s)).collect()
}

/// The alerts as text, nothing where there are none.
pub(crate) fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("! {line}\n")).collect()
}

/// Says on standard error what is open, approved or given notice of on-chain, as far as the nodes tell and the contract
/// confirms. A command that did its work does not fail because that cannot be read.
pub(crate) async fn warn(client: &Client) {
    match client.on_chain(OnChainOptions { from_block: None, most: 32 }).await {
        Ok(on_chain) => complain(&page(&text(&lines(&on_chain)))),
        Err(error) => complain(&page(&format!("! what happens on-chain could not be read: {error}\n"))),
    }
}

/// A time, and how far away it is by the chain's clock.
pub(crate) fn when(at_s: u64, now_s: u64) -> String {
    let (way, seconds) = if at_s >= now_s { ("in", at_s - now_s) } else { ("over for", now_s - at_s) };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let span = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    };
    format!("{at_s} s ({way} {span})")
}

fn line(alert: &Alert, now_s: u64) -> String {
    match alert {
        Alert::Approved { proposal, executable_s: (from, until), objections } => {
            let weight = objections.map_or_else(|| "enough".to_owned(), |weight| weight.to_string());
            format!(
                "proposal {proposal} is approved on-chain and can be executed from {} until {until} s, unless voters of weight {weight} object before: `quorate veto sign {proposal} FILE`",
                when(*from, now_s)
            )
        }
        Alert::Open { proposal, until_s } => format!(
            "proposal {proposal} is open on-chain until {}: `quorate vote {proposal} for --on-chain`, or against",
            when(*until_s, now_s)
        ),
        Alert::Withheld { proposal } => format!(
            "proposal {proposal} is known to the contract, and the RPC endpoint withholds what it is about: use another (--rpc)"
        ),
        Alert::Stalled { since_s } => format!(
            "the group has stalled: a message of its inbox waits since {}, and the on-chain lane is open",
            when(*since_s, now_s)
        ),
        Alert::Dead { since_s } => format!(
            "the group is dead: a message of its inbox waits since {}, and the voters may replace the replicas (`quorate recover`)",
            when(*since_s, now_s)
        ),
        Alert::Leaving { member, exit_s } => {
            format!("replica {member} gave notice: its signature counts until {}", when(*exit_s, now_s))
        }
        Alert::Left { member } => format!("member {member} left: its vote counts no more"),
        Alert::Convicted { member } => {
            format!("replica {member} was convicted of signing checkpoints that contradict each other")
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::ProposalId;

    use super::*;

    #[test]
    fn a_time_says_how_far_away_it_is() {
        assert_eq!(when(1_000, 1_000), "1000 s (in 0 s)");
        assert_eq!(when(4_660, 1_000), "4660 s (in 1 h 1 min)");
        assert_eq!(when(1_000, 1_120), "1000 s (over for 2 min)");
        assert_eq!(when(1_000 + 90_000, 1_000), "91000 s (in 1 d 1 h)");
    }

    #[test]
    fn what_waits_for_its_timelock_says_until_when_it_can_be_taken_back_and_how() {
        let proposal = ProposalId::from([1; 32]);
        let alert = Alert::Approved { proposal, executable_s: (4_600, 9_000), objections: Some(2) };
        let said = line(&alert, 1_000);
        assert!(said.contains("4600 s (in 1 h 0 min)") && said.contains("weight 2"), "{said}");
        assert!(said.contains(&format!("quorate veto sign {proposal}")), "{said}");
    }
}
