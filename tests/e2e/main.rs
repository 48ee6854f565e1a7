//! End to end: the real binary, a process a node, a real anvil, real crashes.
//!
//! These tests are built as a test of the `quorate` package, which has the binary.
//!
//! | module | what it shows |
//! |---|---|
//! | `network` | the harness: anvil, contract, group and node processes |
//! | `crash` | kill -9 of any node loses nothing and stops nobody for long |
//! | `chaos` | a round of faults under load breaks no promise |
//! | `contract` | one address on every chain, and code that is compared with the sources |
//! | `epochs` | members change while the group works, and the contract follows |
//! | `escape` | a stalled group finishes a payment on-chain by the votes that it has, and goes on |
//! | `inbox` | a command in the contract's inbox is executed, whoever keeps quiet about it |
//! | `malicious_quorum` | what four malicious replicas can take, by the amounts, and what they cannot |
//! | `recovery` | replicas that are gone for good are replaced on-chain, and the log goes on in the next era |
//! | `receipts` | a receipt verifies with the chain alone, and no byte of it can be changed |
//! | `refusals` | every bad command is a typed error, an entry where it was ordered, and no effect |
//! | `reorg` | an anchor that the chain takes back is unlearned and made again, exactly once |
//! | `sharing` | many processes act with one key at once, and none is turned away for it |
//! | `slashing` | a replica that signs two checkpoints is reported, and loses its bond and its place |
//! | `startup` | a node that cannot start says why, with its own exit code |
//! | `tokens` | both lanes pay tokens within limits by decision and day, whatever the token answers |
//! | `voters` | what voters see and do on-chain by the command line; an outsider anchors |
//! | `demo` | the main job, as a user runs it |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod chaos;
mod contract;
mod crash;
mod demo;
mod epochs;
mod escape;
mod inbox;
mod malicious_quorum;
mod network;
mod receipts;
mod recovery;
mod refusals;
mod reorg;
mod sharing;
mod slashing;
mod startup;
mod tokens;
mod voters;
