//! A new primary whose NEW-VIEW does not follow from its view changes.
//!
//! **What it does.** It drops, reorders or exchanges what the view must propose again, or proposes something
//! beyond it; counts a VIEW-CHANGE twice or shows too few; and signs all of it properly. Or it opens the view
//! twice, each time soundly: once on its own VIEW-CHANGE as its node made it, and once on one that leaves out
//! what its node prepared.
//!
//! **What it attacks.** Section 4.4 of the paper: that a backup enters a view only after computing by itself
//! what follows from the VIEW-CHANGEs. The second way attacks that a view proposes one batch for a sequence.
//!
//! **What a correct group does.** Refuses the unsound ones and replaces it when no sound one comes in time.
//! Of two sound ones each backup enters the first that it gets; batches that differ find no quorum or one,
//! and the two signatures are evidence where both are seen.

use std::collections::BTreeMap;

use quorate_node::frame::Frame;
use quorate_pbft::message::{NewView, ViewChange};
use quorate_pbft::{Batch, Context, Message};
use quorate_protocol::{AgentId, Digest, ReplicaIndex, Sequence};

use super::forge::any_digest;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// One way to spoil a NEW-VIEW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The last proposal is missing.
    Drop,
    /// Two digests have changed places.
    Reorder,
    /// A batch is exchanged for another, the null batch or one that nobody has.
    Exchange,
    /// One proposal too many.
    Append,
    /// One VIEW-CHANGE stands there twice.
    Twice,
    /// A VIEW-CHANGE fewer than a quorum.
    TooFew,
    /// Sound, but not what its node said.
    Other,
}

impl Flaw {
    /// All of them.
    pub(super) const ALL: [Self; 7] =
        [Self::Drop, Self::Reorder, Self::Exchange, Self::Append, Self::Twice, Self::TooFew, Self::Other];
}

/// See the page.
#[derive(Clone, Debug)]
pub struct BadNewView {
    spells: Spells,
    bad_percent: u64,
    mends_percent: u64,
}

impl BadNewView {
    /// How often it spoils a NEW-VIEW, and how often the sound one follows, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            bad_percent: random.pick(&[30, 60, 100]),
            mends_percent: random.pick(&[0, 30, 80]),
        }
    }

    /// `honest` with one flaw in it, signed anew.
    pub(super) fn spoil(stage: &mut Stage<'_>, honest: &NewView, flaw: Flaw) -> NewView {
        let mut view_changes = honest.view_changes.clone();
        let mut proposals: Vec<(Sequence, Digest)> =
            honest.reproposals.iter().map(|reproposal| (reproposal.sequence, reproposal.digest)).collect();
        let count = proposals.len();
        match flaw {
            Flaw::Drop if count > 0 => drop(proposals.pop()),
            Flaw::Reorder if count > 1 => {
                let (first, second) = (proposals[0].1, proposals[count - 1].1);
                (proposals[0].1, proposals[count - 1].1) = (second, first);
            }
            Flaw::Exchange if count > 0 => {
                let at = stage.random.index(count);
                let null = Batch::null().digest(stage.context);
                let invent = proposals[at].1 == null || stage.random.percent(50);
                proposals[at].1 = if invent { any_digest(stage.random) } else { null };
            }
            Flaw::Twice => {
                let first = view_changes.first().cloned();
                view_changes.pop();
                view_changes.extend(first);
            }
            Flaw::TooFew => drop(view_changes.pop()),
            Flaw::Other => {
                forget_own(stage, &mut view_changes);
                proposals = follows(stage.context, &view_changes);
            }
            Flaw::Drop | Flaw::Reorder | Flaw::Exchange | Flaw::Append => {
                let low = view_changes.iter().map(|asked| asked.stable_sequence(stage.context)).max();
                let last = proposals.last().map(|proposal| proposal.0).or(low).unwrap_or_default();
                proposals.push((last.next(), any_digest(stage.random)));
            }
        }
        stage.new_view(honest.view, view_changes, &proposals)
    }
}

/// The replica's own VIEW-CHANGE shows nothing prepared any more.
fn forget_own(stage: &Stage<'_>, view_changes: &mut [ViewChange]) {
    let me: ReplicaIndex = stage.index();
    for own in view_changes.iter_mut().filter(|view_change| view_change.replica == me) {
        *own = stage.signed_view_change(ViewChange { prepared: Vec::new(), ..own.clone() });
    }
}

/// What a view must propose again: the latest certificate of each sequence above the highest stable
/// checkpoint, and the null batch in the gaps.
fn follows(context: &Context, view_changes: &[ViewChange]) -> Vec<(Sequence, Digest)> {
    let low = view_changes.iter().map(|asked| asked.stable_sequence(context)).max().unwrap_or_default();
    let mut latest = BTreeMap::new();
    for certificate in view_changes.iter().flat_map(|asked| &asked.prepared) {
        let claim = (certificate.view, certificate.digest);
        let known = latest.entry(certificate.sequence).or_insert(claim);
        *known = claim.max(*known);
    }
    let high = latest.last_key_value().map_or(low, |(sequence, _)| *sequence);
    let null = Batch::null().digest(context);
    (low.0 + 1..=high.0)
        .map(Sequence)
        .map(|sequence| (sequence, latest.get(&sequence).map_or(null, |claim| claim.1)))
        .collect()
}

impl Actor for BadNewView {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        let Frame::Consensus { message: Message::NewView(honest), .. } = &frame else {
            return vec![Said::now(to, &frame)];
        };
        let own = stage.is_primary_of(honest.view);
        if !own || !self.spells.active(stage) || !stage.random.percent(self.bad_percent) {
            return vec![Said::now(to, &frame)];
        }
        let flaw = stage.random.pick(&Flaw::ALL);
        let bad = Message::NewView(Self::spoil(stage, honest, flaw));
        let mut said = vec![Said::now(to, &stage.frame(bad))];
        if stage.random.percent(self.mends_percent) {
            said.push(Said::later(to, stage.random.between(1, 500), &frame));
        }
        said
    }
}
