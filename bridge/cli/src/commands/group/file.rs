//! The file that describes a group to be.

use std::path::Path;

use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::policy::WHOLE;
use quorate_protocol::{AgentId, Basis, Member, Policy, PublicKey, Scope, Terms, U256};
use serde::{Deserialize, Deserializer};

use crate::amount;
use crate::error::CliError;

/// The whole file. Unknown keys are refused, so that a slip of the pen does not pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// One class for everything, with its threshold as a weight.
    policy: Option<PolicyTable>,
    /// Or several classes.
    #[serde(default)]
    classes: Vec<ClassTable>,
    stall_time_s: Option<u32>,
    inbox_deadline_s: Option<u32>,
    evidence_window_s: Option<u32>,
    #[serde(default)]
    reporter_share: Part,
    bond: Option<Wei>,
    members: Vec<MemberTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyTable {
    threshold: u64,
    voting_period_s: u32,
    #[serde(default)]
    timelock_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassTable {
    name: String,
    threshold: Part,
    #[serde(default)]
    basis: Basis,
    #[serde(default)]
    turnout: Part,
    #[serde(default)]
    veto: Part,
    #[serde(default)]
    scope: Scope,
    value_limit: Option<Wei>,
    voting_period_s: u32,
    #[serde(default)]
    timelock_s: u32,
    #[serde(default)]
    expiry_s: u32,
    #[serde(default)]
    revotes: bool,
    #[serde(default)]
    escape: bool,
    #[serde(default)]
    only_stalled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    account: AgentId,
    key: PublicKey,
    #[serde(default)]
    weight: u64,
    #[serde(default)]
    replica: bool,
}

/// A part of a whole in basis points, written as a fraction (`2/3`) or in percent (`75 %`). A fraction that is no whole
/// number of basis points is rounded down, so that exactly that fraction of the weight reaches it.
#[derive(Clone, Copy, Debug, Default)]
struct Part(u16);

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let whole = u64::from(WHOLE);
        let points = if let Some((part, of)) = text.split_once('/') {
            let (part, of): (u64, u64) = (part.trim().parse().ok()?, of.trim().parse().ok()?);
            part.checked_mul(whole)?.checked_div(of)?
        } else {
            let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
            // From 0 to 100 with two decimals: it fits, and is exact enough to be rounded.
            (0.0..=100.0).contains(&percent).then_some((percent * 100.0).round() as u64)?
        };
        (points <= whole).then(|| u16::try_from(points).ok()).flatten().map(Self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no part of a whole: write \"2/3\" or \"75 %\""))
        })
    }
}

/// An amount of money, such as `2.5 ether`.
#[derive(Clone, Copy, Debug)]
struct Wei(u128);

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wei: U256 = amount::parse(&text).map_err(serde::de::Error::custom)?;
        let wei = u128::try_from(wei).map_err(|_| serde::de::Error::custom("so much money there is not"))?;
        Ok(Self(wei))
    }
}

impl From<ClassTable> for Policy {
    fn from(table: ClassTable) -> Self {
        Self {
            name: table.name,
            value_limit: table.value_limit.map_or(u128::MAX, |limit| limit.0),
            threshold: table.threshold.0,
            basis: table.basis,
            turnout: table.turnout.0,
            veto: table.veto.0,
            scope: table.scope,
            voting_period_s: table.voting_period_s,
            timelock_s: table.timelock_s,
            expiry_s: table.expiry_s,
            revotes: table.revotes,
            escape: table.escape,
            only_stalled: table.only_stalled,
        }
    }
}

