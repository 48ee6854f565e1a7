//! The classes of a group's decisions: what each may be about, who decides it, and how soon it may be executed.
//!
//! A class waits or is bounded: what is executed without a timelock calls nothing, or stays within limits by decision and
//! by window. So what a group can lose at once is a number that stands in its terms.

use alloy_primitives::{Address, Selector};
use alloy_sol_types::sol;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{bounded_list, bounded_text};
use crate::ids::{AgentId, TimestampMs};
use crate::policy::WHOLE;

/// The most bytes of a class' name.
pub const MAX_CLASS_NAME: usize = 16;
/// The most limits of a class.
pub const MAX_LIMITS: usize = 4;
/// The most targets of a class.
pub const MAX_TARGETS: usize = 8;
/// The largest limit: the contract has 112 bits for it.
pub const MAX_LIMIT: u128 = (1 << 112) - 1;
/// An hour in seconds: the least of most times that are not 0.
pub const HOUR_S: u32 = 60 * 60;
/// A day in seconds.
pub const DAY_S: u32 = 24 * HOUR_S;

/// The asset that is no token: ether, named by the address zero.
pub const ETHER: AgentId = AgentId(Address::ZERO);

/// Of which weight a class' threshold is a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Scope {
    /// None: it decides something, and nothing is called.
    #[n(0)]
    Decisions = 0,
    /// Ether without call data and transfers of tokens, within the class' limits.
    #[n(1)]
    Payments = 1,
    /// Anything but calls to the coordinator and to the group's own account; or what the class lists, within its limits.
    #[n(2)]
    Calls = 2,
    /// Changes of the group itself too.
    #[default]
    #[n(3)]
    Anything = 3,
}

/// When the on-chain lane takes new proposals of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Opening {
    /// Never.
    #[default]
    #[n(0)]
    Never = 0,
    /// While the group's replicas leave a message waiting for longer than the stall time.
    #[n(1)]
    Stalled = 1,
    /// Always; for classes that decide the same in both lanes.
    #[n(2)]
    Always = 2,
}

/// How much of an asset the calls of a class may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Limit {
    /// A token, or [`ETHER`].
    #[n(0)]
    pub asset: AgentId,
    /// The most by one decision, in the asset's smallest unit.
    #[cbor(n(1), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub per_decision: u128,
    /// The most in any stretch of time as long as the class' window; 0 where the class has none.
    #[cbor(n(2), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub per_window: u128,
}

/// A function that a class' calls may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Target {
    /// The contract.
    #[n(0)]
    pub target: AgentId,
    /// The function's selector; zero for a call without data.
    #[cbor(n(1), with = "crate::codec::selector")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::FunctionSelector))]
    pub selector: Selector,
}

/// A class of decisions. Parts of weight are in basis points, [`WHOLE`] to the whole.
/// [`Terms::validate`](crate::terms::Terms::validate) has the bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Class {
    /// Its name: small letters, digits, `-` and `_`.
    #[cbor(n(0), decode_with = "bounded_text::<Ctx, MAX_CLASS_NAME>")]
    pub name: String,
    /// What the calls may be.
    #[n(1)]
    pub scope: Scope,
    /// When the on-chain lane takes new proposals.
    #[n(2)]
    pub opening: Opening,
    /// Whether what was proposed off-chain can be approved on-chain, by the voters' signatures, when the group's replicas
    /// have stalled.
    #[n(3)]
    pub escape: bool,
    /// Whether a voter may change its vote while the voting lasts, which it then does to its end.
    #[n(4)]
    pub revotes: bool,
    /// Of which weight the threshold is a part.
    #[n(5)]
    pub basis: Basis,
    /// The part of the weight that votes for have to reach: more than half.
    #[n(6)]
    pub threshold: u16,
    /// The part of all weight that has to vote, abstentions included.
    #[n(7)]
    pub turnout: u16,
    /// The part of all weight that votes against have to reach to reject, whatever is for; 0 for no veto.
    #[n(8)]
    pub veto: u16,
    /// How long a proposal takes votes, in seconds.
    #[n(9)]
    pub voting_period_s: u32,
    /// How long the chain shows an approved decision before it may be executed, in seconds; 0 for not at all.
    #[n(10)]
    pub timelock_s: u32,
    /// How long a decision may be executed, in seconds.
    #[n(11)]
    pub expiry_s: u32,
    /// The stretch of time that [`Limit::per_window`] is for, in seconds; 0 for none.
    #[n(12)]
    pub window_s: u32,
    /// The limits, in strictly ascending order of asset.
    #[cbor(n(13), decode_with = "bounded_list::<Limit, Ctx, MAX_LIMITS>")]
    pub limits: Vec<Limit>,
    /// The functions that may be called, in strictly ascending order.
    #[cbor(n(14), decode_with = "bounded_list::<Target, Ctx, MAX_TARGETS>")]
    pub targets: Vec<Target>,
}

