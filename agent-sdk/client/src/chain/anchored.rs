//! Carrying out, or refusing, on the chain what the group decided in its log, by the proof under an anchor.

use quorate_contracts::{Member, Taken, words};
use quorate_protocol::api::AnchorPackage;
use quorate_protocol::{Epoch, GroupId, Receipt};

use super::{ChainAgent, Included, convert};
use crate::error::SdkError;

impl ChainAgent {
    /// Anchors a checkpoint, and begins the next epoch where the package has its members. Anybody may. The signatures are
    /// sent as they are: a quorum of those that count, by ascending signer, as
    /// [`Client::anchor_package`](crate::Client::anchor_package) chooses them.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn anchor(&self, package: &AnchorPackage) -> Result<Included, SdkError> {
        let AnchorPackage { certificate, consistency, taken, next } = package;
        let checkpoint = (&certificate.checkpoint).into();
        let signatures = certificate.packed_signatures().into();
        let taken = taken.as_ref().map(|taken| Taken::of(&taken.message, &taken.entry, &taken.path));
        let (consistency, taken) = (words(consistency), taken.unwrap_or_default());
        let Some(next) = next else {
            return self.send(self.coordinator.anchor(checkpoint, signatures, consistency, taken)).await;
        };
        let members = next.members.iter().map(Member::from).collect();
        let mandate = next.mandate.as_ref().into();
        let call =
            self.coordinator.anchorAndRotate(checkpoint, signatures, consistency, taken, members, mandate);
        self.send(call).await
    }

    /// Shows the contract that an anchored log refused a proposal: nobody approves it there by signatures any more.
    ///
    /// # Errors
    /// [`SdkError::NotExecutable`] when the receipt is not of a refusing decision or carries no anchor proof yet, and as
    /// [`Self::register`].
    pub async fn close_from_log(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredRefusal { group, size, refusal, proof } = convert::anchored_refusal(receipt)?;
        self.send(self.coordinator.closeFromLog(group, size, refusal, proof)).await
    }

    /// Makes the calls of a decision that was taken off-chain and is anchored, in a class without a timelock. Anybody may.
    /// The contract checks the receipt's proof; nothing is checked twice here.
    ///
    /// # Errors
    /// [`SdkError::NotExecutable`] when the receipt is not of an approved decision or carries no anchor proof
    /// yet, and as [`Self::register`].
    pub async fn execute_anchored(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredDecision { group, size, approval, proof } = self.anchored(receipt).await?;
        self.send(self.coordinator.executeAnchored(group, size, approval, proof)).await
    }

    /// Approves on-chain a decision that was taken off-chain and is anchored, in a class with a timelock, which runs from
    /// there: then it is executed with [`Self::execute`], unless voters object. Anybody may.
    ///
    /// # Errors
    /// As [`Self::execute_anchored`].
    pub async fn queue_anchored(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredDecision { group, size, approval, proof } = self.anchored(receipt).await?;
        self.send(self.coordinator.queueAnchored(group, size, approval, proof)).await
    }

    /// Makes the calls of several decisions in one transaction with one proof, in the order of the log; what was executed or
    /// revoked meanwhile is passed over. That costs less than half of what they cost singly. The receipts are of one group
    /// and of one anchor.
    ///
    /// # Errors
    /// As [`Self::execute_anchored`], and [`SdkError::NotExecutable`] when there are none, one is there twice, or they
    /// are not of one anchor.
    pub async fn execute_anchored_batch(&self, receipts: &[Receipt]) -> Result<Included, SdkError> {
        let mut decisions = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            decisions.push(self.anchored(receipt).await?);
        }
        let convert::AnchoredDecisions { group, size, approvals, proof } = convert::joined(decisions)?;
        self.send(self.coordinator.executeAnchoredBatch(group, size, approvals, proof)).await
    }

    /// The decision in a receipt, as the contract takes it.
    async fn anchored(&self, receipt: &Receipt) -> Result<convert::AnchoredDecision, SdkError> {
        let (group, index) = (receipt.identity.group, receipt.record.entry.index.0);
        // What cannot be executed is refused before the contract is asked anything.
        let decision = convert::anchored_decision(receipt, receipt.epoch)?;
        let epoch = self.epoch_of(group, index, receipt.epoch).await?;
        Ok(decision.of_epoch(epoch))
    }

    /// The epoch in which the entry at `index` was made, which is not after `newest`: the last that began with no more
    /// entries than that, by the contract.
    async fn epoch_of(&self, group: GroupId, index: u64, newest: Epoch) -> Result<Epoch, SdkError> {
        let current = Epoch(self.ask(self.coordinator.group(group.0)).await?.epoch);
        let mut epoch = newest.min(current);
        loop {
            let start = self.ask(self.coordinator.epochStart(group.0, epoch.0)).await?;
            if !start.membersHash.is_zero() && start.logSize <= index {
                return Ok(epoch);
            }
            epoch = match (epoch.era(), epoch.number()) {
                (0, 0) => return Ok(epoch),
                (_, number) if number > 0 => Epoch(epoch.0 - 1),
                (era, _) => self.last_of_era(group, era - 1).await?,
            };
        }
    }

    /// The last epoch of an era that is over.
    async fn last_of_era(&self, group: GroupId, era: u32) -> Result<Epoch, SdkError> {
        let mut last = Epoch(u64::from(era) << 32);
        loop {
            let start = self.ask(self.coordinator.epochStart(group.0, last.0 + 1)).await?;
            if start.membersHash.is_zero() {
                return Ok(last);
            }
            last = Epoch(last.0 + 1);
        }
    }
}
