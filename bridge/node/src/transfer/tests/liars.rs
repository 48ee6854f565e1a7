//! Peers that lie, are silent, or have nothing: each is found out, and another is asked.

use quorate_protocol::merkle::ProofError;
use quorate_protocol::{Digest, EntryBody, EntryIndex, Signature, SignedCommand};
use quorate_services::RangeError;

use super::world::*;
use crate::store::Store;
use crate::transfer::message::{LogChunk, StateChunk, Unavailable};
use crate::transfer::{ChunkError, TransferMessage};

/// Fetches from the peer `liar` of three and the honest others, and gives what the liar was blamed for.
fn found_out(
    liar: u8,
    kept_batches: Option<u64>,
    twist: impl Fn(&mut TransferMessage) + 'static,
) -> ChunkError {
    let source = Source::new(12, 300);
    let store = kept_batches.map_or_else(Store::in_memory, |batches| behind(batches, 1));
    let mut peers: Peers<'_> = (1..=3).map(|number| (peer(number), Peer::honest(&source))).collect();
    peers[usize::from(liar) - 1].1 = Peer::twisted(&source, twist);
    let kept = store.log_size().unwrap();
    let mut ran = run(&mut begin(&store, source.target(), kept, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done, "{ran:?}");
    assert_installed(&store, &source, &source.target());
    assert_eq!(ran.blamed.len(), 1, "the liar alone, once: {ran:?}");
    let (blamed, reason) = ran.blamed.remove(0);
    assert_eq!(blamed, peer(liar));
    reason
}

/// The first peer is asked for the state.
fn state(twist: impl Fn(&mut StateChunk) + 'static) -> ChunkError {
    found_out(1, None, move |message| {
        if let TransferMessage::StateChunk(chunk) = message {
            twist(chunk);
        }
    })
}

/// The second peer is asked for the log.
fn log(kept_batches: Option<u64>, twist: impl Fn(&mut LogChunk) + 'static) -> ChunkError {
    found_out(2, kept_batches, move |message| {
        if let TransferMessage::LogChunk(chunk) = message {
            twist(chunk);
        }
    })
}

fn assert_root(reason: &ChunkError) {
    assert!(matches!(reason, ChunkError::State(RangeError::Root { .. })), "{reason}");
}

#[test]
fn who_lies_about_the_state_is_found_out() {
    assert_root(&state(|chunk| chunk.pairs[3].1.push(0)));
    assert_root(&state(|chunk| drop(chunk.pairs.remove(0))));
    assert_root(&state(|chunk| chunk.siblings[0] = Digest::default()));
    assert_root(&state(|chunk| chunk.pairs.clear()));
    // Fewer buckets than the pairs and the path are of: a truncated range.
    let reason = state(|chunk| chunk.height -= 1);
    assert!(matches!(reason, ChunkError::State(RangeError::ProofLength { .. })), "{reason}");
    let reason = state(|chunk| chunk.height = 17);
    assert!(matches!(reason, ChunkError::NoRange { height: 17, .. }), "{reason}");
    let reason = state(|chunk| chunk.pairs.swap(0, 1));
    assert_eq!(reason, ChunkError::State(RangeError::Order { at: 1 }));
    let reason = state(|chunk| {
        let last = chunk.pairs.pop().expect("there are many");
        chunk.pairs.insert(0, last);
    });
    assert!(matches!(reason, ChunkError::State(RangeError::Order { .. })), "{reason}");
}

#[test]
fn who_lies_about_the_log_is_found_out() {
    let root = ChunkError::Log(ProofError::Root);
    assert_eq!(log(None, |chunk| chunk.records[0] = record(0, 0, 9)), root);
    assert_eq!(log(None, |chunk| chunk.proof[0] = Digest::default()), root);
    assert_eq!(log(None, |chunk| chunk.proof.truncate(1)), ChunkError::Log(ProofError::Length));
    let reason = log(None, |chunk| chunk.records.clear());
    assert!(matches!(reason, ChunkError::Length { count: 0, .. }), "{reason}");
    let reason = log(None, |chunk| chunk.records.swap(0, 1));
    assert!(matches!(reason, ChunkError::Index { expected: EntryIndex(0), .. }), "{reason}");
    let reason = log(None, |chunk| chunk.records[2].body = record(7, 7, 7).body);
    assert!(matches!(reason, ChunkError::Record(_)), "{reason}");
    let reason = log(None, |chunk| drop(chunk.records.pop()));
    assert!(matches!(reason, ChunkError::Log(_)), "a record is left out: {reason}");
}

/// Neither the digest of a command nor the log covers its signature.
#[test]
fn a_signature_that_no_root_covers_is_checked() {
    let reason = log(None, |chunk| {
        if let EntryBody::Command(command) = &chunk.records[3].body {
            let forged = SignedCommand::from_parts(command.command().clone(), Signature([0; 64]));
            chunk.records[3].body = EntryBody::Command(forged);
        }
    });
    assert_eq!(reason, ChunkError::Signature(EntryIndex(3)));
}

/// As long as nothing ties the node's own log to the target, a wrong chunk may be the node's own fault.
#[test]
fn who_lies_to_a_node_with_a_log_is_blamed_once_another_proves_the_log_right() {
    let reason = log(Some(3), |chunk| chunk.proof[0] = Digest::default());
    assert_eq!(reason, ChunkError::Log(ProofError::Root));
}

#[test]
fn who_is_silent_is_passed_over_in_time() {
    let source = Source::new(12, 300);
    let store = Store::in_memory();
    let mut peers = vec![(peer(1), Peer::Silent), (peer(2), Peer::Silent), (peer(3), Peer::honest(&source))];
    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
    assert_installed(&store, &source, &source.target());
    assert!((5_000..30_000).contains(&ran.elapsed_ms), "each costs one time-out: {ran:?}");
}

#[test]
fn late_answers_are_nobodys_fault() {
    let source = Source::new(12, 300);
    let store = Store::in_memory();
    // Always answers what it was asked the time before.
    let mut before: Option<TransferMessage> = None;
    let late = move |message: &mut TransferMessage| {
        if let Some(before) = before.replace(message.clone()) {
            *message = before;
        }
    };
    let mut peers = vec![(peer(1), Peer::twisted(&source, late)), (peer(2), Peer::honest(&source))];
    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
    assert_installed(&store, &source, &source.target());
}

#[test]
fn when_nobody_helps_the_caller_is_told_and_the_fetch_goes_on_later() {
    let source = Source::new(12, 300);
    let store = Store::in_memory();
    let mut silent = vec![(peer(1), Peer::Silent), (peer(2), Peer::Silent)];
    let mut fetch = begin(&store, source.target(), 0, &silent);
    let ran = run(&mut fetch, &store, &mut silent, usize::MAX);
    assert!(ran.stalled && !ran.done, "{ran:?}");

    let mut honest = vec![(peer(1), Peer::Silent), (peer(2), Peer::honest(&source))];
    let mut now_ms = ran.elapsed_ms;
    for _ in 0..100 {
        now_ms = now_ms.max(fetch.next_deadline_ms().unwrap());
        if !fetch.step(now_ms, crate::transfer::Event::Tick).is_empty() {
            break;
        }
    }
    let progress = store.fetch_progress().unwrap().unwrap();
    let ran = run(&mut resume(progress, &honest), &store, &mut honest, usize::MAX);
    assert!(ran.done, "{ran:?}");
}

#[test]
fn when_all_lie_nothing_of_it_is_kept() {
    let source = Source::new(4, 50);
    let store = behind(2, 1);
    let before = (store.state().unwrap(), store.log_size().unwrap(), store.last_sequence().unwrap());
    let lie = |message: &mut TransferMessage| match message {
        TransferMessage::StateChunk(chunk) => chunk.pairs[0].1.push(0),
        TransferMessage::LogChunk(chunk) => chunk.proof.clear(),
        _ => {}
    };
    let mut peers: Peers<'_> = (1..=3).map(|number| (peer(number), Peer::twisted(&source, lie))).collect();
    let kept = store.log_size().unwrap();
    let ran = run(&mut begin(&store, source.target(), kept, &peers), &store, &mut peers, usize::MAX);
    assert!(!ran.done && (ran.stalled || ran.contradicted), "{ran:?}");
    store.commit(vec![crate::store::Write::Fetch(crate::store::FetchWrite::Abandon)]).unwrap();
    assert_eq!((store.state().unwrap(), store.log_size().unwrap(), store.last_sequence().unwrap()), before);
    assert_eq!(store.fetch_progress().unwrap(), None);
}

#[test]
fn a_forged_newer_checkpoint_does_not_stop_those_who_have_the_target() {
    let source = Source::new(12, 300);
    let store = Store::in_memory();
    let mut forged = source.target();
    forged.checkpoint.sequence.0 += 1_000;
    let lie = move |message: &mut TransferMessage| {
        if let TransferMessage::StateChunk(StateChunk { sequence, .. }) = *message {
            let latest = Some(Box::new(forged.clone()));
            *message = TransferMessage::Unavailable(Unavailable { sequence, latest });
        }
    };
    let mut peers = vec![(peer(1), Peer::twisted(&source, lie)), (peer(2), Peer::honest(&source))];
    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.retarget.is_empty(), "{ran:?}");
}
