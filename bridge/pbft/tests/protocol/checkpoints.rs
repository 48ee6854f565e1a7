//! What a replica signs about the state is a chain, and whoever signs what is none is found out.

use quorate_pbft::{Effect, Event, Evidence, Executed, Message, Now, Record, Recovered, Replica};
use quorate_protocol::{Checkpoint, Digest, Epoch, ReplicaIndex, SignedCheckpoint};

use crate::harness::{Forge, Group, Options, Sequence, View, r};

/// What replica 1 holds against replica 3 because of checkpoints.
fn held(group: &Group) -> Vec<(Checkpoint, Checkpoint)> {
    let of_checkpoints = |(by, evidence): &(ReplicaIndex, Evidence)| match evidence {
        Evidence::Checkpoints { replica: ReplicaIndex(3), first, second } if *by == r(1) => {
            Some((first.checkpoint.clone(), second.checkpoint.clone()))
        }
        _ => None,
    };
    group.checker.evidence.iter().filter_map(of_checkpoints).collect()
}

fn says(group: &mut Group, checkpoint: Checkpoint) {
    let signed = group.forge.signed_checkpoint(r(3), checkpoint);
    group.inject(r(3), r(1), &Message::Checkpoint(signed));
}

fn contradict_in_votes(group: &mut Group, sequence: u64) {
    for byte in [1, 2] {
        let prepare = group.forge.prepare(r(3), View(0), Sequence(sequence), Digest::from([byte; 32]));
        group.inject(r(3), r(1), &prepare);
    }
}

#[test]
fn h1_contradictory_votes_hide_no_contradictory_checkpoints() {
    for votes in [1, 16] {
        let mut group = Group::of_four();
        group.silence(r(3));
        (1..=votes).for_each(|sequence| contradict_in_votes(&mut group, sequence));
        assert_eq!(group.checker.evidence.len(), votes as usize);
        for byte in [1, 2] {
            let checkpoint = group.forge.checkpoint(Sequence(1), byte);
            says(&mut group, checkpoint);
        }
        assert_eq!(held(&group).len(), 1, "after contradictory votes on {votes} sequences");
    }
}

#[test]
fn h1_contradictory_checkpoints_hide_no_contradictory_votes() {
    let mut group = Group::of_four();
    group.silence(r(3));
    for byte in 1..=40 {
        let checkpoint = group.forge.checkpoint(Sequence(1), byte);
        says(&mut group, checkpoint);
    }
    let reported = held(&group).len();
    assert!((1..16).contains(&reported), "{reported}: enough to convict, and no flood");
    contradict_in_votes(&mut group, 1);
    assert_eq!(group.checker.evidence.len(), reported + 1);
}

#[test]
fn h1_invented_checkpoints_far_ahead_hide_no_contradiction() {
    let mut group = Group::of_four();
    group.silence(r(3));
    let first = at(&group.forge, 8);
    says(&mut group, first.clone());
    for invented in 1_000..1_020 {
        let checkpoint = at(&group.forge, invented);
        says(&mut group, checkpoint);
    }
    assert_eq!(held(&group), []);
    let second = Checkpoint { state_root: Digest::from([9; 32]), ..first.clone() };
    says(&mut group, second.clone());
    assert_eq!(held(&group), [(first, second)]);
}

/// One of the checkpoints that a correct replica could sign.
fn at(forge: &Forge, sequence: u64) -> Checkpoint {
    Checkpoint {
        log_size: 2 * sequence,
        log_root: Digest::of(&[&sequence.to_be_bytes()]),
        inbox_count: sequence,
        inbox_hash: Digest::of(&[b"inbox", &sequence.to_be_bytes()]),
        ..forge.checkpoint(Sequence(sequence), 1)
    }
}

#[test]
fn m1_every_form_of_a_contradiction_is_evidence() {
    let forge = Group::of_four().forge;
    let (first, next) = (at(&forge, 8), at(&forge, 9));
    let end = |byte: u8| Checkpoint { next_members_hash: Digest::from([byte; 32]), ..first.clone() };
    let forms = [
        (
            "one sequence twice",
            first.clone(),
            Checkpoint { state_root: Digest::from([9; 32]), ..first.clone() },
        ),
        ("one size with two roots", first.clone(), Checkpoint { log_size: first.log_size, ..next.clone() }),
        ("a log that shrinks", first.clone(), Checkpoint { log_size: 3, ..next.clone() }),
        ("an inbox that shrinks", first.clone(), Checkpoint { inbox_count: 3, ..next.clone() }),
        ("one count with two hashes", first.clone(), Checkpoint { inbox_count: 8, ..next.clone() }),
        ("beyond the end", end(8), next.clone()),
        ("two ends", end(8), Checkpoint { sequence: Sequence(9), ..end(9) }),
    ];
    for (name, one, other) in forms {
        for (one, other) in [(one.clone(), other.clone()), (other, one)] {
            let mut group = Group::of_four();
            group.silence(r(3));
            says(&mut group, one.clone());
            assert_eq!(held(&group), [], "{name}");
            says(&mut group, other.clone());
            assert_eq!(held(&group), [(one, other)], "{name}");
        }
    }
}

