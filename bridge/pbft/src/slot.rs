//! What a replica knows about one sequence.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{Digest, Epoch, ReplicaIndex, Signature, View};

use crate::batch::Batch;
use crate::certificate::{PreparedCertificate, SignedVote};
use crate::evidence::{Evidence, Phase};
use crate::message::Vote;

/// A batch that the primary of a view proposed for this sequence.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) view: View,
    pub(crate) digest: Digest,
    /// The primary's signature on the pre-prepare.
    pub(crate) signature: Signature,
    /// The batch; missing where a new view names one that this replica never had.
    pub(crate) batch: Option<Batch>,
    /// When it was accepted, on the monotonic clock.
    pub(crate) accepted_ms: u64,
}

/// How many batches of earlier views a slot keeps.
const MAX_SPARES: usize = 8;

/// What became of a vote that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It is its voter's latest.
    New,
    /// It says nothing new.
    Known,
    /// Its voter contradicts itself.
    Contradiction(Box<Evidence>),
}

/// One sequence. Votes are kept as the latest of each replica, so a slot never grows past n of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// The proposal of the latest view that has one here.
    pub(crate) proposal: Option<Proposal>,
    prepares: BTreeMap<ReplicaIndex, Vote>,
    commits: BTreeMap<ReplicaIndex, Vote>,
    /// The proof of the latest view in which a batch was prepared here, with that batch.
    pub(crate) prepared: Option<(PreparedCertificate, Batch)>,
    /// Proposals of earlier views with their batches. A later view may take one up whose only certificate is
    /// held by a faulty replica that keeps the batch to itself: then those who accepted it must still have it
    /// (section 4.3: messages stay in the log until a checkpoint is stable).
    spares: Vec<Proposal>,
}

impl Slot {
    /// Counts a vote.
    pub(crate) fn count(&mut self, epoch: Epoch, phase: Phase, vote: Vote) -> Counted {
        let votes = match phase {
            Phase::Commit => &mut self.commits,
            Phase::PrePrepare | Phase::Prepare => &mut self.prepares,
        };
        let one_topic =
            |earlier: &Vote| earlier.view == vote.view || faults::is_on(Fault::EvidenceAcrossViews);
        match votes.get(&vote.replica) {
            Some(earlier) if one_topic(earlier) && earlier.digest != vote.digest => {
                Counted::Contradiction(Box::new(Evidence::Votes {
                    phase,
                    replica: vote.replica,
                    view: vote.view,
                    sequence: vote.sequence,
                    first: Box::new((earlier.digest, earlier.signature)),
                    second: Box::new((vote.digest, vote.signature)),
                    epoch,
                }))
            }
            Some(earlier) if earlier.view >= vote.view => Counted::Known,
            _ => {
                votes.insert(vote.replica, vote);
                Counted::New
            }
        }
    }

    /// Makes `proposal` the slot's, and keeps the one before as a spare.
    pub(crate) fn adopt(&mut self, proposal: Proposal) {
        self.set_aside();
        self.spares.retain(|spare| spare.digest != proposal.digest);
        self.proposal = Some(proposal);
    }

    /// The proposal's view is over: its batch becomes a spare.
    pub(crate) fn set_aside(&mut self) {
        let Some(old) = self.proposal.take().filter(|old| old.batch.as_ref().is_some_and(|b| !b.is_null()))
        else {
            return;
        };
        self.spares.retain(|spare| spare.digest != old.digest);
        if self.spares.len() == MAX_SPARES {
            self.spares.remove(0);
        }
        self.spares.push(old);
    }

    /// Proposals of earlier views, in the order of their views.
    pub(crate) fn spares(&self) -> &[Proposal] {
        &self.spares
    }

    /// The bytes of the commands in all batches that were accepted here.
    pub(crate) fn held_bytes(&self) -> usize {
        let batches = self.proposal.iter().chain(&self.spares).filter_map(|proposal| proposal.batch.as_ref());
        batches.map(Batch::payload_bytes).sum()
    }

    /// What the primary of `view` proposed here, as far as this replica accepted it.
    pub(crate) fn proposed_in(&self, view: View) -> Option<&Proposal> {
        self.proposal.iter().chain(&self.spares).find(|proposal| proposal.view == view)
    }

    /// Who prepared another batch than the current proposal in its view.
    pub(crate) fn disagreeing(&self) -> Vec<ReplicaIndex> {
        let Some(proposal) = &self.proposal else { return Vec::new() };
        let other = |vote: &&Vote| vote.view == proposal.view && vote.digest != proposal.digest;
        self.prepares.values().filter(other).map(|vote| vote.replica).collect()
    }

    /// The latest vote of `replica` in this phase.
    pub(crate) fn vote(&self, phase: Phase, replica: ReplicaIndex) -> Option<&Vote> {
        match phase {
            Phase::Commit => self.commits.get(&replica),
            Phase::PrePrepare | Phase::Prepare => self.prepares.get(&replica),
        }
    }

    /// The prepares that agree with the current proposal, in order of the replicas; never the primary's.
    pub(crate) fn matching_prepares(&self, primary: ReplicaIndex) -> Vec<SignedVote> {
        let Some(proposal) = &self.proposal else { return Vec::new() };
        matching(&self.prepares, proposal.view, proposal.digest)
            .filter(|vote| vote.replica != primary)
            .collect()
    }

