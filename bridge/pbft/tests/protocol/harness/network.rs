//! Links that lose, delay, repeat and reorder.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::ReplicaIndex;

use super::random::Random;

/// How badly a link behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) min_delay_ms: u64,
    pub(crate) max_delay_ms: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { loss_percent: 0, repeat_percent: 0, min_delay_ms: 1, max_delay_ms: 3 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) from: ReplicaIndex,
    pub(crate) to: ReplicaIndex,
    pub(crate) bytes: std::rc::Rc<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    /// One-way links that are down.
    down: BTreeSet<(ReplicaIndex, ReplicaIndex)>,
    under_way: BTreeMap<(u64, u64), Delivery>,
    sent: u64,
}

impl Network {
    pub(crate) fn send(&mut self, now_ms: u64, random: &mut Random, delivery: Delivery) {
        if self.is_down(delivery.from, delivery.to) || random.percent(self.weather.loss_percent) {
            return;
        }
        let copies = 1 + u64::from(random.percent(self.weather.repeat_percent));
        for _ in 0..copies {
            let delay = random.between(self.weather.min_delay_ms, self.weather.max_delay_ms);
            self.sent += 1;
            self.under_way.insert((now_ms + delay, self.sent), delivery.clone());
        }
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.under_way.first_key_value().map(|(&(at, _), _)| at)
    }

    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<Delivery> {
        let (&key, _) = self.under_way.first_key_value().filter(|((at, _), _)| *at <= now_ms)?;
        self.under_way.remove(&key).filter(|delivery| !self.is_down(delivery.from, delivery.to))
    }

    pub(crate) fn is_down(&self, from: ReplicaIndex, to: ReplicaIndex) -> bool {
        self.down.contains(&(from, to))
    }

    /// Takes the one-way link down, and loses what is on it.
    pub(crate) fn cut(&mut self, from: ReplicaIndex, to: ReplicaIndex) {
        self.down.insert((from, to));
        self.under_way.retain(|_, delivery| (delivery.from, delivery.to) != (from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.down.clear();
    }
}
