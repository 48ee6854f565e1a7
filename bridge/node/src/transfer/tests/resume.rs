//! The power fails after every single effect: what is durable is whole, and the fetch goes on from it.

use super::world::*;
use crate::store::{FetchWrite, Store, Write};

/// Interrupts a fetch after each number of effects and finishes it from the store.
fn interrupted(local: impl Fn() -> Store, source: &Source) {
    let target = source.target();
    let all = || vec![(peer(1), Peer::honest(source)), (peer(2), Peer::honest(source))];
    let mut resumed = 0;
    for stop in 0.. {
        let (store, mut peers) = (local(), all());
        let before = (store.state().unwrap(), store.log_size().unwrap(), store.last_sequence().unwrap());
        let kept = before.1;
        let ran = run(&mut begin(&store, target.clone(), kept, &peers), &store, &mut peers, stop);
        if ran.done {
            assert!(resumed > 20, "it was interrupted at many places: {resumed}");
            return;
        }
        let mut peers = all();
        let installed = store.stable_checkpoint().unwrap().is_some();
        let mut fetch = match store.fetch_progress().unwrap() {
            Some(progress) => {
                assert_eq!(progress.target, target);
                resumed += 1;
                resume(progress, &peers)
            }
            None if installed => {
                assert_installed(&store, source, &target);
                continue;
            }
            None => begin(&store, target.clone(), kept, &peers),
        };
        let now = (store.state().unwrap(), store.log_size().unwrap(), store.last_sequence().unwrap());
        assert_eq!(now, before, "the old node is whole after {stop} effects");
        let ran = run(&mut fetch, &store, &mut peers, usize::MAX);
        assert!(ran.done && ran.blamed.is_empty(), "after {stop} effects: {ran:?}");
        assert_installed(&store, source, &target);
    }
}

#[test]
fn a_new_node_resumes_from_everywhere() {
    interrupted(Store::in_memory, &Source::new(10, 200));
}

#[test]
fn a_node_with_a_log_resumes_from_everywhere() {
    interrupted(|| behind(3, 1), &Source::new(10, 200));
}

/// Interrupted again and again after few effects, it still ends.
#[test]
fn every_run_brings_it_further() {
    let source = Source::new(10, 200);
    let store = behind(2, 1);
    for attempt in 0.. {
        assert!(attempt < 100, "no progress");
        let mut peers = vec![(peer(1), Peer::honest(&source))];
        let mut fetch = match store.fetch_progress().unwrap() {
            Some(progress) => resume(progress, &peers),
            None => begin(&store, source.target(), store.log_size().unwrap(), &peers),
        };
        if run(&mut fetch, &store, &mut peers, 5).done {
            break;
        }
    }
    assert_installed(&store, &source, &source.target());
}

#[test]
fn the_store_refuses_steps_out_of_order() {
    let source = Source::new(4, 50);
    let store = Store::in_memory();
    let refused = |write: FetchWrite| store.commit(vec![Write::Fetch(write)]).is_err();
    assert!(refused(FetchWrite::Install));
    let range = quorate_services::BucketRange::new(0, 15).unwrap();
    assert!(refused(FetchWrite::State { range, pairs: vec![] }), "nothing was begun");

    let mut peers = vec![(peer(1), Peer::honest(&source))];
    run(&mut begin(&store, source.target(), 0, &peers), &store, &mut peers, 1);
    assert!(refused(FetchWrite::Install), "it is not complete");
    let later = quorate_services::BucketRange::new(1 << 15, 15).unwrap();
    assert!(refused(FetchWrite::State { range: later, pairs: vec![] }), "buckets are left out");
    let records = vec![record(1, 1, 1)];
    assert!(refused(FetchWrite::Log { records, log: edge(&source, 2) }), "an entry is left out");
    let records = vec![record(0, 0, 1)];
    assert!(refused(FetchWrite::Log { records, log: edge(&source, 3) }), "the edge is another");
    let mut progress = store.fetch_progress().unwrap().unwrap();
    progress.kept = 7;
    progress.log = edge(&source, 7);
    assert!(refused(FetchWrite::Begin(Box::new(progress))), "there are no 7 entries to keep");
}

/// The node went on executing while it fetched; the target's log counts.
#[test]
fn entries_that_came_meanwhile_give_way() {
    let source = Source::new(10, 200);
    let store = behind(3, 1);
    let mut peers = vec![(peer(1), Peer::honest(&source))];
    let mut fetch = begin(&store, source.target(), store.log_size().unwrap(), &peers);
    run(&mut fetch, &store, &mut peers, 8);
    store.commit(vec![executed(4, 2), executed(5, 2)]).unwrap();
    let foreign = record(16, 4, 2).entry.subject;
    assert!(store.entry_of_command(&foreign).unwrap().is_some());
    let progress = store.fetch_progress().unwrap().unwrap();
    let ran = run(&mut resume(progress, &peers), &store, &mut peers, usize::MAX);
    assert!(ran.done, "{ran:?}");
    assert_eq!(store.entry_of_command(&foreign).unwrap(), None);
    assert_installed(&store, &source, &source.target());
}
