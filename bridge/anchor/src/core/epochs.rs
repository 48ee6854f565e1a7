//! What is known of the group's epochs: who its replicas are in each, and what the chain is to be given next.
//!
//! The contract takes the end of each epoch before anything of the next: its replicas sign for the contract only from
//! there on. A chain that stayed behind is therefore led through one epoch after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::{AgentId, Checkpoint, CheckpointCertificate, Epoch, Group, Handover, Member};

use super::proofs::AnchorProofs;
use super::report::Report;

/// How many epochs below the contract's are remembered, in case the chain takes a change of members back.
const KEPT_EPOCHS: u64 = 8;

/// What the node knows to be stable.
#[derive(Clone, Debug)]
pub struct StableState {
    /// The newest stable checkpoint.
    pub certificate: CheckpointCertificate,
    /// The ends of epochs, in order and without a gap: those that the contract may still lack among them.
    pub handovers: Arc<Vec<Handover>>,
}

impl From<CheckpointCertificate> for StableState {
    /// A checkpoint of an epoch that the contract has come to.
    fn from(certificate: CheckpointCertificate) -> Self {
        Self { certificate, handovers: Arc::default() }
    }
}

/// A stable checkpoint as the contract can be given it.
#[derive(Debug, PartialEq, Eq)]
pub struct Anchorable {
    /// The checkpoint with all its signatures that are known.
    pub certificate: CheckpointCertificate,
    /// How its epoch ends with the checkpoint, if it does: the next epoch's members are in it.
    pub handover: Option<Handover>,
    /// How many of the signatures the contract asks for.
    pub quorum: usize,
    /// What is shown beside the signatures; none before the node was asked.
    pub proofs: AnchorProofs,
}

impl Anchorable {
    /// Whether the checkpoint is its epoch's last.
    pub fn ends_epoch(&self) -> bool {
        self.handover.is_some()
    }

    /// The same with just these of its signatures, and these proofs.
    pub fn shown(&self, signatures: Vec<CheckpointSignature>, proofs: AnchorProofs) -> Self {
        let certificate = CheckpointCertificate { signatures, ..self.certificate.clone() };
        Self { certificate, handover: self.handover.clone(), quorum: self.quorum, proofs }
    }

    /// The same with further signatures on its checkpoint, which must hold; nothing where there are none.
    fn joined(&self, more: &[CheckpointSignature]) -> Option<Self> {
        let known = &self.certificate.signatures;
        let is_new =
            |signed: &&CheckpointSignature| known.iter().all(|known| known.replica != signed.replica);
        let mut signatures: Vec<_> = more.iter().filter(is_new).chain(known).copied().collect();
        signatures.sort_by_key(|signed| signed.replica);
        let certificate = CheckpointCertificate { signatures, ..self.certificate.clone() };
        let (handover, proofs) = (self.handover.clone(), self.proofs.clone());
        let quorum = self.quorum;
        (certificate.signatures.len() > known.len()).then_some(Self { certificate, handover, quorum, proofs })
    }
}

/// The epochs that are known. Every group in here was given as trusted, or is handed over to by one that is.
#[derive(Debug)]
pub(super) struct Epochs {
    /// Never empty.
    groups: BTreeMap<Epoch, Group>,
    /// The last checkpoint of each epoch that has ended.
    ends: BTreeMap<Epoch, Arc<Anchorable>>,
    /// The newest stable checkpoint.
    stable: Option<Arc<Anchorable>>,
}

impl Epochs {
    /// Begins with `group`, and with the group as it is in other epochs.
    pub(super) fn new(group: Group, others: Vec<Group>) -> Self {
        let groups = std::iter::once(group).chain(others).map(|group| (group.epoch, group)).collect();
        Self { groups, ends: BTreeMap::new(), stable: None }
    }

    /// The group of the newest epoch: those whose nodes run, and take turns.
    pub(super) fn newest(&self) -> &Group {
        self.groups.values().next_back().expect("there is a first group, and only older ones are forgotten")
    }

