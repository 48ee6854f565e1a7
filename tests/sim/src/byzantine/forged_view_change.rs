//! A replica whose view changes lie.
//!
//! **What it does.** Its VIEW-CHANGEs leave out what it prepared, show certificates of earlier views or a
//! stable checkpoint that is long past, or certificates with too few, repeated or wrong signatures, on other
//! digests and beyond any window. It asks for views far ahead, unasked and again and again, and says one
//! thing to some and another to others.
//!
//! **What it attacks.** Section 4.4 of the paper: that a prepared batch survives the view change because
//! every quorum of VIEW-CHANGEs shows it; and section 4.5.2: that f wishes alone move nobody.
//!
//! **What a correct group does.** Refuses what is not properly signed, that VIEW-CHANGE alone. Lives with the
//! rest: what is left out is shown by somebody else, and the latest certificate of a sequence wins. Nobody
//! joins a view for its sake.

use quorate_node::frame::Frame;
use quorate_pbft::certificate::SignedVote;
use quorate_pbft::config::Config;
use quorate_pbft::message::ViewChange;
use quorate_pbft::{Message, PreparedCertificate};
use quorate_protocol::{AgentId, ReplicaIndex, Sequence, Signature, View, domain};

use super::forge::{any_digest, any_signature};
use super::seen::Seen;
use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// One way to lie in a view change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// What was prepared is left out.
    Forget,
    /// Certificates of earlier views.
    StaleCertificates,
    /// An old stable checkpoint, or none.
    StaleCheckpoint,
    /// A view far ahead.
    FarAhead,
    /// A certificate with too few prepares.
    TooFew,
    /// A certificate with one prepare counted twice.
    Twice,
    /// A certificate with a signature that nobody made.
    BadSignature,
    /// A certificate on another digest than was signed.
    OtherDigest,
    /// A certificate of a sequence beyond any window.
    BeyondWindow,
    /// A checkpoint with a signature of its own making.
    BadCheckpoint,
}

impl Lie {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Forget,
        Self::StaleCertificates,
        Self::StaleCheckpoint,
        Self::FarAhead,
        Self::TooFew,
        Self::Twice,
        Self::BadSignature,
        Self::OtherDigest,
        Self::BeyondWindow,
        Self::BadCheckpoint,
    ];
}

/// See the page.
#[derive(Clone, Debug)]
pub struct ForgedViewChange {
    spells: Spells,
    lie_percent: u64,
    unasked_permille: u64,
    seen: Seen,
}

impl ForgedViewChange {
    /// How often it lies, and how often unasked, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            lie_percent: random.pick(&[50, 80, 100]),
            unasked_permille: random.pick(&[0, 10, 100]),
            seen: Seen::default(),
        }
    }

    /// `honest` with one lie in it, signed anew.
    pub(super) fn forge(stage: &mut Stage<'_>, seen: &Seen, honest: &ViewChange, lie: Lie) -> ViewChange {
        let mut forged = honest.clone();
        let spoils_certificate = !matches!(
            lie,
            Lie::Forget | Lie::StaleCertificates | Lie::StaleCheckpoint | Lie::FarAhead | Lie::BadCheckpoint
        );
        if spoils_certificate && forged.prepared.is_empty() {
            forged.prepared.push(invented(stage, seen, honest));
        }
        let last = forged.prepared.last_mut();
        match (lie, last) {
            (Lie::Forget, _) => {
                forged.prepared.truncate(stage.random.index(honest.prepared.len() + 1));
                if forged.prepared.len() == honest.prepared.len() {
                    forged.prepared.clear();
                }
            }
            (Lie::StaleCertificates, _) => forged.prepared = stale(seen, honest),
            (Lie::StaleCheckpoint, _) => forged.stable = seen.stable.front().cloned(),
            (Lie::FarAhead, _) => forged.view = far_ahead(stage.random, honest.view),
            (Lie::BadCheckpoint, _) => spoil_checkpoint(stage, seen, &mut forged),
            (Lie::TooFew, Some(last)) => drop(last.prepares.pop()),
            (Lie::Twice, Some(last)) => {
                let first = last.prepares.first().copied();
                last.prepares.pop();
                last.prepares.extend(first);
            }
            (Lie::BadSignature, Some(last)) => {
                let prepare = last.prepares.first_mut().map(|vote| &mut vote.signature);
                *prepare.unwrap_or(&mut last.pre_prepare) = any_signature(stage.random);
            }
            (Lie::OtherDigest, Some(last)) => last.digest = any_digest(stage.random),
            (Lie::BeyondWindow, Some(last)) => {
                let beyond = Config::MAX_WINDOW + stage.random.between(1, 1_000_000);
                last.sequence = Sequence(last.sequence.0.saturating_add(beyond));
            }
            (_, None) => {}
        }
        stage.signed_view_change(forged)
    }

    fn lie(&self, stage: &mut Stage<'_>, honest: &ViewChange) -> Message {
        let lie = stage.random.pick(&Lie::ALL);
        Message::ViewChange(Self::forge(stage, &self.seen, honest, lie))
    }
}

