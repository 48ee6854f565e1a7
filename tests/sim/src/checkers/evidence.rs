//! Evidence is collected against whoever contradicts itself before a correct replica's eyes, and never against
//! a correct replica.

use std::collections::{BTreeMap, BTreeSet};

use quorate_pbft::evidence::{EvidenceKind, Phase};
use quorate_pbft::message::Message;
use quorate_protocol::{AgentId, Digest, Epoch, Sequence, View, codec};

use crate::violation::{Verdict, Violation};

/// Of how many checkpoints of one replica, in an epoch, all must be remembered.
const REMEMBERED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Vote(Phase, View),
    Checkpoint,
}

impl Topic {
    fn kind(self) -> EvidenceKind {
        match self {
            Self::Vote(..) => EvidenceKind::Votes,
            Self::Checkpoint => EvidenceKind::Checkpoints,
        }
    }
}

type Statement = (Epoch, AgentId, Topic, Sequence);
/// A node's number and incarnation.
type Process = (usize, u64);
/// What somebody contradicted itself in, and how.
type Contradiction = (Statement, String);

/// What was seen, and what was kept.
#[derive(Debug, Default)]
pub struct EvidenceChecker {
    /// What each running process was told.
    seen: BTreeMap<Process, BTreeMap<Statement, Digest>>,
    /// Who contradicted itself before each running process, which has yet to look at it.
    waiting: BTreeMap<Process, Vec<Contradiction>>,
    /// Who contradicted itself before whom.
    caught: BTreeMap<(AgentId, bool), String>,
    /// Against whom there is evidence, and whether it is of checkpoints: only that convicts.
    against: BTreeSet<(AgentId, bool)>,
}

impl EvidenceChecker {
    /// A correct, running replica gets a verified message about a batch that is open there.
    pub fn delivered(
        &mut self,
        process: Process,
        who: &str,
        epoch: Epoch,
        signer: AgentId,
        message: &Message,
    ) {
        let vote = |phase, view, sequence, digest| (Topic::Vote(phase, view), sequence, digest);
        let (topic, sequence, digest) = match message {
            Message::PrePrepare(said) => vote(Phase::PrePrepare, said.view, said.sequence, said.digest),
            Message::Prepare(said) => vote(Phase::Prepare, said.view, said.sequence, said.digest),
            Message::Commit(said) => vote(Phase::Commit, said.view, said.sequence, said.digest),
            Message::Checkpoint(said) => {
                let digest = Digest::of(&[&codec::encode(&said.checkpoint)]);
                (Topic::Checkpoint, said.checkpoint.sequence, digest)
            }
            _ => return,
        };
        let statement = (epoch, signer, topic, sequence);
        let seen = self.seen.entry(process).or_default();
        let said = (epoch, signer, topic, Sequence(0))..=(epoch, signer, topic, Sequence(u64::MAX));
        if topic == Topic::Checkpoint && seen.range(said).count() > REMEMBERED {
            return;
        }
        let first = *seen.entry(statement).or_insert(digest);
        if first != digest {
            let how = format!("{who} was told two digests: {topic:?} {sequence} in epoch {epoch}");
            self.waiting.entry(process).or_default().push((statement, how));
        }
    }

    /// A process, in this epoch, has looked at all that was delivered to it. What its stable checkpoint covers by
    /// then, it may have forgotten before it came to the second statement, and what was said in an epoch that is
    /// over it does not heed.
    pub fn looked(&mut self, process: Process, epoch: Epoch, stable: Sequence) {
        for ((said_in, signer, topic, sequence), how) in self.waiting.remove(&process).unwrap_or_default() {
            let convicts = topic.kind() == EvidenceKind::Checkpoints;
            if sequence > stable && (said_in == epoch || !convicts) {
                self.caught.entry((signer, convicts)).or_insert(how);
            }
        }
    }

    /// A correct replica keeps evidence.
    ///
    /// # Errors
    /// When it is against a correct one.
    pub fn kept(&mut self, who: &str, against: AgentId, kind: EvidenceKind, is_faulty: bool) -> Verdict {
        self.against.insert((against, kind == EvidenceKind::Checkpoints));
        if is_faulty {
            return Ok(());
        }
        Err(Violation::new("evidence", format!("{who} holds evidence against {against}, which is correct")))
    }

    /// At the end: whoever was caught is convicted.
    ///
    /// # Errors
    /// When nobody holds evidence against one who was caught.
    pub fn finish(&self) -> Verdict {
        for (of, how) in &self.caught {
            if !self.against.contains(of) {
                let detail = format!("nobody holds evidence against {}: {how}", of.0);
                return Err(Violation::new("evidence", detail));
            }
        }
        Ok(())
    }

    /// Against how many there is evidence.
    pub fn accused(&self) -> usize {
        self.against.iter().map(|(agent, _)| agent).collect::<BTreeSet<_>>().len()
    }

    /// Against how many there is evidence that the contract convicts for.
    pub fn convicted(&self) -> usize {
        self.against.iter().filter(|(_, convicts)| *convicts).count()
    }
}
