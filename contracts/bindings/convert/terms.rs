//! A group's terms.

use alloy::primitives::Uint;
use alloy::primitives::aliases::{U96, U112};
use quorate_protocol::class::MAX_CLASS_NAME;
use quorate_protocol::{AgentId, Basis, Opening, Scope};

use super::all;
use crate::{Class, Limit, Target, Terms, UnknownNumber};

/// Terms that are none of this version's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableTerms {
    /// A number that should stand for something.
    #[error("{what} {number}")]
    Number {
        /// What it should stand for.
        what: &'static str,
        /// The number.
        number: UnknownNumber,
    },
    /// A class' name that is no text.
    #[error("the name of class {class} is no text")]
    Name {
        /// The class.
        class: usize,
    },
}

/// Amounts that are out of the protocol's bounds become the largest that the contract has, and a name that is too long is
/// cut: whoever makes a group has [validated](quorate_protocol::Terms::validate) its terms.
impl From<&quorate_protocol::Terms> for Terms {
    fn from(terms: &quorate_protocol::Terms) -> Self {
        Self {
            classes: all(&terms.classes),
            stallTime: terms.stall_time_s,
            inboxDeadline: terms.inbox_deadline_s,
            recoveryTime: terms.recovery_time_s,
            inboxFee: U96::saturating_from(terms.inbox_fee),
            bond: terms.bond,
            evidenceWindow: terms.evidence_window_s,
            reporterShare: terms.reporter_share,
            uptimeFeed: terms.uptime_feed.0,
        }
    }
}

/// As for [`Terms`].
impl From<&quorate_protocol::Class> for Class {
    fn from(class: &quorate_protocol::Class) -> Self {
        let mut name = [0; MAX_CLASS_NAME];
        let length = class.name.len().min(MAX_CLASS_NAME);
        name[..length].copy_from_slice(&class.name.as_bytes()[..length]);
        Self {
            name: name.into(),
            scope: class.scope as u8,
            opening: class.opening as u8,
            escape: class.escape,
            revotes: class.revotes,
            basis: class.basis as u8,
            threshold: class.threshold,
            turnout: class.turnout,
            veto: class.veto,
            votingPeriod: class.voting_period_s,
            timelock: class.timelock_s,
            expiry: class.expiry_s,
            window: class.window_s,
            limits: all(&class.limits),
            targets: all(&class.targets),
        }
    }
}

impl From<&quorate_protocol::Limit> for Limit {
    fn from(limit: &quorate_protocol::Limit) -> Self {
        Self {
            asset: limit.asset.0,
            perDecision: U112::saturating_from(limit.per_decision),
            perWindow: U112::saturating_from(limit.per_window),
        }
    }
}

impl From<&quorate_protocol::Target> for Target {
    fn from(target: &quorate_protocol::Target) -> Self {
        Self { target: target.target.0, selector: target.selector }
    }
}

impl From<&Limit> for quorate_protocol::Limit {
    fn from(limit: &Limit) -> Self {
        Self {
            asset: AgentId(limit.asset),
            per_decision: amount(limit.perDecision),
            per_window: amount(limit.perWindow),
        }
    }
}

impl From<&Target> for quorate_protocol::Target {
    fn from(target: &Target) -> Self {
        Self { target: AgentId(target.target), selector: target.selector }
    }
}

fn amount<const BITS: usize>(amount: Uint<BITS, 2>) -> u128 {
    const { assert!(BITS <= 128) };
    amount.to()
}

/// The terms, not yet [validated](quorate_protocol::Terms::validate).
impl TryFrom<&Terms> for quorate_protocol::Terms {
    type Error = UnreadableTerms;

    fn try_from(terms: &Terms) -> Result<Self, UnreadableTerms> {
        let classes = terms.classes.iter().enumerate().map(|(at, class)| read_class(at, class));
        Ok(Self {
            classes: classes.collect::<Result<_, _>>()?,
            stall_time_s: terms.stallTime,
            inbox_deadline_s: terms.inboxDeadline,
            recovery_time_s: terms.recoveryTime,
            inbox_fee: amount(terms.inboxFee),
            bond: terms.bond,
            evidence_window_s: terms.evidenceWindow,
            reporter_share: terms.reporterShare,
            uptime_feed: AgentId(terms.uptimeFeed),
        })
    }
}

fn read_class(at: usize, class: &Class) -> Result<quorate_protocol::Class, UnreadableTerms> {
    Ok(quorate_protocol::Class {
        name: name(class).ok_or(UnreadableTerms::Name { class: at })?,
        scope: named(
            "scope",
            class.scope,
            [Scope::Decisions, Scope::Payments, Scope::Calls, Scope::Anything],
        )?,
        opening: named("opening", class.opening, [Opening::Never, Opening::Stalled, Opening::Always])?,
        escape: class.escape,
        revotes: class.revotes,
        basis: named("basis", class.basis, [Basis::All, Basis::Cast])?,
        threshold: class.threshold,
        turnout: class.turnout,
        veto: class.veto,
        voting_period_s: class.votingPeriod,
        timelock_s: class.timelock,
        expiry_s: class.expiry,
        window_s: class.window,
        limits: all(&class.limits),
        targets: all(&class.targets),
    })
}

/// The case with this number, where `cases` are all in the order of their numbers.
fn named<T: Copy, const N: usize>(
    what: &'static str,
    number: u8,
    cases: [T; N],
) -> Result<T, UnreadableTerms> {
    let unknown = UnreadableTerms::Number { what, number: UnknownNumber(number) };
    cases.get(usize::from(number)).copied().ok_or(unknown)
}

/// The text before the zeros that fill the word up.
fn name(class: &Class) -> Option<String> {
    let padded = class.name;
    let length = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    std::str::from_utf8(&padded[..length]).ok().map(str::to_owned)
}
