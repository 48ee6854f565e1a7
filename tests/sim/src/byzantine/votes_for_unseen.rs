//! A replica that votes for what it never saw.
//!
//! **What it does.** It signs prepares and commits for digests of nothing, for sequences far ahead or long
//! past, for other views and at the ends of the numbers; and it echoes the votes of others before its own
//! node has the batch, contradicting what that node says later.
//!
//! **What it attacks.** That a vote counts for one view, sequence and digest only, that the watermarks bound
//! what is kept, and that a certificate needs a correct majority whatever f votes say.
//!
//! **What a correct group does.** Counts at most one vote of it for a view and a sequence, keeps nothing
//! beyond the watermarks, and holds evidence where two of its votes contradict.

use quorate_node::frame::Frame;
use quorate_pbft::{Batch, Message};
use quorate_protocol::{AgentId, Digest, Sequence, View};

use super::forge::any_digest;
use super::seen::Seen;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct VotesForUnseen {
    spells: Spells,
    most_votes: u64,
    echo_percent: u64,
    seen: Seen,
    /// What to echo at the next tick.
    echoes: Vec<(View, Sequence, Digest)>,
}

impl VotesForUnseen {
    /// How many votes it invents and how often it echoes is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            most_votes: random.between(1, 5),
            echo_percent: random.pick(&[0, 10, 50]),
            seen: Seen::default(),
            echoes: Vec::new(),
        }
    }

    /// Something to vote for, likely or not.
    fn invent(&self, stage: &mut Stage<'_>) -> (View, Sequence, Digest) {
        let random = &mut *stage.random;
        let (view, highest) = (self.seen.view.0, self.seen.highest.0);
        let view = match random.between(0, 9) {
            0 => 0,
            1 => u64::MAX,
            2 => view.saturating_sub(1),
            3 => view.saturating_add(random.between(1, 100)),
            4 => view.saturating_add(1),
            _ => view,
        };
        let sequence = match random.between(0, 9) {
            0 => 0,
            1 => u64::MAX,
            2 => highest.saturating_add(random.between(100, 100_000)),
            3 => highest.saturating_sub(random.between(0, 20)),
            _ => highest.saturating_add(random.between(0, 12)),
        };
        let digest = match random.between(0, 5) {
            0 => Batch::null().digest(stage.context),
            1 if !self.seen.claims.is_empty() => self.seen.claims[random.index(self.seen.claims.len())].2,
            _ => any_digest(random),
        };
        (View(view), Sequence(sequence), digest)
    }
}

impl Actor for VotesForUnseen {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.seen.note(stage.context, &frame);
        vec![Said::now(to, &frame)]
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        self.seen.note(stage.context, frame);
        if let Frame::Consensus { message: Message::Prepare(vote) | Message::Commit(vote), .. } = frame
            && self.spells.active(stage)
            && self.echoes.len() < 8
            && stage.random.percent(self.echo_percent)
        {
            self.echoes.push((vote.view, vote.sequence, vote.digest));
        }
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let echoes = std::mem::take(&mut self.echoes);
        if !self.spells.active(stage) {
            return Vec::new();
        }
        let mut said = Vec::new();
        for (view, sequence, digest) in echoes {
            said.extend(stage.to_all(&stage.prepare(view, sequence, digest)));
            said.extend(stage.to_all(&stage.commit(view, sequence, digest)));
        }
        for _ in 0..stage.random.between(0, self.most_votes) {
            let (view, sequence, digest) = self.invent(stage);
            let prepare = stage.random.percent(50);
            let vote = match prepare {
                true => stage.prepare(view, sequence, digest),
                false => stage.commit(view, sequence, digest),
            };
            let frame = stage.frame(vote);
            said.extend(stage.some_of_the_others().into_iter().map(|to| Said::now(to, &frame)));
        }
        said
    }
}