#[test]
fn m1_what_ended_the_epoch_before_is_compared_with_what_is_signed_in_this_one() {
    let mut group = Group::of_four();
    let end = Checkpoint { next_members_hash: Digest::from([8; 32]), ..at(&group.forge, 8) };
    let before = Some(group.forge.stable(&[r(0), r(2), r(3)], &end));
    group.members.context.epoch = Epoch(1);
    group.members.context.base = Sequence(8);
    let (mut replica, now) = started_from(&group, r(1), Recovered { before, ..recovered(8) });
    let mut hears = |checkpoint: Checkpoint| {
        let signed = group.forge.signed_checkpoint(r(3), Checkpoint { epoch: Epoch(1), ..checkpoint });
        // It was signed just now.
        let message = quorate_protocol::Verified::vouch(Message::Checkpoint(signed));
        let effects = replica.step(now, Event::Message { from: r(3), message });
        effects.iter().filter(|effect| matches!(effect, Effect::Evidence(_))).count()
    };
    assert_eq!(hears(at(&group.forge, 16)), 0);
    assert_eq!(
        hears(Checkpoint { log_size: 15, ..at(&group.forge, 12) }),
        1,
        "shorter than when the epoch began"
    );
    assert_eq!(hears(at(&group.forge, 8)), 1, "one sequence in two epochs");
}

/// A replica that starts from `recovered`, beside the group.
fn started_from(group: &Group, index: ReplicaIndex, recovered: Recovered) -> (Replica, Now) {
    let keys = group.members.keys[usize::from(index.0)].clone();
    let (config, context) = (group.options.config.clone(), group.members.context.clone());
    let now = Now { elapsed_ms: group.now_ms, wall: group.wall(index) };
    (Replica::new(config, context, keys, recovered, now), now)
}

fn recovered(last_executed: u64) -> Recovered {
    Recovered { last_executed: Sequence(last_executed), ..Recovered::default() }
}

/// What a replica signs that comes to `checkpoint`, and whether it says that it withholds.
fn signs(
    group: &Group,
    signed: &Checkpoint,
    extends_signed: bool,
    checkpoint: &Checkpoint,
) -> (Vec<Checkpoint>, bool) {
    let signed = Some(signed.clone());
    let (mut replica, now) =
        started_from(group, r(2), Recovered { signed, ..recovered(checkpoint.sequence.0 - 1) });
    let sequence = checkpoint.sequence;
    let state = quorate_pbft::event::StateSummary {
        log_size: checkpoint.log_size,
        log_root: checkpoint.log_root,
        state_root: checkpoint.state_root,
        inbox_count: checkpoint.inbox_count,
        inbox_hash: checkpoint.inbox_hash,
        next_members_hash: checkpoint.next_members_hash,
        extends_signed,
    };
    let executed =
        Executed { sequence, entries: 1, next_due: None, state: Some(state), change_pending: false };
    let mut effects = replica.step(now, Event::Executed(executed));
    effects.extend(replica.step(now, Event::Stored(sequence)));
    let recorded = |effect: &Effect| match effect {
        Effect::Persist(Record::Checkpoint(SignedCheckpoint { checkpoint, .. })) => Some(checkpoint.clone()),
        _ => None,
    };
    let said = effects.iter().filter(|effect| matches!(effect, Effect::Broadcast(Message::Checkpoint(_))));
    let recorded: Vec<_> = effects.iter().filter_map(recorded).collect();
    assert_eq!(said.count(), recorded.len(), "what is said is recorded");
    let withheld = effects.contains(&Effect::Withheld { sequence });
    assert_eq!(replica.is_withholding(), withheld);
    (recorded, withheld)
}

