//! One replica of four lies. Nobody diverges, the proof is kept, and the group goes on.

use quorate_pbft::evidence::Phase;
use quorate_pbft::message::ViewChange;
use quorate_pbft::{Batch, Evidence, Message, Record, ViewState};
use quorate_protocol::{AgentId, AgentKey, ReplicaIndex, SignedCommand};

use crate::harness::{Forge, Group, Sequence, View, r};

/// Proposes one batch to replica 1 and another to the rest.
fn equivocate(forge: Forge) -> impl FnMut(ReplicaIndex, Message) -> Vec<Message> {
    move |to, message| match message {
        Message::PrePrepare(honest) if to == r(1) => {
            let batch = Batch { timestamp: honest.batch.timestamp.plus(1), ..honest.batch };
            vec![Message::PrePrepare(forge.pre_prepare(honest.view, honest.sequence, batch))]
        }
        other => vec![other],
    }
}

#[test]
fn an_equivocating_primary_divides_nobody_and_leaves_evidence() {
    for helps_itself in [true, false] {
        let mut group = Group::of_four();
        let mut proposals = equivocate(group.forge.clone());
        group.corrupt(
            r(0),
            Box::new(move |to, message| match message {
                // Without its commits neither batch can be committed in its view.
                Message::Commit(_) if !helps_itself => vec![],
                message => proposals(to, message),
            }),
        );
        let commands: Vec<_> = (0..6).map(|nonce| group.members.command(1, nonce)).collect();
        for command in &commands {
            group.submit(r(1), command);
            group.submit(r(3), command);
            group.run_for(5);
        }
        group.must_execute(10_000, &commands);
        let of_proposals = group.checker.evidence.iter().filter(|(_, evidence)| {
            matches!(evidence, Evidence::Votes { phase: Phase::PrePrepare, replica: ReplicaIndex(0), .. })
        });
        assert!(of_proposals.count() > 0);
    }
}

#[test]
fn contradicting_votes_and_checkpoints_are_evidence_and_do_not_count() {
    let mut group = Group::of_four();
    group.silence(r(3));
    let [one, other] = [1, 2].map(|byte| quorate_protocol::Digest::from([byte; 32]));
    let sequence = Sequence(1);
    for digest in [one, other] {
        let prepare = group.forge.prepare(r(3), View(0), sequence, digest);
        let commit = group.forge.commit(r(3), View(0), sequence, digest);
        let checkpoint = group.forge.checkpoint(Sequence(8), digest.as_bytes()[0]);
        let checkpoint = Message::Checkpoint(group.forge.signed_checkpoint(r(3), checkpoint));
        for message in [prepare, commit, checkpoint] {
            group.inject(r(3), r(1), &message);
            group.inject(r(3), r(1), &message);
        }
    }
    let evidence: Vec<_> = group.checker.evidence.iter().map(|(_, evidence)| evidence).collect();
    assert_eq!(evidence.len(), 2, "one of the votes, one of the checkpoints: {evidence:?}");
    let command = group.members.command(1, 0);
    group.submit(r(1), &command);
    group.must_execute(1_000, &[command]);
}

/// A group that has a stable checkpoint at replica 1 with the signature of replica 3, which lies in checkpoints as it is
/// told to. Replica 2 takes part in all but those.
fn with_stable_checkpoint(lie: impl Fn(&Forge, ReplicaIndex, Message) -> Message + 'static) -> Group {
    let mut group = Group::of_four();
    group.lose(|from, _, message| from == r(2) && matches!(message, Message::Checkpoint(_)));
    let forge = group.forge.clone();
    group.corrupt(r(3), Box::new(move |to, message| vec![lie(&forge, to, message)]));
    for nonce in 0..10 {
        let command = group.members.command(1, nonce);
        group.submit(r(0), &command);
        group.run_for(100);
    }
    let is_stable = |group: &Group| group.replica(r(1)).stable_checkpoint().is_some();
    assert!(group.run_until(10_000, is_stable), "{}", group.picture());
    let stable = group.replica(r(1)).stable_checkpoint().expect("it is stable");
    let forger: AgentId = group.members.keys[3].account.address().into();
    assert!(stable.signatures.iter().any(|signature| signature.replica == forger));
    group
}

