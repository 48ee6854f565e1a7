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
//! | [`audit`] | verifying a whole log as an outsider, from a node or from a file |
//! | [`chain`] | [`ChainAgent`]: the on-chain lane, and executing anchored decisions |
//! | [`verify_receipt`] | verifying one entry with nothing but the chain |

mod agent;
pub mod audit;
pub mod chain;
pub mod client;
mod error;
pub mod keystore;
mod receipt;

pub use agent::Agent;
pub use chain::{ChainAgent, Included};
pub use client::{Client, ClientBuilder, Decided, NodeFailure, NodeHealth, Proposed, RetryPolicy, Voted};
pub use error::{NodeReport, SdkError};
pub use keystore::{AgentPublic, KeystoreOptions, ScryptCost, SecretSource};
pub use quorate_contracts::reader::{CoordinatorReader, ReaderError};
pub use quorate_protocol as protocol;
pub use receipt::{VerifiedReceipt, verify_receipt};
