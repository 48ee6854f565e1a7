//! What a single faulty replica can make the others do, hold or send is bounded, whatever numbers it names.

use proptest::prelude::*;
use quorate_pbft::message::{BatchRequest, CatchUp, CatchUpRequest, Status};
use quorate_pbft::{CommittedBatch, Config, Message, Record};
use quorate_protocol::{AgentId, AgentKey, Digest};

use crate::harness::{Group, Options, Sequence, View, r};

/// A group that has worked a little, with something still under way, and a faulty replica 3.
fn busy_group() -> Group {
    let mut group = Group::of_four();
    group.silence(r(3));
    for nonce in 0..3 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
        group.must_execute(500, &[command]);
    }
    let command = group.members.command(1, 3);
    group.submit(r(1), &command);
    group.run_for(2);
    group
}

#[test]
fn no_number_in_any_message_stops_a_replica() {
    let mut group = busy_group();
    let liar = r(3);
    let last = [u64::MAX, u64::MAX - 1, u64::MAX - 16, 1 << 63, 0];
    for value in last {
        let (sequence, view) = (Sequence(value), View(value));
        let mut messages = vec![
            Message::CatchUpRequest(CatchUpRequest { from: sequence }),
            Message::BatchRequest(BatchRequest { sequence, digest: Digest::default() }),
            group.forge.prepare(liar, view, sequence, Digest::default()),
            group.forge.commit(liar, view, sequence, Digest::default()),
            Message::Checkpoint(group.forge.signed_checkpoint(liar, group.forge.checkpoint(sequence, 1))),
            Message::ViewChange(group.forge.view_change(liar, view, None, vec![])),
        ];
        for active in [true, false] {
            for (stable, last_executed) in [(sequence, sequence), (Sequence(0), sequence)] {
                let status = Message::Status(Status { view, active, stable, last_executed });
                messages.extend([status.clone(), status]);
            }
        }
        for message in &messages {
            for to in [r(0), r(1)] {
                group.inject(liar, to, message);
                group.run_for(30);
            }
        }
    }
    let command = group.members.command(1, 9);
    group.submit(r(2), &command);
    group.must_execute(2_000, &[command]);
}

/// Messages of a peer with everything in them that a message can hold.
fn specimens(group: &Group) -> Vec<Vec<u8>> {
    let forge = &group.forge;
    let batch = forge.batch(group.wall(r(0)), vec![group.members.command(1, 0)]);
    let digest = forge.digest(&batch);
    let certificate = forge.certificate(&[r(1), r(2)], View(0), Sequence(9), digest);
    let stable = forge.stable(&[r(0), r(1), r(2)], &forge.checkpoint(Sequence(8), 1));
    let view_changes: Vec<_> = (1..4)
        .map(|by| forge.view_change(r(by), View(1), Some(stable.clone()), vec![certificate.clone()]))
        .collect();
    let commits = forge.commits(&[r(0), r(1), r(2)], View(0), Sequence(1), digest);
    let committed = CommittedBatch { view: View(0), sequence: Sequence(1), batch: batch.clone(), commits };
    let messages = [
        Message::ViewChange(view_changes[2].clone()),
        Message::NewView(forge.new_view(View(1), view_changes, &[(Sequence(9), digest)])),
        Message::CatchUp(CatchUp { batches: vec![committed] }),
        Message::PrePrepare(forge.pre_prepare(View(0), Sequence(1), batch)),
        Message::Stable(stable),
    ];
    messages.iter().map(Message::encode).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to the bytes of a message, it is refused or it is the same message.
    #[test]
    fn no_byte_of_a_message_can_be_changed(
        which in 0..5usize,
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut group = Group::of_four();
        let sound = specimens(&group).swap_remove(which);
        prop_assert!(group.passes(r(3), &sound).is_some());
        let mut changed = sound.clone();
        changed[at.index(sound.len())] = value;
        if let Some(cut) = cut {
            changed.truncate(cut.index(sound.len()));
        }
        prop_assert!(changed == sound || group.passes(r(3), &changed).is_none());
    }
}

#[test]
fn a_flood_of_statuses_is_not_answered_one_by_one() {
    let mut group = busy_group();
    group.run_for(500);
    let status = Status { view: View(0), active: true, stable: Sequence(0), last_executed: Sequence(0) };
    let before: u64 = group.sent.values().sum();
    for _ in 0..1_000 {
        group.inject(r(3), r(0), &Message::Status(status));
    }
    let answers = group.sent.values().sum::<u64>() - before;
    assert!(answers <= 40, "{answers} messages in answer to a flood");
}

#[test]
fn a_faulty_primary_cannot_fill_the_memory_of_a_backup() {
    let options = Options::default();
    let config = Config { checkpoint_interval: 32, window: 64, ..options.config };
    let mut group = Group::new(Options { config, ..options });
    group.silence(r(0));
    let key = AgentKey::from_secret(&[5; 32]);
    let agent = AgentId::from([5; 20]);
    let commands: Vec<_> =
        (0..64).map(|nonce| group.members.large_command(agent, &key, nonce, 65_000)).collect();
    let batch = group.forge.batch(group.wall(r(0)), commands);
    assert!(batch.payload_bytes() > 3 * 1024 * 1024);
    for sequence in 1..=20 {
        let proposal = group.forge.pre_prepare(View(0), Sequence(sequence), batch.clone());
        group.inject(r(0), r(1), &Message::PrePrepare(proposal));
    }
    let records = group.replica(r(1)).durable_records();
    let held: usize = records
        .iter()
        .map(|record| match record {
            Record::Accepted(proposal) => proposal.batch.payload_bytes(),
            _ => 0,
        })
        .sum();
    assert!((32..=64).contains(&(held / 1024 / 1024)), "{held} bytes are held");
}