/// The members, in the contract's order, and the terms.
pub(super) fn read(path: &Path) -> Result<(Vec<Member>, Terms), CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::unreadable(path))?;
    let config = |cause: String| {
        CliError::Config {
        path: path.to_owned(),
        cause,
        mend: "write [policy] with threshold, voting_period_s and timelock_s (or [[classes]]), and [[members]] with account, key, weight and replica".into(),
    }
    };
    let file: File =
        toml::from_str(&text).map_err(|error| config(error.to_string().trim_end().to_owned()))?;
    let mut members: Vec<Member> = file
        .members
        .iter()
        .map(|member| {
            let voter = if member.weight > 0 { FLAG_VOTER } else { 0 };
            let replica = if member.replica { FLAG_REPLICA } else { 0 };
            Member { agent: member.account, key: member.key, weight: member.weight, flags: voter | replica }
        })
        .collect();
    // The contract wants them in this order; people list them in another.
    members.sort_by_key(|member| member.agent);
    let total = members.iter().map(|member| u128::from(member.weight)).sum();
    let classes = match (file.policy, file.classes) {
        (Some(policy), classes) if classes.is_empty() => {
            vec![Policy::of_weight(policy.threshold.into(), total, policy.voting_period_s, policy.timelock_s)]
        }
        (Some(_), _) => return Err(config("it has both [policy] and [[classes]]".into())),
        (None, classes) => classes.into_iter().map(Policy::from).collect(),
    };
    let usual = Terms::of_class(Policy::of_weight(1, 1, 1, 0));
    let terms = Terms {
        classes,
        stall_time_s: file.stall_time_s.unwrap_or(usual.stall_time_s),
        inbox_deadline_s: file.inbox_deadline_s.unwrap_or(usual.inbox_deadline_s),
        evidence_window_s: file.evidence_window_s.unwrap_or(usual.evidence_window_s),
        reporter_share: file.reporter_share.0,
        bond: file.bond.map_or(0, |bond| bond.0),
    };
    terms.validate().map_err(|error| config(error.to_string()))?;
    Ok((members, terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_file_lists_members_in_any_order_and_says_the_terms() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("group.toml");
        let member = |digit: char, rest: &str| {
            let repeated = |count| digit.to_string().repeat(count);
            format!("[[members]]\naccount = \"0x{}\"\nkey = \"0x{}\"\n{rest}\n", repeated(40), repeated(64))
        };
        let text = format!(
            "[policy]\nthreshold = 2\nvoting_period_s = 60\n{}{}",
            member('b', "weight = 3"),
            member('a', "replica = true")
        );
        std::fs::write(&path, text).unwrap();
        let (members, terms) = read(&path).unwrap();
        assert!(members[0].is_replica() && !members[0].is_voter());
        assert!(members[1].is_voter() && !members[1].is_replica());
        let policy = &terms.classes[0];
        assert_eq!((policy.threshold, policy.timelock_s), (6_666, 0), "2 of 3");

        let classes = r#"
inbox_deadline_s = 7200
reporter_share = "1/4"
bond = "0.5 ether"
[[classes]]
name = "payment"
threshold = "2/3"
basis = "cast"
turnout = "50 %"
scope = "payments"
value_limit = "3 ether"
voting_period_s = 60
expiry_s = 600
[[classes]]
name = "constitution"
threshold = "80%"
voting_period_s = 600
escape = true
"#;
        let text = format!("{classes}{}", member('b', "weight = 3"));
        std::fs::write(&path, text).unwrap();
        let (_, terms) = read(&path).unwrap();
        assert_eq!((terms.reporter_share, terms.inbox_deadline_s, terms.stall_time_s), (2_500, 7_200, 3_600));
        let [payment, constitution] = &terms.classes[..] else { panic!("two classes") };
        assert_eq!((payment.threshold, payment.turnout, payment.scope), (6_666, 5_000, Scope::Payments));
        assert_eq!((constitution.threshold, constitution.scope), (8_000, Scope::Anything));
        assert!(constitution.escape && terms.validate().is_ok());

        std::fs::write(&path, "[policy]\nthreshold = 2\n").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Config);
        assert!(error.to_string().contains("voting_period_s"), "{error}");
    }
}
