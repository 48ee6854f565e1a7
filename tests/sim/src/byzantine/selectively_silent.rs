//! A replica that speaks to some and not to others.
//!
//! **What it does.** In each spell it says nothing to some peers, and leaves out a few kinds of messages
//! towards others: commits without prepares, statuses without anything else, view changes to half the group.
//!
//! **What it attacks.** The thought that a replica is either there or not. Some correct replicas count it
//! towards their quorums while others do not, so they prepare and commit at different times, in different
//! views, and one may be the only correct one with a certificate.
//!
//! **What a correct group does.** Those that lack something get it from the answers to their statuses and as
//! committed batches. As the primary it is replaced if too few can go on.

use quorate_node::frame::Frame;
use quorate_protocol::AgentId;

use super::forge::kind;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// What may be left out.
const KINDS: [&str; 14] = [
    "pre_prepare",
    "prepare",
    "commit",
    "checkpoint",
    "stable",
    "view_change",
    "new_view",
    "status",
    "catch_up",
    "batch_reply",
    "forward",
    "attestation",
    "handovers",
    "transfer",
];

/// See the page.
#[derive(Clone, Debug)]
pub struct SelectivelySilent {
    spells: Spells,
    most_kinds: u64,
    spell: u64,
    shunned: Vec<AgentId>,
    misled: Vec<AgentId>,
    left_out: Vec<&'static str>,
}

impl SelectivelySilent {
    /// How many kinds it leaves out at most is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            most_kinds: random.between(1, 6),
            spell: 0,
            shunned: Vec::new(),
            misled: Vec::new(),
            left_out: Vec::new(),
        }
    }

    fn choose(&mut self, stage: &mut Stage<'_>) {
        self.shunned = if stage.random.percent(50) { stage.some_of_the_others() } else { Vec::new() };
        self.misled = if stage.random.percent(30) { stage.others() } else { stage.some_of_the_others() };
        let mut kinds = KINDS;
        stage.random.shuffle(&mut kinds);
        let count = stage.random.between(1, self.most_kinds) as usize;
        self.left_out = kinds[..count].to_vec();
    }
}

impl Actor for SelectivelySilent {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        if self.spells.active(stage) {
            if self.spell != self.spells.number() {
                self.spell = self.spells.number();
                self.choose(stage);
            }
            let left_out = self.misled.contains(&to) && self.left_out.contains(&kind(&frame));
            if left_out || self.shunned.contains(&to) {
                return Vec::new();
            }
        }
        vec![Said::now(to, &frame)]
    }
}
