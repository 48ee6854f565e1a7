//! A replica that signs a state which is not the group's.
//!
//! **What it does.** It attests wrong roots and wrong times of the log, and logs that are longer than they
//! are. Its checkpoints name another log, another state, other members of the next epoch or an end of the
//! epoch that is none; to some replicas it signs one checkpoint and to others another, and sometimes shows
//! both. It adds checkpoints of sequences that nobody reached, and hands on certificates with one root
//! exchanged.
//!
//! **What it attacks.** That a certificate, a stable checkpoint and an anchor need a quorum of *equal*
//! statements, and that one replica's claims displace nobody else's.
//!
//! **What a correct group does.** Certifies without it. Two checkpoints for one sequence are evidence
//! wherever both are seen. No correct replica takes itself for diverged.

use std::collections::BTreeMap;

use quorate_node::frame::Frame;
use quorate_node::ledger::SignedHead;
use quorate_pbft::Message;
use quorate_protocol::{AgentId, Checkpoint, Digest, Epoch, LogHead, Sequence, SignedCheckpoint};

use super::forge::any_digest;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// The most checkpoints that are remembered as forged.
const MAX_FORGED: usize = 64;

#[derive(Clone, Debug)]
struct Forged {
    other: SignedCheckpoint,
    /// Who gets the other instead.
    deceived: Vec<AgentId>,
    /// Whether both are shown to everybody.
    shown: bool,
}

/// See the page.
#[derive(Clone, Debug)]
pub struct WrongAttestation {
    spells: Spells,
    lie_percent: u64,
    show_percent: u64,
    ahead_permille: u64,
    last: Option<Checkpoint>,
    forged: BTreeMap<(Epoch, Sequence), Forged>,
}

impl WrongAttestation {
    /// How often it lies, and how often openly, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            lie_percent: random.pick(&[20, 60, 100]),
            show_percent: random.pick(&[0, 30, 100]),
            ahead_permille: random.pick(&[0, 10, 50]),
            last: None,
            forged: BTreeMap::new(),
        }
    }

    fn lies(&mut self, stage: &mut Stage<'_>) -> bool {
        self.spells.active(stage) && stage.random.percent(self.lie_percent)
    }

    fn attestation(&mut self, stage: &mut Stage<'_>, honest: SignedHead) -> SignedHead {
        if honest.attestation.replica != stage.me || !self.lies(stage) {
            return honest;
        }
        let head = wrong_head(stage.random, honest.head);
        SignedHead::sign(&stage.context.identity, head, stage.me, &stage.keys.agent)
    }

    fn checkpoint(&mut self, stage: &mut Stage<'_>, to: AgentId, honest: SignedCheckpoint) -> Vec<Said> {
        self.last = Some(honest.checkpoint.clone());
        let key = (honest.checkpoint.epoch, honest.checkpoint.sequence);
        let says = |stage: &Stage<'_>, signed: SignedCheckpoint| stage.frame(Message::Checkpoint(signed));
        if !self.forged.contains_key(&key) && honest.replica == stage.me && self.lies(stage) {
            let wrong = wrong_checkpoint(stage.random, &honest.checkpoint);
            let other = SignedCheckpoint::sign(&stage.context.identity, wrong, &stage.keys.account);
            let everybody = stage.random.percent(30);
            let deceived = if everybody { stage.others() } else { stage.some_of_the_others() };
            let shown = stage.random.percent(self.show_percent);
            if self.forged.len() == MAX_FORGED {
                self.forged.pop_first();
            }
            self.forged.insert(key, Forged { other, deceived, shown });
        }
        let Some(forged) = self.forged.get(&key).cloned() else {
            return vec![Said::now(to, &says(stage, honest))];
        };
        let deceived = forged.deceived.contains(&to);
        let (first, second) = if deceived { (forged.other, honest) } else { (honest, forged.other) };
        let mut said = vec![Said::now(to, &says(stage, first))];
        if forged.shown {
            said.push(Said::later(to, stage.random.between(5, 300), &says(stage, second)));
        }
        said
    }
}

/// Another head than the log's.
fn wrong_head(random: &mut Random, honest: LogHead) -> LogHead {
    let root = any_digest(random);
    match random.between(0, 3) {
        0 => LogHead { time_s: honest.time_s.saturating_add(random.between(1, 1_000)), ..honest },
        1 => LogHead { size: honest.size.saturating_add(random.between(1, 1_000)), root, ..honest },
        2 => LogHead { size: u64::MAX, root, ..honest },
        _ => LogHead { root, ..honest },
    }
}

/// Another checkpoint than the state's.
fn wrong_checkpoint(random: &mut Random, honest: &Checkpoint) -> Checkpoint {
    let mut wrong = honest.clone();
    match random.between(0, 5) {
        0 => wrong.log_root = any_digest(random),
        1 => wrong.state_root = any_digest(random),
        2 => wrong.log_size = wrong.log_size.saturating_add(random.between(1, 1_000)),
        3 => wrong.inbox_count += 1,
        4 => wrong.inbox_hash = any_digest(random),
        // An end of the epoch where there is none, and none where there is one.
        _ if honest.next_members_hash == Digest::default() => wrong.next_members_hash = any_digest(random),
        _ => wrong.next_members_hash = Digest::default(),
    }
    wrong
}

impl Actor for WrongAttestation {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        match frame {
            Frame::Attestation { epoch, signed } => {
                let signed = self.attestation(stage, signed);
                vec![Said::now(to, &Frame::Attestation { epoch, signed })]
            }
            Frame::Consensus { epoch, message: Message::Checkpoint(honest) }
                if epoch == stage.context.epoch =>
            {
                self.checkpoint(stage, to, honest)
            }
            Frame::Certificate(mut certificate) if self.lies(stage) => {
                certificate.head = wrong_head(stage.random, certificate.head);
                vec![Said::now(to, &Frame::Certificate(certificate))]
            }
            frame => vec![Said::now(to, &frame)],
        }
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let Some(last) = self.last.clone().filter(|last| last.epoch == stage.context.epoch) else {
            return Vec::new();
        };
        if !self.spells.active(stage) || !stage.random.permille(self.ahead_permille) {
            return Vec::new();
        }
        let mut ahead = wrong_checkpoint(stage.random, &last);
        let far = stage.random.pick(&[1, 8, 1_000, u64::MAX]);
        ahead.sequence = Sequence(last.sequence.0.saturating_add(far));
        let signed = SignedCheckpoint::sign(&stage.context.identity, ahead, &stage.keys.account);
        stage.to_all(&Message::Checkpoint(signed))
    }
}
