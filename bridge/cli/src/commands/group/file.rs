//! The file that describes a group to be.

use std::path::Path;

use alloy::primitives::keccak256;
use quorate_protocol::class::DAY_S;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::policy::WHOLE;
use quorate_protocol::{
    AgentId, Basis, Class, ETHER, Limit, Member, Opening, PublicKey, Scope, Selector, Target, Terms, U256,
};
use serde::{Deserialize, Deserializer};

use crate::amount;
use crate::error::CliError;

/// How long evidence counts after its epoch in a group with bonds, unless said otherwise: a week.
const EVIDENCE_WINDOW_S: u32 = 7 * DAY_S;

/// The whole file. Unknown keys are refused, so that a slip of the pen does not pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The usual two classes, with their threshold as a weight: one for daily business, and one for everything else.
    policy: Option<PolicyTable>,
    /// Or several classes.
    #[serde(default)]
    classes: Vec<ClassTable>,
    stall_time_s: Option<u32>,
    inbox_deadline_s: Option<u32>,
    recovery_time_s: Option<u32>,
    inbox_fee: Option<Wei>,
    uptime_feed: Option<AgentId>,
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
    /// What one decision may pay at once, in ether; with `per_day`, or neither.
    per_decision: Option<Wei>,
    /// What all may pay in any day.
    per_day: Option<Wei>,
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
    #[serde(default)]
    opening: Opening,
    voting_period_s: u32,
    #[serde(default)]
    timelock_s: u32,
    #[serde(default = "day")]
    expiry_s: u32,
    #[serde(default)]
    window_s: u32,
    #[serde(default)]
    revotes: bool,
    #[serde(default)]
    escape: bool,
    #[serde(default)]
    limits: Vec<LimitTable>,
    #[serde(default)]
    targets: Vec<TargetTable>,
}

fn day() -> u32 {
    DAY_S
}

/// How much of an asset the class may send. Amounts of a token are in its smallest unit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitTable {
    /// The token; ether where there is none.
    asset: Option<AgentId>,
    per_decision: String,
    /// The most in any stretch of time as long as the class' window, where it has one.
    per_window: Option<String>,
}

/// A function that the class may call; a plain payment where there is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    target: AgentId,
    /// As Solidity writes it without names: `deposit(uint256,address)`.
    function: Option<String>,
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
#[derive(Clone, Copy, Debug, Default)]
struct Wei(u128);

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wei: U256 = amount::parse(&text).map_err(serde::de::Error::custom)?;
        let wei = u128::try_from(wei).map_err(|_| serde::de::Error::custom("so much money there is not"))?;
        Ok(Self(wei))
    }
}

impl TryFrom<LimitTable> for Limit {
    type Error = String;

    fn try_from(table: LimitTable) -> Result<Self, String> {
        let read = |text: &str| match table.asset {
            None => amount::parse(text)
                .and_then(|wei| u128::try_from(wei).map_err(|_| "so much money there is not".into())),
            Some(_) => text.parse().map_err(|_| {
                format!("{text:?} is no amount of a token: write a whole number of its smallest unit")
            }),
        };
        Ok(Self {
            asset: table.asset.unwrap_or(ETHER),
            per_decision: read(&table.per_decision)?,
            per_window: table.per_window.as_deref().map_or(Ok(0), read)?,
        })
    }
}

impl TryFrom<ClassTable> for Class {
    type Error = String;

    fn try_from(table: ClassTable) -> Result<Self, String> {
        let limits: Result<Vec<Limit>, String> = table.limits.into_iter().map(Limit::try_from).collect();
        let mut limits = limits.map_err(|cause| format!("class {}: {cause}", table.name))?;
        let target = |target: TargetTable| Target {
            target: target.target,
            selector: target.function.map_or(Selector::ZERO, |function| selector(&function)),
        };
        let mut targets: Vec<Target> = table.targets.into_iter().map(target).collect();
        // The contract wants them in this order; people list them in another.
        limits.sort_by_key(|limit| limit.asset);
        targets.sort();
        Ok(Self {
            name: table.name,
            scope: table.scope,
            opening: table.opening,
            escape: table.escape,
            revotes: table.revotes,
            basis: table.basis,
            threshold: table.threshold.0,
            turnout: table.turnout.0,
            veto: table.veto.0,
            voting_period_s: table.voting_period_s,
            timelock_s: table.timelock_s,
            expiry_s: table.expiry_s,
            window_s: table.window_s,
            limits,
            targets,
        })
    }
}

/// The selector of a function that is written as Solidity does.
fn selector(function: &str) -> Selector {
    let hash = keccak256(function.split_whitespace().collect::<String>());
    Selector::from([hash[0], hash[1], hash[2], hash[3]])
}

/// Daily business, which calls nothing, or pays ether within limits; and everything else, which waits for an hour on-chain,
/// comes to its end there too when the group has stalled, and is how weights are changed.
fn usual_classes(policy: &PolicyTable, total: u128, stall_time_s: u32) -> Result<Vec<Class>, String> {
    let (threshold, period_s) = (u128::from(policy.threshold), policy.voting_period_s);
    let daily = match (policy.per_decision, policy.per_day) {
        (Some(decision), Some(day)) => Class::payments(threshold, total, period_s, (decision.0, day.0)),
        (None, None) => Class::decisions(threshold, total, period_s),
        _ => return Err("[policy] has one of per_decision and per_day; a limit takes both".into()),
    };
    let rest_s = period_s.max(stall_time_s.saturating_mul(2));
    Ok(vec![daily, Class::constitution(threshold, total, rest_s)])
}

/// A file whose members alone are of interest.
#[derive(Debug, Deserialize)]
struct MembersFile {
    members: Vec<MemberTable>,
}

