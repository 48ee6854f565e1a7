//! What a group agreed on: the classes of its decisions, when votes decide and what may be decided on, and the terms of
//! its dealings with the contract.
//!
//! The contract has the same rules (`contracts/src/Policies.sol`); `tests/vectors/policies.json` pins both.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{bounded_list, bounded_text};
use crate::ids::{AgentId, TimestampMs};
use crate::proposal::{Call, DecisionStatus};

/// The whole of which the parts of weight are told: basis points.
pub const WHOLE: u16 = 10_000;
/// The most classes that a group may have.
pub const MAX_CLASSES: usize = 8;
/// The most bytes of a class' name.
pub const MAX_CLASS_NAME: usize = 16;
/// The longest of all times, in seconds: a year.
pub const LONGEST_S: u64 = 365 * 24 * 60 * 60;
/// The largest part of a forfeited bond that goes to the reporter.
pub const MAX_REPORTER_SHARE: u16 = WHOLE / 2;

/// Of which weight a class' threshold is a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Basis {
    /// All voters'.
    #[default]
    #[n(0)]
    All = 0,
    /// The votes for and against.
    #[n(1)]
    Cast = 1,
}

/// What the calls of a class' proposals may be; each takes in those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode,
)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Scope {
    /// None: it decides something, and nothing is called.
    #[n(0)]
    Decisions = 0,
    /// Ether without call data.
    #[n(1)]
    Payments = 1,
    /// Anything but calls to the coordinator.
    #[n(2)]
    Calls = 2,
    /// Changes of the group itself too.
    #[default]
    #[n(3)]
    Anything = 3,
}

/// A class of decisions: what it may be about, when it is decided and how soon it may be executed. Parts of weight are in
/// basis points, [`WHOLE`] to the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Policy {
    /// Its name: small letters, digits, `-` and `_`.
    #[cbor(n(0), decode_with = "bounded_text::<Ctx, MAX_CLASS_NAME>")]
    pub name: String,
    /// The most wei that the calls of one proposal send in all.
    #[cbor(n(1), with = "crate::codec::u128")]
    pub value_limit: u128,
    /// The part of the weight that votes for have to reach: more than half.
    #[n(2)]
    pub threshold: u16,
    /// Of which weight.
    #[n(3)]
    pub basis: Basis,
    /// The part of all weight that has to vote, abstentions included.
    #[n(4)]
    pub turnout: u16,
    /// The part of all weight that votes against have to reach to reject, whatever is for; 0 for no veto.
    #[n(5)]
    pub veto: u16,
    /// What the calls may be.
    #[n(6)]
    pub scope: Scope,
    /// How long a proposal takes votes, in seconds.
    #[n(7)]
    pub voting_period_s: u32,
    /// How long after its approval it may be executed first, in seconds.
    #[n(8)]
    pub timelock_s: u32,
    /// How long from then on, in seconds; 0 for no end.
    #[n(9)]
    pub expiry_s: u32,
    /// Whether a voter may change its vote while the voting lasts, which it then does to its end.
    #[n(10)]
    pub revotes: bool,
    /// Whether what was proposed off-chain can be finished on-chain when anchors have stalled.
    #[n(11)]
    pub escape: bool,
    /// Whether the on-chain lane is open only then.
    #[n(12)]
    pub only_stalled: bool,
}

/// What a group agreed on when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Terms {
    /// The classes of its decisions; a class is known by its place.
    #[cbor(n(0), decode_with = "bounded_list::<Policy, Ctx, MAX_CLASSES>")]
    pub classes: Vec<Policy>,
    /// How long without an anchor means that anchors have stalled, in seconds.
    #[n(1)]
    pub stall_time_s: u32,
    /// After how long no anchor may leave a message of the inbox out, in seconds.
    #[n(2)]
    pub inbox_deadline_s: u32,
    /// How long after the end of an epoch its replicas can be convicted, in seconds.
    #[n(3)]
    pub evidence_window_s: u32,
    /// The part of a forfeited bond that goes to the reporter, in basis points; the rest is the group's.
    #[n(4)]
    pub reporter_share: u16,
    /// What each replica is to deposit, in wei; 0 when the group has no bonds.
    #[cbor(n(5), with = "crate::codec::u128")]
    pub bond: u128,
}

