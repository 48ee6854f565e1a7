//! What an agent's author uses: keys, a client with typed calls, and the checking of what it gets back.
//!
//! Nothing here trusts a node. The group's members, keys and policy come from the contract, and where the contract
//! is behind the log, by handovers that are verified from there on; every result comes with a receipt that was
//! verified against them, and every log is recomputed.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`Agent`] | an agent's two keys |
//! | [`keystore`] | how they are kept, encrypted, on disk |
//! | [`client`] | [`Client`]: propose, vote, wait for the decision, over several nodes |
//! | [`directory`] | finding a group's nodes by the contract alone: [`Client::discover`] |
//! | [`audit`] | verifying a whole log as an outsider, from a node or from a file |
//! | [`verify_receipt`] | verifying one entry with nothing but the chain |
//! | [`Epochs`] | the group's members in each epoch, from the contract or by handovers |
//! | [`chain`] | [`ChainAgent`]: the on-chain lane, and executing anchored decisions |
//! | [`OnChain`] | what happens to a group on the chain beside its log |
//! | [`protocol`] | the types that all of these speak in |
//!
//! # Propose and vote
//! ```no_run
//! use std::time::Duration;
//!
//! use quorate_sdk::protocol::operations::proposals::Propose;
//! use quorate_sdk::protocol::{Choice, DecisionStatus};
//! use quorate_sdk::{Agent, Client};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let contract = "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?;
//! let group = "0x0707070707070707070707070707070707070707070707070707070707070707".parse()?;
//! let nodes = ["http://127.0.0.1:8100", "http://127.0.0.1:8101"];
//! let client = Client::connect(nodes, "http://127.0.0.1:8545", contract, group).await?;
//!
//! let alice = Agent::open("keys/alice", "correct horse battery staple")?;
//! let proposal = Propose { salt: 1, description: "Renew the domain".into(), calls: vec![], class: 0 };
//! let proposed = client.propose(&alice, proposal).await?;
//! client.vote(&alice, proposed.proposal, Choice::For).await?;
//!
//! let decided = client.wait(proposed.proposal, Duration::from_secs(60)).await?;
//! if decided.record.decision.status == DecisionStatus::Approved {
//!     std::fs::write("renewal.receipt", decided.receipt.encode())?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Verify without trusting anybody
//! ```no_run
//! use quorate_sdk::{CoordinatorReader, audit, verify_receipt};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let contract = "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?;
//! let group = "0x0707070707070707070707070707070707070707070707070707070707070707".parse()?;
//! let reader = CoordinatorReader::connect("http://127.0.0.1:8545", contract).await?;
//!
//! let verified = verify_receipt(&reader, group, &std::fs::read("renewal.receipt")?).await?;
//! println!("entry {} is in the group's log", verified.receipt.record.entry.index);
//!
//! let report = audit::verify(&reader, group, "http://127.0.0.1:8103").await?;
//! if let Some(finding) = report.finding {
//!     println!("the log is wrong at {finding}");
//! }
//! # Ok(())
//! # }
//! ```

mod agent;
pub mod audit;
pub mod chain;
pub mod client;
pub mod directory;
mod epochs;
mod error;
pub mod keystore;
pub mod on_chain;
mod receipt;

pub use agent::Agent;
pub use chain::{ChainAgent, Included, SignedObjection, recover_call, revoke_call};
pub use client::{
    Anchored, Client, ClientBuilder, Decided, NodeFailure, NodeHealth, Proposed, RetryPolicy, Voted,
};
pub use directory::{GroupListing, Reach};
pub use epochs::Epochs;
pub use error::{NodeReport, SdkError};
pub use keystore::{AgentPublic, KeystoreOptions, ScryptCost, SecretSource};
pub use on_chain::{Alert, LaneProposal, OnChain, OnChainOptions};
pub use quorate_contracts::reader::{CoordinatorReader, ReaderError};
pub use quorate_protocol as protocol;
pub use receipt::{VerifiedReceipt, verify_receipt, verify_receipt_with};
