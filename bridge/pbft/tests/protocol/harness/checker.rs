//! Watches the group from outside. It reads what crosses the border and calls none of the code it judges.

use std::collections::{BTreeMap, BTreeSet};

use quorate_pbft::certificate::vote_bytes;
use quorate_pbft::evidence::Phase;
use quorate_pbft::message::ViewChange;
use quorate_pbft::{CommittedBatch, Evidence, Message};
use quorate_protocol::{Checkpoint, Digest, ReplicaIndex, Sequence, SignatureCheck, View, codec, domain};

use super::members::Members;

/// What a statement is about. A correct replica says one thing about each, before and after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Proposal(View, Sequence),
    Prepare(View, Sequence),
    Commit(View, Sequence),
    Checkpoint(Sequence),
    ViewChange(View),
    NewView(View),
}

/// The promises, and all that was seen so far.
#[derive(Debug)]
pub(crate) struct Checker {
    members: Members,
    faulty: BTreeSet<ReplicaIndex>,
    issued: BTreeSet<Digest>,
    batches: BTreeMap<Sequence, Digest>,
    roots: BTreeMap<Sequence, Digest>,
    said: BTreeMap<(ReplicaIndex, Topic), Digest>,
    asked: BTreeMap<ReplicaIndex, View>,
    pub(crate) evidence: Vec<(ReplicaIndex, Evidence)>,
}

impl Checker {
    pub(crate) fn new(members: &Members) -> Self {
        Self {
            members: members.clone(),
            faulty: BTreeSet::new(),
            issued: BTreeSet::new(),
            batches: BTreeMap::new(),
            roots: BTreeMap::new(),
            said: BTreeMap::new(),
            asked: BTreeMap::new(),
            evidence: Vec::new(),
        }
    }

    /// From here on nothing is expected of the replica.
    pub(crate) fn is_faulty_now(&mut self, replica: ReplicaIndex) {
        self.faulty.insert(replica);
    }

    pub(crate) fn is_faulty(&self, replica: ReplicaIndex) -> bool {
        self.faulty.contains(&replica)
    }

    pub(crate) fn issued(&mut self, command: Digest) {
        self.issued.insert(command);
    }

    /// A replica executed a batch and its machine has this root now.
    pub(crate) fn executed(&mut self, replica: ReplicaIndex, committed: &CommittedBatch, root: Digest) {
        if self.is_faulty(replica) {
            return;
        }
        committed.verify(&self.members.context).expect("what is executed carries its proof");
        let sequence = committed.sequence;
        let digest = Digest::of(&[&codec::encode(&committed.batch)]);
        let first = *self.batches.entry(sequence).or_insert(digest);
        assert_eq!(first, digest, "replica {replica} executed another batch at {sequence}");
        let first = *self.roots.entry(sequence).or_insert(root);
        assert_eq!(first, root, "replica {replica} has another state after {sequence}");
        for command in &committed.batch.commands {
            assert!(self.issued.contains(&command.digest()), "nobody issued {command:?}");
        }
    }

    /// A correct replica lets a message out.
    pub(crate) fn said(&mut self, replica: ReplicaIndex, message: &Message) {
        if self.is_faulty(replica) {
            return;
        }
        let n = self.members.keys.len();
        let (topic, content) = match message {
            Message::PrePrepare(said) if said.view.primary(n) == replica => {
                (Topic::Proposal(said.view, said.sequence), said.digest)
            }
            Message::Prepare(said) => (Topic::Prepare(said.view, said.sequence), said.digest),
            Message::Commit(said) => (Topic::Commit(said.view, said.sequence), said.digest),
            Message::Checkpoint(said) => {
                (Topic::Checkpoint(said.checkpoint.sequence), Digest::of(&[&codec::encode(&said.checkpoint)]))
            }
            Message::ViewChange(said) => {
                (Topic::ViewChange(said.view), Digest::of(&[&codec::encode(&said.prepared)]))
            }
            Message::NewView(said) if said.view.primary(n) == replica => {
                (Topic::NewView(said.view), Digest::of(&[&codec::encode(said)]))
            }
            _ => return,
        };
        if let Some(&before) = self.said.get(&(replica, topic)) {
            assert_eq!(before, content, "replica {replica} contradicts itself on {topic:?}");
            return;
        }
        self.said.insert((replica, topic), content);
        let asked = self.asked.get(&replica).copied().unwrap_or_default();
        match topic {
            Topic::Proposal(view, _) | Topic::Prepare(view, _) | Topic::Commit(view, _) => {
                assert!(view >= asked, "replica {replica} says {topic:?} after it asked for {asked}");
            }
            Topic::ViewChange(view) => {
                assert!(view > asked || view == View(0), "replica {replica} asks for {view} after {asked}");
                self.asked.insert(replica, view);
            }
            Topic::Checkpoint(_) | Topic::NewView(_) => {}
        }
        if let Message::ViewChange(view_change) = message {
            self.shows_all_commits(replica, view_change);
        }
    }

