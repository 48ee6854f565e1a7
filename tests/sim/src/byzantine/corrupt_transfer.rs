//! A replica that hands wrong state, log and batches to those who are behind.
//!
//! **What it does.** It changes what its node answers: a pair or a sibling of a chunk of the state, the range
//! that it is said to be of, a record or the proof of a chunk of the log, the members or the checkpoint of a
//! handover, the batches or commits of a catch-up. Or it says that it has nothing, and names a checkpoint of
//! its own making as the latest; or it does not answer.
//!
//! **What it attacks.** That whatever is fetched proves itself against the stable checkpoint before it
//! counts.
//!
//! **What a correct group does.** Whoever fetches knows the liar by the first lie, cuts it off, asks another
//! and ends with the group's state.

use quorate_node::frame::Frame;
use quorate_node::transfer::TransferMessage;
use quorate_node::transfer::message::{LogChunk, StateChunk, Unavailable};
use quorate_pbft::message::CatchUp;
use quorate_pbft::{Batch, Message};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::{
    AgentId, Checkpoint, CheckpointCertificate, Digest, Handover, Sequence, SignedCheckpoint,
};

use super::forge::{any_digest, any_signature};
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// See the page.
#[derive(Clone, Debug)]
pub struct CorruptTransfer {
    spells: Spells,
    corrupt_percent: u64,
    silent_percent: u64,
}

impl CorruptTransfer {
    /// How many answers are wrong or missing is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            corrupt_percent: random.pick(&[10, 40, 100]),
            silent_percent: random.pick(&[0, 10, 40]),
        }
    }
}

/// Whether the frame is an answer to somebody who lacks something.
fn is_answer(frame: &Frame) -> bool {
    match frame {
        Frame::Handovers(_) => true,
        Frame::Transfer(message) => {
            !matches!(message, TransferMessage::StateWanted(_) | TransferMessage::LogWanted(_))
        }
        Frame::Consensus { message, .. } => matches!(message, Message::CatchUp(_) | Message::BatchReply(_)),
        _ => false,
    }
}

fn corrupt(stage: &mut Stage<'_>, frame: Frame) -> Frame {
    match frame {
        Frame::Transfer(
            TransferMessage::StateChunk(StateChunk { sequence, .. })
            | TransferMessage::LogChunk(LogChunk { sequence, .. }),
        ) if stage.random.percent(20) => {
            let latest = stage.random.percent(70).then(|| Box::new(bogus_certificate(stage)));
            Frame::Transfer(TransferMessage::Unavailable(Unavailable { sequence, latest }))
        }
        Frame::Transfer(TransferMessage::StateChunk(mut chunk)) => {
            corrupt_state(stage.random, &mut chunk);
            Frame::Transfer(TransferMessage::StateChunk(chunk))
        }
        Frame::Transfer(TransferMessage::LogChunk(mut chunk)) => {
            corrupt_log(stage.random, &mut chunk);
            Frame::Transfer(TransferMessage::LogChunk(chunk))
        }
        Frame::Transfer(TransferMessage::Unavailable(mut unavailable)) => {
            unavailable.latest = Some(Box::new(bogus_certificate(stage)));
            Frame::Transfer(TransferMessage::Unavailable(unavailable))
        }
        Frame::Handovers(mut handovers) => {
            corrupt_handovers(stage.random, &mut handovers);
            Frame::Handovers(handovers)
        }
        Frame::Consensus { epoch, message: Message::CatchUp(mut catch_up) } => {
            corrupt_catch_up(stage.random, &mut catch_up);
            Frame::Consensus { epoch, message: Message::CatchUp(catch_up) }
        }
        Frame::Consensus { epoch, message: Message::BatchReply(batch) } => {
            let batch = Batch { timestamp: batch.timestamp.plus(1), ..batch };
            Frame::Consensus { epoch, message: Message::BatchReply(batch) }
        }
        frame => frame,
    }
}

