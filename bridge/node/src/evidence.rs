//! The evidence that a node holds of replicas that contradicted themselves.

use quorate_pbft::Evidence;
use quorate_pbft::evidence::EvidenceKind;

use crate::store::MAX_EVIDENCE;

/// All evidence that a node holds, at most [`MAX_EVIDENCE`] of each kind. The kinds are counted apart: votes convict
/// nobody by the contract and cost nothing, so they must not keep out what does convict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldEvidence {
    votes: Vec<Evidence>,
    checkpoints: Vec<Evidence>,
}

impl HeldEvidence {
    /// Keeps a piece of evidence, unless there is enough of its kind.
    pub fn keep(&mut self, evidence: Evidence) {
        let kind = match evidence.kind() {
            EvidenceKind::Votes => &mut self.votes,
            EvidenceKind::Checkpoints => &mut self.checkpoints,
        };
        if (kind.len() as u64) < MAX_EVIDENCE {
            kind.push(evidence);
        }
    }

    /// All of it, that of checkpoints first.
    pub fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.checkpoints.iter().chain(&self.votes)
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.checkpoints.len() + self.votes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<Evidence> for HeldEvidence {
    fn from_iter<I: IntoIterator<Item = Evidence>>(all: I) -> Self {
        let mut held = Self::default();
        all.into_iter().for_each(|evidence| held.keep(evidence));
        held
    }
}

#[cfg(test)]
mod tests {
    use quorate_pbft::evidence::Phase;
    use quorate_protocol::{
        AccountSignature, AgentId, Checkpoint, Digest, Epoch, GroupId, ReplicaIndex, Sequence, Signature,
        SignedCheckpoint, View,
    };

    use super::*;

    fn votes(sequence: u64) -> Evidence {
        let said = |byte| Box::new((Digest::from([byte; 32]), Signature([byte; 64])));
        Evidence::Votes {
            phase: Phase::Prepare,
            replica: ReplicaIndex(3),
            view: View(0),
            sequence: Sequence(sequence),
            first: said(1),
            second: said(2),
            epoch: Epoch(0),
        }
    }

    fn checkpoints() -> Evidence {
        let signed = |byte| {
            let checkpoint = Checkpoint {
                group: GroupId::default(),
                epoch: Epoch(0),
                sequence: Sequence(8),
                log_size: 1,
                log_root: Digest::from([byte; 32]),
                state_root: Digest::default(),
                inbox_count: 0,
                inbox_hash: Digest::default(),
                next_members_hash: Digest::default(),
            };
            let signature = AccountSignature([byte; 65]);
            Box::new(SignedCheckpoint { checkpoint, replica: AgentId::from([3; 20]), signature })
        };
        Evidence::Checkpoints { replica: ReplicaIndex(3), first: signed(1), second: signed(2) }
    }

    #[test]
    fn h1_votes_do_not_keep_out_what_convicts() {
        let mut held: HeldEvidence = (0..MAX_EVIDENCE + 5).map(votes).collect();
        assert_eq!(held.len() as u64, MAX_EVIDENCE);
        held.keep(checkpoints());
        assert_eq!(held.iter().next(), Some(&checkpoints()));
        assert_eq!(held.len() as u64, MAX_EVIDENCE + 1);
    }
}
