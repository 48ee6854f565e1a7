//! State transfer: how a node that cannot catch up batch by batch takes the group's state over.
//!
//! A node may be so far behind that nobody keeps the batches any more, or its disk or its state may be broken.
//! It then fetches what a stable checkpoint stands for (Castro & Liskov, TOCS 2002, section 5.3): the
//! services' state and the log. Nothing here does I/O of its own but for reading the store; time is an
//! argument, and the caller carries messages and writes.
//!
//! # Rules
//! 1. The target is a checkpoint that a quorum signed; whoever makes a [`Fetch`] has checked that.
//! 2. The state comes in ranges of hash buckets, each with its path to the checkpoint's state root
//!    ([`quorate_services::verify_range`]). The log comes in chunks from the node's own size on, each with a
//!    consistency proof from its end to the checkpoint's log root (RFC 9162 section 2.1.4). So each chunk is
//!    checked on its own, before anything of it is stored, and a lie is charged to whoever told it.
//! 3. Records are checked against their entries, and signatures of commands in a batch: neither the log root
//!    nor a command's digest covers the signature, so a peer could otherwise slip in a wrong one, and this
//!    node would serve records that no client accepts.
//! 4. One request is under way to a peer at a time, one for the state and one for the log in all. A peer that
//!    lies is asked nothing more. One that is silent, or does not have what is wanted, is passed over until
//!    all others have failed as well.
//! 5. What is verified is staged in the store, in order. An interrupted fetch goes on behind what is durable.
//!    All of it takes effect in one transaction ([`crate::store::FetchWrite::Install`]).
//! 6. Where the node's own log contradicts the checkpoint, no honest chunk fits. That is told apart from a
//!    lie by asking all peers before one is blamed ([`Effect::LogContradicts`]).
//! 7. A server keeps one snapshot for a transfer while requests keep coming, few in all and none for long.
//!    The log needs none: it only grows.
//!
//! Bounds: [`message`] bounds what is decoded, [`Fetch`] holds two chunks and four writes at most, [`Server`]
//! two trees of 4 MiB and one chunk.

mod client;
pub mod message;
mod peers;
mod server;
mod verify;

#[cfg(test)]
mod tests;

pub use client::{Effect, Event, Fetch, FetchConfig, FetchError, Progress};
pub use message::TransferMessage;
pub use server::{LogProofs, Server, ServerConfig};
pub use verify::ChunkError;
