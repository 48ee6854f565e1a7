//! Forks: two logs under one replica's signatures.

use quorate_protocol::merkle::{MerkleLog, leaf_hash};
use quorate_protocol::{Checkpoint, Digest, Epoch, Sequence, SignedCheckpoint};
use quorate_sdk::chain::{Fork, NoFork};
use quorate_sdk::{CoordinatorReader, SdkError};

use crate::chain::Stage;

/// A log of `size` leaves, which from `fork` on are those of the branch `branch`.
fn log(size: u64, fork: u64, branch: u8) -> MerkleLog {
    let mut log = MerkleLog::new();
    for index in 0..size {
        let branch = if index < fork { 0 } else { branch };
        log.append(leaf_hash(&[&index.to_be_bytes()[..], &[branch]].concat()));
    }
    log
}

/// A checkpoint of a log.
fn checkpoint(stage: &Stage, sequence: u64, log: &MerkleLog) -> Checkpoint {
    Checkpoint {
        group: stage.group.identity.group,
        epoch: Epoch(0),
        sequence: Sequence(sequence),
        log_size: log.size(),
        log_root: log.root(),
        state_root: Digest::from([sequence as u8; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_signs_two_logs_is_convicted_by_their_leaves() {
    let stage = Stage::new().await;
    let (honest, lying) = (log(13, 9, 1), log(21, 9, 2));
    let (first, second) = (checkpoint(&stage, 10, &honest), checkpoint(&stage, 20, &lying));
    assert!(first.compatible(&second), "by their numbers nobody lied");
    let fork = Fork::between((&first, &honest), (&second, &lying)).unwrap();
    assert_eq!(fork.index, 9);

    let (identity, liar) = (stage.group.identity, &stage.agents[2].account);
    let sign = |checkpoint: &Checkpoint| SignedCheckpoint::sign(&identity, checkpoint.clone(), liar);
    let (first, second) = (sign(&first), sign(&second));
    let reporter = &stage.chain[0];
    let without = reporter.report_contradiction(&first, &second, &[]).await;
    assert!(matches!(without, Err(SdkError::Reverted { .. })), "{without:?}");
    let mut forged = fork.clone();
    forged.second.0 = Digest::from([1; 32]);
    let forged = reporter.report_fork(&first, &second, &[], &forged).await;
    assert!(matches!(forged, Err(SdkError::Reverted { .. })), "{forged:?}");
    reporter.report_fork(&first, &second, &[], &fork).await.unwrap();
    let reader = CoordinatorReader::connect(&stage.anvil.url, stage.contract).await.unwrap();
    let seat = reader.seat(identity.group, stage.agents[2].id()).await.unwrap();
    assert!(seat.convicted && !seat.counts);

    // Of one log there is no fork, and none of a log that nobody signed.
    let (early, late) = (log(5, 5, 0), log(9, 9, 0));
    let of = |log: &MerkleLog| checkpoint(&stage, log.size(), log);
    assert_eq!(Fork::between((&of(&early), &late), (&of(&late), &late)), Err(NoFork::OneLog));
    let unsigned = Fork::between((&of(&early), &late), (&of(&late), &log(9, 3, 2)));
    assert_eq!(unsigned, Err(NoFork::OtherLog("second")));
}