impl Class {
    /// A class for everything with the threshold that `threshold` is of `total` weight, decided by all weight, off-chain
    /// alone; what is decided waits for an hour and may be executed for a day. The threshold is exact for totals up to
    /// [`WHOLE`].
    pub fn of_weight(threshold: u128, total: u128, voting_period_s: u32) -> Self {
        let part = (threshold * u128::from(WHOLE)).checked_div(total).unwrap_or(0);
        Self {
            name: "default".into(),
            scope: Scope::Anything,
            opening: Opening::Never,
            escape: false,
            revotes: false,
            basis: Basis::All,
            threshold: u16::try_from(part).unwrap_or(u16::MAX),
            turnout: 0,
            veto: 0,
            voting_period_s,
            timelock_s: HOUR_S,
            expiry_s: DAY_S,
            window_s: 0,
            limits: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// As [`Self::of_weight`], for decisions that call nothing, at once.
    pub fn decisions(threshold: u128, total: u128, voting_period_s: u32) -> Self {
        let all = Self::of_weight(threshold, total, voting_period_s);
        Self { name: "decisions".into(), scope: Scope::Decisions, timelock_s: 0, ..all }
    }

    /// As [`Self::of_weight`], for payments of ether, at once: so many wei a decision, and so many in any day.
    pub fn payments(
        threshold: u128,
        total: u128,
        voting_period_s: u32,
        (per_decision, per_window): (u128, u128),
    ) -> Self {
        let all = Self::of_weight(threshold, total, voting_period_s);
        let limits = vec![Limit { asset: ETHER, per_decision, per_window }];
        Self { name: "pay".into(), scope: Scope::Payments, timelock_s: 0, window_s: DAY_S, limits, ..all }
    }

    /// As [`Self::of_weight`], always open on-chain too and with the escape lane: the kind of class in which weights
    /// are changed (see [`Mandate`](crate::mandate::Mandate)). The voting lasts for more than the terms' stall time.
    pub fn constitution(threshold: u128, total: u128, voting_period_s: u32) -> Self {
        let all = Self::of_weight(threshold, total, voting_period_s);
        Self { name: "constitution".into(), opening: Opening::Always, escape: true, ..all }
    }

    /// Whether further votes, or the time they come at, cannot make the lanes decide differently: then all weight counts,
    /// and neither turnout, nor veto, nor votes that change.
    pub fn is_invariant(&self) -> bool {
        self.basis == Basis::All && self.turnout == 0 && self.veto == 0 && !self.revotes
    }

    /// Whether weights may be changed by the class' decisions.
    pub fn changes_weights(&self) -> bool {
        self.escape && self.scope == Scope::Anything
    }

    /// Whether the class' decisions can be made on-chain, and may replace the replicas there.
    pub fn recovers(&self) -> bool {
        self.scope == Scope::Anything && (self.opening != Opening::Never || self.escape)
    }

    /// The limit on an asset.
    pub fn limit(&self, asset: AgentId) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.asset == asset)
    }

    /// The last second (Unix time) at which the log lets a decision be executed that it took at `decided`. The contract
    /// ends what was decided in an epoch that is over by its own clock too.
    pub fn ends(&self, decided: TimestampMs) -> u64 {
        decided.seconds().saturating_add(u64::from(self.expiry_s))
    }
}

sol! {
    struct SolLimit {
        address asset;
        uint128 perDecision;
        uint128 perWindow;
    }

    struct SolTarget {
        address target;
        bytes4 selector;
    }

    struct SolClass {
        bytes16 name;
        uint8 scope;
        uint8 opening;
        bool escape;
        bool revotes;
        uint8 basis;
        uint16 threshold;
        uint16 turnout;
        uint16 veto;
        uint32 votingPeriod;
        uint32 timelock;
        uint32 expiry;
        uint32 window;
        SolLimit[] limits;
        SolTarget[] targets;
    }
}

impl Class {
    /// The class as the contract encodes it. A name of more than [`MAX_CLASS_NAME`] bytes, which is none, is cut.
    pub(crate) fn to_sol(&self) -> SolClass {
        let mut name = [0; MAX_CLASS_NAME];
        let bytes = self.name.as_bytes();
        let len = bytes.len().min(MAX_CLASS_NAME);
        name[..len].copy_from_slice(&bytes[..len]);
        let limits = self.limits.iter().map(|limit| SolLimit {
            asset: limit.asset.0,
            perDecision: limit.per_decision,
            perWindow: limit.per_window,
        });
        let targets = self
            .targets
            .iter()
            .map(|target| SolTarget { target: target.target.0, selector: target.selector });
        SolClass {
            name: name.into(),
            scope: self.scope as u8,
            opening: self.opening as u8,
            escape: self.escape,
            revotes: self.revotes,
            basis: self.basis as u8,
            threshold: self.threshold,
            turnout: self.turnout,
            veto: self.veto,
            votingPeriod: self.voting_period_s,
            timelock: self.timelock_s,
            expiry: self.expiry_s,
            window: self.window_s,
            limits: limits.collect(),
            targets: targets.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_class_survives_its_encoding_and_is_bounded() {
        let target = |byte| Target { target: AgentId::from([byte; 20]), selector: Selector::from([1; 4]) };
        let pay = Class::payments(3, 4, 60, (5, MAX_LIMIT));
        let class = Class { targets: (0..8).map(target).collect(), ..pay };
        assert_eq!(codec::decode(&codec::encode(&class), 4_096), Ok(class.clone()));
        let json = serde_json::to_string(&class).unwrap();
        assert_eq!(serde_json::from_str::<Class>(&json).unwrap(), class);
        let long = Class { targets: (0..9).map(target).collect(), ..class };
        assert!(codec::decode::<Class>(&codec::encode(&long), 4_096).is_err());
    }

    #[test]
    fn a_decision_ends_so_long_after_the_whole_second_that_it_was_taken_in() {
        let class = Class { expiry_s: 3_600, ..Class::of_weight(3, 4, 60) };
        assert_eq!(class.ends(TimestampMs(1_999)), 3_601);
        assert_eq!(class.ends(TimestampMs(2_000)), 3_602);
    }
}
