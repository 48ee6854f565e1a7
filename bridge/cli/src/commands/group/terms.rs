//! How a group's terms are shown.

use quorate_protocol::{Basis, Policy, Scope, Terms, U256};

use crate::amount;
use crate::output::table::{Align, Table};

/// What holds for all classes, a line each.
pub(super) fn summary(terms: &Terms) -> String {
    let bonds = if terms.bond == 0 {
        "none".to_owned()
    } else {
        format!(
            "{} a replica; {} of a forfeited one to the reporter; evidence counts for {} s after its epoch",
            amount::ether(U256::from(terms.bond)),
            percent(terms.reporter_share),
            terms.evidence_window_s
        )
    };
    format!(
        "inbox    commands put on-chain are taken in within {} s\nstall    after {} s without an anchor\nbonds    {bonds}\n",
        terms.inbox_deadline_s, terms.stall_time_s
    )
}

/// A row for each class.
pub(super) fn classes_table(terms: &Terms) -> String {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("approves", Align::Left),
        ("about", Align::Left),
        ("voting", Align::Right),
        ("timelock", Align::Right),
        ("expiry", Align::Right),
        ("on-chain", Align::Left),
    ]);
    for policy in &terms.classes {
        table.row([
            policy.name.clone(),
            approval(policy),
            about(policy),
            format!("{} s", policy.voting_period_s),
            format!("{} s", policy.timelock_s),
            if policy.expiry_s == 0 { "none".into() } else { format!("{} s", policy.expiry_s) },
            lane(policy),
        ]);
    }
    table.render()
}

fn approval(policy: &Policy) -> String {
    let of = match policy.basis {
        Basis::All => "of all",
        Basis::Cast => "of votes",
    };
    let mut text = format!("{} {of}", percent(policy.threshold));
    if policy.turnout > 0 {
        text += &format!(", turnout {}", percent(policy.turnout));
    }
    if policy.veto > 0 {
        text += &format!(", veto {}", percent(policy.veto));
    }
    if policy.revotes {
        text += ", votes may change";
    }
    text
}

fn about(policy: &Policy) -> String {
    let scope = match policy.scope {
        Scope::Decisions => return "decisions".to_owned(),
        Scope::Payments => "payments",
        Scope::Calls => "calls",
        Scope::Anything => "anything",
    };
    match policy.value_limit {
        u128::MAX => scope.to_owned(),
        limit => format!("{scope} up to {}", amount::ether(U256::from(limit))),
    }
}

fn lane(policy: &Policy) -> String {
    let open = if policy.only_stalled { "when stalled" } else { "always" };
    if policy.escape { format!("{open}, escape") } else { open.to_owned() }
}

fn percent(points: u16) -> String {
    let (whole, rest) = (points / 100, points % 100);
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{rest:02} %") }
}
