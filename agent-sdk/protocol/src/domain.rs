//! The domain strings that keep a signature on one kind of message from being taken for another.
//!
//! Signed bytes are `domain || 0x00 || group id (32) || epoch (8, big-endian) || payload`. No domain
//! string holds a zero byte, so the prefix is unambiguous. A command outlives a change of the replica set
//! and is kept from replay by its nonce and its expiry, so commands are always signed for epoch 0.

use crate::faults::{self, Fault};
use crate::ids::{Epoch, GroupId};

/// A command of an agent.
pub const COMMAND: &str = "quorate/v1/command";
/// A primary's proposal of a batch for a sequence.
pub const PRE_PREPARE: &str = "quorate/v1/pre-prepare";
/// A backup's agreement with a pre-prepare.
pub const PREPARE: &str = "quorate/v1/prepare";
/// A replica's statement that a batch is prepared.
pub const COMMIT: &str = "quorate/v1/commit";
/// A replica's wish for a new view.
pub const VIEW_CHANGE: &str = "quorate/v1/view-change";
/// A new primary's opening of its view.
pub const NEW_VIEW: &str = "quorate/v1/new-view";
/// The digest of a batch (hashed, not signed).
pub const BATCH: &str = "quorate/v1/batch";
/// The digest of an outcome (hashed, not signed).
pub const OUTCOME: &str = "quorate/v1/outcome";
/// The digest of a system event (hashed, not signed).
pub const SYSTEM: &str = "quorate/v1/system";
/// The root of the services' state (hashed, not signed).
pub const STATE: &str = "quorate/v1/state";

/// The bytes that are signed for `payload`.
pub fn signing_bytes(domain: &str, group: &GroupId, epoch: Epoch, payload: &[u8]) -> Vec<u8> {
    let epoch = if faults::is_on(Fault::EpochUnsigned) { Epoch(0) } else { epoch };
    let mut bytes = Vec::with_capacity(domain.len() + 1 + 32 + 8 + payload.len());
    bytes.extend_from_slice(domain.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(group.as_bytes());
    bytes.extend_from_slice(&epoch.0.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