/// The members, in the contract's order: it wants them ascending; people list them in another.
fn listed(tables: &[MemberTable]) -> Vec<Member> {
    let mut members: Vec<Member> = tables
        .iter()
        .map(|member| {
            let voter = if member.weight > 0 { FLAG_VOTER } else { 0 };
            let replica = if member.replica { FLAG_REPLICA } else { 0 };
            Member { agent: member.account, key: member.key, weight: member.weight, flags: voter | replica }
        })
        .collect();
    members.sort_by_key(|member| member.agent);
    members
}

/// The members of a file that lists them, in the contract's order; whatever else is in it, such as terms, is passed over.
pub(crate) fn read_members(path: &Path) -> Result<Vec<Member>, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::unreadable(path))?;
    let file: MembersFile = toml::from_str(&text).map_err(|error| CliError::Config {
        path: path.to_owned(),
        cause: error.to_string().trim_end().to_owned(),
        mend: "list [[members]] with account, key, weight and replica".into(),
    })?;
    Ok(listed(&file.members))
}

/// The members, in the contract's order, and the terms.
pub(super) fn read(path: &Path) -> Result<(Vec<Member>, Terms), CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::unreadable(path))?;
    let config = |cause: String| {
        CliError::Config {
        path: path.to_owned(),
        cause,
        mend: "write [policy] with threshold, voting_period_s, per_decision and per_day (or [[classes]]), and [[members]] with account, key, weight and replica".into(),
    }
    };
    let file: File =
        toml::from_str(&text).map_err(|error| config(error.to_string().trim_end().to_owned()))?;
    let members = listed(&file.members);
    let total = members.iter().map(|member| u128::from(member.weight)).sum();
    let usual = Terms::of_class(Class::decisions(1, 1, 1));
    let stall_time_s = file.stall_time_s.unwrap_or(usual.stall_time_s);
    let classes = match (file.policy, file.classes) {
        (Some(policy), classes) if classes.is_empty() => {
            usual_classes(&policy, total, stall_time_s).map_err(config)?
        }
        (Some(_), _) => return Err(config("it has both [policy] and [[classes]]".into())),
        (None, classes) => {
            classes.into_iter().map(Class::try_from).collect::<Result<_, _>>().map_err(config)?
        }
    };
    let bond = file.bond.map_or(0, |bond| bond.0);
    let terms = Terms {
        classes,
        stall_time_s,
        inbox_deadline_s: file.inbox_deadline_s.unwrap_or(usual.inbox_deadline_s),
        recovery_time_s: file.recovery_time_s.unwrap_or(usual.recovery_time_s),
        inbox_fee: file.inbox_fee.map_or(usual.inbox_fee, |fee| fee.0),
        bond,
        evidence_window_s: file.evidence_window_s.unwrap_or(if bond == 0 { 0 } else { EVIDENCE_WINDOW_S }),
        reporter_share: file.reporter_share.0,
        uptime_feed: file.uptime_feed.unwrap_or(usual.uptime_feed),
    };
    // The coordinator and the account, which are no targets and no assets, are known when the group is made. The zero
    // address, which stands for ether among the assets, is neither.
    let unknown = AgentId::from([0xff; 20]);
    terms.validate(unknown, unknown).map_err(|error| config(error.to_string()))?;
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
        let [daily, constitution] = &terms.classes[..] else { panic!("two classes") };
        assert_eq!((daily.threshold, daily.scope, daily.timelock_s), (6_666, Scope::Decisions, 0), "2 of 3");
        assert!(constitution.changes_weights() && constitution.timelock_s > 0);

        let classes = r#"
inbox_deadline_s = 7200
reporter_share = "1/5"
bond = "0.5 ether"
[[classes]]
name = "payment"
threshold = "2/3"
basis = "cast"
turnout = "50 %"
scope = "payments"
voting_period_s = 60
expiry_s = 3600
window_s = 86400
[[classes.limits]]
asset = "0x5555555555555555555555555555555555555555"
per_decision = "1000"
per_window = "3000"
[[classes.limits]]
per_decision = "3 ether"
per_window = "9 ether"
[[classes]]
name = "act"
threshold = "2/3"
scope = "calls"
timelock_s = 172800
voting_period_s = 60
[[classes.targets]]
target = "0x6666666666666666666666666666666666666666"
function = "transfer(address, uint256)"
[[classes]]
name = "constitution"
threshold = "80%"
opening = "always"
timelock_s = 604800
voting_period_s = 7200
escape = true
"#;
        let text = format!("{classes}{}", member('b', "weight = 3"));
        std::fs::write(&path, text).unwrap();
        let (_, terms) = read(&path).unwrap();
        assert_eq!((terms.reporter_share, terms.inbox_deadline_s, terms.stall_time_s), (2_000, 7_200, 3_600));
        assert_eq!(terms.evidence_window_s, 7 * DAY_S);
        let [payment, act, constitution] = &terms.classes[..] else { panic!("three classes") };
        assert_eq!((payment.threshold, payment.turnout, payment.scope), (6_666, 5_000, Scope::Payments));
        let [ether, token] = payment.limits[..] else { panic!("two limits, by ascending asset") };
        assert_eq!((ether.asset, token.per_window), (ETHER, 3_000));
        assert_eq!(act.targets[0].selector, Selector::new([0xa9, 0x05, 0x9c, 0xbb]));
        assert_eq!((constitution.threshold, constitution.scope), (8_000, Scope::Anything));
        assert!(constitution.escape);

        std::fs::write(&path, "[policy]\nthreshold = 2\n").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Config);
        assert!(error.to_string().contains("voting_period_s"), "{error}");
    }
}
