//! The group over its epochs: who its members were in each, and where the log stood when it ended.
//!
//! What is in here is trusted: it comes from the contract, or by handovers that lead on from there. Everything that
//! replicas have signed is verified against the members of their own epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_protocol::attestation::CertificateError;
use quorate_protocol::{
    Epoch, Group, GroupId, Handover, HandoverError, LogCertificate, Receipt, ReceiptError,
};

/// The group as it is known in one epoch or several.
#[derive(Clone, Debug)]
pub struct Epochs {
    /// Never empty.
    groups: BTreeMap<Epoch, Arc<Group>>,
    /// How many entries the log had when the epoch ended.
    ends: BTreeMap<Epoch, u64>,
}

impl From<Group> for Epochs {
    /// A group that is known in its current epoch alone.
    fn from(group: Group) -> Self {
        Self { groups: BTreeMap::from([(group.epoch, Arc::new(group))]), ends: BTreeMap::new() }
    }
}

impl From<&Group> for Epochs {
    fn from(group: &Group) -> Self {
        group.clone().into()
    }
}

impl Epochs {
    /// Every epoch that the contract has come to, from the first on.
    ///
    /// # Errors
    /// As [`CoordinatorReader::group_at`].
    pub async fn from_contract(reader: &CoordinatorReader, group: GroupId) -> Result<Self, ReaderError> {
        let mut epochs = Self::from(reader.group(group).await?);
        let newest = epochs.newest().epoch;
        let mut epoch = Epoch(0);
        while epoch < newest {
            let after = epochs.read(reader, epoch).await?;
            // One that has ended has a successor, unless the endpoint's answers are of different blocks.
            epoch = after.ok_or(ReaderError::UnknownEpoch { group, epoch: newest, current: epoch })?;
        }
        Ok(epochs)
    }

    /// Reads an epoch that has ended from the contract. Returns the one that followed it: the next of its era, or the first of
    /// the next era, which begins behind the last anchor.
    ///
    /// # Errors
    /// As [`CoordinatorReader::group_at`].
    pub(crate) async fn read(
        &mut self,
        reader: &CoordinatorReader,
        epoch: Epoch,
    ) -> Result<Option<Epoch>, ReaderError> {
        let id = self.newest().identity.group;
        let group = reader.group_at(id, epoch).await?;
        let after = reader.epoch_after(id, epoch).await?;
        self.learn(group, after.map(|start| start.log_size));
        Ok(after.map(|start| start.epoch))
    }

    /// Takes over a group that is trusted, and the log size at which its epoch ended, if it has.
    pub(crate) fn learn(&mut self, group: Group, end: Option<u64>) {
        if let Some(end) = end {
            self.ends.insert(group.epoch, end);
        }
        self.groups.insert(group.epoch, Arc::new(group));
    }

    /// The group in the newest epoch that is known.
    pub fn newest(&self) -> &Arc<Group> {
        self.groups.values().next_back().expect("a group is known in one epoch at least")
    }

    /// The group in `epoch`, if that is known.
    pub fn at(&self, epoch: Epoch) -> Option<&Arc<Group>> {
        self.groups.get(&epoch)
    }

    /// How many entries the log had when `epoch` ended, if it is known to have ended.
    pub fn end_of(&self, epoch: Epoch) -> Option<u64> {
        self.ends.get(&epoch).copied()
    }

    /// Takes over the epochs that `handovers` lead to, each verified by the one before. Those that end an epoch before
    /// the newest known are passed over.
    ///
    /// # Errors
    /// The first handover that does not hold or leaves a gap; what came before it is taken over.
    pub fn follow(&mut self, handovers: &[Handover]) -> Result<(), HandoverError> {
        for handover in handovers {
            let newest = self.newest();
            if handover.from() < newest.epoch {
                continue;
            }
            let next = handover.verify(newest)?;
            self.ends.insert(handover.from(), handover.certificate.checkpoint.log_size);
            self.learn(next, None);
        }
        Ok(())
    }

    /// Verifies a receipt against the members of its epoch, and that its replicas attested nothing beyond it.
    ///
    /// # Errors
    /// The first thing that does not hold; [`ReceiptError::OtherEpoch`] when its epoch is not known here.
    pub fn verify_receipt(&self, receipt: &Receipt) -> Result<(), ReceiptError> {
        let group = self.at(receipt.epoch).ok_or_else(|| ReceiptError::OtherEpoch {
            expected: self.newest().epoch,
            found: receipt.epoch,
        })?;
        receipt.verify(group)?;
        self.end_of(receipt.epoch).map_or(Ok(()), |end| receipt.verify_within(end))
    }

    /// Verifies a certificate of the log, which does not name its epoch: the replicas of some epoch that is known have
    /// attested it, and it had not ended before. Returns the group of that epoch.
    ///
    /// # Errors
    /// What is wrong with it as one of the newest epoch.
    pub fn verify_certificate(&self, certificate: &LogCertificate) -> Result<&Arc<Group>, CertificateError> {
        let mut error = None;
        for group in self.groups.values().rev() {
            if self.end_of(group.epoch).is_some_and(|end| certificate.head.size > end) {
                continue;
            }
            match certificate.verify(&group.identity, &group.replicas()) {
                Ok(()) => return Ok(group),
                Err(wrong) => error = error.or(Some(wrong)),
            }
        }
        Err(error.expect("the newest epoch is not known to have ended"))
    }
}
