//! A replica that ignores one client.
//!
//! **What it does.** It picks a victim among the agents that send it commands. It takes none of the victim's
//! commands, neither from the victim nor from other replicas, leaves them out of what it forwards, and rather
//! proposes nothing than a batch with one of them.
//!
//! **What it attacks.** Fairness under a faulty primary. The others' commands keep committing, so a replica
//! that watches for progress alone never notices.
//!
//! **What a correct group does.** The victim's command is told to every replica, all of them wait for it, and
//! the primary is replaced. There is no evidence, for nobody can prove what it heard.

use quorate_node::frame::Frame;
use quorate_pbft::Message;
use quorate_pbft::message::Forward;
use quorate_protocol::{AgentId, SignedCommand};

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct Censor {
    spells: Spells,
    victim: Option<AgentId>,
    chosen_in: u64,
}

impl Censor {
    /// When it censors is drawn from `random`; whom, from what comes.
    pub fn new(random: &mut Random) -> Self {
        Self { spells: Spells::new(random), victim: None, chosen_in: 0 }
    }

    /// Whether the command is the victim's. The first agents that come are looked at for one.
    fn ignores(&mut self, stage: &mut Stage<'_>, command: &SignedCommand) -> bool {
        if !self.spells.active(stage) {
            return false;
        }
        let agent = command.command().agent;
        let may_change = self.chosen_in != self.spells.number();
        if may_change && (self.victim.is_none() || stage.random.percent(30)) {
            self.victim = Some(agent);
        }
        self.chosen_in = self.spells.number();
        self.victim == Some(agent)
    }

    fn censors(&mut self, stage: &mut Stage<'_>, command: &SignedCommand) -> bool {
        self.spells.active(stage) && self.victim == Some(command.command().agent)
    }
}

impl Actor for Censor {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        match frame {
            Frame::Consensus { epoch, message: Message::Forward(mut forward) } => {
                forward.commands.retain(|command| !self.censors(stage, command));
                if forward.commands.is_empty() {
                    return Vec::new();
                }
                vec![Said::now(to, &Frame::Consensus { epoch, message: Message::Forward(forward) })]
            }
            Frame::Consensus { message: Message::PrePrepare(ref proposal), .. }
                if stage.is_primary_of(proposal.view)
                    && proposal.batch.commands.iter().any(|command| self.censors(stage, command)) =>
            {
                Vec::new()
            }
            frame => vec![Said::now(to, &frame)],
        }
    }

    /// A frame is seen or not as a whole: the others' commands in the same one are lost with the victim's.
    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        match frame {
            Frame::Consensus { message: Message::Forward(Forward { commands }), .. } => {
                !commands.iter().any(|command| self.censors(stage, command))
            }
            _ => true,
        }
    }

    fn command(&mut self, stage: &mut Stage<'_>, command: &SignedCommand) -> bool {
        !self.ignores(stage, command)
    }
}
