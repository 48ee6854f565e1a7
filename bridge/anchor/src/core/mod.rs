//! The core: what is done, and when, given what was seen. It has no clock, no socket and no thread; everything that it
//! learns comes in as an [`Event`] with the time, everything that it wants comes out as an [`Action`].

mod accusations;
mod anchorer;
mod epochs;
mod event;
mod fees;
mod proofs;
mod report;
mod rotation;
mod spending;
mod submission;
mod transaction;
mod waiting;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use accusations::Contradiction;
pub use anchorer::Anchorer;
pub use epochs::{Anchorable, StableState};
pub use event::{
    AccountView, Action, AnchorState, BroadcastOutcome, ChainView, Cost, DataFee, Estimate, Event,
    Inspection, Mined,
};
pub use fees::Fees;
pub use proofs::{AnchorProofs, ProofsWanted, Taken};
pub use report::Report;
pub use rotation::rank;
pub use transaction::{Purpose, SignedCall, anchor_call};
