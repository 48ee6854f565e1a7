//! The shell: everything that the core must not have, a clock, a socket and a task.

mod backoff;
mod blocks;
mod chain;
mod data_fee;
mod refusal;
mod service;

pub use service::{AnchorHandle, AnchorService, AnchorStatus};
