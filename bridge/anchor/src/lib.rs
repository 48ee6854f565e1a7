//! Anchoring: one task of a replica's node that keeps the group's log anchored on-chain, together with the same task of
//! every other replica.
//!
//! Whenever a checkpoint becomes stable and is worth it, one replica submits it to the contract; if it does not, the
//! next one in the rotation does. Every replica watches what the contract has and tells its node, whoever submitted it.
//!
//! The [`core`] decides, as a function of time and of what was seen; the shell around it ([`AnchorService`]) reads the
//! clock, asks the RPC endpoint and sends transactions. The endpoint is trusted with nothing but being of use: see the
//! rules of [`Anchorer`](core::Anchorer).
//!
//! The account that anchors is best left to the service alone. A transaction that somebody else sends from it is
//! waited for, but one that stays pending for longer than `receipt_timeout_ms` is replaced.

pub mod core;
mod error;
mod settings;
mod shell;

pub use error::AnchorError;
pub use settings::Settings;
pub use shell::{
    AnchorHandle, AnchorService, AnchorStatus, BlockRef, InboxLook, InboxStatus, InboxWatcher, final_epoch,
};