    /// Whatever a replica committed above its stable checkpoint stands in its VIEW-CHANGE.
    fn shows_all_commits(&self, replica: ReplicaIndex, asked: &ViewChange) {
        let stable = asked.stable.as_ref().map_or(Sequence(0), |stable| stable.checkpoint.sequence);
        for (&(of, topic), digest) in &self.said {
            let Topic::Commit(view, sequence) = topic else { continue };
            if of != replica || sequence <= stable {
                continue;
            }
            let shown = asked.prepared.iter().find(|shown| shown.sequence == sequence);
            let shown =
                shown.unwrap_or_else(|| panic!("replica {replica} hides that it committed {topic:?}"));
            assert!(
                shown.view > view || (shown.view == view && shown.digest == *digest),
                "replica {replica} committed {topic:?} and shows view {} of it",
                shown.view
            );
        }
    }

    /// Evidence is kept, holds, and is never against a correct replica.
    pub(crate) fn evidence(&mut self, by: ReplicaIndex, evidence: Evidence) {
        assert!(self.is_faulty(evidence.replica()), "evidence against a correct replica: {evidence:?}");
        match &evidence {
            Evidence::Votes { phase, replica, view, sequence, first, second, epoch } => {
                assert_eq!(*epoch, self.members.context.epoch, "evidence names its epoch");
                let domain = match phase {
                    Phase::PrePrepare => domain::PRE_PREPARE,
                    Phase::Prepare => domain::PREPARE,
                    Phase::Commit => domain::COMMIT,
                };
                assert_ne!(first.0, second.0, "evidence is of two digests");
                let key = self.members.keys[usize::from(replica.0)].agent.public();
                for (digest, signature) in [&**first, &**second] {
                    let bytes = vote_bytes(&self.members.context, domain, *view, *sequence, *digest);
                    assert!(SignatureCheck::new(&key, &bytes, signature).verify(), "{evidence:?}");
                }
            }
            Evidence::Checkpoints { first, second, .. } => {
                let (one, other) = (&first.checkpoint, &second.checkpoint);
                assert_ne!(one, other, "evidence is of two checkpoints");
                assert!(!follows(one, other) && !follows(other, one), "{evidence:?}");
                assert!(first.verify(&self.members.context.identity));
                assert!(second.verify(&self.members.context.identity));
            }
        }
        self.evidence.push((by, evidence));
    }

    /// What the group executed at each sequence, null batches included.
    pub(crate) fn history(&self) -> &BTreeMap<Sequence, Digest> {
        &self.batches
    }
}

/// Whether a correct replica may sign `later` after `earlier`.
fn follows(earlier: &Checkpoint, later: &Checkpoint) -> bool {
    let log = earlier.log_size < later.log_size
        || (earlier.log_size, earlier.log_root) == (later.log_size, later.log_root);
    let inbox = earlier.inbox_count < later.inbox_count
        || (earlier.inbox_count, earlier.inbox_hash) == (later.inbox_count, later.inbox_hash);
    let goes_on = earlier.epoch < later.epoch
        || (earlier.epoch == later.epoch && earlier.next_members_hash == Digest::default());
    earlier.sequence < later.sequence && log && inbox && goes_on
}
