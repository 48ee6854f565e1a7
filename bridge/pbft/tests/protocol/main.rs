//! What the core promises, shown on whole groups of real replicas. Each file holds one theme; `harness`
//! holds what they share.

mod bounds;
mod byzantine;
mod catch_up;
mod checkpoints;
mod epoch;
mod harness;
mod liveness;
mod normal_case;
mod restart;
mod seeds;
mod view_change;
