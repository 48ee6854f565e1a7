//! Evidence is collected against whoever contradicts itself before a correct replica's eyes, and never against
//! a correct replica.

use std::collections::{BTreeMap, BTreeSet};

use quorate_pbft::evidence::Phase;
use quorate_pbft::message::Message;
use quorate_protocol::{AgentId, Digest, Epoch, Sequence, View};

use crate::violation::{Verdict, Violation};

type Statement = (Epoch, Phase, AgentId, View, Sequence);
/// A node's number and incarnation.
type Process = (usize, u64);
/// Who contradicted itself, about which sequence, and how.
type Contradiction = (AgentId, Sequence, String);

/// What was seen, and what was kept.
#[derive(Debug, Default)]
pub struct EvidenceChecker {
    /// What each running process was told.
    seen: BTreeMap<Process, BTreeMap<Statement, Digest>>,
    /// Who contradicted itself before each running process, which has yet to look at it.
    waiting: BTreeMap<Process, Vec<Contradiction>>,
    /// Who contradicted itself before whom.
    caught: BTreeMap<AgentId, String>,
    against: BTreeSet<AgentId>,
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
        let (phase, view, sequence, digest) = match message {
            Message::PrePrepare(said) => (Phase::PrePrepare, said.view, said.sequence, said.digest),
            Message::Prepare(said) => (Phase::Prepare, said.view, said.sequence, said.digest),
            Message::Commit(said) => (Phase::Commit, said.view, said.sequence, said.digest),
            _ => return,
        };
        let statement = (epoch, phase, signer, view, sequence);
        let seen = self.seen.entry(process).or_default();
        let first = *seen.entry(statement).or_insert(digest);
        if first != digest {
            let how = format!("{who} was told two digests: {phase:?} {view}/{sequence} in epoch {epoch}");
            self.waiting.entry(process).or_default().push((signer, sequence, how));
        }
    }

    /// A process has looked at all that was delivered to it. What its stable checkpoint covers by then, it may have
    /// forgotten before it came to the second statement.
    pub fn looked(&mut self, process: Process, stable: Sequence) {
        for (signer, sequence, how) in self.waiting.remove(&process).unwrap_or_default() {
            if sequence > stable {
                self.caught.entry(signer).or_insert(how);
            }
        }
    }

    /// A correct replica keeps evidence.
    ///
    /// # Errors
    /// When it is against a correct one.
    pub fn kept(&mut self, who: &str, against: AgentId, is_faulty: bool) -> Verdict {
        self.against.insert(against);
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
        for (agent, how) in &self.caught {
            if !self.against.contains(agent) {
                return Err(Violation::new(
                    "evidence",
                    format!("nobody holds evidence against {agent}: {how}"),
                ));
            }
        }
        Ok(())
    }

    /// How many were convicted.
    pub fn convicted(&self) -> usize {
        self.against.len()
    }
}
