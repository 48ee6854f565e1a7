//! Whole groups of real replicas in one thread, in virtual time, under one seed.
//!
//! What runs is what a node runs: the consensus core, the services, the ledger, the write-ahead log, the store
//! and the state transfer, each as it is. What is simulated is the world: the clocks, the links between nodes,
//! the disks, crashes, faulty replicas, and the agents with their commands. A seed decides all of it, and the
//! same seed gives the same trace, line by line.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`plan`] | what a seed decides beforehand |
//! | [`world`] | the events of a run in order of time |
//! | [`node`] | one node on a simulated disk, driven without threads |
//! | [`disk`] | disks that lose what was not synced |
//! | [`network`] | links that lose, delay, repeat and reorder |
//! | [`agents`] | clients and their commands |
//! | [`byzantine`] | faulty replicas, one behaviour a file |
//! | [`checkers`] | what must never be, watched from outside |
//! | [`run`](mod@run) | running a seed, or many, and saying what came of it |

pub mod agents;
pub mod byzantine;
pub mod checkers;
pub mod disk;
pub mod network;
pub mod node;
pub mod plan;
pub mod random;
pub mod run;
mod sound;
pub mod trace;
pub mod violation;
pub mod world;
