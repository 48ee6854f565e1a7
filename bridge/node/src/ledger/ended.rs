//! Whose certificate it is, where a log ends as an epoch does.
//!
//! Who enters an epoch attests the log that the epoch before left, so a certificate of that size may be of either epoch's
//! replicas; and where they keep their keys, it is of both. It counts as that of the earliest epoch whose quorum it is:
//! whoever verifies a receipt holds the epoch in it to the same rule, so that there is one epoch for each receipt.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use quorate_protocol::{Epoch, Group, LogCertificate};

use super::Ledger;

/// An epoch that is over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EndedEpoch {
    /// The group as it was in it.
    #[n(0)]
    pub group: Group,
    /// How many entries the log had when it ended.
    #[n(1)]
    pub log_size: u64,
}

impl EndedEpoch {
    /// Whether these are the epochs that ended where `epoch` began, as far as their numbers tell.
    pub fn are_before(ended: &[Self], epoch: Epoch) -> bool {
        ended.last().is_some_and(|last| match epoch.before() {
            Some(before) => last.group.epoch == before,
            None => last.group.epoch.era() < epoch.era(),
        })
    }
}

impl Ledger {
    /// The epochs that ended where the current one began, the earliest first, as far as they are known.
    pub fn ended(&self) -> &[EndedEpoch] {
        &self.ended
    }

    /// Takes over from the store what [`Self::ended`] gave, if it is of the epoch that the ledger is in.
    pub fn recall_ended(&mut self, ended: Vec<EndedEpoch>) {
        if EndedEpoch::are_before(&ended, self.group.epoch) {
            self.ended = ended;
        }
    }

    /// An epoch is over: what ended at another size is no more of interest.
    pub(super) fn note_ended(&mut self, group: Group, log_size: u64) {
        self.ended.retain(|ended| ended.log_size == log_size);
        self.ended.push(EndedEpoch { group, log_size });
    }

    /// The group of the epoch that a certificate counts as, which the current epoch's replicas made.
    pub(super) fn attesting(&self, certificate: &LogCertificate) -> Arc<Group> {
        let is_quorum = |ended: &&EndedEpoch| {
            let EndedEpoch { group, log_size } = ended;
            certificate.head.size <= *log_size
                && certificate.verify(&group.identity, &group.replicas()).is_ok()
        };
        let ended = self.ended.iter().find(is_quorum);
        ended.map_or_else(|| Arc::clone(&self.group), |ended| Arc::new(ended.group.clone()))
    }
}