fn corrupt_state(random: &mut Random, chunk: &mut StateChunk) {
    let (pairs, siblings) = (chunk.pairs.len(), chunk.siblings.len());
    match random.between(0, 6) {
        0 if pairs > 0 => {
            let value = &mut chunk.pairs[random.index(pairs)].1;
            value.push(0);
        }
        1 if pairs > 0 => drop(chunk.pairs.remove(random.index(pairs))),
        2 if pairs > 1 => chunk.pairs.swap(0, pairs - 1),
        3 if siblings > 0 => chunk.siblings[random.index(siblings)] = any_digest(random),
        4 => chunk.height = random.draw() as u8,
        5 => chunk.first = random.draw() as u32,
        _ => chunk.pairs.push((random.bytes(8), random.bytes(8))),
    }
}

fn corrupt_log(random: &mut Random, chunk: &mut LogChunk) {
    let (records, proof) = (chunk.records.len(), chunk.proof.len());
    match random.between(0, 5) {
        0 if records > 0 => drop(chunk.records.remove(random.index(records))),
        1 if records > 1 => chunk.records.swap(0, records - 1),
        2 if records > 0 => chunk.records[random.index(records)].entry.timestamp.0 ^= 1,
        3 if proof > 0 => chunk.proof[random.index(proof)] = any_digest(random),
        4 => chunk.from = random.draw(),
        _ => chunk.records.clear(),
    }
}

fn corrupt_handovers(random: &mut Random, handovers: &mut [Handover]) {
    let Some(handover) = handovers.first_mut() else { return };
    match random.between(0, 3) {
        0 => drop(handover.members.pop()),
        1 => handover.members.iter_mut().for_each(|member| member.weight += 1),
        2 => drop(handover.certificate.signatures.pop()),
        _ => handover.certificate.checkpoint.sequence.0 += random.between(1, 1_000),
    }
}

fn corrupt_catch_up(random: &mut Random, catch_up: &mut CatchUp) {
    let count = catch_up.batches.len();
    if count == 0 {
        return;
    }
    let at = random.index(count);
    match random.between(0, 6) {
        0 => drop(catch_up.batches.remove(at)),
        1 => catch_up.batches.reverse(),
        2 => catch_up.batches[at].sequence.0 += 1,
        3 => drop(catch_up.batches[at].commits.pop()),
        4 => drop(catch_up.batches[at].batch.commands.pop()),
        5 => {
            if let Some(vote) = catch_up.batches[at].commits.first_mut() {
                vote.signature = any_signature(random);
            }
        }
        _ => catch_up.batches[at].view.0 += 1,
    }
}

/// A checkpoint far ahead of everybody, which the replica signs alone, in a later epoch or this one.
pub(super) fn bogus_certificate(stage: &mut Stage<'_>) -> CheckpointCertificate {
    let mut checkpoint = Checkpoint {
        group: stage.context.identity.group,
        epoch: stage.context.epoch,
        sequence: Sequence(stage.random.pick(&[1_000, 1 << 40, u64::MAX])),
        log_size: stage.random.pick(&[1, 1 << 40]),
        log_root: any_digest(stage.random),
        state_root: any_digest(stage.random),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    };
    checkpoint.epoch.0 += stage.random.pick(&[0, 0, 1, 1_000]);
    let signed = SignedCheckpoint::sign(&stage.context.identity, checkpoint, &stage.keys.account);
    let forged = |agent| CheckpointSignature { replica: agent, signature: signed.signature };
    let signatures = stage.context.replicas.iter().map(|(_, member)| forged(member.agent)).collect();
    CheckpointCertificate { checkpoint: signed.checkpoint, signatures }
}

impl Actor for CorruptTransfer {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        if is_answer(&frame) && self.spells.active(stage) {
            if stage.random.percent(self.silent_percent) {
                return Vec::new();
            }
            if stage.random.percent(self.corrupt_percent) {
                return vec![Said::now(to, &corrupt(stage, frame))];
            }
        }
        vec![Said::now(to, &frame)]
    }
}
