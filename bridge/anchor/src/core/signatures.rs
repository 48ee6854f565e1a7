//! Which signatures an anchor carries. The contract takes a quorum of those that *count*: of replicas of its current epoch
//! that are not convicted, and that have deposited their bond and are not past its notice where the group has bonds. A
//! signature that does not count makes it refuse the whole, so those are left out here.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use quorate_protocol::AgentId;
use quorate_protocol::checkpoint::CheckpointSignature;

/// An account's seat in the contract's current epoch, as its views have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whether the account is a replica.
    pub replica: bool,
    /// Whether it was convicted in the group, ever.
    pub convicted: bool,
    /// Whether its bond is what the terms ask for.
    pub bonded: bool,
    /// When its signature stops to count because it asked for its bond, in seconds of Unix time; 0 where it did not.
    pub exit_at_s: u64,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncounted {
    /// The account is no replica of the contract's epoch.
    NoReplica,
    /// The contract has convicted it.
    Convicted,
    /// It has not deposited its bond.
    Unbonded,
    /// It asked for its bond, and the notice is over.
    Left,
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReplica => "is no replica",
            Self::Convicted => "is convicted",
            Self::Unbonded => "has not deposited its bond",
            Self::Left => "has left",
        })
    }
}

impl Seat {
    /// Whether the account's signature counts at `now_s`, in a group that `asks_bonds` or not. The contract's rule, word for
    /// word.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn counts(&self, asks_bonds: bool, now_s: u64) -> Result<(), Uncounted> {
        match self {
            Self { replica: false, .. } => Err(Uncounted::NoReplica),
            Self { convicted: true, .. } => Err(Uncounted::Convicted),
            _ if !asks_bonds => Ok(()),
            Self { bonded: false, .. } => Err(Uncounted::Unbonded),
            Self { exit_at_s, .. } if *exit_at_s != 0 && now_s >= *exit_at_s => Err(Uncounted::Left),
            _ => Ok(()),
        }
    }
}

/// The seats of the contract's current epoch as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    /// By account. Who is not in it is no replica.
    pub seats: BTreeMap<AgentId, Seat>,
    /// Whether the terms ask for bonds.
    pub asks_bonds: bool,
    /// How many signatures an anchor needs.
    pub quorum: usize,
    /// The block's time, in seconds of Unix time.
    pub now_s: u64,
}

/// There are signatures enough to make a checkpoint stable, and too few that count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{counted} of its signatures count, {quorum} are needed; {}", listed(.uncounted))]
pub struct TooFewCount {
    /// How many count.
    pub counted: usize,
    /// How many are needed.
    pub quorum: usize,
    /// The signers whose signatures do not count, by ascending account.
    pub uncounted: Vec<(AgentId, Uncounted)>,
}

fn listed(uncounted: &[(AgentId, Uncounted)]) -> String {
    if uncounted.is_empty() {
        return "no others are known".to_owned();
    }
    let words: Vec<_> = uncounted.iter().map(|(agent, why)| format!("{agent} {why}")).collect();
    words.join(", ")
}

