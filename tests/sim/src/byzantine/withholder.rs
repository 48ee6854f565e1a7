//! A primary that proposes to a bare quorum.
//!
//! **What it does.** It sends its proposals and all that would make up for them to as many as make a quorum
//! with it, and to nobody else: no answers to requests for batches, no committed batches, no NEW-VIEW again.
//!
//! **What it attacks.** The replicas that are left out. They see votes for batches that they never get, and
//! are few enough that their wish for another view moves nobody; meanwhile a quorum depends on the faulty
//! one.
//!
//! **What a correct group does.** Those left out get the committed batches from the others and stay within
//! reach of the head. When the primary stops its own votes, they and the others still make a quorum.

use quorate_node::frame::Frame;
use quorate_pbft::Message;
use quorate_protocol::AgentId;

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct Withholder {
    spells: Spells,
    vote_percent: u64,
    spell: u64,
    victims: Vec<AgentId>,
}

impl Withholder {
    /// How often it lets the victims have its votes is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            vote_percent: random.pick(&[0, 50, 100]),
            spell: 0,
            victims: Vec::new(),
        }
    }

    fn choose(&mut self, stage: &mut Stage<'_>) {
        let replicas = &stage.context.replicas;
        let count = replicas.len() - replicas.quorum();
        let mut others = stage.others();
        stage.random.shuffle(&mut others);
        others.truncate(count);
        self.victims = others;
    }
}

impl Actor for Withholder {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        if self.spells.active(stage) {
            if self.spell != self.spells.number() {
                self.spell = self.spells.number();
                self.choose(stage);
            }
            let withheld = match &frame {
                Frame::Consensus { message, .. } => match message {
                    Message::PrePrepare(proposal) => stage.is_primary_of(proposal.view),
                    Message::BatchReply(_) | Message::CatchUp(_) | Message::NewView(_) => true,
                    Message::Prepare(_) | Message::Commit(_) => !stage.random.percent(self.vote_percent),
                    _ => false,
                },
                _ => false,
            };
            if withheld && self.victims.contains(&to) {
                return Vec::new();
            }
        }
        vec![Said::now(to, &frame)]
    }
}
