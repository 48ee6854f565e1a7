//! What a group agreed on when it was made, for good: the classes of its decisions, and its dealings with the contract.
//!
//! The contract has the same bounds (`contracts/src/TermsRules.sol`); `tests/vectors/terms.json` pins both. The group's
//! id commits to all of it by [`Terms::hash`].

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolValue as _, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::class::{
    Basis, Class, DAY_S, HOUR_S, Limit, MAX_CLASS_NAME, MAX_LIMIT, MAX_LIMITS, MAX_TARGETS, Opening, Scope,
    SolClass, Target,
};
use crate::codec::bounded_list;
use crate::ids::AgentId;
use crate::policy::WHOLE;

/// The most classes that a group may have.
pub const MAX_CLASSES: usize = 8;
/// The longest of all times, in seconds: a year.
pub const LONGEST_S: u32 = 365 * DAY_S;
/// The longest stall time and inbox deadline, in seconds: thirty days.
pub const LONGEST_WAIT_S: u32 = 30 * DAY_S;
/// The shortest recovery time that is not 0, in seconds.
pub const SHORTEST_RECOVERY_S: u32 = 7 * DAY_S;
/// The largest inbox fee, in wei: the contract has 96 bits for it.
pub const MAX_INBOX_FEE: u128 = (1 << 96) - 1;
/// The largest part of a forfeited bond that goes to the reporter, in basis points: a fifth.
pub const MAX_REPORTER_SHARE: u16 = WHOLE / 5;

/// What a group agreed on when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Terms {
    /// The classes of its decisions; a class is known by its place.
    #[cbor(n(0), decode_with = "bounded_list::<Class, Ctx, MAX_CLASSES>")]
    pub classes: Vec<Class>,
    /// After how long a message that no anchor has taken means that the group has stalled, in seconds.
    #[n(1)]
    pub stall_time_s: u32,
    /// After how long no anchor may leave a message of the inbox out, in seconds.
    #[n(2)]
    pub inbox_deadline_s: u32,
    /// After how long a message that no anchor has taken means that the voters may replace the replicas, in seconds;
    /// 0 for never.
    #[n(3)]
    pub recovery_time_s: u32,
    /// What a message of somebody who is no member costs for each 1,024 bytes begun, in wei; 0 when only members may
    /// enqueue.
    #[cbor(n(4), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub inbox_fee: u128,
    /// What each replica is to deposit, in wei; 0 when the group has no bonds.
    #[cbor(n(5), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub bond: u128,
    /// How long after the end of an epoch its replicas can be convicted, in seconds; 0 where there are no bonds.
    #[n(6)]
    pub evidence_window_s: u32,
    /// The part of a forfeited bond that goes to the reporter, in basis points; the rest is the group's.
    #[n(7)]
    pub reporter_share: u16,
    /// The chain's feed of its sequencer's uptime (Chainlink's L2 sequencer uptime feed), or the address zero for none.
    #[n(8)]
    pub uptime_feed: AgentId,
}

/// A term that has bounds. The numbers are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Term {
    /// How many classes there are.
    ClassCount = 0,
    /// [`Terms::stall_time_s`].
    StallTime = 1,
    /// [`Terms::inbox_deadline_s`].
    InboxDeadline = 2,
    /// [`Terms::recovery_time_s`].
    RecoveryTime = 3,
    /// [`Terms::evidence_window_s`].
    EvidenceWindow = 4,
    /// [`Terms::reporter_share`].
    ReporterShare = 5,
    /// [`Class::name`].
    Name = 6,
    /// [`Class::threshold`].
    Threshold = 7,
    /// [`Class::turnout`].
    Turnout = 8,
    /// [`Class::veto`].
    Veto = 9,
    /// [`Class::voting_period_s`].
    VotingPeriod = 10,
    /// [`Class::timelock_s`].
    Timelock = 11,
    /// [`Class::expiry_s`].
    Expiry = 12,
    /// [`Class::window_s`].
    Window = 13,
    /// [`Class::opening`], by its number: what may always be opened on-chain decides the same in both lanes.
    Opening = 14,
    /// [`Class::escape`], as 0 or 1: what may escape decides the same in both lanes.
    Escape = 15,
    /// How many limits a class has.
    LimitCount = 16,
    /// [`Limit::asset`]: not in order, or the group's own.
    LimitAsset = 17,
    /// [`Limit::per_decision`] or [`Limit::per_window`].
    LimitAmount = 18,
    /// How many targets a class has.
    TargetCount = 19,
    /// [`Target::target`]: not in order, the group's own, or zero.
    Target = 20,
    /// [`Class::timelock_s`] of 0 in a class that calls something and has no limits or no window.
    Bounded = 21,
    /// [`Terms::inbox_fee`], which in the contract cannot be too large.
    InboxFee = 255,
}

