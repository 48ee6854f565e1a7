//! The words that cross Quorate's borders: identifiers, commands, entries, votes, decisions,
//! checkpoints, their encodings and signatures, the Merkle log and the receipts that prove an entry.
//!
//! Nothing here does I/O, reads a clock or keeps hidden state. Whoever holds these types can check
//! every claim that a node makes; `tests/vectors` pins each encoding for Rust and for Solidity.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`ids`] | newtypes for identifiers and counts |
//! | [`codec`] | deterministic CBOR, bounded while decoding |
//! | [`decimal`] | whole numbers in JSON that a double would round |
//! | [`domain`] | the domain strings that every signed message starts with |
//! | [`keys`] | ed25519 keys and the one signature verdict (ZIP 215), single and in batches |
//! | [`account`] | secp256k1 accounts: signing and recovering EIP-712 digests |
//! | [`group`] | members, replica sets and quorum arithmetic |
//! | [`terms`] | what a group agreed on when it was made, and the bounds of it |
//! | [`class`](mod@class) | the classes of a group's decisions |
//! | [`policy`] | when votes decide |
//! | [`permit`] | what a class permits, and what that takes of each asset |
//! | [`window`] | what the decisions of a class took of an asset lately |
//! | [`command`] | what an agent signs |
//! | [`operations`] | the typed operations of each service, as a command carries them |
//! | [`call`] | what a group's account does by a decision |
//! | [`proposal`] | proposal identifiers, choices and decisions |
//! | [`vote`] | what voters sign for the contract |
//! | [`typed`] | the types that are signed by EIP-712 |
//! | [`entry`] | a committed command with its outcome, and its leaf |
//! | [`outcome`] | typed outcomes and refusals |
//! | [`merkle`] | the RFC 9162 tree: appending, proving, verifying |
//! | [`attestation`] | a replica's cosignature on the log's size and root |
//! | [`checkpoint`] | a replica's EIP-712 signature on the whole state |
//! | [`epoch`] | how one set of members follows another |
//! | [`mandate`] | the voters' signatures for a change of weights |
//! | [`inbox`] | what the contract lays on a group from outside its own order |
//! | [`receipt`] | entry + inclusion proof + quorum of attestations, later + the anchor |
//! | `schema` | what scalars are in JSON, for the OpenAPI document (feature `openapi`) |
//! | [`api`] | the bodies of the nodes' HTTP API |
//! | [`faults`] | deliberate faults, for the tests of the tests |

pub mod account;
pub mod api;
pub mod attestation;
pub mod call;
pub mod checkpoint;
pub mod class;
pub mod codec;
pub mod command;
pub mod decimal;
pub mod domain;
pub mod entry;
pub mod epoch;
pub mod faults;
pub mod group;
pub mod ids;
pub mod inbox;
pub mod keys;
pub mod mandate;
pub mod merkle;
pub mod operations;
pub mod outcome;
pub mod permit;
pub mod policy;
pub mod proposal;
pub mod receipt;
#[cfg(feature = "openapi")]
pub mod schema;
pub mod terms;
pub mod typed;
mod verified;
pub mod vote;
pub mod window;

pub use account::{AccountKey, AccountSignature};
pub use alloy_primitives::{Address, B256, Selector, U256};
pub use attestation::{Attestation, LogCertificate, LogHead};
pub use call::{Call, InvalidCalls};
pub use checkpoint::{Checkpoint, CheckpointCertificate, SignedCheckpoint};
pub use class::{Basis, Class, ETHER, Limit, Opening, Scope, Target};
pub use command::{Command, Operation, SignedCommand};
pub use entry::{Entry, EntryBody, EntryKind, EntryRecord, EntryStatus};
pub use epoch::{Handover, HandoverError, MembersChange, MembersChangeError};
pub use group::{Group, GroupIdentity, Member, ReplicaSet};
pub use ids::{
    AgentId, Digest, EntryIndex, Epoch, GroupId, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
pub use inbox::{InboxContent, InboxEvent, InboxMessage, InboxTaken, OnChainStatus};
pub use keys::{AgentKey, PublicKey, Signature, SignatureCheck};
pub use mandate::{Mandate, MandateError};
pub use outcome::{Outcome, Refusal};
pub use permit::CallRefusal;
pub use policy::Weights;
pub use proposal::{Choice, Decision, DecisionRecord, DecisionStatus};
pub use receipt::{AnchorProof, Receipt, ReceiptError};
pub use terms::{Term, Terms, TermsError};
pub use verified::Verified;
pub use vote::{ChainVote, Objection, VoterSignature};
pub use window::{AboveWindow, Window};
