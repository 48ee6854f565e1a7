//! Rust bindings of Quorate's contracts, with the bytecode to deploy them.
//!
//! - [`AgentCoordinator`] is the one contract of a deployment that anybody talks to, the functions of its two modules
//!   included; its types ([`Member`], [`Checkpoint`], …) are re-exported here, and come from those of `quorate-protocol` by
//!   `From`.
//! - [`GroupAccount`] holds one group's funds. The coordinator makes it; nobody deploys it by hand.
//! - [`Directory`], [`GovernorView`] and [`Keeper`] are contracts without rights, which anybody may deploy beside it.
//! - [`eip712_domain`] is the domain under which votes, decisions and checkpoints are signed.
//! - [`deployment`] says where the contracts go, so that one build has the same addresses on every chain.
//! - [`code`] compares the code on a chain with that of a build.
//! - [`Refusal`] decodes what a transaction reverted with.
//! - [`rpc::provider`] asks one endpoint or several, with bounds on time and memory.
//! - [`sending::Account`] sends transactions of one account, and never pays twice for one.
//! - [`tokens`] are for tests and the demo on development chains.
//! - [`reader::CoordinatorReader`] reads groups, proposals and anchors in the words of `quorate-protocol`.
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
//! use alloy::primitives::{B256, keccak256, address};
//! use alloy::providers::ProviderBuilder;
//! use alloy::sol_types::SolValue;
//! use quorate_contracts::{FLAG_REPLICA, FLAG_VOTER, Member, Terms, deployment};
//! use quorate_protocol::vote::ChainVote;
//! use quorate_protocol::{AgentId, Choice, Class, Epoch, GroupId, GroupIdentity, ProposalId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let agents = [address!("0000000000000000000000000000000000000001"); 4];
//! # let (keys, proposal) = ([B256::ZERO; 4], ProposalId::default());
//! let provider = ProviderBuilder::new().connect("http://127.0.0.1:8545").await?;
//! let coordinator = deployment::deploy(&provider, agents[0]).await?;
//!
//! // Each agent registers from its own account; then anybody makes the group.
//! coordinator.register(keys[0]).from(agents[0]).send().await?.watch().await?;
//! let members: Vec<_> = agents
//!     .iter()
//!     .zip(keys)
//!     .map(|(account, key)| Member { account: *account, key, weight: 1, flags: FLAG_VOTER | FLAG_REPLICA })
//!     .collect();
//! let terms = quorate_protocol::Terms::of_class(Class::constitution(3, 4, 7_200));
//! let (terms, salt) = (Terms::from(&terms), B256::repeat_byte(1));
//! let hashes = (keccak256(members.abi_encode()), keccak256(terms.abi_encode()));
//! let group = coordinator.groupIdOf(agents[0], salt, hashes.0, hashes.1).call().await?;
//! coordinator.createGroup(members, terms, salt).from(agents[0]).send().await?.watch().await?;
//!
//! // What a voter signs when somebody else sends its vote.
//! let contract = AgentId(*coordinator.address());
//! let identity = GroupIdentity { chain_id: 31337, contract, group: GroupId(group) };
//! let voter = AgentId(agents[1]);
//! let vote =
//!     ChainVote { voter, proposal, choice: Choice::For, epoch: Epoch(0), voting_ends: 1_800_000_000, nonce: 0 };
//! let digest = vote.digest(&identity);
//! # let _ = digest;
//! # Ok(())
//! # }
//! ```

mod account;
mod adapters;
pub mod code;
#[cfg(feature = "compile")]
pub mod compile;
mod constants;
mod convert;
mod coordinator;
pub mod deployment;
mod domain;
mod names;
pub mod reader;
mod refusal;
pub mod rpc;
pub mod sending;
pub mod tokens;

pub use account::GroupAccount;
pub use adapters::{Directory, GovernorView, Keeper};
pub use constants::{
    CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, CLASS_OF_GROUP, FLAG_REPLICA, FLAG_VOTER, INBOX_CLOSED,
    INBOX_COMMAND, INBOX_CONVICTED, INBOX_LEAVING, INBOX_LEFT, INBOX_OPENED, KIND_COMMAND, KIND_DECISION,
    KIND_SYSTEM, SIGNATURE_LENGTH, STATUS_APPROVED, STATUS_CANCELLED, STATUS_EXPIRED, STATUS_REJECTED,
};
pub use convert::{UnreadableTerms, words};
pub use coordinator::AgentCoordinator;
/// A refusing decision and its entry in the log: the contract's `Refusal`.
pub use coordinator::AgentCoordinator::Refusal as LogRefusal;
pub use coordinator::AgentCoordinator::{
    Anchor, Approval, Ballot, Bond, Call, Checkpoint, Class, Content, Decision, Entry, EpochStart, Fork,
    Group, InboxState, Limit, Mandate, Member, ProposalState, SeatState, Taken, Target, Terms,
};
pub use domain::{DOMAIN_NAME, DOMAIN_VERSION, eip712_domain};
pub use names::{Lane, ProposalStatus, Skip, Term, UnknownNumber};
pub use refusal::Refusal;
