//! What the consensus cores say to each other, up to the last signature.

use std::sync::LazyLock;

use quorate_pbft::certificate::SignedVote;
use quorate_pbft::message::{
    BatchRequest, CatchUp, CatchUpRequest, Forward, NewView, PrePrepare, Reproposal, Status, ViewChange, Vote,
};
use quorate_pbft::{Batch, CommittedBatch, Message, PreparedCertificate, verify};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{
    CheckpointCertificate, Digest, ReplicaIndex, Sequence, Signature, SignedCheckpoint, View, domain,
};

use super::{Format, PLAIN, QUICK, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "messages",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 16_384,
    quick_runs: QUICK,
    seeds,
    check,
};

static NEW_VIEW: LazyLock<NewView> = LazyLock::new(new_view);
static VIEW_CHANGES: LazyLock<Vec<ViewChange>> = LazyLock::new(|| {
    let last = all().into_iter().find_map(|(_, message)| match message {
        Message::ViewChange(said) => Some(said),
        _ => None,
    });
    NEW_VIEW.view_changes.iter().cloned().chain(last).collect()
});

fn vote(domain: &str, by: u16, sequence: Sequence, digest: Digest) -> Vote {
    let (view, replica) = (View(0), ReplicaIndex(by));
    let signature = WORLD.vote(replica, domain, view, sequence, digest);
    Vote { view, sequence, digest, replica, signature }
}

/// The proof that the first batch was prepared in view 0.
pub(super) fn prepared() -> PreparedCertificate {
    let (view, sequence) = (View(0), Sequence(1));
    let digest = WORLD.batches[0].batch.digest(&WORLD.context);
    let prepares = [1, 2].map(|by| {
        let vote = vote(domain::PREPARE, by, sequence, digest);
        SignedVote { replica: vote.replica, signature: vote.signature }
    });
    let pre_prepare = WORLD.vote(ReplicaIndex(0), domain::PRE_PREPARE, view, sequence, digest);
    PreparedCertificate { view, sequence, digest, pre_prepare, prepares: prepares.to_vec() }
}

/// The proposal of the first batch.
pub(super) fn pre_prepare() -> PrePrepare {
    let batch = WORLD.batches[0].batch.clone();
    let (view, sequence, digest) = (View(0), Sequence(1), batch.digest(&WORLD.context));
    let signature = WORLD.vote(ReplicaIndex(0), domain::PRE_PREPARE, view, sequence, digest);
    PrePrepare { view, sequence, digest, signature, batch }
}

/// A wish for view 1.
pub(super) fn view_change(
    by: u16,
    stable: Option<CheckpointCertificate>,
    prepared: Vec<PreparedCertificate>,
) -> ViewChange {
    let (replica, signature) = (ReplicaIndex(by), Signature([0; 64]));
    let mut asked = ViewChange { view: View(1), stable, prepared, replica, signature };
    asked.signature = WORLD.keys[usize::from(by)].agent.sign(&asked.signing_bytes(&WORLD.context));
    asked
}

/// View 1, opened by replica 1.
pub(super) fn new_view() -> NewView {
    let view_changes = vec![
        view_change(0, None, vec![prepared()]),
        view_change(1, None, vec![]),
        view_change(2, None, vec![]),
    ];
    let (sequence, digest) = (Sequence(1), WORLD.batches[0].batch.digest(&WORLD.context));
    let signature = WORLD.vote(ReplicaIndex(1), domain::PRE_PREPARE, View(1), sequence, digest);
    let reproposals = vec![Reproposal { sequence, digest, signature }];
    let mut opened = NewView { view: View(1), view_changes, reproposals, signature: Signature([0; 64]) };
    opened.signature = WORLD.keys[1].agent.sign(&opened.signing_bytes(&WORLD.context));
    opened
}

