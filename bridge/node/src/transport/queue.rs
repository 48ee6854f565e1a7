//! What waits to be sent to one peer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::framing;

/// The most frames that wait.
const MAX_FRAMES: usize = 8192;
/// Frames are written together up to so many bytes.
const MAX_WRITE_BYTES: usize = 256 * 1024;

/// A bounded queue of frames whose oldest give way to newer ones.
#[derive(Debug)]
pub(super) struct SendQueue {
    waiting: Mutex<Waiting>,
    max_bytes: usize,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
    closed: bool,
}

impl Waiting {
    fn pop(&mut self) -> Option<Arc<[u8]>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

const NOT_POISONED: &str = "nothing panics while it holds the queue";

impl SendQueue {
    /// An empty queue for at most `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), max_bytes, filled: Notify::new() }
    }

    /// Drops what waits and whatever is added later.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock().expect(NOT_POISONED);
        *waiting = Waiting { closed: true, ..Waiting::default() };
    }

    /// Adds a frame, which is not longer than the bound, and returns how many older ones gave way.
    pub(super) fn push(&self, frame: Arc<[u8]>) -> u64 {
        let mut dropped = 0;
        let mut waiting = self.waiting.lock().expect(NOT_POISONED);
        if waiting.closed {
            return 0;
        }
        while waiting.frames.len() >= MAX_FRAMES || waiting.bytes + frame.len() > self.max_bytes {
            if waiting.pop().is_none() {
                break;
            }
            dropped += 1;
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        drop(waiting);
        self.filled.notify_one();
        dropped
    }

    /// Waits for frames, and moves as many as are written together into `buffer`. Returns how many.
    ///
    /// Nothing is lost when the future is dropped while it waits. For one caller at a time.
    pub(super) async fn take(&self, buffer: &mut Vec<u8>) -> u64 {
        loop {
            // The permit of an earlier push may be used up for frames that are gone, so look each time.
            let taken = self.take_now(buffer);
            if taken > 0 {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn take_now(&self, buffer: &mut Vec<u8>) -> u64 {
        let mut waiting = self.waiting.lock().expect(NOT_POISONED);
        let mut taken = 0;
        while buffer.len() < MAX_WRITE_BYTES
            && let Some(frame) = waiting.pop()
        {
            framing::append(buffer, &frame);
            taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(value: u8, length: usize) -> Arc<[u8]> {
        vec![value; length].into()
    }

    #[test]
    fn the_oldest_give_way_by_bytes_and_by_count() {
        let queue = SendQueue::new(100);
        assert_eq!(queue.push(frame(1, 60)), 0);
        assert_eq!(queue.push(frame(2, 40)), 0);
        assert_eq!(queue.push(frame(3, 50)), 1);
        let mut buffer = Vec::new();
        assert_eq!(queue.take_now(&mut buffer), 2);
        assert_eq!(buffer[4], 2, "the first was dropped");

        let queue = SendQueue::new(usize::MAX);
        let dropped: u64 = (0..MAX_FRAMES + 3).map(|_| queue.push(frame(0, 1))).sum();
        assert_eq!(dropped, 3);
    }

    #[test]
    fn a_closed_queue_keeps_nothing() {
        let queue = SendQueue::new(100);
        queue.push(frame(1, 60));
        queue.close();
        queue.push(frame(2, 60));
        assert_eq!(queue.take_now(&mut Vec::new()), 0);
    }

    #[test]
    fn a_write_is_bounded_and_the_rest_waits() {
        let queue = SendQueue::new(usize::MAX);
        for value in 0..4 {
            queue.push(frame(value, MAX_WRITE_BYTES / 2));
        }
        let mut buffer = Vec::new();
        assert_eq!(queue.take_now(&mut buffer), 2);
        buffer.clear();
        assert_eq!(queue.take_now(&mut buffer), 2);
        assert_eq!(queue.take_now(&mut buffer), 0);
    }
}
