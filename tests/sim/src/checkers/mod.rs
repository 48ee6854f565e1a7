//! Checkers watch from outside. What they judge by is written again in here or follows from what was seen
//! before; they never ask the consensus core, the ledger or the services whether something is right.
//!
//! | checker | file | what it says |
//! |---|---|---|
//! | agreement | `reference` | no two correct replicas execute different batches at a sequence, or hold different states for stable; none finds that its own state is not the group's |
//! | prefix | `reference` | their logs are prefixes of one another, with the roots that RFC 9162 gives them |
//! | authenticity | `reference` | every command in the log was signed by its agent |
//! | exactly once | `reference` | a command is one entry, a nonce has one effect |
//! | contradiction | `contradiction` | a correct replica never says two things about one topic, through any crash |
//! | new view | `new_view` | a view that a correct replica opens or enters takes up whatever may be committed |
//! | quorums | `quorums` | whatever counts as a quorum's word is one |
//! | receipts, durability | `receipts` | a receipt proves its command; what was acknowledged is never lost |
//! | linearizability | `linearizability` | what clients saw could have happened one after the other |
//! | inbox | `inbox` | what the contract's inbox has is taken, once, in order, as it is; no correct replica says that it has anything else |
//! | evidence | `evidence` | against whoever contradicted itself, and nobody else |
//! | bounds | the world | no queue exceeds its bound |
//! | blame | the world | no correct replica cuts a correct one off |
//! | liveness | the world | once the network heals, every command of an agent commits in time, and every message of the inbox is taken |

pub mod contradiction;
pub mod evidence;
pub mod inbox;
pub mod linearizability;
pub mod new_view;
pub mod quorums;
pub mod receipts;
pub mod reference;
pub mod tree;