/// A certificate that the replica made all by itself.
fn invented(stage: &mut Stage<'_>, seen: &Seen, honest: &ViewChange) -> PreparedCertificate {
    let view = View(honest.view.0.saturating_sub(1));
    let above = honest.stable_sequence(stage.context).0;
    let sequence = Sequence(seen.highest.0.max(above).saturating_add(1));
    let digest = any_digest(stage.random);
    let signature = |domain| stage.vote_signature(domain, view, sequence, digest);
    let primary = view.primary(stage.context.replicas.len());
    let voters = (0..stage.context.replicas.len() as u16).map(ReplicaIndex);
    let prepares = voters
        .filter(|voter| *voter != primary)
        .take(stage.context.replicas.quorum() - 1)
        .map(|replica| SignedVote { replica, signature: signature(domain::PREPARE) })
        .collect();
    PreparedCertificate { view, sequence, digest, pre_prepare: signature(domain::PRE_PREPARE), prepares }
}

/// For each sequence the earliest certificate that is known, and those of sequences that are long over.
fn stale(seen: &Seen, honest: &ViewChange) -> Vec<PreparedCertificate> {
    let mut stale: Vec<PreparedCertificate> = Vec::new();
    let known = seen.certificates.iter().chain(&honest.prepared);
    let low = honest.stable.as_ref().map_or(Sequence(0), |stable| stable.checkpoint.sequence);
    for certificate in known.filter(|known| known.view < honest.view && known.sequence > low) {
        match stale.binary_search_by_key(&certificate.sequence, |known| known.sequence) {
            Ok(at) if certificate.view < stale[at].view => stale[at] = certificate.clone(),
            Ok(_) => {}
            Err(at) => stale.insert(at, certificate.clone()),
        }
    }
    stale
}

fn far_ahead(random: &mut Random, view: View) -> View {
    View(match random.between(0, 4) {
        0 => u64::MAX,
        1 => view.0.saturating_add(random.between(1_000, 1_000_000)),
        2 => view.0.saturating_add(7),
        _ => view.0.saturating_add(random.between(1, 3)),
    })
}

fn spoil_checkpoint(stage: &mut Stage<'_>, seen: &Seen, forged: &mut ViewChange) {
    forged.stable = forged.stable.take().or_else(|| seen.stable.back().cloned());
    if let Some(stable) = &mut forged.stable {
        let further = stage.random.between(1, 500);
        stable.checkpoint.sequence.0 = stable.checkpoint.sequence.0.saturating_sub(further);
    }
}

impl Actor for ForgedViewChange {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        self.seen.note(stage.context, &frame);
        if let Frame::Consensus { message: Message::ViewChange(honest), .. } = &frame
            && honest.replica == stage.index()
            && self.spells.active(stage)
            && stage.random.percent(self.lie_percent)
        {
            let lie = self.lie(stage, honest);
            return vec![Said::now(to, &stage.frame(lie))];
        }
        vec![Said::now(to, &frame)]
    }

    fn incoming(&mut self, stage: &mut Stage<'_>, _from: AgentId, frame: &Frame) -> bool {
        self.seen.note(stage.context, frame);
        true
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        if !self.spells.active(stage) || !stage.random.permille(self.unasked_permille) {
            return Vec::new();
        }
        let unasked = ViewChange {
            view: View(self.seen.view.0.saturating_add(1)),
            stable: self.seen.stable.back().cloned(),
            prepared: Vec::new(),
            replica: stage.index(),
            signature: Signature([0; 64]),
        };
        let lie = stage.random.pick(&[Lie::FarAhead, Lie::StaleCertificates, Lie::Forget]);
        let message = Message::ViewChange(Self::forge(stage, &self.seen, &unasked, lie));
        let frame = stage.frame(message);
        let some = stage.random.percent(50);
        let to = if some { stage.some_of_the_others() } else { stage.others() };
        to.into_iter().map(|to| Said::now(to, &frame)).collect()
    }
}
