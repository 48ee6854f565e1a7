//! The deterministic state machine that committed commands run on.
//!
//! Every replica executes the same batches in the same order and must reach the same entries and the same
//! state root, bit for bit. So nothing here reads a clock, draws randomness, uses floating point, iterates
//! a hash map or does I/O: time is the batch's, and everything a later batch can depend on (the reply table
//! and the clock included) lives in one authenticated map that checkpoints cover.
//!
//! # How a batch executes
//! 1. The clock moves to the later of its own time and the batch's. It never goes back.
//! 2. What has fallen due is done, service by service, as entries of their own.
//! 3. Each command in order: known to the reply table ([`Disposition::Duplicate`]), not bound to the group
//!    ([`Disposition::Dropped`]), or an entry ([`Disposition::Recorded`]), applied or refused. The operations
//!    of a command run on an overlay of the state that is dropped when one of them is refused, so a
//!    command takes effect as a whole or not at all. Entries that it causes (a decision) follow its own; behind them come the messages of the contract's inbox
//!    that it took, each with what it asks for.
//!
//! # How to add a service
//! Implement [`Service`] in a module of its own and add one line to the list in `registry.rs`.
//!
//! | module | what lives in it |
//! |---|---|
//! | `state` | the authenticated map, its hash buckets and their proofs, the overlay of a command |
//! | `replies` | the reply table: exactly-once execution |
//! | `service` | the shape of a service, and what it may see |
//! | `members`, `proposals`, `inbox` | the services |
//! | `registry` | the list of the services |
//! | `machine` | executing batches, admission at the edge, queries |

mod error;
mod inbox;
mod machine;
mod members;
mod proposals;
mod registry;
mod replies;
mod service;
mod state;

pub use error::{AdmissionError, DropReason, ServicesError};
pub use inbox::{InboxRefusal, TakenEntry};
pub use machine::{Admission, Disposition, Executed, StateMachine};
pub use members::{Agent, MembersRefusal};
pub use proposals::ProposalsRefusal;
pub use quorate_protocol::api::{AgentView, ProposalStatus, ProposalView, VoteView};
pub use replies::{MAX_NONCE_JUMP, NONCE_WINDOW};
pub use service::{Context, Draft, Service, ServiceRefusal, Taken};
pub use state::{BucketRange, RangeError, STATE_BUCKETS, StateTree, View, verify_range};
