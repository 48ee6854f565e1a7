//! A replica that says nothing, for spells.
//!
//! **What it does.** Nothing leaves it; in some spells it does not listen either. Its node goes on inside,
//! and comes back with old views and votes that nobody heard.
//!
//! **What it attacks.** Liveness: a quorum must be there without it, also while it is the primary.
//!
//! **What a correct group does.** As the primary it is replaced. Otherwise nothing: it is one of the f that
//! are not waited for. When it speaks again it is brought up to date.

use quorate_node::frame::Frame;
use quorate_protocol::{AgentId, SignedCommand};

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct Silent {
    spells: Spells,
    deaf_too: bool,
}

impl Silent {
    /// How long it is silent, and whether it is deaf too, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self { spells: Spells::new(random), deaf_too: random.percent(30) }
    }
}

impl Actor for Silent {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        if self.spells.active(stage) { Vec::new() } else { vec![Said::now(to, &frame)] }
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, _frame: &Frame) -> bool {
        !(self.spells.active(stage) && self.deaf_too)
    }

    fn command(&mut self, stage: &mut Stage<'_>, _command: &SignedCommand) -> bool {
        !(self.spells.active(stage) && self.deaf_too)
    }
}
