//! What two nodes say in a state transfer, and what a node that fetches takes of it.

use quorate_node::store::{FetchWrite, Frontier};
use quorate_node::transfer::message::{LogChunk, LogWanted, StateWanted, Unavailable};
use quorate_node::transfer::{Effect, Event, Fetch, FetchConfig, TransferMessage};
use quorate_protocol::AgentId;
use quorate_services::BucketRange;

use super::state_ranges::{self, within};
use super::{Format, Memory, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

/// A pair of two empty strings has three bytes on the wire and two vectors in memory, twice while the list grows.
const MEMORY: Memory = Memory { base: 256 * 1024, per_byte: 96 };

pub(super) const TARGET: Target = Target {
    name: "transfers",
    format: Format::Cbor,
    memory: MEMORY,
    max_len: 16_384,
    quick_runs: 2_000,
    seeds,
    check,
};

/// So many entries are there already when the second fetch begins.
const KEPT: u64 = 3;

fn log_chunk(from: u64, to: u64) -> TransferMessage {
    let index = |at| usize::try_from(at).expect("the log is short");
    TransferMessage::LogChunk(LogChunk {
        sequence: WORLD.checkpoint.sequence,
        from,
        records: WORLD.entries[index(from)..index(to)].to_vec(),
        proof: WORLD.log.consistency_proof(to, WORLD.log.size()).expect("it is a prefix"),
    })
}

fn seeds() -> Vec<Seed> {
    let (sequence, size) = (WORLD.checkpoint.sequence, WORLD.log.size());
    let latest = Some(Box::new(WORLD.stable(&WORLD.checkpoint)));
    let state = |range| TransferMessage::StateChunk(state_ranges::chunk(range));
    [
        ("state-wanted", TransferMessage::StateWanted(StateWanted { sequence, from: 0 })),
        ("state-all", state(BucketRange::ALL)),
        ("state-half", state(BucketRange::new(0, 15).expect("half of the buckets"))),
        ("log-wanted", TransferMessage::LogWanted(LogWanted { sequence, size, from: KEPT })),
        ("log-all", log_chunk(0, size)),
        ("log-start", log_chunk(0, KEPT)),
        ("log-rest", log_chunk(KEPT, size)),
        ("log-middle", log_chunk(KEPT, size - 1)),
        ("unavailable", TransferMessage::Unavailable(Unavailable { sequence, latest })),
    ]
    .map(|(name, message)| Seed::new(name, message.encode()))
    .to_vec()
}

fn check(bytes: &[u8]) {
    let decoded = TransferMessage::decode(bytes);
    let Some(message) = canonical(bytes, decoded, TransferMessage::encode) else { return };
    fetch((0, Frontier::new()), &message);
    fetch((KEPT, Frontier::of(&WORLD.log, KEPT).expect("the log is longer")), &message);
}

/// Hands the message to a fetch as the answer to whatever it asks for. Nothing but the truth may be stored.
fn fetch(kept: (u64, Frontier), message: &TransferMessage) {
    let peers: Vec<AgentId> = WORLD.keys.iter().map(crate::world::Keys::id).collect();
    let target = WORLD.stable(&WORLD.checkpoint);
    let mut fetch = Fetch::begin(WORLD.group.identity, target, kept, peers, FetchConfig::default())
        .expect("what is kept is the beginning of the log");
    for effect in fetch.step(0, Event::Tick) {
        if let Effect::Send { to, .. } = effect {
            let answer = Event::Message { from: to, message: message.clone() };
            fetch.step(1, answer).into_iter().for_each(is_true);
        }
    }
}

fn is_true(effect: Effect) {
    match effect {
        Effect::Store(FetchWrite::State { range, pairs }) => {
            assert!(pairs == within(range), "pairs are stored that the state does not have");
        }
        Effect::Store(FetchWrite::Log { records, log }) => {
            let from = usize::try_from(records[0].entry.index.0).expect("the log is short");
            let genuine = &WORLD.entries[from..from + records.len()];
            assert!(records == genuine, "records are stored that the log does not have");
            assert_eq!(Some(log.root()), WORLD.log.root_at(log.size()), "the log has another edge");
        }
        Effect::Blame { reason, .. } => assert!(!reason.to_string().is_empty(), "blame without a reason"),
        _ => {}
    }
}