/// Terms that no group can have.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TermsError {
    /// No class, or too many.
    #[error("{0} classes of decisions: from 1 to {MAX_CLASSES} are allowed")]
    ClassCount(usize),
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
    /// A number that is out of its bounds.
    #[error("class {class}: {what} {found} is not within {least} and {most}")]
    Class {
        /// The class.
        class: usize,
        /// Which of its numbers.
        what: &'static str,
        /// The number.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most.
        most: u64,
    },
    /// An escape lane where the lanes could come to different decisions.
    #[error(
        "class {0}: the escape lane needs a threshold of all weight, and neither turnout, nor veto, nor votes that change"
    )]
    Escape(usize),
    /// A number of the group's that is out of its bounds.
    #[error("{what} {found} is not within {least} and {most}")]
    Group {
        /// Which.
        what: &'static str,
        /// The number.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most.
        most: u64,
    },
}

/// The weights of the votes on a proposal, and of all voters. The votes weigh no more than the voters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Of the votes for.
    pub in_favour: u128,
    /// Of the votes against.
    pub against: u128,
    /// Of the abstentions.
    pub abstain: u128,
    /// Of all voters.
    pub total: u128,
}

/// Calls that a class does not permit.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScopeError {
    /// A call that is none of the class' business.
    #[error("call {0} is not of a kind that the class permits")]
    Call(usize),
    /// More value than the limit.
    #[error("call {position} sends more than the {left} wei that the class' limit leaves")]
    Value {
        /// The call.
        position: usize,
        /// What the calls before it left of the limit.
        left: u128,
    },
}

impl Policy {
    /// A class for everything with the threshold that `threshold` is of `total` weight: for proposals of any kind, decided
    /// by all weight, without veto, turnout, limits and escape. The threshold is exact for totals up to [`WHOLE`].
    pub fn of_weight(threshold: u128, total: u128, voting_period_s: u32, timelock_s: u32) -> Self {
        let part = (threshold * u128::from(WHOLE)).checked_div(total).unwrap_or(0);
        Self {
            name: "default".into(),
            value_limit: u128::MAX,
            threshold: u16::try_from(part).unwrap_or(u16::MAX),
            basis: Basis::All,
            turnout: 0,
            veto: 0,
            scope: Scope::Anything,
            voting_period_s,
            timelock_s,
            expiry_s: 0,
            revotes: false,
            escape: false,
            only_stalled: false,
        }
    }

    /// What the votes decide; nothing while they do not. Once the voting has `ended`, they always do: what is neither
    /// approved nor rejected has expired.
    ///
    /// Before the end they decide only what no further votes could alter, and where votes may change, nothing but a veto.
    pub fn verdict(&self, weights: &Weights, ended: bool) -> Option<DecisionStatus> {
        let Weights { in_favour, against, abstain, total } = *weights;
        if self.veto != 0 && reaches(against, self.veto, total) {
            return Some(DecisionStatus::Rejected);
        }
        let cast = in_favour + against + abstain;
        let turned_out = reaches(cast, self.turnout, total);
        if ended {
            return Some(if turned_out && self.is_met(in_favour, against, total) {
                DecisionStatus::Approved
            } else if turned_out && self.basis == Basis::Cast {
                DecisionStatus::Rejected
            } else {
                DecisionStatus::Expired
            });
        }
        if self.revotes {
            return None;
        }
        // Whoever has not voted may still vote for, against, or not at all.
        let left = total.saturating_sub(cast);
        let vetoable = self.veto != 0 && reaches(against + left, self.veto, total);
        if turned_out && !vetoable && self.is_met(in_favour, against + left, total) {
            Some(DecisionStatus::Approved)
        } else if !self.is_met(in_favour + left, against, total) {
            Some(DecisionStatus::Rejected)
        } else {
            None
        }
    }

