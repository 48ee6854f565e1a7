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
    /// How many entries the log had when the epoch began, of those of which that is known.
    begins: BTreeMap<Epoch, u64>,
    /// How many it had when the epoch ended.
    ends: BTreeMap<Epoch, u64>,
}

impl From<Group> for Epochs {
    /// A group that is known in its current epoch alone.
    fn from(group: Group) -> Self {
        let begins = BTreeMap::from([(Epoch(0), 0)]);
        Self { groups: BTreeMap::from([(group.epoch, Arc::new(group))]), begins, ends: BTreeMap::new() }
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
        epochs.read_beginning(reader, newest).await?;
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
        self.learn(group);
        self.read_beginning(reader, epoch).await?;
        let after = reader.epoch_after(id, epoch).await?;
        if let Some(start) = after {
            self.ends.insert(epoch, start.log_size);
            self.begins.insert(start.epoch, start.log_size);
        }
        Ok(after.map(|start| start.epoch))
    }

    /// Reads the contract's epoch, with its beginning, and where the newest that was known before ended.
    ///
    /// # Errors
    /// As [`CoordinatorReader::group`].
    pub(crate) async fn read_newer(&mut self, reader: &CoordinatorReader) -> Result<(), ReaderError> {
        let (id, known) = (self.newest().identity.group, self.newest().epoch);
        let group = reader.group(id).await?;
        self.read_beginning(reader, group.epoch).await?;
        if group.epoch > known {
            if let Some(start) = reader.epoch_after(id, known).await? {
                self.ends.insert(known, start.log_size);
                self.begins.insert(start.epoch, start.log_size);
            }
            self.learn(group);
        }
        Ok(())
    }

    /// Reads from the contract where an epoch began, if it has begun there and that is not known yet.
    ///
    /// # Errors
    /// As [`CoordinatorReader::group`].
    pub(crate) async fn read_beginning(
        &mut self,
        reader: &CoordinatorReader,
        epoch: Epoch,
    ) -> Result<(), ReaderError> {
        if self.begins.contains_key(&epoch) {
            return Ok(());
        }
        if let Some(start) = reader.epoch_start(self.newest().identity.group, epoch).await? {
            self.begins.insert(epoch, start.log_size);
        }
        Ok(())
    }

    /// Takes over a group that is trusted.
    pub(crate) fn learn(&mut self, group: Group) {
        self.groups.insert(group.epoch, Arc::new(group));
    }

    /// Takes over all that others know, who trust the same.
    pub(crate) fn learn_all(&mut self, others: Self) {
        self.groups.extend(others.groups);
        self.begins.extend(others.begins);
        self.ends.extend(others.ends);
    }

    /// The group in the newest epoch that is known.
    pub fn newest(&self) -> &Arc<Group> {
        self.groups.values().next_back().expect("a group is known in one epoch at least")
    }

    /// The group in `epoch`, if that is known.
    pub fn at(&self, epoch: Epoch) -> Option<&Arc<Group>> {
        self.groups.get(&epoch)
    }

    /// How many entries the log had when `epoch` began, if that is known.
    pub fn begin_of(&self, epoch: Epoch) -> Option<u64> {
        self.begins.get(&epoch).copied()
    }

    /// How many entries the log had when `epoch` ended, if it is known to have ended.
    pub fn end_of(&self, epoch: Epoch) -> Option<u64> {
        self.ends.get(&epoch).copied()
    }

    /// Takes over the epochs that `handovers` lead to, each verified by the one before. One that ends an epoch before the
    /// newest is verified too, and compared with what is known to have followed; where nothing is known of the epoch that
    /// it ends, it is passed over.
    ///
    /// # Errors
    /// The first handover that does not hold or leaves a gap; what came before it is taken over.
    pub fn follow(&mut self, handovers: &[Handover]) -> Result<(), HandoverError> {
        for handover in handovers {
            let (from, end) = (handover.from(), handover.certificate.checkpoint.log_size);
            if from < self.newest().epoch {
                self.compare(handover, end)?;
                continue;
            }
            let next = handover.verify(self.newest())?;
            self.ends.insert(from, end);
            self.begins.insert(next.epoch, end);
            self.learn(next);
        }
        Ok(())
    }

