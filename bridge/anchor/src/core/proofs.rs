//! What an anchor has to show beside its signatures: that its log extends the one that is anchored, and that the log says of
//! the last message it counts that it took it in. Both come from the node, which has the tree.

use quorate_node::anchored as node;
use quorate_protocol::{Checkpoint, Digest};

use super::event::AnchorState;

/// What a node is asked for, for one checkpoint on top of what is anchored. Once something else is anchored, the proofs are
/// of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofsWanted {
    /// How many entries are anchored; 0 before the first anchor, which needs no proof of consistency.
    pub anchored_size: u64,
    /// How many entries the checkpoint has.
    pub log_size: u64,
    /// The message whose entry is to be shown: the last that the checkpoint counts, if it counts any that is not taken yet.
    pub taken: Option<u64>,
}

impl ProofsWanted {
    /// What `checkpoint` needs on top of `anchor`, in a contract by whose last anchor `inbox_taken` messages are taken.
    pub fn of(checkpoint: &Checkpoint, anchor: &AnchorState, inbox_taken: u64) -> Self {
        let taken = checkpoint.inbox_count.checked_sub(1).filter(|last| *last >= inbox_taken);
        Self { anchored_size: anchor.log_size, log_size: checkpoint.log_size, taken }
    }
}

/// A node's answer to [`ProofsWanted`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorProofs {
    /// RFC 9162's consistency proof from the anchored size to the checkpoint's; empty where they are the same, or nothing is
    /// anchored.
    pub consistency: Vec<Digest>,
    /// The entry of the last message that the checkpoint counts; nothing where it takes none.
    pub taken: Option<Taken>,
}

/// The entry by which the log says that it took in a message, without what follows from the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The entry's number.
    pub index: u64,
    /// The sequence that committed it.
    pub sequence: u64,
    /// Its batch's time, in milliseconds of Unix time.
    pub timestamp_ms: u64,
    /// What became of the message.
    pub disposition: u8,
    /// RFC 9162's inclusion proof of the entry under the checkpoint's root.
    pub path: Vec<Digest>,
}

impl From<&Taken> for quorate_contracts::Taken {
    fn from(taken: &Taken) -> Self {
        Self {
            index: taken.index,
            sequence: taken.sequence,
            timestampMs: taken.timestamp_ms,
            disposition: taken.disposition,
            path: quorate_contracts::words(&taken.path),
        }
    }
}

impl From<node::AnchorProofs> for AnchorProofs {
    fn from(proofs: node::AnchorProofs) -> Self {
        let taken = proofs.taken.map(|node::TakenProof { message, entry, path }| Taken {
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestamp_ms: entry.timestamp.0,
            disposition: message.disposition as u8,
            path,
        });
        Self { consistency: proofs.consistency, taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::samples::{checkpoint, sample_group};

    #[test]
    fn the_entry_of_a_message_is_wanted_only_where_one_is_taken() {
        let (group, _) = sample_group();
        let anchor = AnchorState { log_size: 7, ..AnchorState::default() };
        let wanted = |inbox_count, inbox_taken| {
            let checkpoint = Checkpoint { inbox_count, ..checkpoint(&group, 128, 10) };
            ProofsWanted::of(&checkpoint, &anchor, inbox_taken)
        };
        assert_eq!(wanted(0, 0), ProofsWanted { anchored_size: 7, log_size: 10, taken: None });
        assert_eq!(wanted(3, 3).taken, None);
        assert_eq!(wanted(3, 2).taken, Some(2));
        assert_eq!(wanted(3, 0).taken, Some(2), "the last stands for all before it");
    }
}
