//! The links between nodes: what they lose, delay, repeat, and which of them are cut.

use std::collections::BTreeSet;

use crate::plan::Weather;
use crate::random::Random;

/// How much longer a straggler may take.
const STRAGGLER: u64 = 30;

/// The links of all nodes, by their numbers.
#[derive(Clone, Debug)]
pub struct Network {
    /// How links behave that are not cut.
    pub weather: Weather,
    /// Cut links: from, to.
    cut: BTreeSet<(usize, usize)>,
    random: Random,
}

impl Network {
    /// A network in `weather`.
    pub fn new(weather: Weather, random: Random) -> Self {
        Self { weather, cut: BTreeSet::new(), random }
    }

    /// After how many milliseconds each copy of a frame arrives; none if it is lost.
    pub fn travel(&mut self, from: usize, to: usize) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || self.random.permille(self.weather.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.random.permille(self.weather.repeat));
        (0..copies).map(|_| self.delay_ms()).collect()
    }

    fn delay_ms(&mut self) -> u64 {
        let (least, most) = self.weather.delay_ms;
        let delay_ms = self.random.between(least, most);
        if self.random.permille(self.weather.stragglers) {
            delay_ms * self.random.between(2, STRAGGLER)
        } else {
            delay_ms
        }
    }

    /// Whether a link carries nothing.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Cuts a link in one direction.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Mends one direction of a link.
    pub fn mend(&mut self, from: usize, to: usize) {
        self.cut.remove(&(from, to));
    }

    /// Mends everything, for good: the weather stays as it is afterwards.
    pub fn heal(&mut self, afterwards: Weather) {
        self.cut.clear();
        self.weather = afterwards;
    }
}
