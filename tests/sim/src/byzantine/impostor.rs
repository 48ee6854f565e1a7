//! A replica that passes its own word off as that of others.
//!
//! **What it does.** It hands on committed batches whose quorum is its own vote over and over; tells how the
//! epoch ended, with a certificate that nobody signed; forwards commands that it changed after their agents
//! signed them; and as a primary proposes its batches again far beyond the window.
//!
//! **What it attacks.** That a certificate counts distinct voters and each signature is checked, that a command
//! is its agent's, that an epoch ends by the word of its replicas, and the high watermark.
//!
//! **What a correct group does.** Believes none of it and cuts its links. What lies beyond the window is let
//! lie.

use quorate_node::frame::Frame;
use quorate_pbft::certificate::SignedVote;
use quorate_pbft::message::{CatchUp, Forward};
use quorate_pbft::{Batch, CommittedBatch, Message};
use quorate_protocol::{
    AgentId, Checkpoint, CheckpointCertificate, Class, Command, Digest, Group, Handover, Member, Nonce,
    Sequence, SignedCommand, Terms, domain,
};

use super::seen::Seen;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// How many batches it hands on, so that one is the next for whoever hears it.
const BATCHES: u64 = 5;
/// How far beyond its sequence a batch is proposed again.
const LEAP: u64 = 10_000;

/// See the page.
#[derive(Clone, Debug)]
pub struct Impostor {
    spells: Spells,
    lie_percent: u64,
    leap_percent: u64,
    seen: Seen,
    /// The last command that passed by.
    command: Option<SignedCommand>,
}

impl Impostor {
    /// How often it lies is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            lie_percent: random.pick(&[2, 10, 30]),
            leap_percent: random.pick(&[0, 20, 80]),
            seen: Seen::default(),
            command: None,
        }
    }

    fn note(&mut self, stage: &Stage<'_>, frame: &Frame) {
        self.seen.note(stage.context, frame);
        if let Frame::Consensus { message, .. } = frame {
            let commands = match message {
                Message::Forward(forward) => &forward.commands,
                Message::PrePrepare(proposal) => &proposal.batch.commands,
                _ => return,
            };
            self.command = commands.last().cloned().or(self.command.take());
        }
    }

    /// Null batches that a quorum committed, if one replica were a quorum.
    fn catch_up(&self, stage: &Stage<'_>) -> Message {
        let (view, batch) = (self.seen.view, Batch::null());
        let digest = batch.digest(stage.context);
        let first = (self.seen.highest.0 + 2).saturating_sub(BATCHES).max(stage.context.base.0) + 1;
        let batches = (first..first + BATCHES).map(Sequence).map(|sequence| {
            let signature = stage.vote_signature(domain::COMMIT, view, sequence, digest);
            let vote = SignedVote { replica: stage.index(), signature };
            let commits = vec![vote; stage.context.replicas.quorum()];
            CommittedBatch { view, sequence, batch: batch.clone(), commits }
        });
        Message::CatchUp(CatchUp { batches: batches.collect() })
    }

    /// The epoch goes over to the same members, and nobody says so.
    fn handover(&self, stage: &Stage<'_>) -> Frame {
        let members: Vec<Member> = stage.context.replicas.iter().map(|(_, member)| member.clone()).collect();
        let (identity, epoch) = (stage.context.identity, stage.context.epoch);
        let terms = Terms::of_class(Class::of_weight(1, 1, 1));
        let next = Group {
            identity,
            account: AgentId::default(),
            epoch: epoch.next(),
            members: members.clone(),
            terms,
            voters_since: epoch.next(),
        };
        let checkpoint = Checkpoint {
            group: identity.group,
            epoch,
            sequence: self.seen.highest.max(stage.context.base.next()),
            log_size: 1,
            log_root: Digest::default(),
            state_root: Digest::default(),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest(next.members_hash()),
        };
        let certificate = CheckpointCertificate { checkpoint, signatures: Vec::new() };
        Frame::Handovers(vec![Handover { certificate, members, mandate: None }])
    }

    /// An agent's command, as it would have been with another nonce.
    fn forward(&self, stage: &mut Stage<'_>) -> Option<Frame> {
        let known = self.command.as_ref()?;
        let nonce = Nonce(known.command().nonce.0 + stage.random.between(1, 3));
        let command = Command { nonce, ..known.command().clone() };
        let commands = vec![SignedCommand::from_parts(command, *known.signature())];
        Some(stage.frame(Message::Forward(Forward { commands })))
    }
}

impl Actor for Impostor {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.note(stage, &frame);
        let mut said = vec![Said::now(to, &frame)];
        if let Frame::Consensus { message: Message::PrePrepare(proposal), .. } = &frame
            && stage.is_primary_of(proposal.view)
            && self.spells.active(stage)
            && stage.random.percent(self.leap_percent)
        {
            let far = Sequence(proposal.sequence.0.saturating_add(LEAP));
            let again = stage.pre_prepare(proposal.view, far, proposal.batch.clone());
            said.push(Said::now(to, &stage.frame(Message::PrePrepare(again))));
        }
        said
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        self.note(stage, frame);
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        if !self.spells.active(stage) || !stage.random.percent(self.lie_percent) {
            return Vec::new();
        }
        let lie = match stage.random.index(3) {
            0 => Some(stage.frame(self.catch_up(stage))),
            1 => Some(self.handover(stage)),
            _ => self.forward(stage),
        };
        let Some(frame) = lie else { return Vec::new() };
        stage.some_of_the_others().into_iter().map(|to| Said::now(to, &frame)).collect()
    }
}