/// A message of every kind, with the replica that sends it.
pub(super) fn all() -> Vec<(ReplicaIndex, Message)> {
    let world = &*WORLD;
    let first = &world.batches[0];
    let (sequence, digest) = (Sequence(1), first.batch.digest(&world.context));
    let stable = world.stable(&world.checkpoint);
    let signed =
        SignedCheckpoint::sign(&world.group.identity, world.checkpoint.clone(), &world.keys[3].account);
    let status = Status { view: View(0), active: true, stable: Sequence(0), last_executed: Sequence(5) };
    let messages = [
        (0, Message::PrePrepare(pre_prepare())),
        (1, Message::Prepare(vote(domain::PREPARE, 1, sequence, digest))),
        (2, Message::Commit(vote(domain::COMMIT, 2, sequence, digest))),
        (3, Message::Checkpoint(signed)),
        (0, Message::Stable(stable.clone())),
        (3, Message::ViewChange(view_change(3, Some(stable), vec![]))),
        (1, Message::NewView(new_view())),
        (0, Message::Status(status)),
        (0, Message::CatchUpRequest(CatchUpRequest { from: sequence })),
        (0, Message::CatchUp(CatchUp { batches: world.batches[..2].to_vec() })),
        (0, Message::BatchRequest(BatchRequest { sequence, digest })),
        (0, Message::BatchReply(Batch::null())),
        (0, Message::Forward(Forward { commands: first.batch.commands.clone() })),
    ];
    messages.into_iter().map(|(from, message)| (ReplicaIndex(from), message)).collect()
}

fn seeds() -> Vec<Seed> {
    all().into_iter().map(|(_, message)| Seed::new(message.kind(), message.encode())).collect()
}

/// Whether the replicas said so. Parts of what they said can be put together anew, so this judges what is claimed
/// and not the bytes.
fn is_true(message: &Message) -> bool {
    let world = &*WORLD;
    let committed = |view: View, sequence: Sequence, digest: Digest| {
        let batch = world.batches.iter().find(|committed| committed.sequence == sequence);
        view <= View(1) && batch.is_some_and(|committed| committed.batch.digest(&world.context) == digest)
    };
    match message {
        Message::PrePrepare(said) => committed(said.view, said.sequence, said.digest),
        Message::Prepare(said) | Message::Commit(said) => committed(said.view, said.sequence, said.digest),
        Message::Checkpoint(said) => said.checkpoint == world.checkpoint,
        Message::Stable(said) => said.checkpoint == world.checkpoint,
        Message::ViewChange(said) => VIEW_CHANGES.contains(said),
        Message::NewView(said) => *said == *NEW_VIEW,
        Message::CatchUp(said) => {
            let known = |view, sequence, digest| view == View(0) && committed(view, sequence, digest);
            said.batches.iter().all(|said| known(said.view, said.sequence, said.batch.digest(&world.context)))
        }
        // Of a batch, its digest is the proof; commands choose their keys; the others are not signed.
        Message::Status(_)
        | Message::CatchUpRequest(_)
        | Message::BatchRequest(_)
        | Message::BatchReply(_)
        | Message::Forward(_) => true,
    }
}

fn check(bytes: &[u8]) {
    let Some(message) = canonical(bytes, Message::decode(bytes), Message::encode) else { return };
    for from in (0..4).map(ReplicaIndex) {
        match verify::checks(&WORLD.context, from, &message) {
            Ok(checks) => {
                let verified = verify_all(&checks.all());
                assert!(!verified || is_true(&message), "a message verifies that nobody signed");
            }
            Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
        }
    }
    if let Message::CatchUp(catch_up) = &message {
        for committed in catch_up.batches.iter().filter(|committed| committed.verify(&WORLD.context).is_ok())
        {
            let same = |genuine: &&CommittedBatch| genuine.sequence == committed.sequence;
            let genuine = WORLD.batches.iter().find(same).expect("a batch is proved that was not committed");
            assert!(genuine.batch == committed.batch, "a batch is proved that was not committed");
        }
    }
}
