//! Receipts, checked by somebody who has nothing but the chain.

use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{AgentId, Group, GroupIdentity, Receipt, ReceiptError};

use crate::error::SdkError;

/// A receipt that holds.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The group whose entry it proves, as the contract has it. Anybody can create a group: compare its id,
    /// `group.identity.group`, with the one that you mean.
    pub group: Group,
    /// The anchored log size that the entry was proved under by the contract's root; nothing while the
    /// receipt carries no anchor proof: then it rests on the quorum's attestations.
    pub anchored_size: Option<u64>,
}

/// Verifies a receipt against the contract alone: the group and its replicas come from there, and so does
/// the anchored root, where the receipt names one. No node is asked.
///
/// # Errors
/// [`SdkError::Receipt`] when it does not hold, [`SdkError::Reader`] when the contract cannot be read or
/// knows no such group.
pub async fn verify_receipt(reader: &CoordinatorReader, bytes: &[u8]) -> Result<VerifiedReceipt, SdkError> {
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
    let group = reader.group(receipt.identity.group).await?;
    let Some(anchor) = &receipt.anchor else {
        receipt.verify(&group)?;
        return Ok(VerifiedReceipt { receipt, group, anchored_size: None });
    };
    let size = anchor.size;
    let root = reader.anchored_root(receipt.identity.group, size).await?;
    receipt.verify_anchored(&group, |_| root)?;
    Ok(VerifiedReceipt { receipt, group, anchored_size: Some(size) })
}
