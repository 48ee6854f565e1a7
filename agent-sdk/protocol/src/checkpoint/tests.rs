use super::*;
use proptest::prelude::*;

use crate::group::tests::sample_group;

#[test]
fn a_quorum_makes_a_checkpoint_stable() {
    let (group, keys) = sample_group(4);
    let checkpoint = Checkpoint {
        group: group.identity.group,
        epoch: Epoch(0),
        sequence: Sequence(64),
        log_size: 100,
        log_root: Digest::from([1; 32]),
        state_root: Digest::from([2; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    };
    let sign = |account: &AccountKey| {
        let signed = SignedCheckpoint::sign(&group.identity, checkpoint.clone(), account);
        assert!(signed.verify(&group.identity));
        CheckpointSignature { replica: signed.replica, signature: signed.signature }
    };
    let signatures: Vec<_> = keys[1..].iter().map(|(account, _)| sign(account)).collect();
    let stable = CheckpointCertificate { checkpoint: checkpoint.clone(), signatures };
    assert_eq!(stable.verify(&group.identity, &group.replicas()), Ok(()));
    assert_eq!(stable.packed_signatures().len(), 3 * 65);

    let mut other = stable.clone();
    other.checkpoint.log_size += 1;
    assert_eq!(other.verify(&group.identity, &group.replicas()), Err(CertificateError::BadSignature));
}

const GROUP: GroupId = GroupId(B256::repeat_byte(7));

fn identity() -> GroupIdentity {
    GroupIdentity { chain_id: 1, contract: AgentId::from([1; 20]), group: GROUP }
}

fn digest(byte: u8) -> Digest {
    Digest::from([byte; 32])
}

/// What the forms of a contradiction are told from.
fn said() -> Checkpoint {
    Checkpoint {
        group: GROUP,
        epoch: Epoch(2),
        sequence: Sequence(64),
        log_size: 100,
        log_root: digest(1),
        state_root: digest(2),
        inbox_count: 5,
        inbox_hash: digest(3),
        next_members_hash: Digest::default(),
    }
}

/// What a correct replica may sign after [`said`].
fn next() -> Checkpoint {
    Checkpoint {
        sequence: Sequence(65),
        log_size: 101,
        log_root: digest(4),
        inbox_count: 6,
        inbox_hash: digest(5),
        ..said()
    }
}

#[test]
fn what_grows_contradicts_nothing() {
    let waits = Checkpoint { sequence: Sequence(65), ..said() };
    let ends = Checkpoint { next_members_hash: digest(6), ..next() };
    let next_epoch = Checkpoint { epoch: Epoch(3), sequence: Sequence(66), ..ends.clone() };
    let chain = [said(), waits, Checkpoint { sequence: Sequence(66), ..next() }];
    let over_epochs = [said(), ends, next_epoch];
    for chain in [chain, over_epochs] {
        for (at, earlier) in chain.iter().enumerate() {
            assert!(!earlier.contradicts(earlier, &identity()), "it may be repeated");
            for later in &chain[at + 1..] {
                assert!(earlier.precedes(later) && !later.precedes(earlier));
                assert!(!earlier.contradicts(later, &identity()));
            }
        }
    }
}

#[test]
fn every_form_of_a_contradiction_convicts() {
    let ended = Checkpoint { next_members_hash: digest(6), ..said() };
    let forms = [
        ("one sequence twice", said(), Checkpoint { state_root: digest(9), ..said() }),
        ("one size with two roots", said(), Checkpoint { log_size: 100, ..next() }),
        ("a log that shrinks", said(), Checkpoint { log_size: 99, ..next() }),
        ("an inbox that shrinks", said(), Checkpoint { inbox_count: 4, ..next() }),
        ("one count of messages with two hashes", said(), Checkpoint { inbox_count: 5, ..next() }),
        ("beyond the end", ended.clone(), next()),
        ("two ends", ended.clone(), Checkpoint { next_members_hash: digest(8), ..next() }),
        ("two epochs of one sequence", said(), Checkpoint { epoch: Epoch(3), ..said() }),
        ("epochs that go back", said(), Checkpoint { epoch: Epoch(1), ..next() }),
    ];
    for (name, first, second) in forms {
        assert!(first.contradicts(&second, &identity()), "{name}");
        assert!(second.contradicts(&first, &identity()), "{name}, the other way round");
    }
}

#[test]
fn other_groups_and_eras_are_no_evidence() {
    let shrunk = Checkpoint { log_size: 99, ..next() };
    let other_era = Checkpoint { epoch: Epoch(1 << 32), ..shrunk.clone() };
    let other_group = Checkpoint { group: GroupId(B256::repeat_byte(8)), ..shrunk.clone() };
    assert!(said().contradicts(&shrunk, &identity()));
    for other in [&other_era, &other_group] {
        assert!(!said().contradicts(other, &identity()) && !other.contradicts(&said(), &identity()));
        assert!(!said().precedes(other) && !said().compatible(other));
    }
    let of_another = GroupIdentity { group: GroupId(B256::repeat_byte(8)), ..identity() };
    assert!(!said().contradicts(&shrunk, &of_another), "this contract knows nothing of the group");
}

/// Checkpoints so alike that most pairs are close to the order's edges.
fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let era = prop_oneof![9 => Just(0u64), 1 => Just(1)];
    (era, 0..3u64, 0..4u64, (0..3u64, 0..2u8), (0..3u64, 0..2u8), 0..3u8).prop_map(
        |(era, epoch, sequence, (log_size, root), (inbox_count, hash), next)| Checkpoint {
            epoch: Epoch(era << 32 | epoch),
            sequence: Sequence(sequence),
            log_size,
            log_root: digest(root),
            inbox_count,
            inbox_hash: digest(hash),
            next_members_hash: digest(next / 2),
            ..said()
        },
    )
}

/// What a replica signs of what it is asked to: each only after the last.
fn chain(asked: Vec<Checkpoint>) -> Vec<Checkpoint> {
    let mut signed: Vec<Checkpoint> = Vec::new();
    for checkpoint in asked {
        let last = signed.last();
        if last.is_none_or(|last| last.era() < checkpoint.era() || last.precedes(&checkpoint)) {
            signed.push(checkpoint);
        }
    }
    signed
}

proptest! {
    #[test]
    fn the_order_is_strict(first in any_checkpoint(), second in any_checkpoint(), third in any_checkpoint()) {
        prop_assert!(!first.precedes(&first));
        prop_assert!(!(first.precedes(&second) && second.precedes(&first)));
        if first.precedes(&second) && second.precedes(&third) {
            prop_assert!(first.precedes(&third));
        }
    }

    #[test]
    fn a_contradiction_has_no_direction(first in any_checkpoint(), second in any_checkpoint()) {
        prop_assert_eq!(first.contradicts(&second, &identity()), second.contradicts(&first, &identity()));
    }

    #[test]
    fn no_two_of_a_chain_contradict(mut asked in prop::collection::vec(any_checkpoint(), 0..200)) {
        asked.sort_by_key(|checkpoint| (checkpoint.epoch, checkpoint.sequence));
        let signed = chain(asked);
        for first in &signed {
            prop_assert!(signed.iter().all(|second| !first.contradicts(second, &identity())));
        }
    }
}