/// A term that no group can have: the contract's `InvalidTerm`.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.in_words())]
pub struct TermsError {
    /// The class, or nothing for a term of the group.
    pub class: Option<usize>,
    /// The term.
    pub term: Term,
    /// What it is; a name by its bytes, an address by its number.
    pub found: U256,
    /// The least that is allowed; where a time may be 0, the least that is not 0. Also 0 where it is wrong as a whole, such
    /// as a name.
    pub least: U256,
    /// The most.
    pub most: U256,
}

impl TermsError {
    fn in_words(&self) -> String {
        let Self { class, term, found, least, most } = *self;
        let class = class.map(|class| format!("class {class}: ")).unwrap_or_default();
        let address = || Address::from_word(B256::from(found));
        let what = match term {
            Term::Name => {
                let bytes: [u8; MAX_CLASS_NAME] = found.to::<u128>().to_be_bytes();
                let name = String::from_utf8_lossy(&bytes);
                let name = name.trim_end_matches('\0');
                format!("the name {name:?} is another's, or not 1 to 16 small letters, digits, - and _")
            }
            Term::LimitAsset => format!(
                "asset {} is the coordinator or the group's account, or not in ascending order",
                address()
            ),
            Term::Target => format!(
                "target {} is the coordinator, the group's account or zero, or not in ascending order",
                address()
            ),
            Term::Opening | Term::Escape => {
                let lane = if term == Term::Opening { "opening `always`" } else { "`escape`" };
                format!(
                    "{lane} needs a threshold of all weight, and neither turnout, nor veto, nor votes that change"
                )
            }
            Term::RecoveryTime if most == U256::ZERO => {
                "recovery_time_s needs a class of the scope `anything` that can be decided on-chain".into()
            }
            Term::Bounded => "without a timelock it calls nothing, or has limits and a window".into(),
            _ => format!("{} {found} is not within {least} and {most}", term.name()),
        };
        class + &what
    }
}

impl Term {
    /// The term as it is written down, with its unit.
    fn name(self) -> &'static str {
        match self {
            Self::ClassCount => "the number of classes",
            Self::StallTime => "stall_time_s",
            Self::InboxDeadline => "inbox_deadline_s",
            Self::RecoveryTime => "recovery_time_s",
            Self::EvidenceWindow => "evidence_window_s",
            Self::ReporterShare => "reporter_share",
            Self::Name => "name",
            Self::Threshold => "threshold",
            Self::Turnout => "turnout",
            Self::Veto => "veto",
            Self::VotingPeriod => "voting_period_s",
            Self::Timelock | Self::Bounded => "timelock_s",
            Self::Expiry => "expiry_s",
            Self::Window => "window_s",
            Self::Opening => "opening",
            Self::Escape => "escape",
            Self::LimitCount => "the number of limits",
            Self::LimitAsset => "asset",
            Self::LimitAmount => "per_window or per_decision",
            Self::TargetCount => "the number of targets",
            Self::Target => "target",
            Self::InboxFee => "inbox_fee",
        }
    }
}

/// Whose terms are looked at.
#[derive(Clone, Copy)]
struct Of(Option<usize>);

impl Of {
    fn within(
        self,
        term: Term,
        found: impl Into<u128>,
        least: impl Into<u128>,
        most: impl Into<u128>,
    ) -> Result<(), TermsError> {
        let (found, least, most) = (found.into(), least.into(), most.into());
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let [found, least, most] = [found, least, most].map(U256::from);
        Err(TermsError { class: self.0, term, found, least, most })
    }

    /// A time that may be 0 too.
    fn none_or_within(self, term: Term, found_s: u32, least_s: u32, most_s: u32) -> Result<(), TermsError> {
        if found_s == 0 { Ok(()) } else { self.within(term, found_s, least_s, most_s) }
    }

    /// What has no bounds, but is wrong as a whole.
    fn whole(self, term: Term, found: U256) -> TermsError {
        TermsError { class: self.0, term, found, least: U256::ZERO, most: U256::ZERO }
    }
}

impl Terms {
    /// The terms of a group with one class, and what suits most for the rest: a message that waits for an hour means a
    /// stall, the inbox' deadline is a day, only members may enqueue, nobody is recovered, and there are no bonds.
    pub fn of_class(class: Class) -> Self {
        Self::of_classes(vec![class])
    }