#[test]
fn a_replica_signs_only_what_follows_what_its_key_signed() {
    let group = Group::of_four();
    let (signed, next) = (at(&group.forge, 8), at(&group.forge, 9));
    let follows = |checkpoint: &Checkpoint| signs(&group, &signed, true, checkpoint);
    assert_eq!(follows(&next), (vec![next.clone()], false));
    assert_eq!(follows(&signed), (vec![signed.clone()], false), "the very same may be repeated");

    let other_state = Checkpoint { state_root: Digest::from([9; 32]), ..signed.clone() };
    let other_root = Checkpoint { log_size: signed.log_size, ..next.clone() };
    let shrunk = Checkpoint { log_size: 3, ..next.clone() };
    let forgot_inbox = Checkpoint { inbox_count: 3, ..next.clone() };
    let other_inbox = Checkpoint { inbox_count: 8, ..next.clone() };
    for behind in [at(&group.forge, 7), other_state] {
        assert_eq!(follows(&behind), (vec![], false), "nothing is signed that lies behind");
    }
    for contradiction in [other_root, shrunk, forgot_inbox, other_inbox] {
        assert_eq!(follows(&contradiction), (vec![], true), "{contradiction:?}");
    }
    let ended = Checkpoint { next_members_hash: Digest::from([8; 32]), ..signed.clone() };
    assert_eq!(signs(&group, &ended, true, &next), (vec![], true), "the epoch is over");
}

#[test]
fn a_replica_whose_log_is_not_the_one_that_its_key_signed_is_silent_for_the_era() {
    let mut group = Group::of_four();
    let (signed, next) = (at(&group.forge, 8), at(&group.forge, 9));
    assert_eq!(signs(&group, &signed, false, &next), (vec![], true));
    for (epoch, speaks) in [(Epoch(1), false), (Epoch(1 << 32), true)] {
        group.members.context.epoch = epoch;
        let later = Checkpoint { epoch, ..next.clone() };
        let expected = if speaks { (vec![later.clone()], false) } else { (vec![], true) };
        assert_eq!(signs(&group, &signed, false, &later), expected, "epoch {epoch}");
    }
    let of_later_era = Checkpoint { epoch: Epoch(2 << 32), ..signed };
    let later = Checkpoint { epoch: Epoch(1 << 32), ..next };
    assert_eq!(signs(&group, &of_later_era, true, &later), (vec![], true), "an era that is over");
}

#[test]
fn a_replica_with_a_strange_log_takes_part_in_all_but_checkpoints() {
    let mut group = Group::of_four();
    group.estrange(r(2));
    let commands: Vec<_> = (0..40).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(0), command);
        group.run_for(12);
    }
    group.must_execute(5_000, &commands);
    group.run_for(500);
    assert_eq!(group.withheld(r(2)).len(), 0, "its key has signed nothing");
    group.crash(r(2));
    group.restart(r(2));
    let commands: Vec<_> = (40..80).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(0), command);
        group.run_for(12);
    }
    group.must_execute(5_000, &commands);
    group.run_for(500);
    assert!(group.withheld(r(2)).len() == 1 && group.replica(r(2)).is_withholding());
    let own = group.members.context.replicas.at(r(2)).unwrap().agent;
    let gathered = group.replica(r(0)).gathered().unwrap();
    assert_eq!(gathered.signatures.len(), 3);
    assert!(gathered.signatures.iter().all(|signed| signed.replica != own));
    assert!(group.checker.evidence.is_empty());
}

#[test]
fn every_signature_on_the_stable_checkpoint_is_gathered() {
    let mut group = Group::of_four();
    // Replica 3 comes to each checkpoint when the others have made it stable.
    group.lose(|_, to, message| to == r(3) && matches!(message, Message::Commit(_)));
    let commands: Vec<_> = (0..10).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(0), command);
        group.run_for(40);
    }
    group.heal();
    group.must_execute(5_000, &commands);
    let all = |group: &Group| {
        let gathered = group.all().into_iter().map(|index| group.replica(index).gathered());
        gathered.flatten().filter(|gathered| gathered.signatures.len() == 4).count() == 4
    };
    assert!(group.run_until(2_000, all), "{}", group.picture());
    let context = &group.members.context;
    for index in group.all() {
        let (stable, gathered) = (group.replica(index).stable_checkpoint(), group.replica(index).gathered());
        let (stable, gathered) = (stable.unwrap(), gathered.unwrap());
        assert_eq!(gathered.checkpoint, stable.checkpoint);
        assert_eq!(stable.signatures.len(), 3, "a quorum's are enough to make it stable");
        assert_eq!(gathered.verify(&context.identity, &context.replicas), Ok(()));
    }
}

#[test]
fn who_comes_late_to_the_end_of_the_epoch_signs_it_all_the_same() {
    let config = Options::default().config;
    let mut group = Group::new(Options { config, ..Options::default() });
    group.change_members_after(3);
    group.isolate(r(3));
    for nonce in 0..6 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
    }
    assert!(group.run_until(5_000, |group| !group.handovers(r(0)).is_empty()), "{}", group.picture());
    group.heal();
    assert!(group.run_until(5_000, |group| !group.handovers(r(3)).is_empty()), "{}", group.picture());
    let own = group.members.context.replicas.at(r(3)).unwrap().agent;
    let gathered = group.replica(r(3)).gathered().unwrap();
    assert!(gathered.signatures.iter().any(|signed| signed.replica == own));
}
