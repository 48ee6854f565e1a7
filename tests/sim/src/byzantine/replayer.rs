//! A replica that says old things again.
//!
//! **What it does.** It keeps frames that it saw, its own and the others', and sends them again later: votes
//! and view changes of views that are over, checkpoints and requests of epochs that are over, some of them
//! under the number of the current epoch. It goes on after it was removed from the group.
//!
//! **What it attacks.** That signatures cover epoch, view and sequence, that a vote counts for who signed it
//! and not for who brings it, and that whoever left the group cannot disturb it.
//!
//! **What a correct group does.** Counts nothing twice. Others' votes over its link cost it that link. To
//! what is of an earlier epoch it answers with how that one ended, now and then.

use quorate_node::frame::Frame;
use quorate_protocol::AgentId;

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// The most frames that are kept.
const MAX_KEPT: usize = 128;
/// Larger ones are not sent again.
const MAX_BYTES: usize = 256 * 1024;

/// See the page.
#[derive(Clone, Debug)]
pub struct Replayer {
    spells: Spells,
    keep_percent: u64,
    most_replays: u64,
    relabel_percent: u64,
    own_only: bool,
    kept: Vec<Frame>,
}

impl Replayer {
    /// What it keeps and how often it replays is drawn from `random`. One that replays only what it said
    /// itself breaks no rule that would cost it its links.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            keep_percent: random.pick(&[5, 20, 50]),
            most_replays: random.between(1, 8),
            relabel_percent: random.pick(&[0, 0, 20]),
            own_only: random.percent(50),
            kept: Vec::new(),
        }
    }

    /// Keeps a sample: new frames displace any others, so some of what is kept is old.
    fn keep(&mut self, stage: &mut Stage<'_>, frame: &Frame) {
        if !stage.random.percent(self.keep_percent) {
            return;
        }
        if self.kept.len() < MAX_KEPT {
            self.kept.push(frame.clone());
        } else {
            let at = stage.random.index(MAX_KEPT);
            self.kept[at] = frame.clone();
        }
    }
}

impl Actor for Replayer {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.keep(stage, &frame);
        vec![Said::now(to, &frame)]
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        if !self.own_only {
            self.keep(stage, frame);
        }
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let others = stage.others();
        if !self.spells.active(stage) || self.kept.is_empty() || others.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        for _ in 0..stage.random.between(0, self.most_replays) {
            let mut frame = self.kept[stage.random.index(self.kept.len())].clone();
            if let Frame::Consensus { epoch, .. } = &mut frame
                && stage.random.percent(self.relabel_percent)
            {
                *epoch = stage.context.epoch;
            }
            let again = Said::now(stage.random.pick(&others), &frame);
            if again.bytes.len() <= MAX_BYTES {
                said.push(again);
            }
        }
        said
    }
}