    /// Compares a handover of an epoch that has ended with what is known of that.
    fn compare(&self, handover: &Handover, end: u64) -> Result<(), HandoverError> {
        let from = handover.from();
        let Some(old) = self.at(from) else { return Ok(()) };
        let next = handover.verify(old)?;
        let other_end = self.end_of(from).is_some_and(|known| known != end);
        let other_members = self.at(next.epoch).is_some_and(|known| known.members != next.members);
        if other_end || other_members { Err(HandoverError::OtherEnd(from)) } else { Ok(()) }
    }

    /// Verifies a receipt against the members of its epoch, and that it is of that epoch and no other: its replicas
    /// attested a log that was not shorter than at its beginning and not longer than at its end, as far as those are known,
    /// and at its beginning itself they are no quorum of the epoch before.
    ///
    /// # Errors
    /// The first thing that does not hold; [`ReceiptError::OtherEpoch`] when its epoch is not known here.
    pub fn verify_receipt(&self, receipt: &Receipt) -> Result<(), ReceiptError> {
        let group = self.at(receipt.epoch).ok_or_else(|| ReceiptError::OtherEpoch {
            expected: self.newest().epoch,
            found: receipt.epoch,
        })?;
        receipt.verify(group)?;
        let begin = self.begin_of(receipt.epoch).unwrap_or_default();
        receipt.verify_within(begin, self.end_of(receipt.epoch))?;
        let earlier = self.groups.range(..receipt.epoch).map(|(_, group)| group);
        let earlier = earlier.filter(|group| self.end_of(group.epoch).is_some());
        match self.attesting(earlier, &receipt.certificate) {
            Ok(Some(attesting)) => {
                Err(ReceiptError::OfEarlierEpoch { attested: attesting.epoch, found: receipt.epoch })
            }
            _ => Ok(()),
        }
    }

    /// The epoch before that of the receipt, where it has to be known to tell whose receipt it is, and is not.
    pub(crate) fn lacks(&self, receipt: &Receipt) -> Option<Epoch> {
        let at_beginning = self.begin_of(receipt.epoch) == Some(receipt.certificate.head.size);
        receipt.epoch.before().filter(|before| at_beginning && self.at(*before).is_none())
    }

    /// Verifies a certificate of the log, which does not name its epoch: the replicas of some epoch that is known have
    /// attested it, of which it is neither before the beginning nor beyond the end. Returns the group of the earliest such
    /// epoch: where an epoch ends, the next one's replicas may have attested the same.
    ///
    /// # Errors
    /// What is wrong with it as one of the newest epoch.
    pub fn verify_certificate(&self, certificate: &LogCertificate) -> Result<&Arc<Group>, CertificateError> {
        let has_ended = |group: &&Arc<Group>| self.end_of(group.epoch).is_some();
        let ended = self.attesting(self.groups.values().filter(has_ended), certificate);
        if let Ok(Some(group)) = ended {
            return Ok(group);
        }
        match self.attesting(self.groups.values().rev().filter(|group| !has_ended(group)), certificate) {
            Ok(Some(group)) => Ok(group),
            Err(error) => Err(error),
            Ok(None) => Err(ended.err().unwrap_or(CertificateError::BeforeItsEpoch(self.newest().epoch))),
        }
    }

    /// The first of `groups` whose quorum attested the certificate at a size of its epoch; nothing where no size fits.
    fn attesting<'g>(
        &self,
        groups: impl Iterator<Item = &'g Arc<Group>>,
        certificate: &LogCertificate,
    ) -> Result<Option<&'g Arc<Group>>, CertificateError> {
        let size = certificate.head.size;
        let mut wrong = Ok(None);
        for group in groups {
            let begin = self.begin_of(group.epoch).unwrap_or_default();
            if size < begin || self.end_of(group.epoch).is_some_and(|end| end < size) {
                continue;
            }
            match certificate.verify(&group.identity, &group.replicas()) {
                Ok(()) => return Ok(Some(group)),
                Err(error) => wrong = wrong.and(Err(error)),
            }
        }
        wrong
    }
}
