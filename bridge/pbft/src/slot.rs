//! What a replica knows about one sequence.

use std::collections::BTreeMap;

use quorate_protocol::{Digest, ReplicaIndex, Signature, View};

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

/// One sequence. Votes are kept as the latest of each replica, so a slot never grows past n of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// The proposal of the latest view that has one here.
    pub(crate) proposal: Option<Proposal>,
    prepares: BTreeMap<ReplicaIndex, Vote>,
    commits: BTreeMap<ReplicaIndex, Vote>,
    /// The proof of the latest view in which a batch was prepared here, with that batch.
    pub(crate) prepared: Option<(PreparedCertificate, Batch)>,
    /// A batch of an earlier view that the next one may take up, with its digest.
    pub(crate) spare: Option<(Digest, Batch)>,
}

impl Slot {
    /// Counts a vote; returns the proof if its voter contradicts an earlier one.
    pub(crate) fn count(&mut self, phase: Phase, vote: Vote) -> Option<Evidence> {
        let votes = match phase {
            Phase::Commit => &mut self.commits,
            Phase::PrePrepare | Phase::Prepare => &mut self.prepares,
        };
        match votes.get(&vote.replica) {
            Some(earlier) if earlier.view == vote.view && earlier.digest != vote.digest => {
                Some(Evidence::Votes {
                    phase,
                    replica: vote.replica,
                    view: vote.view,
                    sequence: vote.sequence,
                    first: (earlier.digest, earlier.signature),
                    second: (vote.digest, vote.signature),
                })
            }
            Some(earlier) if earlier.view >= vote.view => None,
            _ => {
                votes.insert(vote.replica, vote);
                None
            }
        }
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
        for vote in self.commits.values() {
            *counts.entry((vote.view, vote.digest)).or_default() += 1;
        }
        let (&(view, digest), _) = counts.iter().find(|(_, count)| **count >= quorum)?;
        Some((view, digest, matching(&self.commits, view, digest).collect()))
    }

    /// The batch with this digest, if the slot holds it.
    pub(crate) fn batch(&self, digest: Digest) -> Option<&Batch> {
        let proposed = self.proposal.as_ref().filter(|proposal| proposal.digest == digest);
        let proposed = proposed.and_then(|proposal| proposal.batch.as_ref());
        let prepared = self.prepared.as_ref().filter(|(certificate, _)| certificate.digest == digest);
        let spare = self.spare.as_ref().filter(|(of, _)| *of == digest);
        proposed.or(prepared.map(|(_, batch)| batch)).or(spare.map(|(_, batch)| batch))
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
    use quorate_protocol::Sequence;

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
            assert_eq!(slot.count(Phase::Commit, vote(replica, view, digest)), None);
        }
        assert!(slot.commit_quorum(3).is_none());
        assert_eq!(slot.count(Phase::Commit, vote(2, 1, 1)), None, "a later view replaces the vote");
        assert_eq!(slot.count(Phase::Commit, vote(1, 1, 1)), None);
        let (view, digest, commits) = slot.commit_quorum(3).expect("three equal commits");
        assert_eq!((view, digest, commits.len()), (View(1), Digest::from([1; 32]), 3));
    }

    #[test]
    fn a_contradiction_is_proved_and_does_not_count() {
        let mut slot = Slot::default();
        assert_eq!(slot.count(Phase::Prepare, vote(1, 0, 1)), None);
        let evidence = slot.count(Phase::Prepare, vote(1, 0, 2)).expect("two digests in one view");
        assert_eq!(evidence.replica(), ReplicaIndex(1));
        assert_eq!(slot.vote(Phase::Prepare, ReplicaIndex(1)), Some(&vote(1, 0, 1)));
        assert_eq!(slot.count(Phase::Prepare, vote(1, 0, 1)), None, "a repetition is no contradiction");
    }
}
