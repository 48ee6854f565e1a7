//! Finding H-1: whoever puts many messages behind one must not keep a node from reading that one.

use std::iter::{once, repeat_n};
use std::sync::{Arc, Mutex};

use super::endpoint::{Chain, Reader, indices};

/// Four blocks a second, as on Arbitrum, and one look at them once the final block has gone on by an epoch of L1. A message
/// comes, and 130 seconds later, more than a window, a burst of others, in one transaction.
#[tokio::test]
async fn h1_a_burst_behind_a_message_does_not_hide_it() {
    for burst in [256, 257, 5_000] {
        let mut chain = Chain::of_pace(4, 1);
        once(1_000).chain(repeat_n(1_520, burst)).for_each(|block| chain.put(block));
        let chain = Arc::new(Mutex::new(chain));
        let mut reader = Reader::start(&chain).await;
        let first = reader.look(3_000).await.unwrap();
        assert_eq!(
            first.messages.first().map(|message| message.index),
            Some(0),
            "the oldest is found at once"
        );

        let mut looks = 0;
        while reader.taken <= burst as u64 {
            assert!(reader.read(3_000 + looks).await.unwrap() > 0, "each look goes on");
            looks += 1;
        }
        assert!(looks <= burst as u64 / 256 + 2, "{looks} looks");
        let requests = chain.lock().unwrap().requests;
        assert!(requests <= 60 + 6 * looks, "{requests} requests in {looks} looks");
    }
}

/// The same for a node that starts with a backlog, again and again, and takes little at a time.
#[tokio::test]
async fn h1_a_restart_behind_a_burst_finds_the_oldest_message() {
    let blocks: Vec<u64> = once(100_000)
        .chain((0..60).map(|index| 400_000 + 3 * index))
        .chain(repeat_n(800_000, 2_000))
        .collect();
    let chain = Chain::with(&blocks);
    let mut reader = Reader::start(&chain).await;
    let length = blocks.len() as u64;
    while reader.taken < length {
        let before = chain.lock().unwrap().requests;
        let view = reader.look(1_000_000).await.unwrap();
        let requests = chain.lock().unwrap().requests - before;
        assert!(requests <= 100, "{requests} requests in one look");
        assert_eq!(indices(&view).first(), Some(&reader.taken));
        reader.taken += (view.messages.len() as u64).min(100);
        reader.restart();
    }
}