    /// Whether the weight for reaches the threshold, if so much is against.
    fn is_met(&self, in_favour: u128, against: u128, total: u128) -> bool {
        let base = match self.basis {
            Basis::All => total,
            Basis::Cast => in_favour + against,
        };
        in_favour != 0 && reaches(in_favour, self.threshold, base)
    }

    /// When what is approved at `time` may be executed: from which second (Unix time) to which. The first is 0 without a
    /// timelock, for the chain's clock may be behind the group's; the last is 0 for no end.
    pub fn window(&self, time: TimestampMs) -> (u64, u64) {
        let released = time.seconds() + u64::from(self.timelock_s);
        let from = if self.timelock_s == 0 { 0 } else { released };
        let until = if self.expiry_s == 0 { 0 } else { released + u64::from(self.expiry_s) };
        (from, until)
    }

    /// Checks that the class permits these calls in a group of this coordinator.
    ///
    /// # Errors
    /// The first call that it does not.
    pub fn check_calls(&self, coordinator: AgentId, calls: &[Call]) -> Result<(), ScopeError> {
        let mut left = self.value_limit;
        for (position, call) in calls.iter().enumerate() {
            let permitted = match self.scope {
                Scope::Decisions => false,
                Scope::Payments => call.target != coordinator && call.data.is_empty(),
                Scope::Calls => call.target != coordinator,
                Scope::Anything => true,
            };
            if !permitted {
                return Err(ScopeError::Call(position));
            }
            let rest = u128::try_from(call.value).ok().and_then(|value| left.checked_sub(value));
            left = rest.ok_or(ScopeError::Value { position, left })?;
        }
        Ok(())
    }

    fn validate(&self, class: usize) -> Result<(), TermsError> {
        let whole = u64::from(WHOLE);
        let ofs_cast = u64::from(self.basis == Basis::Cast);
        let bounds = [
            ("threshold", u64::from(self.threshold), whole / 2 + 1, whole),
            ("turnout", u64::from(self.turnout), ofs_cast, whole),
            ("veto", u64::from(self.veto), 0, whole),
            ("voting_period_s", u64::from(self.voting_period_s), 1, LONGEST_S),
            ("timelock_s", u64::from(self.timelock_s), 0, LONGEST_S),
            ("expiry_s", u64::from(self.expiry_s), 0, LONGEST_S),
        ];
        for (what, found, least, most) in bounds {
            if !(least..=most).contains(&found) {
                return Err(TermsError::Class { class, what, found, least, most });
            }
        }
        let same_in_both_lanes =
            self.basis == Basis::All && self.turnout == 0 && self.veto == 0 && !self.revotes;
        if self.escape && !same_in_both_lanes {
            return Err(TermsError::Escape(class));
        }
        Ok(())
    }
}

/// Whether `weight` is at least `part` of `base`.
fn reaches(weight: u128, part: u16, base: u128) -> bool {
    weight * u128::from(WHOLE) >= u128::from(part) * base
}

impl Terms {
    /// The terms of a group with one class, and what suits most for the rest: anchors have stalled after an hour, the
    /// inbox' deadline is a day, and there are no bonds.
    pub fn of_class(policy: Policy) -> Self {
        Self {
            classes: vec![policy],
            stall_time_s: 60 * 60,
            inbox_deadline_s: 24 * 60 * 60,
            evidence_window_s: 0,
            reporter_share: 0,
            bond: 0,
        }
    }

    /// The policy of a class.
    pub fn class(&self, class: u8) -> Option<&Policy> {
        self.classes.get(usize::from(class))
    }

    /// The place of the class with this name.
    pub fn class_named(&self, name: &str) -> Option<u8> {
        let at = self.classes.iter().position(|policy| policy.name == name)?;
        u8::try_from(at).ok()
    }

