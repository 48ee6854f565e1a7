//! What the key signed is known wherever a core starts from, and is noted before the signature leaves.

use quorate_pbft::{Batch, CommittedBatch, Event};
use quorate_protocol::{Checkpoint, Digest, Epoch, Sequence, View};

use super::{Memory, NOW, change_key, checkpoint, core_knowing};
use crate::core::NodeCore;
use crate::ledger::Ledger;
use crate::ledger::fixture::{Fixture, START};
use crate::store::Store;

/// A batch with entries, after which a checkpoint is taken.
fn batch(fixture: &Fixture) -> CommittedBatch {
    let commands = change_key(fixture).drain(..2).collect();
    let batch = Batch { timestamp: START, commands, checkpoint: true };
    CommittedBatch { view: View(0), sequence: Sequence(1), batch, commits: Vec::new() }
}

/// What the key signed of the genesis, with this root.
fn signed(fixture: &Fixture, log_root: Digest) -> Checkpoint {
    Checkpoint { sequence: Sequence(0), log_size: 1, log_root, ..checkpoint(fixture, Epoch(0)) }
}

fn genesis_root(fixture: &Fixture) -> Digest {
    Ledger::genesis(std::sync::Arc::clone(&fixture.group)).0.head().root
}

/// Whether the core says that it signs nothing, once it has come to a checkpoint.
fn withholds(core: &mut NodeCore<Memory>, fixture: &Fixture) -> bool {
    if core.write_ledger().last_executed() == Sequence(0) {
        let executed = core.execute(batch(fixture), true).unwrap().unwrap();
        core.step(NOW, Event::Executed(executed)).unwrap();
    }
    core.take_round(NOW, []).unwrap();
    core.take_round(NOW, []).unwrap();
    let withholds = core.replica().unwrap().is_withholding();
    assert_eq!(core.metrics.checkpoints_withheld.get(), u64::from(withholds));
    withholds
}

#[test]
fn m1_a_key_that_signed_another_log_signs_no_more() {
    let fixture = Fixture::new();
    let own = signed(&fixture, genesis_root(&fixture));
    let other = signed(&fixture, Digest::from([9; 32]));
    for (known, expected) in [(None, false), (Some(own), false), (Some(other), true)] {
        let store = Store::in_memory();
        let mut core = core_knowing(&fixture, 0, store.clone(), Vec::new(), known.clone());
        assert_eq!(withholds(&mut core, &fixture), expected);
        let noted: Vec<Sequence> = core.storage.signed.iter().map(|signed| signed.sequence).collect();
        assert_eq!(noted, if expected { vec![] } else { vec![Sequence(1)] });
        drop(core);
        // It starts again behind that batch, and executes it once more.
        let mut again = core_knowing(&fixture, 0, store, Vec::new(), known);
        assert_eq!(withholds(&mut again, &fixture), expected);
    }
}

#[test]
fn m1_what_the_write_ahead_log_says_was_signed_counts_like_what_lies_beside_the_key() {
    let fixture = Fixture::new();
    let mut core = core_knowing(&fixture, 0, Store::in_memory(), Vec::new(), None);
    assert!(!withholds(&mut core, &fixture));
    let (records, noted) = (core.storage.log.clone(), core.storage.signed.clone());
    assert_eq!(core.signed, noted.last().cloned());
    let again = core_knowing(&fixture, 0, Store::in_memory(), records, None);
    assert_eq!(again.signed, noted.last().cloned(), "the store is lost, the log is not");
}