    /// A view and digest that a quorum of commits names, with those commits.
    pub(crate) fn commit_quorum(&self, quorum: usize) -> Option<(View, Digest, Vec<SignedVote>)> {
        let mut counts: BTreeMap<(View, Digest), usize> = BTreeMap::new();
        let digest_of = |vote: &Vote| match &self.proposal {
            Some(own) if faults::is_on(Fault::CommitsOfAnyBatch) => own.digest,
            _ => vote.digest,
        };
        for vote in self.commits.values() {
            *counts.entry((vote.view, digest_of(vote))).or_default() += 1;
        }
        let (&(view, digest), _) = counts.iter().find(|(_, count)| **count >= quorum)?;
        Some((view, digest, matching(&self.commits, view, digest).collect()))
    }

    /// What of the slot decides what the replica does next, with the votes that count: see
    /// [`crate::Replica::fingerprint`].
    pub(crate) fn fingerprint(&self, counts: impl Fn(Phase, &Vote) -> bool, hasher: &mut impl Hasher) {
        let Self { proposal, prepares, commits, prepared, spares } = self;
        let accepted = |proposal: &Proposal| (proposal.view, proposal.digest, proposal.batch.is_some());
        (proposal.as_ref().map(accepted), spares.iter().map(accepted).collect::<Vec<_>>()).hash(hasher);
        for (phase, votes) in [(Phase::Prepare, prepares), (Phase::Commit, commits)] {
            let votes = votes.values().filter(|vote| counts(phase, vote));
            votes.map(|vote| (vote.replica, vote.view, vote.digest)).collect::<Vec<_>>().hash(hasher);
        }
        prepared.as_ref().map(|(certificate, _)| certificate.claim()).hash(hasher);
    }

    /// The batch with this digest, if the slot holds it.
    pub(crate) fn batch(&self, digest: Digest) -> Option<&Batch> {
        let mut accepted = self.proposal.iter().chain(&self.spares);
        let accepted =
            accepted.find_map(|proposal| proposal.batch.as_ref().filter(|_| proposal.digest == digest));
        let prepared = self.prepared.as_ref().filter(|(certificate, _)| certificate.digest == digest);
        accepted.or(prepared.map(|(_, batch)| batch))
    }
}

fn matching(
    votes: &BTreeMap<ReplicaIndex, Vote>,
    view: View,
    digest: Digest,
) -> impl Iterator<Item = SignedVote> + '_ {
    votes
        .values()
        .filter(move |vote| vote.view == view && vote.digest == digest)
        .map(|vote| SignedVote { replica: vote.replica, signature: vote.signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_protocol::{Sequence, TimestampMs};

    fn vote(replica: u16, view: u64, digest: u8) -> Vote {
        Vote {
            view: View(view),
            sequence: Sequence(1),
            digest: Digest::from([digest; 32]),
            replica: ReplicaIndex(replica),
            signature: Signature([digest; 64]),
        }
    }

    #[test]
    fn only_equal_votes_make_a_quorum() {
        let mut slot = Slot::default();
        for (replica, view, digest) in [(0, 0, 1), (1, 0, 1), (2, 0, 2), (3, 1, 1)] {
            assert_eq!(slot.count(Epoch(0), Phase::Commit, vote(replica, view, digest)), Counted::New);
        }
        assert!(slot.commit_quorum(3).is_none());
        let later = slot.count(Epoch(0), Phase::Commit, vote(2, 1, 1));
        assert_eq!(later, Counted::New, "a later view replaces the vote");
        assert_eq!(slot.count(Epoch(0), Phase::Commit, vote(1, 1, 1)), Counted::New);
        let (view, digest, commits) = slot.commit_quorum(3).expect("three equal commits");
        assert_eq!((view, digest, commits.len()), (View(1), Digest::from([1; 32]), 3));
    }

    #[test]
    fn a_contradiction_is_proved_and_does_not_count() {
        let mut slot = Slot::default();
        assert_eq!(slot.count(Epoch(0), Phase::Prepare, vote(1, 0, 1)), Counted::New);
        let Counted::Contradiction(evidence) = slot.count(Epoch(0), Phase::Prepare, vote(1, 0, 2)) else {
            panic!("two digests in one view");
        };
        assert_eq!(evidence.replica(), ReplicaIndex(1));
        assert_eq!(slot.vote(Phase::Prepare, ReplicaIndex(1)), Some(&vote(1, 0, 1)));
        let again = slot.count(Epoch(0), Phase::Prepare, vote(1, 0, 1));
        assert_eq!(again, Counted::Known, "a repetition is no contradiction");
    }

    #[test]
    fn accepted_batches_outlive_their_views_and_are_bounded() {
        let mut slot = Slot::default();
        let proposal = |view: u8| Proposal {
            view: View(view.into()),
            digest: Digest::from([view; 32]),
            signature: Signature([view; 64]),
            batch: Some(Batch { timestamp: TimestampMs(view.into()), checkpoint: false, commands: vec![] }),
            accepted_ms: 0,
        };
        for view in 1..=20 {
            slot.adopt(proposal(view));
        }
        assert_eq!(slot.spares().len(), MAX_SPARES);
        assert!(slot.batch(Digest::from([20; 32])).is_some());
        assert!(slot.batch(Digest::from([12; 32])).is_some());
        assert!(slot.batch(Digest::from([11; 32])).is_none());
    }
}
