//! How much is under way: requests, and writes that are not durable yet.

use std::time::Duration;

use super::world::*;
use crate::store::{FetchWrite, Store, StoreWriter, Write};
use crate::transfer::{Effect, Event, TransferMessage};

/// Answers everything at once, reports no write as durable, and gives how many were wanted.
#[test]
fn a_slow_disk_stops_the_requests() {
    let source = Source::new(12, 300);
    let mut peers = vec![(peer(1), Peer::honest(&source)), (peer(2), Peer::honest(&source))];
    let mut fetch = begin(&Store::in_memory(), source.target(), 0, &peers);
    let mut effects = fetch.step(0, Event::Tick);
    let mut writes = 0;
    while let Some(effect) = effects.pop() {
        match effect {
            Effect::Store(_) => writes += 1,
            Effect::Send { to, message } => {
                let message = answer(&mut peers, to, &message).expect("they are honest");
                effects.extend(fetch.step(0, Event::Message { from: to, message }));
            }
            _ => {}
        }
    }
    // At four, nothing more is asked for; what was asked by then may still come.
    assert!((4..=5).contains(&writes), "{writes}");
    assert_eq!(fetch.next_deadline_ms(), None, "it waits for the disk");
    let asked = |effects: Vec<Effect>| effects.iter().any(|effect| matches!(effect, Effect::Send { .. }));
    assert!((0..writes).any(|_| asked(fetch.step(0, Event::Stored))), "and goes on after it");
}

#[test]
fn one_request_is_under_way_to_a_peer_and_one_for_each_part() {
    let source = Source::new(12, 300);
    let requests = |count: u8| {
        let peers: Peers<'_> = (1..=count).map(|number| (peer(number), Peer::honest(&source))).collect();
        let effects = begin(&Store::in_memory(), source.target(), 0, &peers).step(0, Event::Tick);
        let sent = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send { to, message } => Some((to, matches!(message, TransferMessage::StateWanted(_)))),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    assert_eq!(requests(1), [(peer(1), true)]);
    assert_eq!(requests(5), [(peer(1), true), (peer(2), false)]);
}

/// What nobody asked for costs nothing: neither a check nor blame.
#[test]
fn answers_that_were_not_asked_for_are_dropped() {
    let source = Source::new(12, 300);
    let mut peers = vec![(peer(1), Peer::honest(&source)), (peer(2), Peer::honest(&source))];
    let mut fetch = begin(&Store::in_memory(), source.target(), 0, &peers);
    let sent = fetch.step(0, Event::Tick);
    let Some(Effect::Send { to, message }) =
        sent.into_iter().find(|effect| matches!(effect, Effect::Send { .. }))
    else {
        panic!("it asks");
    };
    let mut chunk = answer(&mut peers, to, &message).unwrap();
    assert_eq!(fetch.step(0, Event::Message { from: peer(9), message: chunk.clone() }), [], "no peer");
    assert_eq!(
        fetch.step(0, Event::Message { from: peer(2), message: chunk.clone() }),
        [],
        "asked for the log"
    );
    if let TransferMessage::StateChunk(chunk) = &mut chunk {
        chunk.sequence.0 += 1;
        chunk.pairs.clear();
    }
    assert_eq!(fetch.step(0, Event::Message { from: to, message: chunk }), [], "of another checkpoint");
}

#[test]
fn it_is_done_when_the_last_write_is_durable_and_not_before() {
    let source = Source::new(2, 20);
    let mut peers = vec![(peer(1), Peer::honest(&source))];
    let mut fetch = begin(&Store::in_memory(), source.target(), 0, &peers);
    let (mut effects, mut writes) = (fetch.step(0, Event::Tick), 0);
    while let Some(effect) = effects.pop() {
        match effect {
            Effect::Store(FetchWrite::Install) => {
                writes += 1;
                break;
            }
            Effect::Store(_) => effects.extend(fetch.step(0, Event::Stored)),
            Effect::Send { to, message } => {
                let message = answer(&mut peers, to, &message).unwrap();
                effects.extend(fetch.step(0, Event::Message { from: to, message }));
            }
            _ => {}
        }
    }
    assert_eq!(writes, 1, "everything is installed at once");
    while let Some(effect) = effects.pop() {
        assert!(!matches!(effect, Effect::Done), "the installation is not durable");
        if matches!(effect, Effect::Store(_)) {
            effects.extend(fetch.step(0, Event::Stored));
        }
    }
    assert_eq!(fetch.step(0, Event::Tick), []);
    assert_eq!(fetch.step(0, Event::Stored), [Effect::Done]);
}

/// The store's thread says how many steps are durable, for [`Event::Stored`].
#[test]
fn the_writer_counts_the_steps_that_are_durable() {
    let source = Source::new(4, 50);
    let store = Store::in_memory();
    let writer = StoreWriter::start(store.clone(), 4).unwrap();
    let mut peers = vec![(peer(1), Peer::honest(&source))];
    let mut fetch = begin(&store, source.target(), 0, &peers);
    let (mut events, mut queued) = (vec![Event::Tick], 0);
    let mut status = writer.status();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    while let Some(event) = events.pop() {
        for effect in fetch.step(0, event) {
            match effect {
                Effect::Store(write) => {
                    writer.write(Write::Fetch(write)).unwrap();
                    queued += 1;
                    let durable = status.wait_for(|status| status.fetch_steps == queued);
                    let waited =
                        async { tokio::time::timeout(Duration::from_secs(10), durable).await.is_ok() };
                    assert!(runtime.block_on(waited), "step {queued} becomes durable");
                    events.push(Event::Stored);
                }
                Effect::Send { to, message } => {
                    let message = answer(&mut peers, to, &message).unwrap();
                    events.push(Event::Message { from: to, message });
                }
                _ => {}
            }
        }
    }
    drop(writer);
    assert_installed(&store, &source, &source.target());
}
