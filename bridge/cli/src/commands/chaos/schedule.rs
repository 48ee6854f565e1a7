//! Which fault comes when, and where: all of it from one seed.

use serde::Serialize;

use super::fault::Kind;

/// Whom a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Whoever is primary when the fault comes.
    Primary,
    /// The node at this position.
    Node(usize),
}

/// One fault of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// Its position in the run, from 1.
    pub(crate) number: usize,
    /// What happens.
    pub(crate) kind: Kind,
    /// To whom, where it happens to a node.
    pub(crate) target: Option<Target>,
    /// How long it lasts, where it lasts.
    pub(crate) hold_ms: u64,
    /// What else is left to chance: the partner of a half, the depth of a reorganisation, the rhythm of a link.
    pub(crate) chance: u64,
}

/// A generator whose numbers follow from its seed, whatever version of whatever crate is used (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. The bias is below one in a billion for the small ends used here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// All faults of a run, without end. Each round has every kind once, in another order.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    chance: Chance,
    kinds: Vec<Kind>,
    nodes: usize,
    hold_ms: u64,
    deck: Vec<Kind>,
    count: usize,
}

impl Schedule {
    /// The schedule of a seed for so many nodes. A fault lasts from a quarter of `hold_ms` to all of it.
    ///
    /// # Panics
    /// Without kinds or nodes.
    pub(crate) fn new(seed: u64, kinds: &[Kind], nodes: usize, hold_ms: u64) -> Self {
        assert!(!kinds.is_empty() && nodes > 0, "there is something to do, and somebody to do it to");
        Self { chance: Chance::new(seed), kinds: kinds.to_vec(), nodes, hold_ms, deck: Vec::new(), count: 0 }
    }

    /// How many faults a round has.
    pub(crate) fn round(&self) -> usize {
        self.kinds.len()
    }

    fn shuffled(&mut self) -> Vec<Kind> {
        let mut deck = self.kinds.clone();
        for at in (1..deck.len()).rev() {
            let other = self.chance.below(at as u64 + 1) as usize;
            deck.swap(at, other);
        }
        deck
    }
}

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.deck.is_empty() {
            self.deck = self.shuffled();
        }
        let kind = self.deck.pop()?;
        self.count += 1;
        // Drawn for every kind, so that one more kind that needs it shifts nothing.
        let (coin, node) = (self.chance.below(2), self.chance.below(self.nodes as u64) as usize);
        let least = self.hold_ms / 4;
        let hold_ms = least + self.chance.below((self.hold_ms - least).max(1));
        let target = if coin == 0 { Target::Primary } else { Target::Node(node) };
        Some(Step {
            number: self.count,
            kind,
            target: kind.has_target().then_some(target),
            hold_ms,
            chance: self.chance.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Kill, Kind::Pause, Kind::Reorg];

    #[test]
    fn a_seed_gives_the_same_faults_and_another_others() {
        let take = |seed| Schedule::new(seed, &KINDS, 4, 8_000).take(30).collect::<Vec<_>>();
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }

    #[test]
    fn every_round_has_every_kind_once() {
        let mut schedule = Schedule::new(7, &KINDS, 4, 8_000);
        for _ in 0..20 {
            let mut kinds: Vec<_> = schedule.by_ref().take(KINDS.len()).map(|step| step.kind).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, KINDS);
        }
    }

    #[test]
    fn holds_are_bounded_and_targets_fit_their_kind() {
        let mut met = [false; 5];
        for step in Schedule::new(3, &KINDS, 4, 8_000).take(300) {
            assert!((2_000..8_000).contains(&step.hold_ms));
            assert_eq!(step.target.is_none(), step.kind == Kind::Reorg);
            match step.target {
                Some(Target::Node(node)) => met[node] = true,
                Some(Target::Primary) => met[4] = true,
                None => {}
            }
        }
        assert_eq!(met, [true; 5], "every node is hit, and the primary on purpose");
    }
}
