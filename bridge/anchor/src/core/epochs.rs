//! What is known of the group's epochs: who its replicas are in each, and what the chain is to be given next.
//!
//! The contract takes the end of each epoch before anything of the next: its replicas sign for the contract only from
//! there on. A chain that stayed behind is therefore led through one epoch after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_protocol::{Checkpoint, CheckpointCertificate, Epoch, Group, Handover, Member};

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
    /// The checkpoint with its signatures.
    pub certificate: CheckpointCertificate,
    /// The next epoch's members if the checkpoint ends its epoch, otherwise none.
    pub next_members: Vec<Member>,
    /// How many of the signatures the contract asks for.
    pub quorum: usize,
}

impl Anchorable {
    /// Whether the checkpoint is its epoch's last.
    pub fn ends_epoch(&self) -> bool {
        !self.next_members.is_empty()
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
        if self.stable.as_ref().is_none_or(|stable| stable.certificate.checkpoint.sequence < sequence) {
            let (certificate, quorum) = (state.certificate, replicas.quorum());
            self.stable = Some(Arc::new(Anchorable { certificate, next_members: Vec::new(), quorum }));
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
            next_members: handover.members.clone(),
            quorum: group.replicas().quorum(),
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

    /// Forgets epochs that lie far below the contract's.
    pub(super) fn forget_before(&mut self, chain: Epoch) {
        let oldest = Epoch(chain.0.saturating_sub(KEPT_EPOCHS)).min(self.newest().epoch);
        self.groups.retain(|epoch, _| *epoch >= oldest);
        self.ends.retain(|epoch, _| *epoch >= oldest);
    }
}
