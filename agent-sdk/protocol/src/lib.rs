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
//! | [`domain`] | the domain strings that every signed message starts with |
//! | [`keys`] | ed25519 keys and the one signature verdict (ZIP 215), single and in batches |
//! | [`account`] | secp256k1 accounts: signing and recovering EIP-712 digests |
//! | [`group`] | members, replica sets and quorum arithmetic |
//! | [`policy`] | what a group agreed on: classes of decisions, and when votes decide |
//! | [`command`] | what an agent signs |
//! | [`operations`] | the typed operations of each service, as a command carries them |
//! | [`proposal`] | calls, proposal identifiers, votes and decisions |
//! | [`entry`] | a committed command with its outcome, and its leaf |
//! | [`outcome`] | typed outcomes and refusals |
//! | [`merkle`] | the RFC 9162 tree: appending, proving, verifying |
//! | [`attestation`] | a replica's cosignature on the log's size and root |
//! | [`checkpoint`] | a replica's EIP-712 signature on the whole state |
//! | [`epoch`] | how one set of members follows another |
//! | [`inbox`] | what the contract lays on a group from outside its own order |
//! | [`receipt`] | entry + inclusion proof + quorum of attestations, later + the anchor |
//! | [`api`] | the bodies of the nodes' HTTP API |
//! | [`faults`] | deliberate faults, for the tests of the tests |

pub mod account;
pub mod api;
pub mod attestation;
pub mod checkpoint;
pub mod codec;
pub mod command;
pub mod domain;
pub mod entry;
pub mod epoch;
pub mod faults;
pub mod group;
pub mod ids;
pub mod inbox;
pub mod keys;
pub mod merkle;
pub mod operations;
pub mod outcome;
pub mod policy;
pub mod proposal;
pub mod receipt;
mod verified;

pub use account::{AccountKey, AccountSignature};
pub use alloy_primitives::{Address, B256, U256};
pub use attestation::{Attestation, LogCertificate, LogHead};
pub use checkpoint::{Checkpoint, CheckpointCertificate, SignedCheckpoint};
pub use command::{Command, Operation, SignedCommand};
pub use entry::{Entry, EntryBody, EntryKind, EntryRecord, EntryStatus};
pub use epoch::{Handover, HandoverError, MembersChange, MembersChangeError};
pub use group::{Group, GroupIdentity, Member, ReplicaSet};
pub use ids::{
    AgentId, Digest, EntryIndex, Epoch, GroupId, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
pub use inbox::{InboxContent, InboxMessage};
pub use keys::{AgentKey, PublicKey, Signature, SignatureCheck};
pub use outcome::{Outcome, Refusal};
pub use policy::{Basis, Policy, Scope, Terms, TermsError, Weights};
pub use proposal::{Call, Choice, Decision, DecisionRecord, DecisionStatus};
pub use receipt::{AnchorProof, Receipt, ReceiptError};
pub use verified::Verified;