/// Picks a quorum of the signatures that count, by ascending account as the contract takes them. Of those that count now,
/// who has asked for its bond comes last, and first to leave the very last: the transaction is included later than this is
/// decided.
///
/// # Errors
/// When too few count; then there is nothing to do but to wait for other signatures, or for the contract to change.
pub fn choose(
    signatures: &[CheckpointSignature],
    seats: &Seats,
) -> Result<Vec<CheckpointSignature>, TooFewCount> {
    let mut counted = BTreeMap::new();
    let mut uncounted = BTreeMap::new();
    for signed in signatures {
        let seat = seats.seats.get(&signed.replica);
        let counts =
            seat.map_or(Err(Uncounted::NoReplica), |seat| seat.counts(seats.asks_bonds, seats.now_s));
        match counts {
            Ok(()) => drop(counted.insert(signed.replica, *signed)),
            Err(why) => drop(uncounted.insert(signed.replica, why)),
        }
    }
    if counted.len() < seats.quorum {
        let (counted, quorum) = (counted.len(), seats.quorum);
        return Err(TooFewCount { counted, quorum, uncounted: uncounted.into_iter().collect() });
    }
    let leaves = |signed: &CheckpointSignature| {
        let exit_at_s = seats.seats.get(&signed.replica).map_or(0, |seat| seat.exit_at_s);
        if seats.asks_bonds && exit_at_s != 0 { exit_at_s } else { u64::MAX }
    };
    let mut chosen: Vec<_> = counted.into_values().collect();
    chosen.sort_by_key(|signed| Reverse(leaves(signed)));
    chosen.truncate(seats.quorum);
    chosen.sort_by_key(|signed| signed.replica);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use quorate_protocol::AccountSignature;

    use super::*;

    const GOOD: Seat = Seat { replica: true, convicted: false, bonded: true, exit_at_s: 0 };
    const NOW_S: u64 = 1_000;

    fn agent(place: usize) -> AgentId {
        AgentId::from([u8::try_from(place).unwrap() + 1; 20])
    }

    /// Seats of these replicas, and a signature of each.
    fn group(seats: &[Seat], quorum: usize, asks_bonds: bool) -> (Vec<CheckpointSignature>, Seats) {
        let signature = |place| {
            let signature = AccountSignature([u8::try_from(place).unwrap(); 65]);
            CheckpointSignature { replica: agent(place), signature }
        };
        let signatures = (0..seats.len()).map(signature).collect();
        let seats = seats.iter().enumerate().map(|(place, seat)| (agent(place), *seat)).collect();
        (signatures, Seats { seats, asks_bonds, quorum, now_s: NOW_S })
    }

    fn signers(chosen: &[CheckpointSignature]) -> Vec<AgentId> {
        chosen.iter().map(|signed| signed.replica).collect()
    }

    #[test]
    fn those_that_do_not_count_are_left_out_and_named_where_too_few_remain() {
        let convicted = Seat { convicted: true, ..GOOD };
        let unbonded = Seat { bonded: false, ..GOOD };
        let left = Seat { exit_at_s: NOW_S, ..GOOD };
        let gone = Seat { replica: false, ..GOOD };
        let (signatures, seats) = group(&[GOOD, convicted, GOOD, GOOD, unbonded, left, gone], 3, true);
        assert_eq!(signers(&choose(&signatures, &seats).unwrap()), [agent(0), agent(2), agent(3)]);

        let error = choose(&signatures[1..], &seats).unwrap_err();
        let why = [Uncounted::Convicted, Uncounted::Unbonded, Uncounted::Left, Uncounted::NoReplica];
        let uncounted = [1, 4, 5, 6].map(agent).into_iter().zip(why).collect();
        assert_eq!(error, TooFewCount { counted: 2, quorum: 3, uncounted });
        let said = error.to_string();
        let expected = format!("2 of its signatures count, 3 are needed; {} is convicted, ", agent(1));
        assert!(said.starts_with(&expected), "{said}");

        let without_bonds = Seats { asks_bonds: false, ..seats };
        let chosen = choose(&signatures[4..6], &Seats { quorum: 2, ..without_bonds }).unwrap();
        assert_eq!(signers(&chosen), [agent(4), agent(5)], "bonds are of no interest in a group without");
    }

    #[test]
    fn who_leaves_soon_signs_only_where_nobody_else_does() {
        let leaves = |exit_at_s| Seat { exit_at_s, ..GOOD };
        let (signatures, seats) = group(&[leaves(NOW_S + 1), GOOD, leaves(NOW_S + 9), GOOD], 3, true);
        assert_eq!(signers(&choose(&signatures, &seats).unwrap()), [agent(1), agent(2), agent(3)]);
        let all = Seats { quorum: 4, ..seats };
        assert_eq!(choose(&signatures, &all).unwrap(), signatures);
    }

    #[test]
    fn a_signature_counts_once() {
        let (signatures, seats) = group(&[GOOD; 3], 3, false);
        let twice = [signatures[0], signatures[1], signatures[1]];
        assert_eq!(choose(&twice, &seats).unwrap_err().counted, 2);
    }

    fn any_seat() -> impl Strategy<Value = Seat> {
        let exit_at_s = prop_oneof![Just(0), NOW_S - 2..NOW_S + 3];
        (any::<[bool; 3]>(), exit_at_s).prop_map(|([replica, convicted, bonded], exit_at_s)| Seat {
            replica,
            convicted,
            bonded,
            exit_at_s,
        })
    }

    proptest! {
        #[test]
        fn a_quorum_is_found_where_there_is_one_and_only_of_those_that_count(
            seats in vec(any_seat(), 0..20), quorum in 1..8usize, asks_bonds in any::<bool>(),
        ) {
            let counts = |seat: &Seat| {
                let stays = seat.bonded && (seat.exit_at_s == 0 || NOW_S < seat.exit_at_s);
                seat.replica && !seat.convicted && (!asks_bonds || stays)
            };
            let counted = seats.iter().filter(|seat| counts(seat)).count();
            let (signatures, view) = group(&seats, quorum, asks_bonds);
            match choose(&signatures, &view) {
                Ok(chosen) => {
                    prop_assert_eq!(chosen.len(), quorum);
                    prop_assert!(chosen.windows(2).all(|pair| pair[0].replica < pair[1].replica));
                    prop_assert!(chosen.iter().all(|signed| counts(&view.seats[&signed.replica])));
                }
                Err(error) => {
                    prop_assert!(counted < quorum);
                    prop_assert_eq!((error.counted, error.uncounted.len()), (counted, seats.len() - counted));
                }
            }
        }
    }
}
