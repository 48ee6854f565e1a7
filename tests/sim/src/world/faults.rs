//! What goes wrong, and how it is mended.

use super::{Happening, Mended, World, is_of_one};
use crate::node::Standing;
use crate::plan::{Loss, Mishap};
use crate::violation::Verdict;

impl World {
    pub(super) fn plan_mishap(&mut self) {
        let (least, most) = self.plan.pause_ms;
        let pause_ms = self.random.between(least, most);
        self.after(pause_ms, Happening::Mishap);
    }

    pub(super) fn on_mishap(&mut self) -> Verdict {
        if self.healed_at_ms.is_some() {
            return Ok(());
        }
        self.plan_mishap();
        let mishap = self.random.pick(&self.plan.mishaps);
        let number = self.random.index(self.nodes.len());
        let lasts_ms = self.random.between(50, 1_500);
        if is_of_one(mishap) {
            self.trace
                .note(self.now_ms, format_args!("{mishap:?} at {}, {lasts_ms} ms", self.nodes[number].name));
        } else {
            self.trace.note(self.now_ms, format_args!("{mishap:?}, {lasts_ms} ms"));
        }
        match mishap {
            Mishap::Crash => self.crash(number, lasts_ms),
            Mishap::Kill => self.kill(number, lasts_ms),
            Mishap::CrashAll => (0..self.nodes.len()).for_each(|number| self.crash(number, lasts_ms)),
            Mishap::Partition => {
                let part: Vec<bool> = (0..self.nodes.len()).map(|_| self.random.percent(50)).collect();
                self.cut(lasts_ms, |from, to| part[from] != part[to]);
            }
            Mishap::OneWay => {
                let dead: Vec<bool> = (0..self.nodes.len().pow(2)).map(|_| self.random.percent(30)).collect();
                let width = self.nodes.len();
                self.cut(lasts_ms, |from, to| dead[from * width + to]);
            }
            Mishap::Isolate => self.cut(lasts_ms, |from, to| from == number || to == number),
            Mishap::Slow => {
                self.nodes[number].round_ms = self.random.between(5, 150);
                self.after(lasts_ms, Happening::Mend(Mended::Speed(number)));
            }
            Mishap::ClockJump => {
                let jump_ms = self.random.between(0, 20_000) as i64 - 10_000;
                self.nodes[number].skew_ms += jump_ms;
                self.after(lasts_ms, Happening::Mend(Mended::Clock(number)));
            }
            Mishap::FullDisk => {
                self.nodes[number].disk.set_full(true);
                self.after(lasts_ms, Happening::Mend(Mended::Disk(number)));
            }
        }
        Ok(())
    }

    /// Power is lost at a node: what was not synced may be gone.
    fn crash(&mut self, number: usize, lasts_ms: u64) {
        let random = &mut self.random;
        let node = &mut self.nodes[number];
        if node.running.is_none() {
            return;
        }
        node.disk.crash(random);
        node.running = None;
        node.back_at_ms = Some(self.now_ms + lasts_ms);
        self.after(lasts_ms, Happening::Start { node: number });
    }

    /// A node's process ends at once; what it wrote is there.
    pub(super) fn kill(&mut self, number: usize, lasts_ms: u64) {
        let node = &mut self.nodes[number];
        if node.running.is_none() {
            return;
        }
        node.disk.kill();
        node.running = None;
        node.back_at_ms = Some(self.now_ms + lasts_ms);
        self.after(lasts_ms, Happening::Start { node: number });
    }

    fn cut(&mut self, lasts_ms: u64, cuts: impl Fn(usize, usize) -> bool) {
        let places = 0..self.nodes.len();
        let links: Vec<(usize, usize)> = places
            .clone()
            .flat_map(|from| places.clone().map(move |to| (from, to)))
            .filter(|(from, to)| from != to && cuts(*from, *to))
            .collect();
        links.iter().for_each(|(from, to)| self.network.cut(*from, *to));
        self.after(lasts_ms, Happening::Mend(Mended::Links(links)));
    }

    pub(super) fn mend(&mut self, mended: &Mended) -> Verdict {
        self.trace.note(self.now_ms, format_args!("mended: {mended:?}"));
        match mended {
            Mended::Links(links) => links.iter().for_each(|(from, to)| self.network.mend(*from, *to)),
            Mended::Speed(number) => self.nodes[*number].round_ms = 0,
            Mended::Clock(number) => self.nodes[*number].skew_ms = 0,
            Mended::Disk(number) => self.nodes[*number].disk.set_full(false),
        }
        Ok(())
    }

    /// A replica loses its memory. Until the next epoch it counts among the faulty.
    pub(super) fn forget(&mut self) -> Verdict {
        let Some((number, loss)) = self.plan.loss else { return Ok(()) };
        self.trace.note(self.now_ms, format_args!("{} loses {loss:?}", self.nodes[number].name));
        let random = &mut self.random;
        let node = &mut self.nodes[number];
        node.disk.kill();
        node.running = None;
        node.standing = Standing::Forgetful;
        match loss {
            Loss::Everything => node.disk.wipe(),
            Loss::Log => node.disk.lose_log(),
            // A tail that rotted cannot be told from one that was torn: the replica may forget a vote.
            Loss::Rot => {
                if node.disk.rot_log(random) {
                    node.standing = Standing::Faulty;
                    node.was_faulty = true;
                }
            }
        }
        let down_ms = self.random.between(50, 1_000);
        self.after(down_ms, Happening::Start { node: number });
        Ok(())
    }
}
