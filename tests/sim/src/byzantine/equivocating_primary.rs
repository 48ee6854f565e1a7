//! A primary that proposes two batches for one sequence.
//!
//! **What it does.** It signs a second valid batch beside the one that its node made (another time, commands
//! left out or turned around), proposes it to some of the backups, and votes commit for both: to each backup
//! for the batch that this one got. Sometimes it shows both to everybody a little later.
//!
//! **What it attacks.** That at most one batch is prepared for a view and a sequence (section 4.2 of the
//! paper): quorums intersect in a correct replica, and that one prepares once.
//!
//! **What a correct group does.** Nobody executes anything else than the others. Whichever batch has no
//! quorum is given up with the view. Backups that see both, or each other's prepares, hold evidence.

use std::collections::BTreeMap;

use quorate_node::frame::Frame;
use quorate_pbft::message::PrePrepare;
use quorate_pbft::{Batch, Message};
use quorate_protocol::{AgentId, Epoch, Sequence, View};

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// The most sequences that are remembered as forked.
const MAX_FORKS: usize = 256;

#[derive(Clone, Debug)]
struct Fork {
    /// What the node itself proposed.
    mine: PrePrepare,
    other: PrePrepare,
    /// Who gets the other.
    deceived: Vec<AgentId>,
    /// Whether everybody gets both in the end.
    shown: bool,
}

/// See the page.
#[derive(Clone, Debug)]
pub struct EquivocatingPrimary {
    spells: Spells,
    fork_percent: u64,
    show_percent: u64,
    forks: BTreeMap<(Epoch, View, Sequence), Fork>,
}

impl EquivocatingPrimary {
    /// How often it forks, and how often it shows it, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            fork_percent: random.pick(&[10, 40, 100]),
            show_percent: random.pick(&[0, 20, 60, 100]),
            forks: BTreeMap::new(),
        }
    }

    fn fork(&mut self, stage: &mut Stage<'_>, mine: &PrePrepare) -> Option<&Fork> {
        let key = (stage.context.epoch, mine.view, mine.sequence);
        if !self.forks.contains_key(&key) {
            if !self.spells.active(stage) || !stage.random.percent(self.fork_percent) {
                return None;
            }
            let batch = another(&mine.batch, stage.random);
            let other = stage.pre_prepare(mine.view, mine.sequence, batch);
            let deceived = stage.some_of_the_others();
            let shown = stage.random.percent(self.show_percent);
            if self.forks.len() == MAX_FORKS {
                self.forks.pop_first();
            }
            self.forks.insert(key, Fork { mine: mine.clone(), other, deceived, shown });
        }
        // After a crash the node may propose anew what it never said.
        self.forks.get(&key).filter(|fork| fork.mine.digest == mine.digest)
    }
}

/// Another batch that the same primary could have proposed.
fn another(batch: &Batch, random: &mut Random) -> Batch {
    let mut other = batch.clone();
    match random.between(0, 3) {
        0 => other.commands.clear(),
        1 => other.commands.reverse(),
        2 => drop(other.commands.pop()),
        _ => other.checkpoint = !other.checkpoint,
    }
    if other == *batch || other.is_null() || random.percent(30) {
        other.timestamp = batch.timestamp.plus(random.between(1, 50));
    }
    other
}

impl Actor for EquivocatingPrimary {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        let key = |view, sequence| (stage.context.epoch, view, sequence);
        match &frame {
            Frame::Consensus { message: Message::PrePrepare(mine), .. } if stage.is_primary_of(mine.view) => {
                let Some(fork) = self.fork(stage, mine).cloned() else { return vec![Said::now(to, &frame)] };
                let (first, second) = if fork.deceived.contains(&to) {
                    (fork.other, fork.mine)
                } else {
                    (fork.mine, fork.other)
                };
                let commit = |of: &PrePrepare| stage.frame(stage.commit(of.view, of.sequence, of.digest));
                let (agrees, contradicts) = (commit(&first), commit(&second));
                let [soon, late] = [(1, 20), (20, 400)].map(|(low, high)| stage.random.between(low, high));
                let mut said = vec![
                    Said::now(to, &stage.frame(Message::PrePrepare(first))),
                    Said::later(to, soon, &agrees),
                ];
                if fork.shown {
                    said.push(Said::later(to, late, &stage.frame(Message::PrePrepare(second))));
                    said.push(Said::later(to, late, &contradicts));
                }
                said
            }
            // Whoever got the other batch was told of a commit for that.
            Frame::Consensus { message: Message::Commit(vote), .. }
                if self
                    .forks
                    .get(&key(vote.view, vote.sequence))
                    .is_some_and(|fork| fork.mine.digest == vote.digest && fork.deceived.contains(&to)) =>
            {
                Vec::new()
            }
            _ => vec![Said::now(to, &frame)],
        }
    }
}
