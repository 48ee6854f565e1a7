//! Receipts, checked by somebody who has nothing but the chain.

use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, Group, GroupIdentity, Handover, Receipt, ReceiptError};

use crate::epochs::Epochs;
use crate::error::SdkError;

/// A receipt that holds.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The group whose entry it proves, with the members of the epoch that attests it. Anybody can create a
    /// group: compare its id, `group.identity.group`, with the one that you mean.
    pub group: Group,
    /// The anchored log size that the entry was proved under by the contract's root; nothing while the
    /// receipt carries no anchor proof: then it rests on the quorum's attestations.
    pub anchored_size: Option<u64>,
}

/// Verifies a receipt against the contract alone: the group and its replicas come from there, and so does
/// the anchored root, where the receipt names one. No node is asked.
///
/// # Errors
/// [`SdkError::Receipt`] when it does not hold, also when its epoch has not begun on the chain yet
/// ([`verify_receipt_with`] takes the proof of that epoch's members); [`SdkError::Reader`] when the contract
/// cannot be read or knows no such group.
pub async fn verify_receipt(reader: &CoordinatorReader, bytes: &[u8]) -> Result<VerifiedReceipt, SdkError> {
    verify_receipt_with(reader, bytes, &[]).await
}

/// As [`verify_receipt`], for a receipt of an epoch that the contract may not have come to yet: `handovers`,
/// from anywhere, lead there from the contract's.
///
/// # Errors
/// As [`verify_receipt`], and [`SdkError::Handover`].
pub async fn verify_receipt_with(
    reader: &CoordinatorReader,
    bytes: &[u8],
    handovers: &[Handover],
) -> Result<VerifiedReceipt, SdkError> {
    let receipt = Receipt::decode(bytes)?;
    let expected = GroupIdentity {
        chain_id: reader.chain_id(),
        contract: AgentId(reader.contract()),
        group: receipt.identity.group,
    };
    if receipt.identity != expected {
        let (expected, found) = (expected.origin(), receipt.identity.origin());
        return Err(ReceiptError::OtherLog { expected, found }.into());
    }
    let mut epochs = Epochs::from(reader.group(receipt.identity.group).await?);
    let newest = epochs.newest().epoch;
    if receipt.epoch < newest {
        epochs.read(reader, receipt.epoch).await?;
    } else {
        epochs.follow(handovers)?;
    }
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
