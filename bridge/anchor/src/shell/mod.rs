//! The shell: everything that the core must not have, a clock, a socket and a task.

mod backoff;
mod blocks;
mod chain;
mod data_fee;
mod era;
mod inbox;
mod refusal;
mod service;

pub use blocks::BlockRef;
pub use era::final_epoch;
pub use inbox::{InboxLook, InboxWatcher};
pub use service::{AnchorHandle, AnchorService, AnchorStatus, InboxStatus};