/// What replica 1 holds against replica 3.
fn contradictory_checkpoints(group: &Group) -> usize {
    let of_checkpoints = |(by, evidence): &&(ReplicaIndex, Evidence)| {
        *by == r(1) && matches!(evidence, Evidence::Checkpoints { replica: ReplicaIndex(3), .. })
    };
    group.checker.evidence.iter().filter(of_checkpoints).count()
}

#[test]
fn a_checkpoint_that_contradicts_the_stable_one_is_evidence() {
    let mut group = with_stable_checkpoint(|_, _, message| message);
    assert_eq!(contradictory_checkpoints(&group), 0);
    let stable = group.replica(r(1)).stable_checkpoint().unwrap().checkpoint.clone();
    for sequence in [stable.sequence, Sequence(stable.sequence.0 - 1)] {
        let late = group.forge.signed_checkpoint(r(3), group.forge.checkpoint(sequence, 7));
        group.inject(r(3), r(1), &Message::Checkpoint(late));
    }
    assert_eq!(contradictory_checkpoints(&group), 1, "one of the two is about a sequence that was settled");
}

#[test]
fn whoever_says_something_else_to_one_replica_is_found_out_by_the_certificate() {
    let group = with_stable_checkpoint(|forge, to, message| match message {
        Message::Checkpoint(signed) if to == r(1) => {
            let other = forge.checkpoint(signed.checkpoint.sequence, 7);
            Message::Checkpoint(forge.signed_checkpoint(r(3), other))
        }
        message => message,
    });
    assert!(contradictory_checkpoints(&group) > 0, "{}", group.picture());
}

#[test]
fn evidence_against_one_does_not_crowd_out_evidence_against_another() {
    let mut group = Group::of_four();
    group.silence(r(3));
    for sequence in 1..=16 {
        for byte in [1, 2] {
            let digest = quorate_protocol::Digest::from([byte; 32]);
            let prepare = group.forge.prepare(r(3), View(0), Sequence(sequence), digest);
            group.inject(r(3), r(1), &prepare);
        }
        for view in 1..40 {
            for byte in [1, 2] {
                let digest = quorate_protocol::Digest::from([byte; 32]);
                let prepare = group.forge.prepare(r(3), View(view), Sequence(sequence), digest);
                group.inject(r(3), r(1), &prepare);
            }
        }
    }
    let against_three = group.checker.evidence.len();
    assert!((1..=16).contains(&against_three), "{against_three}");
    group.silence(r(2));
    for byte in [1, 2] {
        let digest = quorate_protocol::Digest::from([byte; 32]);
        let prepare = group.forge.prepare(r(2), View(0), Sequence(1), digest);
        group.inject(r(2), r(1), &prepare);
    }
    assert_eq!(group.checker.evidence.len(), against_three + 1);
}

/// View changes of replicas 1 to 3 for view 1, where 1 and 2 prepared batches at 1 and 2.
fn view_changes(group: &Group) -> (Vec<ViewChange>, [Batch; 2]) {
    let forge = &group.forge;
    let batches = [0, 1].map(|nonce| forge.batch(group.wall(r(0)), vec![group.members.command(1, nonce)]));
    let prepared: Vec<_> = (1..)
        .zip(&batches)
        .map(|(at, batch)| forge.certificate(&[r(1), r(2)], View(0), Sequence(at), forge.digest(batch)))
        .collect();
    let view_changes = (1..4)
        .map(|by| {
            let shown = if by == 3 { vec![] } else { prepared.clone() };
            forge.view_change(r(by), View(1), None, shown)
        })
        .collect();
    (view_changes, batches)
}

