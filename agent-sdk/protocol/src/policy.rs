//! When votes decide.
//!
//! The contract has the same rules (`contracts/src/Policies.sol`); `tests/vectors/policies.json` pins both.

use crate::class::{Basis, Class};
use crate::proposal::DecisionStatus;

/// The whole of which the parts of weight are told: basis points.
pub const WHOLE: u16 = 10_000;

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

impl Class {
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

    /// The least weight of objections, of all voters' `total`, that takes back what was approved (the contract's `veto`): the
    /// class' veto, or where it has none, more than what the threshold leaves.
    pub fn objection_weight(&self, total: u128) -> u128 {
        let whole = u128::from(WHOLE);
        match u128::from(self.veto) {
            0 => (whole - u128::from(self.threshold).min(whole)) * total / whole + 1,
            veto => (veto * total).div_ceil(whole),
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
}

/// Whether `weight` is at least `part` of `base`.
pub(crate) fn reaches(weight: u128, part: u16, base: u128) -> bool {
    weight * u128::from(WHOLE) >= u128::from(part) * base
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class() -> Class {
        Class::of_weight(3, 4, 60)
    }

    fn weights(in_favour: u128, against: u128, abstain: u128, total: u128) -> Weights {
        Weights { in_favour, against, abstain, total }
    }

    fn any_class() -> impl Strategy<Value = Class> {
        (5_001..=WHOLE, any::<bool>(), 1..=WHOLE, prop_oneof![Just(0), 1..=WHOLE], any::<bool>()).prop_map(
            |(threshold, cast, turnout, veto, revotes)| Class {
                threshold,
                basis: if cast { Basis::Cast } else { Basis::All },
                turnout,
                veto,
                revotes,
                ..class()
            },
        )
    }

    #[test]
    fn who_could_have_blocked_it_takes_it_back() {
        for total in 1..=200u128 {
            for threshold in total / 2 + 1..=total {
                let class = Class::of_weight(threshold, total, 60);
                let least = class.objection_weight(total);
                assert_eq!(least, total - threshold + 1, "{threshold} of {total}");
                let class = Class { veto: 3_333, ..class };
                let least = class.objection_weight(total);
                assert!(reaches(least, class.veto, total) && !reaches(least - 1, class.veto, total));
            }
        }
    }

    #[test]
    fn a_threshold_of_weight_is_met_by_that_weight_and_no_less() {
        for total in 1..=200u128 {
            for threshold in total / 2 + 1..=total {
                let class = Class::of_weight(threshold, total, 60);
                assert!(reaches(threshold, class.threshold, total));
                assert!(!reaches(threshold - 1, class.threshold, total), "{threshold} of {total}");
            }
        }
    }

    #[test]
    fn all_weight_decides_as_soon_as_the_rest_cannot_alter_it() {
        let class = class();
        assert_eq!(class.verdict(&weights(2, 1, 0, 4), false), None);
        assert_eq!(class.verdict(&weights(3, 0, 0, 4), false), Some(DecisionStatus::Approved));
        assert_eq!(class.verdict(&weights(0, 1, 1, 4), false), Some(DecisionStatus::Rejected));
        assert_eq!(class.verdict(&weights(2, 1, 0, 4), true), Some(DecisionStatus::Expired));
    }

    #[test]
    fn votes_cast_decide_with_a_turnout() {
        let class = Class { threshold: 6_000, basis: Basis::Cast, turnout: 5_000, ..class() };
        assert_eq!(class.verdict(&weights(3, 0, 0, 10), true), Some(DecisionStatus::Expired));
        assert_eq!(class.verdict(&weights(3, 2, 0, 10), true), Some(DecisionStatus::Approved));
        assert_eq!(class.verdict(&weights(2, 3, 0, 10), true), Some(DecisionStatus::Rejected));
        assert_eq!(class.verdict(&weights(0, 0, 10, 10), true), Some(DecisionStatus::Rejected));
        assert_eq!(class.verdict(&weights(5, 2, 0, 10), false), None, "three more could vote against");
        assert_eq!(class.verdict(&weights(6, 2, 0, 10), false), Some(DecisionStatus::Approved));
        assert_eq!(class.verdict(&weights(0, 5, 0, 10), false), Some(DecisionStatus::Rejected));
    }

    #[test]
    fn a_veto_rejects_and_is_waited_for() {
        let class = Class { threshold: 5_001, veto: 3_000, ..class() };
        assert_eq!(class.verdict(&weights(6, 0, 0, 10), false), None);
        assert_eq!(class.verdict(&weights(6, 2, 1, 10), false), None);
        assert_eq!(class.verdict(&weights(6, 3, 0, 10), false), Some(DecisionStatus::Rejected));
        assert_eq!(class.verdict(&weights(8, 0, 0, 10), false), Some(DecisionStatus::Approved));
    }

    #[test]
    fn where_votes_change_the_end_decides() {
        let class = Class { revotes: true, ..class() };
        assert_eq!(class.verdict(&weights(4, 0, 0, 4), false), None);
        assert_eq!(class.verdict(&weights(4, 0, 0, 4), true), Some(DecisionStatus::Approved));
    }

    proptest! {
        #[test]
        fn no_further_votes_alter_a_verdict(
            class in any_class(),
            votes in prop::array::uniform3(0..40u128),
            more in prop::array::uniform3(0..40u128),
            absent in 0..40u128,
        ) {
            let left: u128 = more.iter().sum::<u128>() + absent;
            let total = votes.iter().sum::<u128>() + left;
            let now = weights(votes[0], votes[1], votes[2], total);
            let later = weights(votes[0] + more[0], votes[1] + more[1], votes[2] + more[2], total);
            match class.verdict(&now, false) {
                None => {}
                Some(early) => {
                    let end = class.verdict(&later, true).expect("the end decides");
                    let same = early == end
                        || (early == DecisionStatus::Rejected && end == DecisionStatus::Expired);
                    prop_assert!(same, "{early:?} became {end:?}");
                    prop_assert!(!class.revotes || early == DecisionStatus::Rejected);
                }
            }
        }
    }
}