    /// The newest stable checkpoint, and the ends of epochs.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &CheckpointCertificate> {
        self.stable.iter().chain(self.ends.values()).map(|anchorable| &anchorable.certificate)
    }

    /// The newest stable checkpoint.
    pub(super) fn stable(&self) -> Option<&Checkpoint> {
        self.stable.as_ref().map(|stable| &stable.certificate.checkpoint)
    }

    /// Takes over what the node says is stable, as far as a quorum signed it.
    ///
    /// # Errors
    /// What an operator should know of the part that was not taken over.
    pub(super) fn learn(&mut self, state: StableState) -> Result<(), Report> {
        for handover in state.handovers.iter() {
            self.follow(handover)?;
        }
        let checkpoint = &state.certificate.checkpoint;
        let (sequence, epoch) = (checkpoint.sequence, checkpoint.epoch);
        let group = self.groups.get(&epoch).ok_or(Report::UnknownEpoch { sequence, epoch })?;
        let replicas = group.replicas();
        state
            .certificate
            .verify(&group.identity, &replicas)
            .map_err(|error| Report::BadCertificate { sequence, error })?;
        // Signatures that come after the quorum may count where some of the quorum do not.
        self.ends.values_mut().chain(&mut self.stable).for_each(|known| {
            let same = known.certificate.checkpoint == state.certificate.checkpoint;
            let joined = same.then(|| known.joined(&state.certificate.signatures)).flatten();
            if let Some(joined) = joined {
                *known = Arc::new(joined);
            }
        });
        if self.stable.as_ref().is_none_or(|stable| stable.certificate.checkpoint.sequence < sequence) {
            let (certificate, quorum) = (state.certificate, replicas.quorum());
            self.stable = Some(Arc::new(Anchorable {
                certificate,
                handover: None,
                quorum,
                proofs: AnchorProofs::default(),
            }));
        }
        Ok(())
    }

    /// Takes over one handover. One from an epoch that nothing is known of is passed over: the chain was beyond it
    /// when this began.
    fn follow(&mut self, handover: &Handover) -> Result<(), Report> {
        let epoch = handover.from();
        let Some(group) = self.groups.get(&epoch).filter(|_| !self.ends.contains_key(&epoch)) else {
            return Ok(());
        };
        let bad = |error: String| Report::BadHandover { epoch, error };
        let next = handover.verify(group).map_err(|error| bad(error.to_string()))?;
        if self.groups.get(&next.epoch).is_some_and(|known| *known != next) {
            return Err(bad("it leads to other members than those of the next epoch".to_owned()));
        }
        let anchorable = Anchorable {
            certificate: handover.certificate.clone(),
            handover: Some(handover.clone()),
            quorum: group.replicas().quorum(),
            proofs: AnchorProofs::default(),
        };
        self.ends.insert(epoch, Arc::new(anchorable));
        self.groups.insert(next.epoch, next);
        Ok(())
    }

    /// What a contract in epoch `chain` can be given next: the end of that epoch if it has ended, otherwise the newest
    /// checkpoint of it.
    pub(super) fn next(&self, chain: Epoch) -> Option<&Arc<Anchorable>> {
        self.ends.get(&chain).or_else(|| {
            self.stable.as_ref().filter(|stable| {
                let checkpoint = &stable.certificate.checkpoint;
                checkpoint.epoch == chain && checkpoint.next_members_hash.0.is_zero()
            })
        })
    }

    /// The members by whom a contract in epoch `chain` learns that `accused` could sign checkpoints of these two epochs: those
    /// of the one in which it had a replica's seat, as far as that is known; none where that is the contract's own.
    pub(super) fn members_to_show(&self, chain: Epoch, accused: AgentId, epochs: [Epoch; 2]) -> Vec<Member> {
        let seated = |group: &&Group| group.member(accused).is_some_and(Member::is_replica);
        // The later one first: the contract's, if any, is that.
        let then = epochs.iter().rev().filter_map(|epoch| self.groups.get(epoch)).find(seated);
        then.filter(|group| group.epoch != chain).map_or_else(Vec::new, |group| group.members.clone())
    }

    /// Forgets epochs that lie far below the contract's.
    pub(super) fn forget_before(&mut self, chain: Epoch) {
        let oldest = Epoch(chain.0.saturating_sub(KEPT_EPOCHS)).min(self.newest().epoch);
        self.groups.retain(|epoch, _| *epoch >= oldest);
        self.ends.retain(|epoch, _| *epoch >= oldest);
    }
}
