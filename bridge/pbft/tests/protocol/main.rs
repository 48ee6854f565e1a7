//! What the core promises, shown on whole groups of real replicas. Each file holds one theme; `harness`
//! holds what they share.

mod bounds;
mod catch_up;
mod harness;
mod normal_case;
