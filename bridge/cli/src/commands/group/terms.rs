//! How a group's terms are shown.

use quorate_protocol::{Basis, Class, ETHER, Limit, Opening, Scope, Terms, U256};

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
    let strangers = match terms.inbox_fee {
        0 => "closed to all but members".to_owned(),
        fee => format!("{} a KiB for all but members", amount::ether(U256::from(fee))),
    };
    let recovery = match terms.recovery_time_s {
        0 => "never".to_owned(),
        time => format!("by the voters after {time} s without an answer to the inbox"),
    };
    format!(
        "inbox    commands put on-chain are taken in within {} s; {strangers}\nstall    after {} s without an answer to the inbox\nrecovery {recovery}\nbonds    {bonds}\n",
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
    for class in &terms.classes {
        table.row([
            class.name.clone(),
            approval(class),
            about(class),
            format!("{} s", class.voting_period_s),
            format!("{} s", class.timelock_s),
            format!("{} s", class.expiry_s),
            lane(class),
        ]);
    }
    table.render()
}

fn approval(class: &Class) -> String {
    let of = match class.basis {
        Basis::All => "of all",
        Basis::Cast => "of votes",
    };
    let mut text = format!("{} {of}", percent(class.threshold));
    if class.turnout > 0 {
        text += &format!(", turnout {}", percent(class.turnout));
    }
    if class.veto > 0 {
        text += &format!(", veto {}", percent(class.veto));
    }
    if class.revotes {
        text += ", votes may change";
    }
    text
}

fn about(class: &Class) -> String {
    let scope = match class.scope {
        Scope::Decisions => "decisions",
        Scope::Payments => "payments",
        Scope::Calls => "calls",
        Scope::Anything => "anything",
    };
    let limits = class.limits.iter().map(|limit| about_limit(class, limit));
    let targets = class.targets.iter().map(|target| match target.selector.is_zero() {
        true => format!("payments to {}", target.target),
        false => format!("{} at {}", target.selector, target.target),
    });
    let parts: Vec<String> = std::iter::once(scope.to_owned()).chain(limits).chain(targets).collect();
    parts.join("; ")
}

fn about_limit(class: &Class, limit: &Limit) -> String {
    let money = |sum: u128| match limit.asset {
        ETHER => amount::ether(U256::from(sum)),
        token => format!("{sum} of {token}"),
    };
    let once = format!("{} at once", money(limit.per_decision));
    match class.window_s {
        0 => once,
        window => format!("{once}, {} in {window} s", money(limit.per_window)),
    }
}

fn lane(class: &Class) -> String {
    let open = match class.opening {
        Opening::Never => "never",
        Opening::Stalled => "when stalled",
        Opening::Always => "always",
    };
    if class.escape { format!("{open}, escape") } else { open.to_owned() }
}

fn percent(points: u16) -> String {
    let (whole, rest) = (points / 100, points % 100);
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{rest:02} %") }
}