    /// As [`Self::of_class`], of several classes.
    pub fn of_classes(classes: Vec<Class>) -> Self {
        Self {
            classes,
            stall_time_s: HOUR_S,
            inbox_deadline_s: DAY_S,
            recovery_time_s: 0,
            inbox_fee: 0,
            bond: 0,
            evidence_window_s: 0,
            reporter_share: 0,
            uptime_feed: AgentId::default(),
        }
    }

    /// What suits a group that says nothing else, with the threshold that `threshold` is of `total` weight: `pay` pays
    /// ether at once, so many wei a decision and so many in any day; `act` calls anything after two days; and
    /// `constitution` changes the group itself after a week, also on-chain. All have the escape lane. The voters may
    /// replace replicas that have been dead for thirty days.
    pub fn standard(threshold: u128, total: u128, pay: (u128, u128)) -> Self {
        let on_chain = |class| Class { opening: Opening::Stalled, escape: true, ..class };
        let act = Class::of_weight(threshold, total, 3 * DAY_S);
        let act = Class { name: "act".into(), scope: Scope::Calls, timelock_s: 2 * DAY_S, ..act };
        let constitution = Class::constitution(threshold, total, 7 * DAY_S);
        let constitution = Class { timelock_s: 7 * DAY_S, expiry_s: 7 * DAY_S, ..constitution };
        let classes = vec![
            on_chain(Class::payments(threshold, total, DAY_S, pay)),
            on_chain(Class { expiry_s: 7 * DAY_S, ..act }),
            constitution,
        ];
        Self { recovery_time_s: 30 * DAY_S, ..Self::of_classes(classes) }
    }

    /// A class.
    pub fn class(&self, class: u8) -> Option<&Class> {
        self.classes.get(usize::from(class))
    }

    /// The place of the class with this name.
    pub fn class_named(&self, name: &str) -> Option<u8> {
        let at = self.classes.iter().position(|class| class.name == name)?;
        u8::try_from(at).ok()
    }

    /// Checks what the contract checks when a group is made. `coordinator` and `account` are no targets and no assets.
    ///
    /// # Errors
    /// The first rule that does not hold: the number of classes, then the group's terms, then the classes in their order.
    pub fn validate(&self, coordinator: AgentId, account: AgentId) -> Result<(), TermsError> {
        let of = Of(None);
        of.within(Term::ClassCount, self.classes.len() as u64, 1u8, MAX_CLASSES as u64)?;
        of.within(Term::StallTime, self.stall_time_s, HOUR_S, LONGEST_WAIT_S)?;
        of.within(Term::InboxDeadline, self.inbox_deadline_s, self.stall_time_s, LONGEST_WAIT_S)?;
        let recovery_s = SHORTEST_RECOVERY_S.max(4 * self.stall_time_s).max(2 * self.inbox_deadline_s);
        if self.classes.iter().any(Class::recovers) {
            of.none_or_within(Term::RecoveryTime, self.recovery_time_s, recovery_s, LONGEST_S)?;
        } else {
            // Nobody is to rely on a recovery that no class could decide on-chain.
            of.within(Term::RecoveryTime, self.recovery_time_s, 0u8, 0u8)?;
        }
        of.within(Term::InboxFee, self.inbox_fee, 0u8, MAX_INBOX_FEE)?;
        let evidence_s = if self.bond == 0 { (0, 0) } else { (DAY_S, LONGEST_S) };
        of.within(Term::EvidenceWindow, self.evidence_window_s, evidence_s.0, evidence_s.1)?;
        of.within(Term::ReporterShare, self.reporter_share, 0u8, MAX_REPORTER_SHARE)?;
        for at in 0..self.classes.len() {
            self.validate_name(at)?;
            self.validate_votes(at)?;
            validate_calls(at, &self.classes[at])?;
            validate_limits(at, &self.classes[at], [coordinator, account])?;
            validate_targets(at, &self.classes[at], [coordinator, account])?;
        }
        Ok(())
    }

    fn validate_name(&self, at: usize) -> Result<(), TermsError> {
        let class = &self.classes[at];
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let sound = (1..=MAX_CLASS_NAME).contains(&class.name.len()) && class.name.bytes().all(allowed);
        if sound && self.classes[..at].iter().all(|other| other.name != class.name) {
            return Ok(());
        }
        let name = u128::from_be_bytes(class.to_sol().name.0);
        Err(Of(Some(at)).whole(Term::Name, U256::from(name)))
    }

