//! A primary that is slow, but just in time.
//!
//! **What it does.** It holds its proposals back for most of the view time-out; in some runs its NEW-VIEWs
//! too. All else leaves at once.
//!
//! **What it attacks.** Throughput and patience. A time-out that any progress resets never ends such a
//! primary's view, and one commit in two seconds is all that the group gets.
//!
//! **What a correct group does.** Every command still commits within the time-out, or the primary is
//! replaced: the oldest command that waits decides, not the latest progress. No evidence, for slowness is
//! none.

use quorate_node::frame::Frame;
use quorate_pbft::Message;
use quorate_protocol::AgentId;

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct SlowPrimary {
    spells: Spells,
    share_percent: u64,
    holds_new_views: bool,
}

impl SlowPrimary {
    /// How close it comes to the time-out is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            share_percent: random.pick(&[50, 80, 90, 97]),
            holds_new_views: random.percent(40),
        }
    }
}

impl Actor for SlowPrimary {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        let held = match &frame {
            Frame::Consensus { message: Message::PrePrepare(proposal), .. } => {
                stage.is_primary_of(proposal.view)
            }
            Frame::Consensus { message: Message::NewView(new_view), .. } => {
                self.holds_new_views && stage.is_primary_of(new_view.view)
            }
            _ => false,
        };
        let slow = held && self.spells.active(stage);
        let delay_ms = if slow { stage.view_timeout_ms * self.share_percent / 100 } else { 0 };
        vec![Said::later(to, delay_ms, &frame)]
    }
}
