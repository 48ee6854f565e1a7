//! What a group agreed on when it was made, for good: the classes of its decisions, and its dealings with the contract.
//!
//! The contract has the same bounds (`contracts/src/TermsRules.sol`); `tests/vectors/terms.json` pins both. The group's
//! id commits to all of it by [`Terms::hash`].

use alloy_primitives::{B256, keccak256};
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
    pub inbox_fee: u128,
    /// What each replica is to deposit, in wei; 0 when the group has no bonds.
    #[cbor(n(5), with = "crate::codec::u128")]
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

/// Terms that no group can have.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TermsError {
    /// A term that is out of its bounds, which other terms may draw.
    #[error("{}{term} {found} is not within {least} and {most}", place(*class))]
    Bound {
        /// The class, or nothing for a term of the group.
        class: Option<usize>,
        /// Which of its terms; a count for a list.
        term: &'static str,
        /// The term.
        found: u128,
        /// The least that is allowed; where a time may be 0, the least that is not 0.
        least: u128,
        /// The most.
        most: u128,
    },
    /// A class without a name, or with one that is another's or has other characters.
    #[error(
        "class {class}: the name {name:?} is another's, or not 1 to {MAX_CLASS_NAME} small letters, digits, - and _"
    )]
    Name {
        /// The class.
        class: usize,
        /// Its name.
        name: String,
    },
    /// An address in a list that is the coordinator's, the group's own account or, for a target, zero; or that does not
    /// come after the one before.
    #[error(
        "class {class}: {term} {address} is not in ascending order, or the coordinator, the group's account or zero"
    )]
    Address {
        /// The class.
        class: usize,
        /// Which of its lists: `asset` or `target`.
        term: &'static str,
        /// The address.
        address: AgentId,
    },
}

fn place(class: Option<usize>) -> String {
    class.map(|class| format!("class {class}: ")).unwrap_or_default()
}

/// Whose terms are looked at.
#[derive(Clone, Copy)]
struct Of(Option<usize>);

impl Of {
    fn within(
        self,
        term: &'static str,
        found: impl Into<u128>,
        least: impl Into<u128>,
        most: impl Into<u128>,
    ) -> Result<(), TermsError> {
        let (found, least, most) = (found.into(), least.into(), most.into());
        if (least..=most).contains(&found) {
            return Ok(());
        }
        Err(TermsError::Bound { class: self.0, term, found, least, most })
    }

    /// A time that may be 0 too.
    fn none_or_within(
        self,
        term: &'static str,
        found_s: u32,
        least_s: u32,
        most_s: u32,
    ) -> Result<(), TermsError> {
        if found_s == 0 { Ok(()) } else { self.within(term, found_s, least_s, most_s) }
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
        of.within("classes", self.classes.len() as u64, 1u8, MAX_CLASSES as u64)?;
        of.within("stall_time_s", self.stall_time_s, HOUR_S, LONGEST_WAIT_S)?;
        of.within("inbox_deadline_s", self.inbox_deadline_s, self.stall_time_s, LONGEST_WAIT_S)?;
        let recovery_s = SHORTEST_RECOVERY_S.max(4 * self.stall_time_s).max(2 * self.inbox_deadline_s);
        of.none_or_within("recovery_time_s", self.recovery_time_s, recovery_s, LONGEST_S)?;
        of.within("inbox_fee", self.inbox_fee, 0u8, MAX_INBOX_FEE)?;
        let evidence_s = if self.bond == 0 { (0, 0) } else { (DAY_S, LONGEST_S) };
        of.within("evidence_window_s", self.evidence_window_s, evidence_s.0, evidence_s.1)?;
        of.within("reporter_share", self.reporter_share, 0u8, MAX_REPORTER_SHARE)?;
        for (at, class) in self.classes.iter().enumerate() {
            let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
            let name = &class.name;
            let sound = (1..=MAX_CLASS_NAME).contains(&name.len()) && name.bytes().all(allowed);
            if !sound || self.classes[..at].iter().any(|other| other.name == *name) {
                return Err(TermsError::Name { class: at, name: name.clone() });
            }
            self.validate_votes(at, class)?;
            validate_calls(at, class)?;
            validate_addresses(at, class, [coordinator, account])?;
        }
        Ok(())
    }

    /// When and how a class decides.
    fn validate_votes(&self, at: usize, class: &Class) -> Result<(), TermsError> {
        let of = Of(Some(at));
        of.within("threshold", class.threshold, WHOLE / 2 + 1, WHOLE)?;
        // Else the lanes could come to different decisions.
        let is_invariant = class.escape || class.opening == Opening::Always;
        let (any, part) = if is_invariant { (0u8, 0) } else { (1, WHOLE) };
        of.within("basis", class.basis as u8, 0u8, any)?;
        of.within("turnout", class.turnout, u8::from(class.basis == Basis::Cast), part)?;
        of.within("veto", class.veto, 0u8, part)?;
        of.within("revotes", u8::from(class.revotes), 0u8, any)?;
        // Where only the log decides, its own clock does; a voting that escapes outlasts what makes a stall.
        let shortest_s = match (class.escape, class.opening) {
            (true, _) => HOUR_S.max(self.stall_time_s + 1),
            (false, Opening::Stalled | Opening::Always) => HOUR_S,
            (false, Opening::Never) => 1,
        };
        of.within("voting_period_s", class.voting_period_s, shortest_s, LONGEST_S)?;
        of.within("expiry_s", class.expiry_s, HOUR_S, LONGEST_S)
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
    let (limits, targets) = match class.scope {
        Scope::Decisions | Scope::Anything => (0..=0, 0),
        Scope::Payments => (1..=MAX_LIMITS, 0),
        Scope::Calls => (0..=MAX_LIMITS, MAX_TARGETS),
    };
    of.within("limits", class.limits.len() as u64, *limits.start() as u64, *limits.end() as u64)?;
    of.within("targets", class.targets.len() as u64, 0u8, targets as u64)?;
    match class.scope {
        Scope::Decisions | Scope::Anything => of.within("window_s", class.window_s, 0u8, 0u8)?,
        Scope::Payments | Scope::Calls => of.none_or_within("window_s", class.window_s, HOUR_S, LONGEST_S)?,
    }
    let is_bounded = class.scope == Scope::Decisions || (!class.limits.is_empty() && class.window_s != 0);
    if is_bounded {
        of.none_or_within("timelock_s", class.timelock_s, HOUR_S, LONGEST_S)?;
    } else {
        of.within("timelock_s", class.timelock_s, HOUR_S, LONGEST_S)?;
    }
    for Limit { per_decision, per_window, .. } in class.limits.iter().copied() {
        let (most_a_decision, most) =
            if class.window_s == 0 { (MAX_LIMIT, 0) } else { (per_window, MAX_LIMIT) };
        of.within("per_window", per_window, 0u8, most)?;
        of.within("per_decision", per_decision, 0u8, most_a_decision)?;
    }
    Ok(())
}

/// The addresses in a class' lists.
fn validate_addresses(class: usize, of: &Class, reserved: [AgentId; 2]) -> Result<(), TermsError> {
    let mut before = None;
    for Limit { asset, .. } in of.limits.iter().copied() {
        if reserved.contains(&asset) || before >= Some(asset) {
            return Err(TermsError::Address { class, term: "asset", address: asset });
        }
        before = Some(asset);
    }
    let mut before = None;
    for target in of.targets.iter().copied() {
        let Target { target: address, .. } = target;
        if reserved.contains(&address) || address.0.is_zero() || before >= Some(target) {
            return Err(TermsError::Address { class, term: "target", address });
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