    /// When and how a class decides.
    fn validate_votes(&self, at: usize) -> Result<(), TermsError> {
        let (of, class) = (Of(Some(at)), &self.classes[at]);
        of.within(Term::Threshold, class.threshold, WHOLE / 2 + 1, WHOLE)?;
        // Of no votes at all, none is any part.
        of.within(Term::Turnout, class.turnout, u8::from(class.basis == Basis::Cast), WHOLE)?;
        of.within(Term::Veto, class.veto, 0u8, WHOLE)?;
        // Else the lanes could come to different decisions.
        let is_invariant = class.is_invariant();
        let latest = if is_invariant { Opening::Always } else { Opening::Stalled };
        of.within(Term::Opening, class.opening as u8, 0u8, latest as u8)?;
        of.within(Term::Escape, u8::from(class.escape), 0u8, u8::from(is_invariant))?;
        // Where only the log decides, its own clock does; a voting that escapes outlasts what makes a stall.
        let shortest_s = match (class.escape, class.opening) {
            (true, _) => self.stall_time_s + 1,
            (false, Opening::Stalled | Opening::Always) => HOUR_S,
            (false, Opening::Never) => 1,
        };
        of.within(Term::VotingPeriod, class.voting_period_s, shortest_s, LONGEST_S)?;
        of.within(Term::Expiry, class.expiry_s, HOUR_S, LONGEST_S)
    }

    /// What the contract's `abi.encode(Terms)` is.
    pub fn abi_encode(&self) -> Vec<u8> {
        SolTerms {
            classes: self.classes.iter().map(Class::to_sol).collect(),
            stallTime: self.stall_time_s,
            inboxDeadline: self.inbox_deadline_s,
            recoveryTime: self.recovery_time_s,
            inboxFee: self.inbox_fee,
            bond: self.bond,
            evidenceWindow: self.evidence_window_s,
            reporterShare: self.reporter_share,
            uptimeFeed: self.uptime_feed.0,
        }
        .abi_encode()
    }

    /// `keccak256(abi.encode(Terms))`, as the contract computes it.
    pub fn hash(&self) -> B256 {
        keccak256(self.abi_encode())
    }
}

/// What a class may call, and that it waits or is bounded.
fn validate_calls(at: usize, class: &Class) -> Result<(), TermsError> {
    let of = Of(Some(at));
    let (least_limits, most_limits, most_targets) = match class.scope {
        Scope::Decisions | Scope::Anything => (0, 0, 0),
        Scope::Payments => (1, MAX_LIMITS, 0),
        Scope::Calls => (0, MAX_LIMITS, MAX_TARGETS),
    };
    let limits = class.limits.len();
    of.within(Term::LimitCount, limits as u64, least_limits as u64, most_limits as u64)?;
    of.within(Term::TargetCount, class.targets.len() as u64, 0u8, most_targets as u64)?;
    let longest_window_s = if most_limits == 0 { 0 } else { LONGEST_S };
    let shortest_window_s = HOUR_S.min(longest_window_s);
    of.none_or_within(Term::Window, class.window_s, shortest_window_s, longest_window_s)?;
    of.none_or_within(Term::Timelock, class.timelock_s, HOUR_S, LONGEST_S)?;
    let is_bounded = class.scope == Scope::Decisions || (limits != 0 && class.window_s != 0);
    if class.timelock_s == 0 && !is_bounded {
        return of.within(Term::Bounded, 0u8, HOUR_S, LONGEST_S);
    }
    Ok(())
}

fn validate_limits(at: usize, class: &Class, reserved: [AgentId; 2]) -> Result<(), TermsError> {
    let of = Of(Some(at));
    let mut before = None;
    for Limit { asset, per_decision, per_window } in class.limits.iter().copied() {
        if reserved.contains(&asset) || before >= Some(asset) {
            return Err(of.whole(Term::LimitAsset, asset.0.into_word().into()));
        }
        before = Some(asset);
        let has_window = class.window_s != 0;
        of.within(Term::LimitAmount, per_window, 0u8, if has_window { MAX_LIMIT } else { 0 })?;
        of.within(Term::LimitAmount, per_decision, 0u8, if has_window { per_window } else { MAX_LIMIT })?;
    }
    Ok(())
}

fn validate_targets(at: usize, class: &Class, reserved: [AgentId; 2]) -> Result<(), TermsError> {
    let mut before = None;
    for target in class.targets.iter().copied() {
        let Target { target: address, .. } = target;
        if reserved.contains(&address) || address.0.is_zero() || before >= Some(target) {
            return Err(Of(Some(at)).whole(Term::Target, address.0.into_word().into()));
        }
        before = Some(target);
    }
    Ok(())
}

sol! {
    struct SolTerms {
        SolClass[] classes;
        uint32 stallTime;
        uint32 inboxDeadline;
        uint32 recoveryTime;
        uint128 inboxFee;
        uint128 bond;
        uint32 evidenceWindow;
        uint16 reporterShare;
        address uptimeFeed;
    }
}

#[cfg(test)]
mod tests;
