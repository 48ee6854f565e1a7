//! A replica that saw in the chain's inbox what nobody put there.
//!
//! **What it does.** It signs words on the inbox, as a replica may: with a message of its own making in place of a
//! true one or behind the true ones, with a hash that no chain has, or with more messages than there are. All
//! inventors invent the same, so that their words add up. Their nonces are its agent's next, or nearly.
//!
//! **What it attacks.** The inbox's count of words: that f replicas put nothing in, that a false word ahead of the
//! true ones keeps nothing out, and that the state stays bounded. Its commands also use up nonces that its own
//! node and its agent would use.
//!
//! **What a correct group does.** Takes what the chain has and nothing else. There is no evidence: what one saw is
//! no statement that others can refute.

use quorate_node::frame::Frame;
use quorate_pbft::Message;
use quorate_pbft::message::Forward;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, MAX_OBSERVED, Observe};
use quorate_protocol::{AgentId, Command, InboxMessage, Nonce, SignedCommand, codec};

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// How many words one inventor has: they are valid commands, and under everlasting load no group comes to rest.
const MAX_WORDS: u32 = 128;

/// See the page.
#[derive(Clone, Debug)]
pub struct Inventor {
    spells: Spells,
    words_left: u32,
    percent: u64,
    nonce: u64,
    /// What others said of the inbox last.
    seen: Observe,
}

impl Inventor {
    /// When and how often it invents is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        let seen = Observe { first: 0, messages: Vec::new() };
        Self {
            spells: Spells::new(random),
            words_left: MAX_WORDS,
            percent: random.pick(&[5, 20]),
            nonce: 0,
            seen,
        }
    }

    fn note(&mut self, stage: &Stage<'_>, frame: &Frame) {
        let commands = match frame {
            Frame::Consensus { message: Message::PrePrepare(proposal), .. } => &proposal.batch.commands,
            Frame::Consensus { message: Message::Forward(forward), .. } => &forward.commands,
            _ => return,
        };
        for command in commands {
            let Command { agent, nonce, operations, .. } = command.command();
            if *agent == stage.me {
                self.nonce = self.nonce.max(nonce.0 + 1);
            }
            if let [operation] = operations.as_slice()
                && operation.service == InboxOperation::SERVICE
                && let Ok(InboxOperation::Observe(observe)) = codec::decode(&operation.body, 1 << 16)
                && *agent != stage.me
            {
                self.seen = observe;
            }
        }
    }

    fn invent(&self, stage: &mut Stage<'_>) -> Observe {
        let Observe { first, mut messages } = self.seen.clone();
        if stage.random.percent(50) {
            messages.pop();
        }
        let many = stage.random.pick(&[1, 1, 3, MAX_OBSERVED]).min(MAX_OBSERVED - messages.len());
        for _ in 0..many {
            messages.push(invented(first + messages.len() as u64));
        }
        Observe { first, messages }
    }
}

/// What all inventors find at one place of the inbox.
fn invented(index: u64) -> InboxMessage {
    let sender = AgentId::from([0x66; 20]);
    InboxMessage { index, kind: 1 + (index % 3) as u8, sender, enqueued_at: index, payload: vec![0; 32] }
}

impl Actor for Inventor {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.note(stage, &frame);
        vec![Said::now(to, &frame)]
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        self.note(stage, frame);
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        if self.words_left == 0 || !self.spells.active(stage) || !stage.random.percent(self.percent) {
            return Vec::new();
        }
        self.words_left -= 1;
        let operation = InboxOperation::Observe(self.invent(stage)).to_operation();
        let command = Command {
            group: stage.context.identity.group,
            agent: stage.me,
            key: stage.keys.agent.public(),
            nonce: Nonce(self.nonce + stage.random.between(0, 2)),
            expires: stage.wall.plus(60_000),
            operations: vec![operation],
        };
        let command = SignedCommand::sign(command, &stage.keys.agent);
        stage.to_all(&Message::Forward(Forward { commands: vec![command] }))
    }
}
