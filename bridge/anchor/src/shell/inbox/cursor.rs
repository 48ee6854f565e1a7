//! What is held of the inbox: a run of messages from the wanted one on, and from which block on the next one is searched.
//!
//! Messages lie in the blocks in their order. So whoever has read every block up to that of a message needs no block
//! below it for the next one, and nothing behind the next one ever matters: what is held has no gaps, and a burst of
//! later messages is neither kept nor looked at before its turn.

use std::collections::{BTreeMap, VecDeque};

use alloy::primitives::B256;
use quorate_protocol::InboxMessage;

/// The most messages that are held, and the most bytes of their payloads; one message is held whatever its size.
pub(super) const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;

/// A message, the hash that its event names, and its block.
pub(super) type Found = (InboxMessage, B256, u64);

/// Where the first message that is not held is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing is known of its block.
    Unknown,
    /// In this block or above it: all below are read, or were in the chain before the message was.
    From(u64),
    /// The same, and what is below was left out by the message's own time.
    Located(u64),
}

/// A run of messages, and the place of the one behind it.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The first message that is wanted.
    from: u64,
    /// The messages from there on, without a gap.
    held: VecDeque<Found>,
    /// The bytes of their payloads.
    bytes: usize,
    /// Whether there is no room for the message behind them.
    full: bool,
    place: Place,
    /// How often in a row the first message that is not held was not where it had to be.
    misses: u32,
}

impl Cursor {
    /// Nothing is held, and message `from` is wanted first.
    pub(super) fn new(from: u64) -> Self {
        Self { from, held: VecDeque::new(), bytes: 0, full: false, place: Place::Unknown, misses: 0 }
    }

    /// From now on message `from` is wanted first: those before it are forgotten.
    pub(super) fn want(&mut self, from: u64) {
        if !(self.from..=self.lacking()).contains(&from) {
            *self = Self::new(from);
        }
        while self.from < from
            && let Some((message, ..)) = self.held.pop_front()
        {
            self.from += 1;
            self.bytes -= message.payload.len();
            self.full = false;
        }
    }

    /// The first message that is not held.
    pub(super) fn lacking(&self) -> u64 {
        self.from.saturating_add(self.held.len() as u64)
    }

    /// Whether there is room for the first message that is not held.
    pub(super) fn has_room(&self) -> bool {
        !self.full
    }

    /// Where the first message that is not held is searched.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The first message that is not held is there.
    pub(super) fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Up to block `top` the inbox has no message that is not held: the next one comes in a later block.
    pub(super) fn is_complete(&mut self, top: u64) {
        self.place = Place::From(top.saturating_add(1));
        self.misses = 0;
    }

    /// All blocks up to `newest` are read, and this is what was found in those that were not before. Returns whether the
    /// first message that was not held is among it.
    pub(super) fn take(&mut self, newest: u64, found: impl IntoIterator<Item = Found>) -> bool {
        let lacking = self.lacking();
        let mut by_index = BTreeMap::new();
        for found in found {
            by_index.entry(found.0.index).or_insert(found);
        }
        let mut next = newest.saturating_add(1);
        for (index, found) in by_index.range(lacking..) {
            if *index != self.lacking() {
                break;
            }
            let bytes = self.bytes + found.0.payload.len();
            self.full = self.held.len() >= MAX_HELD || (!self.held.is_empty() && bytes > MAX_HELD_BYTES);
            if self.full {
                // Its block is read again once there is room.
                next = found.2;
                break;
            }
            self.bytes = bytes;
            self.held.push_back(found.clone());
        }
        let progress = self.lacking() > lacking || self.full;
        self.place = match self.place {
            Place::Located(_) if !progress => Place::Located(next),
            _ => Place::From(next),
        };
        if progress {
            self.misses = 0;
        }
        progress
    }

    /// The first message that is not held is not where it has to be. Returns how often in a row that was so.
    pub(super) fn miss(&mut self) -> u32 {
        self.place = Place::Unknown;
        self.misses = self.misses.saturating_add(1);
        self.misses
    }

    /// The messages that are held, as far as they are before `length`, with the hashes that their events name.
    pub(super) fn run(&self, length: u64) -> Vec<(InboxMessage, B256)> {
        let held = self.held.iter().take_while(|(message, ..)| message.index < length);
        held.map(|(message, hash, _)| (message.clone(), *hash)).collect()
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::AgentId;

    use super::*;

    fn found(index: u64, block: u64, bytes: usize) -> Found {
        let message = InboxMessage {
            index,
            kind: 1,
            sender: AgentId::default(),
            enqueued_at: block,
            payload: vec![7; bytes],
        };
        (message, B256::ZERO, block)
    }

    #[test]
    fn what_is_held_is_bounded_in_bytes_and_goes_on_where_it_stopped() {
        let third = MAX_HELD_BYTES / 3;
        let mut cursor = Cursor::new(5);
        let window = || (5..10).map(|index| found(index, 10 * index, third));
        assert!(cursor.take(100, window()));
        assert_eq!((cursor.lacking(), cursor.has_room(), cursor.place()), (8, false, Place::From(80)));
        cursor.want(6);
        assert!(cursor.has_room(), "one is forgotten");
        assert!(cursor.take(100, window()));
        assert_eq!((cursor.lacking(), cursor.has_room(), cursor.place()), (9, false, Place::From(90)));

        let mut one = Cursor::new(0);
        assert!(one.take(9, [found(0, 3, MAX_HELD_BYTES + 1)]));
        assert_eq!((one.lacking(), one.has_room()), (1, true), "one is held whatever its size");
        assert!(one.take(9, [found(1, 4, 1)]));
        assert_eq!((one.lacking(), one.has_room()), (1, false));
    }

    #[test]
    fn what_is_wanted_elsewhere_starts_anew() {
        let mut cursor = Cursor::new(5);
        cursor.take(100, [found(5, 1, 1), found(6, 2, 1), found(8, 3, 1)]);
        assert_eq!((cursor.lacking(), cursor.place()), (7, Place::From(101)), "8 is beyond a gap");
        cursor.want(7);
        assert_eq!((cursor.lacking(), cursor.place()), (7, Place::From(101)));
        for from in [6, 9] {
            cursor.want(from);
            assert_eq!((cursor.lacking(), cursor.place()), (from, Place::Unknown));
            assert!(cursor.run(u64::MAX).is_empty());
        }
    }
}