#[test]
fn a_new_view_that_drops_reorders_or_invents_batches_is_refused() {
    let mut group = Group::of_four();
    let (view_changes, batches) = view_changes(&group);
    let forge = group.forge.clone();
    let [first, second] = batches.each_ref().map(|batch| forge.digest(batch));
    let null = forge.digest(&Batch::null());
    let (one, two, three) = (Sequence(1), Sequence(2), Sequence(3));
    let honest = vec![(one, first), (two, second)];
    let wrong = [
        vec![],
        vec![(one, first)],
        vec![(two, second)],
        vec![(one, second), (two, first)],
        vec![(two, second), (one, first)],
        vec![(one, null), (two, second)],
        vec![(one, first), (two, second), (three, null)],
        vec![(one, first), (one, first), (two, second)],
    ];
    let mut passes = |view_changes: &[ViewChange], proposals: &[_]| {
        let new_view = forge.new_view(View(1), view_changes.to_vec(), proposals);
        group.passes(r(1), &Message::NewView(new_view).encode()).is_some()
    };
    assert!(passes(&view_changes, &honest));
    for proposals in wrong {
        assert!(!passes(&view_changes, &proposals), "{proposals:?}");
    }
    // Nor does it help to leave out who prepared, or to count somebody twice.
    assert!(!passes(&view_changes[1..], &honest));
    let twice = [view_changes[0].clone(), view_changes[0].clone(), view_changes[1].clone()];
    assert!(!passes(&twice, &honest));
    // A view change for another view is none for this one.
    let mut stale = view_changes.clone();
    stale[2] = forge.view_change(r(3), View(2), None, vec![]);
    assert!(!passes(&stale, &honest));
}

#[test]
fn commands_that_their_agents_did_not_sign_are_refused_wherever_they_stand() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let [signed, other] = [0, 1].map(|nonce| group.members.command(1, nonce));
    let forged = SignedCommand::from_parts(signed.command().clone(), *other.signature());
    for (command, sound) in [(signed, true), (forged, false)] {
        let batch = forge.batch(group.wall(r(0)), vec![command.clone()]);
        let proposal = forge.pre_prepare(View(0), Sequence(1), batch.clone());
        let forward = Message::Forward(quorate_pbft::message::Forward { commands: vec![command] });
        for message in [Message::PrePrepare(proposal), Message::BatchReply(batch), forward] {
            assert_eq!(group.passes(r(0), &message.encode()).is_some(), sound, "{}", message.kind());
        }
    }
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let batch = forge.batch(group.wall(r(0)), vec![group.members.command(1, 0)]);
    let digest = forge.digest(&batch);
    let certificate =
        |by: &[ReplicaIndex], view, sequence| forge.certificate(by, View(view), Sequence(sequence), digest);
    let good = certificate(&[r(1), r(2)], 0, 1);
    let mut unsigned = good.clone();
    unsigned.prepares[1].signature = good.prepares[0].signature;
    let mut stolen = good.clone();
    stolen.pre_prepare = good.prepares[0].signature;
    let mut other_digest = good.clone();
    other_digest.digest = quorate_protocol::Digest::from([7; 32]);
    let mut other_sequence = good.clone();
    other_sequence.sequence = Sequence(2);
    let mut shows = |prepared: Vec<_>| {
        let view_change = forge.view_change(r(3), View(1), None, prepared);
        group.passes(r(3), &Message::ViewChange(view_change).encode()).is_some()
    };
    assert!(shows(vec![good.clone()]));
    assert!(!shows(vec![certificate(&[r(1)], 0, 1)]), "too few");
    assert!(!shows(vec![certificate(&[r(1), r(1)], 0, 1)]), "one counted twice");
    assert!(!shows(vec![certificate(&[r(2), r(1)], 0, 1)]), "out of order");
    assert!(!shows(vec![certificate(&[r(0), r(1)], 0, 1)]), "the primary's own prepare");
    assert!(!shows(vec![unsigned]), "a prepare that is not its voter's");
    assert!(!shows(vec![stolen]), "a pre-prepare that is none");
    assert!(!shows(vec![other_digest]), "signatures on another digest");
    assert!(!shows(vec![other_sequence]), "signatures on another sequence");
    assert!(!shows(vec![certificate(&[r(0), r(2)], 1, 1)]), "of the view that is asked for");
    assert!(!shows(vec![certificate(&[r(1), r(2)], 0, 5_000)]), "beyond any window");
    assert!(!shows(vec![good.clone(), good]), "one sequence twice");
}

#[test]
fn stable_checkpoints_without_a_quorum_are_refused() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let checkpoint = forge.checkpoint(Sequence(8), 1);
    let mut passes = |certificate| group.passes(r(3), &Message::Stable(certificate).encode()).is_some();
    assert!(passes(forge.stable(&[r(0), r(1), r(2)], &checkpoint)));
    assert!(!passes(forge.stable(&[r(0), r(1)], &checkpoint)));
    assert!(!passes(forge.stable(&[r(0), r(1), r(1)], &checkpoint)));
    let mut later = forge.stable(&[r(0), r(1), r(2)], &checkpoint);
    later.checkpoint.sequence = Sequence(16);
    assert!(!passes(later));
}

