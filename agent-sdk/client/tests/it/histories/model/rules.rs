//! The rules that do not depend on where a group stands, said anew: plainly, and not as the code under test says them.

use std::collections::BTreeMap;

use quorate_protocol::class::ETHER;
use quorate_protocol::{AgentId, Basis, Call, Class, Scope, Target};

use super::Refused;

const WHOLE: u128 = 10_000;
/// ERC-20's `transfer(address,uint256)`.
pub(in crate::histories) const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// What votes come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::histories) enum Verdict {
    Open,
    Approved,
    Rejected,
    Expired,
}

/// The weights for, against and abstaining.
pub(in crate::histories) type Weights = [u128; 3];

/// The smallest number such that any two sets of so many of `n` replicas have one in common that is correct, when a third
/// at most is not.
pub(in crate::histories) fn quorum(n: usize) -> usize {
    let faulty = (n - 1) / 3;
    (1..=n).find(|quorum| 2 * quorum > n + faulty).unwrap()
}

fn is_vetoed(class: &Class, against: u128, total: u128) -> bool {
    class.veto != 0 && against * WHOLE >= u128::from(class.veto) * total
}

/// What the votes come to when the voting is over.
pub(in crate::histories) fn at_the_end(class: &Class, votes: Weights, total: u128) -> Verdict {
    let [inclined, against, abstained] = votes;
    if is_vetoed(class, against, total) {
        return Verdict::Rejected;
    }
    let turned_out = (inclined + against + abstained) * WHOLE >= u128::from(class.turnout) * total;
    let base = if class.basis == Basis::All { total } else { inclined + against };
    let carried = inclined > 0 && inclined * WHOLE >= u128::from(class.threshold) * base;
    match (turned_out, carried) {
        (true, true) => Verdict::Approved,
        (true, false) if class.basis == Basis::Cast => Verdict::Rejected,
        _ => Verdict::Expired,
    }
}

/// What the votes come to before that: approved or rejected only where all that those who have not voted may still do comes
/// to the same. Tries it all.
pub(in crate::histories) fn before_the_end(
    class: &Class,
    votes: Weights,
    silent: &[u64],
    total: u128,
) -> Verdict {
    if class.revotes {
        return if is_vetoed(class, votes[1], total) { Verdict::Rejected } else { Verdict::Open };
    }
    let (mut approved, mut ways) = (0, 0);
    each_way(votes, silent, &mut |votes| {
        ways += 1;
        approved += u32::from(at_the_end(class, votes, total) == Verdict::Approved);
    });
    match approved {
        0 => Verdict::Rejected,
        all if all == ways => Verdict::Approved,
        _ => Verdict::Open,
    }
}

fn each_way(votes: Weights, silent: &[u64], see: &mut impl FnMut(Weights)) {
    let Some((weight, others)) = silent.split_first() else { return see(votes) };
    each_way(votes, others, see);
    for choice in 0..3 {
        let mut votes = votes;
        votes[choice] += u128::from(*weight);
        each_way(votes, others, see);
    }
}

/// Whether `weight` is so large a part of all, in basis points. None is no part.
pub(in crate::histories) fn reaches(weight: u128, part: u16, total: u128) -> bool {
    weight != 0 && weight * WHOLE >= u128::from(part) * total
}

/// Whether `weight` could have blocked a decision of the class.
pub(in crate::histories) fn blocks(class: &Class, weight: u128, total: u128) -> bool {
    match class.veto {
        0 => weight != 0 && weight * WHOLE > (WHOLE - u128::from(class.threshold)) * total,
        veto => reaches(weight, veto, total),
    }
}

/// What the calls take of each asset in a class, or the contract's error.
pub(in crate::histories) fn permit(
    class: &Class,
    calls: &[Call],
    own: [AgentId; 2],
) -> Result<BTreeMap<AgentId, u128>, Refused> {
    if calls.iter().any(|call| call.gas == 0 && (call.allow_failure || !call.data.is_empty())) {
        return Err("GasNotNamed");
    }
    if calls.iter().map(|call| call.gas).sum::<u64>() > 10_000_000 {
        return Err("TooMuchGas");
    }
    let mut sums = BTreeMap::new();
    if class.scope == Scope::Anything {
        return Ok(sums);
    }
    for call in calls {
        let (asset, amount) = taken(class, call, own).ok_or("CallNotPermitted")?;
        *sums.entry(asset).or_default() += amount;
    }
    let above = |(asset, sum): (&AgentId, &u128)| {
        *sum > class.limits.iter().find(|limit| limit.asset == *asset).map_or(0, |limit| limit.per_decision)
    };
    let counts = class.scope != Scope::Calls || !class.limits.is_empty() || !class.targets.is_empty();
    if counts && sums.iter().any(above) { Err("AboveLimit") } else { Ok(sums) }
}

/// What one call takes of which asset; nothing where the class permits no such call.
fn taken(class: &Class, call: &Call, own: [AgentId; 2]) -> Option<(AgentId, u128)> {
    let limited = |asset: AgentId| class.limits.iter().any(|limit| limit.asset == asset);
    let free = class.scope == Scope::Calls && class.limits.is_empty() && class.targets.is_empty();
    if own.contains(&call.target) {
        return None;
    }
    if free {
        return Some((ETHER, 0));
    }
    if call.data.is_empty() && limited(ETHER) {
        return Some((ETHER, call.value.to()));
    }
    if call.value.is_zero() && limited(call.target) && call.data.len() == 68 && call.data[..4] == TRANSFER {
        return Some((call.target, u128::from_be_bytes(call.data[52..].try_into().unwrap())));
    }
    let selector = call.data.get(..4).map(|bytes| <[u8; 4]>::try_from(bytes).unwrap())?;
    let listed = class.targets.contains(&Target { target: call.target, selector: selector.into() });
    listed.then(|| (ETHER, call.value.to()))
}

/// All that classes with a window ever sent.
#[derive(Default)]
pub(in crate::histories) struct Spends(Vec<Spend>);

struct Spend {
    class: u8,
    asset: AgentId,
    second: u64,
    amount: u128,
}

impl Spends {
    /// What a class may still send of an asset: the limit less all that left in this stretch of the clock and in the one
    /// before.
    pub(in crate::histories) fn left(&self, at: u8, class: &Class, asset: AgentId, now: u64) -> u128 {
        let stretch = |second: u64| second / u64::from(class.window_s);
        let limit = class.limits.iter().find(|limit| limit.asset == asset).unwrap();
        let recent = self.0.iter().filter(|spend| (spend.class, spend.asset) == (at, asset));
        let recent = recent.filter(|spend| stretch(spend.second) + 1 >= stretch(now));
        limit.per_window - recent.map(|spend| spend.amount).sum::<u128>()
    }

    /// Notes what a decision of a class with a window sends.
    ///
    /// # Panics
    /// When more leaves in any stretch of time as long as the window than the class may send in it.
    pub(in crate::histories) fn add(
        &mut self,
        at: u8,
        class: &Class,
        sums: &BTreeMap<AgentId, u128>,
        now: u64,
    ) {
        for (asset, amount) in sums {
            self.0.push(Spend { class: at, asset: *asset, second: now, amount: *amount });
            let limit = class.limits.iter().find(|limit| limit.asset == *asset).unwrap();
            let within = self.0.iter().filter(|spend| (spend.class, spend.asset) == (at, *asset));
            let within = within.filter(|spend| spend.second + u64::from(class.window_s) > now);
            let sum: u128 = within.map(|spend| spend.amount).sum();
            assert!(sum <= limit.per_window, "{sum} of {asset} left in one window, {} may", limit.per_window);
        }
    }
}
