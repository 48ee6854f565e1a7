//! A group's terms, from the contract's words into those of `quorate-protocol`.

use alloy::primitives::FixedBytes;
use quorate_protocol::{Basis, Policy, Scope, Terms};

/// The terms, not yet validated. Fails with what cannot be read.
pub(super) fn read(terms: &crate::Terms) -> Result<Terms, String> {
    let classes = terms.classes.iter().map(policy).collect::<Result<_, _>>()?;
    Ok(Terms {
        classes,
        stall_time_s: terms.stallTime,
        inbox_deadline_s: terms.inboxDeadline,
        evidence_window_s: terms.evidenceWindow,
        reporter_share: terms.reporterShare,
        bond: terms.bond,
    })
}

fn policy(policy: &crate::Policy) -> Result<Policy, String> {
    let basis = match policy.basis {
        0 => Basis::All,
        1 => Basis::Cast,
        other => return Err(format!("basis {other} stands for nothing")),
    };
    let scope = match policy.scope {
        0 => Scope::Decisions,
        1 => Scope::Payments,
        2 => Scope::Calls,
        3 => Scope::Anything,
        other => return Err(format!("scope {other} stands for nothing")),
    };
    Ok(Policy {
        name: name(&policy.name)?,
        value_limit: policy.valueLimit,
        threshold: policy.threshold,
        basis,
        turnout: policy.turnout,
        veto: policy.veto,
        scope,
        voting_period_s: policy.votingPeriod,
        timelock_s: policy.timelock,
        expiry_s: policy.expiry,
        revotes: policy.revotes,
        escape: policy.escape,
        only_stalled: policy.onlyStalled,
    })
}

/// The text before the zeros that fill the word up.
fn name(padded: &FixedBytes<16>) -> Result<String, String> {
    let length = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&padded[..length]).map_err(|_| "a class' name is no text".to_owned())?;
    Ok(text.to_owned())
}
