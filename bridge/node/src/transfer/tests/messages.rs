//! The encoding of what travels.

use quorate_protocol::codec::CodecError;
use quorate_protocol::{Digest, Sequence};

use super::world::*;
use crate::transfer::TransferMessage;
use crate::transfer::message::*;

fn samples() -> Vec<TransferMessage> {
    let sequence = Sequence(300);
    let pairs = vec![(b"key".to_vec(), vec![]), (vec![], b"value".to_vec())];
    let latest = Some(Box::new(Source::new(1, 1).target()));
    vec![
        TransferMessage::StateWanted(StateWanted { sequence, from: 65_535 }),
        TransferMessage::StateChunk(StateChunk {
            sequence,
            first: 4,
            height: 2,
            pairs,
            siblings: vec![Digest::default(); 14],
        }),
        TransferMessage::LogWanted(LogWanted { sequence, size: 9, from: 4 }),
        TransferMessage::LogChunk(LogChunk {
            sequence,
            from: 4,
            records: vec![record(4, 2, 1), record(5, 2, 1)],
            proof: vec![Digest::default(); 3],
        }),
        TransferMessage::Unavailable(Unavailable { sequence, latest }),
        TransferMessage::Unavailable(Unavailable { sequence, latest: None }),
    ]
}

#[test]
fn every_message_survives_the_wire_in_one_encoding() {
    for message in samples() {
        let bytes = message.encode();
        assert_eq!(TransferMessage::decode(&bytes), Ok(message));
        assert!(TransferMessage::decode(&[&bytes[..], &[0]].concat()).is_err(), "a byte too many");
        for cut in 0..bytes.len() {
            assert!(TransferMessage::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn lists_are_bounded_while_they_are_read() {
    let chunk = |pairs, siblings| {
        let siblings = vec![Digest::default(); siblings];
        let pairs = vec![(vec![], vec![]); pairs];
        let chunk = StateChunk { sequence: Sequence(1), first: 0, height: 0, pairs, siblings };
        TransferMessage::decode(&TransferMessage::StateChunk(chunk).encode())
    };
    assert!(chunk(MAX_CHUNK_PAIRS, 16).is_ok());
    assert!(matches!(chunk(MAX_CHUNK_PAIRS + 1, 16), Err(CodecError::Malformed(_))));
    assert!(matches!(chunk(0, 17), Err(CodecError::Malformed(_))));
    let long = vec![0; MAX_TRANSFER_BYTES + 1];
    assert!(matches!(TransferMessage::decode(&long), Err(CodecError::TooLong { .. })));
}