#[test]
fn one_view_change_with_a_bad_certificate_is_dropped_alone() {
    let mut group = Group::of_four();
    group.silence(r(3));
    // Everybody prepares the batch and nobody commits it; then the primary is gone.
    group.lose(|_, _, message| matches!(message, Message::Commit(_)));
    group.corrupt(
        r(3),
        Box::new(|_, message| match message {
            Message::ViewChange(_) => vec![],
            message => vec![message],
        }),
    );
    let command = group.members.command(1, 0);
    group.submit(r(1), &command);
    group.run_for(50);
    let forge = group.forge.clone();
    let mut forged = forge.certificate(&[r(1), r(2)], View(0), Sequence(1), forge.digest(&Batch::null()));
    forged.prepares[0].signature = forged.pre_prepare;
    let bad = Message::ViewChange(forge.view_change(r(3), View(1), None, vec![forged]));
    group.run_for(140);
    for to in [0, 1, 2] {
        group.inject(r(3), r(to), &bad);
    }
    group.heal();
    group.lose(|from, _, message| from == r(0) && matches!(message, Message::Commit(_)));
    group.must_execute(5_000, &[command]);
    let batch = &group.checker.history()[&Sequence(1)];
    assert_eq!(group.checker.history().len(), 1, "the prepared batch kept its place: {batch}");
}

#[test]
fn a_batch_whose_only_certificate_a_faulty_replica_holds_is_still_there() {
    let mut group = Group::of_four();
    // The faulty primary proposes to 1 and 2 alone; they accept, and only it hears of their prepares.
    group.corrupt(
        r(0),
        Box::new(|to, message| match message {
            Message::PrePrepare(_) if to != r(3) => vec![message],
            Message::Status(_) => vec![message],
            _ => vec![],
        }),
    );
    group.lose(|_, to, message| to != r(0) && matches!(message, Message::Prepare(_) | Message::Forward(_)));
    let hidden = group.members.command(1, 0);
    group.submit(r(0), &hidden);
    // View 1 opens without it: the correct replicas show nothing prepared.
    let opened = |group: &Group| (1..4).all(|i| group.view(r(i)) == (View(1), ViewState::Active));
    assert!(group.run_until(3_000, opened), "{}", group.picture());
    group.heal();
    let held = group.replica(r(0)).durable_records().into_iter().find_map(|record| match record {
        Record::Prepared { certificate, .. } => Some(certificate),
        _ => None,
    });
    let held = held.expect("it heard the prepares of two");

    // Whoever opens view 2 counts the faulty replica's certificate, and has to find the batch elsewhere.
    group.isolate(r(1));
    let wish = group.forge.view_change(r(0), View(2), None, vec![held]);
    for to in [2, 3] {
        group.inject(r(0), r(to), &Message::ViewChange(wish.clone()));
    }
    let late = group.members.command(2, 1);
    group.submit(r(2), &late);
    group.submit(r(3), &late);
    let opened = |group: &Group| (2..4).all(|i| group.view(r(i)) == (View(2), ViewState::Active));
    assert!(group.run_until(3_000, opened), "{}", group.picture());
    group.heal();
    group.must_execute(3_000, &[hidden, late]);
    assert_eq!(group.view(r(1)), (View(2), ViewState::Active), "{}", group.picture());
}

#[test]
fn a_peer_cannot_use_up_the_room_of_an_agent_or_of_other_peers() {
    let mut group = Group::of_four();
    group.silence(r(3));
    let agent = AgentId::from([1; 20]);
    for key in 0..40u8 {
        let key = AgentKey::from_secret(&[100 + key; 32]);
        let commands: Vec<_> = (0..70).map(|nonce| group.members.command_of(agent, &key, nonce)).collect();
        // They are well signed, if not with the agent's key, and may be ordered.
        commands.iter().for_each(|command| group.checker.issued(command.digest()));
        let forward = Message::Forward(quorate_pbft::message::Forward { commands });
        group.inject(r(3), r(1), &forward);
    }
    let own = group.members.command(1, 0);
    group.submit(r(1), &own);
    group.must_execute(20_000, &[own]);
}
