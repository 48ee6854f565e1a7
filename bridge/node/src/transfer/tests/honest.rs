//! Peers that serve as they should, also while the group goes on.

use std::time::Instant;

use quorate_protocol::Sequence;
use quorate_protocol::merkle::MerkleLog;

use super::world::*;
use crate::store::fixture::identity;
use crate::store::{Frontier, Store};
use crate::transfer::{Fetch, FetchConfig, FetchError};

#[test]
fn a_new_node_takes_everything_over() {
    let source = Source::new(12, 300);
    let store = Store::in_memory();
    let mut peers = vec![(peer(1), Peer::honest(&source)), (peer(2), Peer::honest(&source))];
    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
    assert!(ran.effects > 30, "many chunks, or nothing is shown: {ran:?}");
    assert_installed(&store, &source, &source.target());
}

#[test]
fn a_node_that_is_behind_keeps_its_log() {
    for kept_batches in [0, 1, 4, 11, 12] {
        let source = Source::new(12, 50);
        let store = behind(kept_batches, 1);
        let mut peers = vec![(peer(1), Peer::honest(&source))];
        let kept = store.log_size().unwrap();
        let ran = run(&mut begin(&store, source.target(), kept, &peers), &store, &mut peers, usize::MAX);
        assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
        assert_installed(&store, &source, &source.target());
    }
}

#[test]
fn a_node_whose_state_is_broken_keeps_the_log_up_to_the_checkpoint() {
    let source = Source::new(6, 50);
    let store = behind(9, 1);
    let mut peers = vec![(peer(1), Peer::honest(&source))];
    let kept = source.target().checkpoint.log_size;
    let ran = run(&mut begin(&store, source.target(), kept, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done, "{ran:?}");
    assert_installed(&store, &source, &source.target());
}

#[test]
fn a_node_whose_log_differs_is_told_and_starts_with_none() {
    let source = Source::new(12, 50);
    let store = behind(4, 2);
    let mut peers: Peers<'_> = (1..=3).map(|number| (peer(number), Peer::honest(&source))).collect();
    let kept = store.log_size().unwrap();
    let ran = run(&mut begin(&store, source.target(), kept, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.contradicted && ran.blamed.is_empty(), "{ran:?}");

    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
    assert_installed(&store, &source, &source.target());
}

#[test]
fn a_log_that_cannot_be_kept_is_refused_at_once() {
    let source = Source::new(4, 5);
    let target = source.target();
    let size = target.checkpoint.log_size;
    let refused = |kept, log| {
        let config = FetchConfig::default();
        Fetch::begin(identity(), target.clone(), (kept, log), vec![peer(1)], config).err()
    };
    let longer = behind(9, 1);
    let log = longer.frontier(size + 1).unwrap().unwrap();
    assert_eq!(refused(size + 1, log), Some(FetchError::LogTooLong { size, found: size + 1 }));
    let other = behind(9, 2).frontier(size).unwrap().unwrap();
    assert!(matches!(refused(size, other), Some(FetchError::LogContradicts { .. })));
    assert_eq!(longer.frontier(1_000).unwrap(), None);
}

#[test]
fn the_group_goes_on_while_its_state_is_fetched() {
    let mut source = Source::new(8, 200);
    let target = source.target();
    let store = Store::in_memory();
    // The server holds the snapshot when the group moves on.
    let mut held = server(&source);
    let first = crate::transfer::message::StateWanted { sequence: target.checkpoint.sequence, from: 0 };
    let request = crate::transfer::TransferMessage::StateWanted(first);
    held.answer(0, &request, &MerkleLog::new()).unwrap();
    source.execute(5);
    source.checkpoint(250);

    let mut peers = vec![(peer(1), Peer::Honest(Box::new(held), &source.log))];
    let ran = run(&mut begin(&store, target.clone(), 0, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done, "{ran:?}");
    assert_installed(&store, &source, &target);
}

#[test]
fn when_all_have_moved_on_the_fetch_begins_anew_and_keeps_the_log() {
    let mut source = Source::new(8, 200);
    let (first, store) = (source.target(), Store::in_memory());
    // As much as there is before the servers are restarted and have lost their snapshots.
    let mut peers = vec![(peer(1), Peer::honest(&source)), (peer(2), Peer::honest(&source))];
    let mut fetch = begin(&store, first.clone(), 0, &peers);
    run(&mut fetch, &store, &mut peers, 20);
    let (kept, log) = fetch.kept();
    assert!(kept == 0 && log.size() > 0, "something of the log is here");
    drop(peers);
    source.execute(4);
    let second = source.checkpoint(220);

    let mut peers = vec![(peer(1), Peer::honest(&source)), (peer(2), Peer::honest(&source))];
    let progress = store.fetch_progress().unwrap().unwrap();
    let mut fetch = resume(progress, &peers);
    let ran = run(&mut fetch, &store, &mut peers, usize::MAX);
    assert_eq!(ran.retarget, [(peer(1), second.clone()), (peer(2), second.clone())]);

    let from = fetch.kept();
    assert!(from.1.size() >= log.size());
    let mut fetch =
        Fetch::begin(identity(), second.clone(), from.clone(), ids(&peers), FetchConfig::default()).unwrap();
    let ran = run(&mut fetch, &store, &mut peers, 1);
    assert_eq!(ran.effects, 1, "the beginning is stored");
    let progress = store.fetch_progress().unwrap().unwrap();
    assert_eq!((progress.next_bucket, &progress.log), (0, &from.1));
    let ran = run(&mut resume(progress, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done && ran.blamed.is_empty(), "{ran:?}");
    assert_installed(&store, &source, &second);
}

#[test]
fn a_large_state_in_chunks_of_their_full_size() {
    const PAIRS: u32 = 100_000;
    let source = Source::new(40, PAIRS);
    let store = Store::in_memory();
    let server = crate::transfer::Server::new(source.store.clone(), crate::transfer::ServerConfig::default());
    let mut peers = vec![(peer(1), Peer::Honest(Box::new(server), &source.log))];
    let started = Instant::now();
    let ran = run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, usize::MAX);
    println!("{PAIRS} pairs: {} effects in {:?}", ran.effects, started.elapsed());
    assert!(ran.done, "{ran:?}");
    assert!(ran.effects < 60, "chunks are as large as they may be: {ran:?}");
    assert_installed(&store, &source, &source.target());
    assert_eq!(store.last_sequence().unwrap(), Some(Sequence(41)));
    assert_eq!(edge(&source, 0), Frontier::new());
}
