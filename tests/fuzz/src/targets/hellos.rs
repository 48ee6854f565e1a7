//! What a link begins with: length-prefixed content on a stream, and the hello within.

use std::sync::LazyLock;

use quorate_node::transport::{Hello, read_short};
use quorate_protocol::Epoch;
use tokio::runtime::{Builder, Runtime};

use super::{Format, PLAIN, QUICK, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "hellos",
    format: Format::Bytes,
    memory: PLAIN,
    max_len: 4096,
    quick_runs: QUICK,
    seeds,
    check,
};

/// The most bytes of a frame before the hello is heard.
const MAX_BYTES: usize = 256;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_time().build().expect("a runtime without I/O starts")
});

fn seeds() -> Vec<Seed> {
    let hello = Hello::new(WORLD.group.identity, Epoch(3), WORLD.keys[0].id()).encode();
    let length = u32::try_from(hello.len()).expect("a hello is short").to_be_bytes();
    let framed = [&length[..], &hello].concat();
    vec![
        Seed::new("hello", framed.clone()),
        Seed::new("hello-and-heartbeat", [&framed[..], &[0; 4]].concat()),
        Seed::new("announced", u32::MAX.to_be_bytes()),
    ]
}

fn check(bytes: &[u8]) {
    let mut stream = bytes;
    let mut read = 0;
    while let Ok(content) = RUNTIME.block_on(read_short(&mut stream, MAX_BYTES)) {
        read += 4 + content.len();
        assert!(content.len() <= MAX_BYTES, "a frame is longer than allowed");
        canonical(&content, Hello::decode(&content), Hello::encode);
    }
    assert!(read <= bytes.len(), "more is read than was sent");
}
