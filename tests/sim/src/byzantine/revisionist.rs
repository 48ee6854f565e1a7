//! A replica that takes back what it signed about the state.
//!
//! **What it does.** It takes part as a correct one does. Beside each checkpoint that it signs it signs others, each
//! believable by itself, that no chain has room for: see [`Form`], one for each way in which checkpoints contradict
//! each other. All of them go to everybody, and by then it has contradicted itself in votes as often as reports of
//! those are taken.
//!
//! **What it attacks.** The contract's log: a quorum of such replicas could anchor a log that is no continuation of
//! the one before. And the evidence: worthless contradictions must not crowd out those that convict.
//!
//! **What a correct group does.** It holds two of its checkpoints against it, whatever their sequences and epochs.

use std::collections::BTreeSet;

use quorate_node::frame::Frame;
use quorate_pbft::Message;
use quorate_protocol::{AgentId, Checkpoint, Digest, Epoch, Sequence, SignedCheckpoint, View};

use super::forge::any_digest;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// On how many sequences it contradicts itself in votes before it does in checkpoints.
const VOTES: u64 = 20;
/// How many times it says again, in an epoch, what it signed in the one before.
const REPEATS: u64 = 20;

/// In what way its checkpoints contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Two of one sequence.
    SequenceTwice,
    /// Two roots of the log at one size.
    TwoRoots,
    /// A log that is shorter later.
    ShrinkingLog,
    /// An inbox that has less taken later.
    ShrinkingInbox,
    /// One after the end of the epoch, in the epoch.
    BeyondTheEnd,
    /// Two ends of one epoch.
    TwoEnds,
    /// One sequence in two epochs.
    TwoEpochs,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SequenceTwice,
        Self::TwoRoots,
        Self::ShrinkingLog,
        Self::ShrinkingInbox,
        Self::BeyondTheEnd,
        Self::TwoEnds,
        Self::TwoEpochs,
    ];

    /// What it signs beside `honest`, in order.
    fn beside(self, honest: &Checkpoint, random: &mut Random) -> Vec<Checkpoint> {
        let mut later = |by: u64| Checkpoint {
            sequence: Sequence(honest.sequence.0 + by),
            log_size: honest.log_size + by,
            log_root: any_digest(random),
            next_members_hash: Digest::default(),
            ..honest.clone()
        };
        let (first, second) = (later(1), later(2));
        match self {
            Self::SequenceTwice => vec![Checkpoint { state_root: first.log_root, ..honest.clone() }],
            Self::TwoRoots => vec![Checkpoint { log_size: honest.log_size, ..first }],
            Self::ShrinkingLog => vec![Checkpoint { log_size: honest.log_size - 1, ..first }],
            Self::ShrinkingInbox if honest.inbox_count == 0 => Vec::new(),
            Self::ShrinkingInbox => vec![Checkpoint { inbox_count: honest.inbox_count - 1, ..first }],
            Self::BeyondTheEnd => vec![Checkpoint { next_members_hash: second.log_root, ..first }, second],
            Self::TwoEnds => {
                [first, second].map(|end| Checkpoint { next_members_hash: end.log_root, ..end }).to_vec()
            }
            Self::TwoEpochs => Vec::new(),
        }
    }
}

/// See the page.
#[derive(Clone, Debug)]
pub struct Revisionist {
    form: Form,
    /// What it signed beside the honest checkpoints, by their epochs and sequences.
    signed: Option<(Epoch, Sequence, Vec<SignedCheckpoint>)>,
    last: Option<Checkpoint>,
    voted: BTreeSet<Epoch>,
    repeated: u64,
}

impl Revisionist {
    /// It contradicts itself in this form.
    pub fn new(form: Form) -> Self {
        Self { form, signed: None, last: None, voted: BTreeSet::new(), repeated: 0 }
    }

    /// The contradictions in votes that are to crowd the others out: two batches at each of many sequences.
    fn votes(&mut self, stage: &mut Stage<'_>, to: AgentId) -> Vec<Said> {
        let mut said = Vec::new();
        for sequence in 1..=VOTES {
            for byte in [1, 2] {
                let vote = stage.prepare(View(0), Sequence(sequence), Digest::from([byte; 32]));
                said.push(Said::now(to, &stage.frame(vote)));
            }
        }
        said
    }

    fn lies_beside(&mut self, stage: &mut Stage<'_>, honest: &Checkpoint) -> Vec<SignedCheckpoint> {
        let of = (honest.epoch, honest.sequence);
        if let Some((epoch, sequence, signed)) = &self.signed
            && (*epoch, *sequence) == of
        {
            return signed.clone();
        }
        let lies = self.form.beside(honest, stage.random);
        let sign = |lie| SignedCheckpoint::sign(&stage.context.identity, lie, &stage.keys.account);
        let signed: Vec<_> = lies.into_iter().map(sign).collect();
        self.signed = Some((of.0, of.1, signed.clone()));
        signed
    }
}

impl Actor for Revisionist {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        let mut said = vec![Said::now(to, &frame)];
        let Frame::Consensus { epoch, message: Message::Checkpoint(honest) } = frame else { return said };
        if epoch != stage.context.epoch || honest.replica != stage.me {
            return said;
        }
        self.last = Some(honest.checkpoint.clone());
        for (at, lie) in (1..).zip(self.lies_beside(stage, &honest.checkpoint)) {
            let frame = stage.frame(Message::Checkpoint(lie));
            said.push(Said::later(to, 20 * at + stage.random.between(0, 15), &frame));
        }
        said
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let epoch = stage.context.epoch;
        if self.voted.insert(epoch) {
            return stage.others().into_iter().flat_map(|to| self.votes(stage, to)).collect();
        }
        let before = self.last.clone().filter(|last| last.epoch < epoch && self.form == Form::TwoEpochs);
        match before.filter(|_| self.repeated < REPEATS) {
            Some(before) => {
                self.repeated += 1;
                let again = Checkpoint { epoch, next_members_hash: Digest::default(), ..before };
                let signed = SignedCheckpoint::sign(&stage.context.identity, again, &stage.keys.account);
                stage.to_all(&Message::Checkpoint(signed))
            }
            None => Vec::new(),
        }
    }
}
