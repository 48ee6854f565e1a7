//! Rust bindings of Quorate's contracts, with the bytecode to deploy them.
//!
//! - [`AgentCoordinator`] is the one contract of a deployment; its types ([`Member`], [`Checkpoint`], …) are
//!   re-exported here.
//! - [`GroupAccount`] holds one group's funds. The coordinator makes it; nobody deploys it by hand.
//! - [`eip712_domain`] is the domain under which votes, decisions and checkpoints are signed.
//! - [`deployment`] says where the coordinator goes, so that one build has one address on every chain.
//! - [`code`] compares the code on a chain with that of a build.
//! - [`Refusal`] decodes what a transaction reverted with.
//! - [`rpc::bounded_client`] asks an endpoint with bounds on time and memory.
//! - [`reader::CoordinatorReader`] reads groups and anchors in the words of `quorate-protocol`.
//!
//! What the functions, events and errors mean stands in `src/IAgentCoordinator.sol` and `src/Errors.sol`.
//!
//! Everything is generated from the committed `artifacts/*.json`, so that a build needs neither Node.js nor a
//! Solidity compiler. The feature `compile` brings the module `compile`, which makes a build from `src/`, and the
//! program `compile-contracts`, which makes the artifacts.
//!
//! # Example
//!
//! ```no_run
//! use alloy::primitives::{B128, B256, address};
//! use alloy::providers::ProviderBuilder;
//! use alloy::sol_types::SolStruct;
//! use quorate_contracts::{
//!     AgentCoordinator, CHOICE_FOR, FLAG_REPLICA, FLAG_VOTER, Member, Policy, Terms, Vote, eip712_domain,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let agents = [address!("0000000000000000000000000000000000000001"); 4];
//! # let (keys, proposal_id) = ([B256::ZERO; 4], B256::ZERO);
//! let provider = ProviderBuilder::new().connect("http://127.0.0.1:8545").await?;
//! let coordinator = AgentCoordinator::deploy(&provider).await?;
//!
//! // Each agent registers from its own account; then anybody makes the group.
//! coordinator.register(keys[0]).from(agents[0]).send().await?.watch().await?;
//! let members = agents
//!     .iter()
//!     .zip(keys)
//!     .map(|(account, key)| Member { account: *account, key, weight: 1, flags: FLAG_VOTER | FLAG_REPLICA })
//!     .collect();
//! let class = Policy { name: B128::right_padding_from(b"default"), threshold: 7_500, votingPeriod: 3600, ..Policy::default() };
//! let terms = Terms { classes: vec![class], stallTime: 3600, inboxDeadline: 86_400, ..Terms::default() };
//! let salt = B256::repeat_byte(1);
//! let group_id = coordinator.groupIdOf(agents[0], salt).call().await?;
//! coordinator.createGroup(members, terms, salt).from(agents[0]).send().await?.watch().await?;
//!
//! // What a voter signs when somebody else sends its vote.
//! let vote = Vote { groupId: group_id, proposalId: proposal_id, choice: CHOICE_FOR, epoch: 0, votingEnds: 1_800_000_000, nonce: 0 };
//! let digest = vote.eip712_signing_hash(&eip712_domain(31337, *coordinator.address()));
//! # let _ = digest;
//! # Ok(())
//! # }
//! ```

mod account;
mod checkpoint;
pub mod code;
#[cfg(feature = "compile")]
pub mod compile;
mod constants;
mod coordinator;
pub mod deployment;
mod domain;
pub mod reader;
mod refusal;
pub mod rpc;

pub use account::GroupAccount;
pub use constants::{
    CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, FLAG_REPLICA, FLAG_VOTER, INBOX_COMMAND, INBOX_CONVICTED,
    INBOX_EXECUTED, KIND_COMMAND, KIND_DECISION, KIND_SYSTEM, Lane, ProposalStatus, SIGNATURE_LENGTH,
    STATUS_APPROVED, STATUS_CANCELLED, STATUS_EXPIRED, STATUS_REJECTED, UnknownNumber,
};
pub use coordinator::AgentCoordinator;
pub use coordinator::AgentCoordinator::{
    Anchor, Approval, Ballot, Bond, Call, Checkpoint, Content, Decision, Entry, EpochStart, Group,
    InboxState, Member, Policy, Proposal, Terms, Vote,
};
pub use domain::{DOMAIN_NAME, DOMAIN_VERSION, eip712_domain};
pub use refusal::Refusal;
