//! Receipts, checked by somebody who has nothing but the chain.

use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_protocol::{AgentId, Group, GroupId, GroupIdentity, Handover, Receipt};

use crate::epochs::Epochs;
use crate::error::SdkError;

/// A receipt that holds.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The group whose entry it proves, with the members of the epoch that attests it.
    pub group: Group,
    /// The anchored log size that the entry was proved under by the contract's root; nothing while the
    /// receipt carries no anchor proof: then it rests on the quorum's attestations.
    pub anchored_size: Option<u64>,
}

/// Verifies a receipt of `group` against the contract alone: the group's replicas come from there, and so does the anchored
/// root, where the receipt names one. No node is asked.
///
/// Anybody can create a group whose receipts verify, so the caller names the one that it means.
///
/// # Errors
/// [`SdkError::Receipt`] when it does not hold, or is of another group. [`SdkError::Reader`] when the contract cannot be
/// read or knows no such group; with [`ReaderError::UnknownEpoch`] the receipt is unproven as yet, neither true nor false:
/// the contract has not come to its epoch. [`verify_receipt_with`] takes the proof of that epoch's members.
pub async fn verify_receipt(
    reader: &CoordinatorReader,
    group: GroupId,
    bytes: &[u8],
) -> Result<VerifiedReceipt, SdkError> {
    verify_receipt_with(reader, group, bytes, &[]).await
}

/// As [`verify_receipt`], for a receipt of an epoch that the contract may not have come to yet: `handovers`,
/// from anywhere, such as [`handovers_of`](crate::client::handovers_of), lead there from the contract's.
///
/// # Errors
/// As [`verify_receipt`], and [`SdkError::Handover`].
pub async fn verify_receipt_with(
    reader: &CoordinatorReader,
    group: GroupId,
    bytes: &[u8],
    handovers: &[Handover],
) -> Result<VerifiedReceipt, SdkError> {
    let receipt = Receipt::decode(bytes)?;
    let expected = GroupIdentity { chain_id: reader.chain_id(), contract: AgentId(reader.contract()), group };
    // What contradicts itself is no receipt of any epoch.
    receipt.verify_proofs(&expected)?;
    let epochs = epochs_of(reader, &receipt, handovers).await?;
    epochs.verify_receipt(&receipt)?;
    let group =
        epochs.at(receipt.epoch).expect("a receipt verifies in an epoch that is known").as_ref().clone();
    let Some(anchor) = &receipt.anchor else {
        return Ok(VerifiedReceipt { receipt, group, anchored_size: None });
    };
    let size = anchor.size;
    let root = reader.anchored_root(receipt.identity.group, size).await?;
    receipt.verify_anchored(&group, |_| root)?;
    Ok(VerifiedReceipt { receipt, group, anchored_size: Some(size) })
}

/// The epochs that tell whether a receipt is of its own.
async fn epochs_of(
    reader: &CoordinatorReader,
    receipt: &Receipt,
    handovers: &[Handover],
) -> Result<Epochs, SdkError> {
    let (group, epoch) = (receipt.identity.group, receipt.epoch);
    let mut epochs = Epochs::from(reader.group(group).await?);
    let current = epochs.newest().epoch;
    if epoch < current {
        epochs.read(reader, epoch).await?;
    } else {
        epochs.read_beginning(reader, current).await?;
        epochs.follow(handovers)?;
    }
    if epochs.at(epoch).is_none() {
        return Err(ReaderError::UnknownEpoch { group, epoch, current }.into());
    }
    if let Some(before) = epochs.lacks(receipt) {
        epochs.read(reader, before).await?;
    }
    // Nobody handed over to the first epoch of an era: which one was before it, only all of them tell.
    let begins_era = epoch.era() > 0 && epoch.before().is_none();
    if begins_era && epochs.begin_of(epoch) == Some(receipt.certificate.head.size) {
        let mut all = Epochs::from_contract(reader, group).await?;
        all.learn_all(epochs);
        epochs = all;
    }
    Ok(epochs)
}