    /// Checks what the contract checks when a group is made, and that names can be written down.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), TermsError> {
        if !(1..=MAX_CLASSES).contains(&self.classes.len()) {
            return Err(TermsError::ClassCount(self.classes.len()));
        }
        for (class, policy) in self.classes.iter().enumerate() {
            let name = &policy.name;
            let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
            let sound = (1..=MAX_CLASS_NAME).contains(&name.len()) && name.bytes().all(allowed);
            if !sound || self.classes[..class].iter().any(|other| other.name == *name) {
                return Err(TermsError::Name { class, name: name.clone() });
            }
            policy.validate(class)?;
        }
        let bounds = [
            ("stall_time_s", u64::from(self.stall_time_s), 1, LONGEST_S),
            ("inbox_deadline_s", u64::from(self.inbox_deadline_s), 1, LONGEST_S),
            ("evidence_window_s", u64::from(self.evidence_window_s), 0, LONGEST_S),
            ("reporter_share", u64::from(self.reporter_share), 0, u64::from(MAX_REPORTER_SHARE)),
        ];
        for (what, found, least, most) in bounds {
            if !(least..=most).contains(&found) {
                return Err(TermsError::Group { what, found, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use proptest::prelude::*;

    use super::*;

    fn policy() -> Policy {
        Policy::of_weight(3, 4, 60, 0)
    }

    fn weights(in_favour: u128, against: u128, abstain: u128, total: u128) -> Weights {
        Weights { in_favour, against, abstain, total }
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        (5_001..=WHOLE, any::<bool>(), 1..=WHOLE, prop_oneof![Just(0), 1..=WHOLE], any::<bool>()).prop_map(
            |(threshold, cast, turnout, veto, revotes)| Policy {
                threshold,
                basis: if cast { Basis::Cast } else { Basis::All },
                turnout,
                veto,
                revotes,
                ..policy()
            },
        )
    }

    #[test]
    fn a_threshold_of_weight_is_met_by_that_weight_and_no_less() {
        for total in 1..=200u128 {
            for threshold in total / 2 + 1..=total {
                let policy = Policy::of_weight(threshold, total, 60, 0);
                assert!(reaches(threshold, policy.threshold, total));
                assert!(!reaches(threshold - 1, policy.threshold, total), "{threshold} of {total}");
            }
        }
    }

    #[test]
    fn all_weight_decides_as_soon_as_the_rest_cannot_alter_it() {
        let policy = policy();
        assert_eq!(policy.verdict(&weights(2, 1, 0, 4), false), None);
        assert_eq!(policy.verdict(&weights(3, 0, 0, 4), false), Some(DecisionStatus::Approved));
        assert_eq!(policy.verdict(&weights(0, 1, 1, 4), false), Some(DecisionStatus::Rejected));
        assert_eq!(policy.verdict(&weights(2, 1, 0, 4), true), Some(DecisionStatus::Expired));
    }

    #[test]
    fn votes_cast_decide_with_a_turnout() {
        let policy = Policy { threshold: 6_000, basis: Basis::Cast, turnout: 5_000, ..policy() };
        assert_eq!(policy.verdict(&weights(3, 0, 0, 10), true), Some(DecisionStatus::Expired));
        assert_eq!(policy.verdict(&weights(3, 2, 0, 10), true), Some(DecisionStatus::Approved));
        assert_eq!(policy.verdict(&weights(2, 3, 0, 10), true), Some(DecisionStatus::Rejected));
        assert_eq!(policy.verdict(&weights(0, 0, 10, 10), true), Some(DecisionStatus::Rejected));
        assert_eq!(policy.verdict(&weights(5, 2, 0, 10), false), None, "three more could vote against");
        assert_eq!(policy.verdict(&weights(6, 2, 0, 10), false), Some(DecisionStatus::Approved));
        assert_eq!(policy.verdict(&weights(0, 5, 0, 10), false), Some(DecisionStatus::Rejected));
    }

    #[test]
    fn a_veto_rejects_and_is_waited_for() {
        let policy = Policy { threshold: 5_001, veto: 3_000, ..policy() };
        assert_eq!(policy.verdict(&weights(6, 0, 0, 10), false), None);
        assert_eq!(policy.verdict(&weights(6, 2, 1, 10), false), None);
        assert_eq!(policy.verdict(&weights(6, 3, 0, 10), false), Some(DecisionStatus::Rejected));
        assert_eq!(policy.verdict(&weights(8, 0, 0, 10), false), Some(DecisionStatus::Approved));
    }

    #[test]
    fn where_votes_change_the_end_decides() {
        let policy = Policy { revotes: true, ..policy() };
        assert_eq!(policy.verdict(&weights(4, 0, 0, 4), false), None);
        assert_eq!(policy.verdict(&weights(4, 0, 0, 4), true), Some(DecisionStatus::Approved));
    }

    #[test]
    fn a_class_permits_what_its_scope_says() {
        let coordinator = AgentId::from([0xc0; 20]);
        let call = |target: u8, value: u64, data: &[u8]| Call {
            target: AgentId::from([target; 20]),
            value: U256::from(value),
            data: data.to_vec(),
        };
        let (pay, act, govern) = (call(1, 5, &[]), call(1, 5, &[1]), call(0xc0, 0, &[1]));
        let allowed = |scope, calls: &[Call]| {
            Policy { scope, value_limit: 10, ..policy() }.check_calls(coordinator, calls)
        };
        for (scope, passes) in [
            (Scope::Decisions, [false, false, false]),
            (Scope::Payments, [true, false, false]),
            (Scope::Calls, [true, true, false]),
            (Scope::Anything, [true, true, true]),
        ] {
            assert_eq!(allowed(scope, &[]), Ok(()));
            for (call, passes) in [&pay, &act, &govern].into_iter().zip(passes) {
                assert_eq!(allowed(scope, std::slice::from_ref(call)).is_ok(), passes, "{scope:?} {call:?}");
            }
        }
        let thrice = [pay.clone(), pay.clone(), pay];
        assert_eq!(allowed(Scope::Payments, &thrice), Err(ScopeError::Value { position: 2, left: 0 }));
    }

    #[test]
    fn terms_that_break_a_rule_are_named() {
        let good = Terms::of_class(policy());
        assert_eq!(good.validate(), Ok(()));
        let with = |change: &dyn Fn(&mut Terms)| {
            let mut terms = good.clone();
            change(&mut terms);
            terms.validate().expect_err("it breaks a rule").to_string()
        };
        assert!(with(&|terms| terms.classes.clear()).contains("0 classes"));
        assert!(with(&|terms| terms.classes = vec![policy(); 2]).contains("class 1: the name"));
        assert!(with(&|terms| terms.classes[0].name = "Ü".into()).contains("class 0: the name"));
        assert!(with(&|terms| terms.classes[0].threshold = 5_000).contains("threshold 5000"));
        assert!(with(&|terms| terms.classes[0].basis = Basis::Cast).contains("turnout 0"));
        assert!(with(&|terms| terms.classes[0].voting_period_s = 0).contains("voting_period_s 0"));
        assert!(
            with(&|terms| (terms.classes[0].escape, terms.classes[0].veto) = (true, 1)).contains("escape")
        );
        assert!(with(&|terms| terms.stall_time_s = 0).contains("stall_time_s 0"));
        assert!(with(&|terms| terms.reporter_share = 5_001).contains("reporter_share 5001"));
    }

    proptest! {
        #[test]
        fn no_further_votes_alter_a_verdict(
            policy in any_policy(),
            votes in prop::array::uniform3(0..40u128),
            more in prop::array::uniform3(0..40u128),
            absent in 0..40u128,
        ) {
            let left: u128 = more.iter().sum::<u128>() + absent;
            let total = votes.iter().sum::<u128>() + left;
            let now = weights(votes[0], votes[1], votes[2], total);
            let later = weights(votes[0] + more[0], votes[1] + more[1], votes[2] + more[2], total);
            match policy.verdict(&now, false) {
                None => {}
                Some(early) => {
                    let end = policy.verdict(&later, true).expect("the end decides");
                    let same = early == end
                        || (early == DecisionStatus::Rejected && end == DecisionStatus::Expired);
                    prop_assert!(same, "{early:?} became {end:?}");
                    prop_assert!(!policy.revotes || early == DecisionStatus::Rejected);
                }
            }
        }
    }
}
