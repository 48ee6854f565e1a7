//! What an agent's author uses: keys, a client with typed calls, and the checking of what it gets back.
//!
//! Nothing here trusts a node. The group's members, keys and policy come from the contract; every result
//! comes with a receipt that was verified against them, and every log is recomputed.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`Agent`] | an agent's two keys |
//! | [`keystore`] | how they are kept, encrypted, on disk |
//! | [`client`] | [`Client`]: propose, vote, wait for the decision, over several nodes |

mod agent;
pub mod audit;
pub mod client;
mod error;
pub mod keystore;

pub use agent::Agent;
pub use client::{Client, ClientBuilder, Decided, NodeFailure, NodeHealth, Proposed, RetryPolicy, Voted};
pub use error::{NodeReport, SdkError};
pub use keystore::{AgentPublic, KeystoreOptions, ScryptCost, SecretSource};
pub use quorate_protocol as protocol;
