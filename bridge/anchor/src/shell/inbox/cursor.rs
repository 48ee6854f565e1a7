//! What was searched of the chain for messages of the inbox, and what was found there.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use quorate_protocol::InboxMessage;

/// The most messages that are held, and the most bytes of their payloads.
const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// The most ranges of blocks that are known to be unsearched; beyond, they are searched as one.
const MAX_RANGES: usize = 8;

/// A message, the hash that its event names, and its block.
pub(super) type Found = (InboxMessage, B256, u64);

/// What was searched, and what was found there. Messages lie in the blocks in their order, which bounds every search.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The highest block that was ever to be searched.
    top: Option<u64>,
    /// The lowest block that a wanted message may be in.
    floor: u64,
    /// The ranges of blocks that are not searched yet, ascending and apart from each other.
    unsearched: Vec<(u64, u64)>,
    /// By index.
    held: BTreeMap<u64, Found>,
    /// Whether messages had to be dropped for want of room, since the last one was forgotten.
    full: bool,
}

impl Cursor {
    /// There are blocks up to `top` now, and no message before `from` is wanted any more.
    pub(super) fn advance(&mut self, top: u64, from: u64) {
        let wanted = self.held.split_off(&from);
        let forgotten = std::mem::replace(&mut self.held, wanted);
        if let Some((_, (.., block))) = forgotten.last_key_value() {
            self.floor = *block;
            self.full = false;
        }
        let next = self.top.map_or(0, |before| before.saturating_add(1));
        if next <= top {
            self.unsearched.push((next, top));
            self.top = Some(top);
        }
        self.tidy();
    }

    /// The first message from `from` on that is not held, and the lowest block that it may be in.
    fn lacking(&self, from: u64) -> (u64, u64) {
        let mut lacking = (from, self.floor);
        for (index, (.., block)) in self.held.range(from..) {
            if *index != lacking.0 {
                break;
            }
            lacking = (index + 1, *block);
        }
        lacking
    }

    /// The blocks to search next, at most `window`: the newest first. Nothing when all of the messages `from..length` are
    /// held as far as there is room for them, or when all blocks are searched that the next one may be in.
    pub(super) fn next_window(&self, window: u64, from: u64, length: u64) -> Option<(u64, u64)> {
        let (lacking, lowest) = self.lacking(from);
        let no_room = self.full && self.held.last_key_value().is_some_and(|(last, _)| *last < lacking);
        let (oldest, newest) = *self.unsearched.last().filter(|range| range.1 >= lowest)?;
        let window = (oldest.max(lowest).max(newest.saturating_sub(window - 1)), newest);
        (lacking < length && !no_room).then_some(window)
    }

    /// The blocks of the last window are searched, and this is what was in them.
    pub(super) fn searched(&mut self, oldest: u64, newest: u64, found: Vec<Found>) {
        let Some(range) = self.unsearched.pop() else { return };
        debug_assert!(range.0 <= oldest && range.1 == newest, "it is the window that was asked for");
        if range.0 < oldest {
            self.unsearched.push((range.0, oldest - 1));
        }
        for (message, hash, block) in found {
            self.held.entry(message.index).or_insert((message, hash, block));
        }
        // The oldest are wanted first. Where others are dropped, their blocks are to be searched again, later.
        let mut bytes: usize = self.held.values().map(|(message, ..)| message.payload.len()).sum();
        while self.held.len() > MAX_HELD || (self.held.len() > 1 && bytes > MAX_HELD_BYTES) {
            let Some((_, (message, _, block))) = self.held.pop_last() else { break };
            bytes -= message.payload.len();
            self.full = true;
            self.unsearched.push((block, self.top.unwrap_or(block).max(block)));
        }
        self.tidy();
    }

    /// If one of the messages `from..length` is in none of the blocks that were searched for it, these are searched again:
    /// endpoints show a new state before they can find its events.
    pub(super) fn start_over_if_lost(&mut self, from: u64, length: u64) {
        let (lacking, lowest) = self.lacking(from);
        let Some(top) = self.top.filter(|_| lacking < length && !self.full) else { return };
        if self.next_window(1, from, length).is_none() {
            self.unsearched.push((lowest, top));
            self.tidy();
        }
    }

    /// The messages `from..length` without a gap, as far as they are held, with the hashes that their events name.
    pub(super) fn run(&self, from: u64, length: u64) -> Vec<(InboxMessage, B256)> {
        let until = self.lacking(from).0.min(length).max(from);
        self.held.range(from..until).map(|(_, (message, hash, _))| (message.clone(), *hash)).collect()
    }

    /// Joins ranges that touch, and all of them when they are too many.
    fn tidy(&mut self) {
        self.unsearched.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.unsearched.len());
        for &(oldest, newest) in &self.unsearched {
            match joined.last_mut() {
                Some(last) if oldest <= last.1.saturating_add(1) => last.1 = last.1.max(newest),
                _ => joined.push((oldest, newest)),
            }
        }
        if joined.len() > MAX_RANGES
            && let (Some(first), Some(last)) = (joined.first().copied(), joined.last().copied())
        {
            joined = vec![(first.0, last.1)];
        }
        self.unsearched = joined;
    }
}
