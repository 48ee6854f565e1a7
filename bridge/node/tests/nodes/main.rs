//! Groups of real nodes in one process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod epochs;
mod eras;
mod group;
mod inbox;
mod network;
