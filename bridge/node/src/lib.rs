//! The runtime of a replica: what stands between the consensus core and the world.
//!
//! The core and the services decide; this crate reads clocks, sockets and disks for them. Nothing from
//! outside reaches the core before its signatures are checked, and nothing is promised to anybody before
//! it is on disk.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`core`](mod@crate::core) | the logic of a node, without threads, clocks and sockets |
//! | [`config`] | the configuration file |
//! | [`era`] | going on after a recovery, in the era that the contract began |
//! | [`error`] | everything that can stop a node, and its exit code |
//! | [`verify_pool`] | checking signatures, many in one batch |
//! | [`transport`] | the links to the other replicas |
//! | [`wal`] | the write-ahead log of what the replica said |
//! | [`store`] | what the group decided: batches, entries, state |
//! | [`transfer`] | taking the group's state over from other nodes |
//! | [`ledger`] | the executed state, the log over it and what proves both |
//! | [`anchored`] | what the node and the anchoring service tell each other |
//! | [`runtime`] | the running node: the core's thread and the others |
//! | [`frame`] | what travels between two nodes |
//! | [`api`] | the HTTP API |
//! | [`metrics`] | what a node counts and measures |

pub mod anchored;
pub mod api;
pub mod config;
pub mod core;
pub mod era;
pub mod error;
pub mod evidence;
pub mod frame;
pub mod ledger;
pub mod metrics;
pub mod runtime;
pub mod store;
pub mod transfer;
pub mod transport;
pub mod verify_pool;
pub mod wal;

pub use config::NodeConfig;
pub use era::{Era, EraPlan, EraStart, Recovered};
pub use error::{ExitClass, NodeError};
pub use runtime::{KnownGroup, Node, NodeKeys};
