//! A whole group in one thread, on virtual time, from one seed.
//!
//! The replicas are real and so are their keys: every message is encoded, decoded and verified as it would
//! be between two machines. Around them stand-ins for everything that does I/O (network, disk, services)
//! and, outside, checkers that know the protocol's promises and none of its code.

mod checker;
mod clients;
mod disk;
mod faults;
mod forge;
mod group;
mod machine;
mod members;
mod network;
mod random;
mod wire;

pub(crate) use faults::Faults;
pub(crate) use forge::Forge;
pub(crate) use group::{Group, Options};
pub(crate) use random::Random;

pub(crate) use quorate_protocol::{ReplicaIndex, Sequence, View};

/// The replica at `index`.
pub(crate) fn r(index: u16) -> ReplicaIndex {
    ReplicaIndex(index)
}
