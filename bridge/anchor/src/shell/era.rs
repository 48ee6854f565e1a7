//! In which era the chain has a group, as far as it can be relied on.

use quorate_protocol::{AccountKey, Epoch, GroupIdentity};

use super::chain::Chain;
use crate::error::AnchorError;
use crate::settings::Settings;

/// The epoch that the contract has the group in at the final block, as `settings` have it; nothing while the chain has no
/// such block. Only its era is of use to a node: within an era, handovers are ahead of the contract.
///
/// # Errors
/// As [`AnchorService::connect`](crate::AnchorService::connect).
pub async fn final_epoch(
    rpc_url: &str,
    settings: &Settings,
    identity: &GroupIdentity,
    key: &AccountKey,
) -> Result<Option<Epoch>, AnchorError> {
    let mut chain = Chain::new(rpc_url, settings, identity, key.address())?;
    chain.check().await?;
    let look = chain.look().await?;
    chain.final_epoch(&look).await
}
