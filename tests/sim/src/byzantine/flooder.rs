//! A replica that floods the others with what they must look at.
//!
//! **What it does.** Bursts of sound frames: statuses that claim anything, later epochs too, requests for
//! batches, certificates, handovers and state, votes far ahead, and forwards of many commands of agents that
//! nobody knows, each well signed by a fresh key; now and then a frame of hundreds of kilobytes.
//!
//! **What it attacks.** The bounds: of queues, of what is answered to one peer, of the pool of commands, and
//! of the time that its frames may take from the others'. False statuses attack the judgement who is behind.
//!
//! **What a correct group does.** Goes on. No queue passes its bound, no agent's or other peer's room is used
//! up, and nobody fetches a state that does not exist. There is no evidence.

use quorate_node::frame::Frame;
use quorate_node::transfer::TransferMessage;
use quorate_node::transfer::message::{LogWanted, StateWanted};
use quorate_pbft::Message;
use quorate_pbft::message::{BatchRequest, CatchUpRequest, Forward, Status};
use quorate_protocol::{
    AgentId, AgentKey, Command, Digest, Epoch, Nonce, Operation, Sequence, SignedCommand, View,
};

use super::forge::any_digest;
use super::seen::Seen;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// How much one frame may repeat: a burst is seldom, a large frame seldom in a burst.
const MAX_JUNK: u64 = 48;

/// See the page.
#[derive(Clone, Debug)]
pub struct Flooder {
    spells: Spells,
    most_frames: u64,
    large_permille: u64,
    seen: Seen,
}

impl Flooder {
    /// How much it says at most, and how often something large, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            most_frames: random.pick(&[4, 12, 30]),
            large_permille: random.pick(&[0, 1, 3]),
            seen: Seen::default(),
        }
    }

    fn frame(&self, stage: &mut Stage<'_>) -> Frame {
        let sequence = self.sequence(stage.random);
        let view = View(near(stage.random, self.seen.view.0));
        let digest = any_digest(stage.random);
        let message = match stage.random.between(0, 11) {
            0..=2 => Message::Status(Status {
                view,
                active: stage.random.percent(50),
                stable: self.sequence(stage.random),
                last_executed: sequence,
            }),
            3 | 4 => Message::CatchUpRequest(CatchUpRequest { from: sequence }),
            5 => Message::BatchRequest(BatchRequest { sequence, digest: self.digest(stage.random) }),
            6 => stage.prepare(view, sequence, digest),
            7 => stage.commit(view, sequence, digest),
            8 => return Frame::HandoversWanted(Epoch(near(stage.random, stage.context.epoch.0))),
            9 => return Frame::CertificateWanted(near(stage.random, self.seen.highest.0)),
            10 => return Frame::Transfer(self.wanted(stage.random, sequence)),
            _ => junk(stage),
        };
        let mut frame = stage.frame(message);
        // A status of an epoch that is yet to come: whoever hears it wants to know how this one ended.
        if let Frame::Consensus { epoch, message: Message::Status(_) } = &mut frame
            && stage.random.percent(20)
        {
            epoch.0 = epoch.0.saturating_add(stage.random.pick(&[1, 2, 1_000]));
        }
        frame
    }

    fn sequence(&self, random: &mut Random) -> Sequence {
        Sequence(near(random, self.seen.highest.0))
    }

    fn digest(&self, random: &mut Random) -> Digest {
        match self.seen.claims.len() {
            0 => any_digest(random),
            known => self.seen.claims[random.index(known)].2,
        }
    }

    fn wanted(&self, random: &mut Random, sequence: Sequence) -> TransferMessage {
        let known = self.seen.stable.back().map(|stable| stable.checkpoint.clone());
        let sequence = match &known {
            Some(stable) if random.percent(70) => stable.sequence,
            _ => sequence,
        };
        if random.percent(50) {
            return TransferMessage::StateWanted(StateWanted { sequence, from: random.draw() as u32 });
        }
        let size = known.map_or(1_000, |stable| stable.log_size);
        TransferMessage::LogWanted(LogWanted { sequence, size, from: near(random, size) })
    }
}

/// A number near `known`, at either end of all numbers, or anywhere ahead.
fn near(random: &mut Random, known: u64) -> u64 {
    match random.between(0, 9) {
        0 => 0,
        1 => u64::MAX,
        2 => known.saturating_add(random.between(100, 1_000_000)),
        3..=5 => known.saturating_sub(random.between(0, 30)),
        _ => known.saturating_add(random.between(0, 30)),
    }
}

/// Commands of agents that nobody knows.
fn junk(stage: &mut Stage<'_>) -> Message {
    let count = stage.random.between(1, MAX_JUNK);
    let key = fresh_key(stage.random);
    let commands = (0..count).map(|_| junk_command(stage, &key, 16)).collect();
    Message::Forward(Forward { commands })
}

/// Few commands, each as large as a command may be.
fn large(stage: &mut Stage<'_>) -> Message {
    let key = fresh_key(stage.random);
    let commands = (0..stage.random.between(1, 8)).map(|_| junk_command(stage, &key, 60_000)).collect();
    Message::Forward(Forward { commands })
}

fn fresh_key(random: &mut Random) -> AgentKey {
    let mut secret = [0; 32];
    secret.copy_from_slice(&random.bytes(32));
    AgentKey::from_secret(&secret)
}

fn junk_command(stage: &mut Stage<'_>, key: &AgentKey, bytes: usize) -> SignedCommand {
    let mut agent = [0; 20];
    agent.copy_from_slice(&stage.random.bytes(20));
    let command = Command {
        group: stage.context.identity.group,
        agent: AgentId::from(agent),
        key: key.public(),
        nonce: Nonce(stage.random.draw()),
        expires: stage.wall.plus(60_000),
        operations: vec![Operation {
            service: "proposals".into(),
            body: vec![stage.random.draw() as u8; bytes],
        }],
    };
    SignedCommand::sign(command, key)
}

impl Actor for Flooder {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.seen.note(stage.context, &frame);
        vec![Said::now(to, &frame)]
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        self.seen.note(stage.context, frame);
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let others = stage.others();
        if !self.spells.active(stage) || others.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        for _ in 0..stage.random.between(0, self.most_frames) {
            let frame = self.frame(stage);
            said.push(Said::now(stage.random.pick(&others), &frame));
        }
        if stage.random.permille(self.large_permille) {
            let message = large(stage);
            said.push(Said::now(stage.random.pick(&others), &stage.frame(message)));
        }
        said
    }
}
