//! What nodes send each other: every kind of frame, and the structure of the consensus messages within.

use quorate_node::frame::Frame;
use quorate_node::ledger::SignedHead;
use quorate_node::transfer::TransferMessage;
use quorate_node::transfer::message::{LogWanted, Unavailable};
use quorate_pbft::verify;
use quorate_protocol::{Epoch, ReplicaIndex, Sequence};

use super::messages;
use super::{Format, PLAIN, QUICK, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "frames",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 16_384,
    quick_runs: QUICK,
    seeds,
    check,
};

fn seeds() -> Vec<Seed> {
    let world = &*WORLD;
    let (size, keys) = (world.log.size(), &world.keys[1]);
    let attested = SignedHead::sign(&world.group.identity, world.head(size), keys.id(), &keys.agent);
    let stable = world.stable(&world.checkpoint);
    let transfer = [
        TransferMessage::LogWanted(LogWanted { sequence: Sequence(5), size, from: 3 }),
        TransferMessage::Unavailable(Unavailable { sequence: Sequence(5), latest: Some(Box::new(stable)) }),
    ];
    let mut frames = vec![
        ("attestation".to_owned(), Frame::Attestation { epoch: Epoch(0), signed: attested }),
        ("certificate".to_owned(), Frame::Certificate(world.certificate(size))),
        ("certificate-wanted".to_owned(), Frame::CertificateWanted(size)),
        ("handovers-wanted".to_owned(), Frame::HandoversWanted(Epoch(0))),
        ("handovers".to_owned(), Frame::Handovers(vec![world.handover()])),
    ];
    frames.extend(
        transfer
            .into_iter()
            .enumerate()
            .map(|(at, message)| (format!("transfer-{at}"), Frame::Transfer(message))),
    );
    frames.extend(
        messages::all()
            .into_iter()
            .map(|(_, message)| (message.kind().to_owned(), Frame::Consensus { epoch: Epoch(0), message })),
    );
    frames.into_iter().map(|(name, frame)| Seed::new(name, frame.encode())).collect()
}

fn check(bytes: &[u8]) {
    let Some(frame) = canonical(bytes, Frame::decode(bytes), Frame::encode) else { return };
    match frame {
        Frame::Consensus { message, .. } => {
            for from in (0..4).map(ReplicaIndex) {
                if let Err(error) = verify::checks(&WORLD.context, from, &message) {
                    assert!(!error.to_string().is_empty(), "a refusal without a reason");
                }
            }
        }
        Frame::Attestation { signed, .. } => {
            if let Some(check) = signed.signature_check(&WORLD.group.identity, &WORLD.context.replicas) {
                let _ = check.verify();
            }
        }
        Frame::Certificate(certificate) => {
            let _ = certificate.verify(&WORLD.group.identity, &WORLD.context.replicas);
        }
        Frame::Handovers(handovers) => {
            let mut group = WORLD.group.clone();
            for handover in &handovers {
                match handover.verify(&group) {
                    Ok(next) => group = next,
                    Err(_) => break,
                }
            }
        }
        Frame::CertificateWanted(_) | Frame::HandoversWanted(_) | Frame::Transfer(_) => {}
    }
}
