//! The consensus core under a model checker.
//!
//! [stateright](https://docs.rs/stateright) explores every order of events of a group of four in which one
//! replica is faulty. The correct replicas are the real `quorate_pbft::Replica`, driven by its
//! `step`; nothing of the protocol is written again here but what a faulty replica signs.
//!
//! # What the model is
//!
//! * **State**: the correct replicas, each with all that it said. Nothing else: whatever was said can arrive at any
//!   later time, in any order, again and again, or never. That covers loss, delay, duplication and reordering.
//! * **Steps**: messages arrive at a replica, or a replica waits in vain for its view. Time is nothing but that:
//!   a replica's clock stands still until it is moved past all its time-outs at once.
//! * **The faulty replica** (`adversary` says at any time, to anybody, everything that its key can sign and
//!   that could matter: two batches for one sequence, votes for all that is proposed, VIEW-CHANGEs with and
//!   without every certificate that can be made from what was said, and every NEW-VIEW that passes
//!   verification. All messages, its own too, go through `verify::checks` and their signatures are checked.
//! * **Bounds**: one command, so one sequence; views up to [`Bounds::max_view`].
//!
//! # What makes it small
//!
//! * A replica's state is what [`Replica::fingerprint`](quorate_pbft::Replica::fingerprint) tells: no times, and not
//!   which quorum signed a certificate.
//! * Messages of one sense are one ([`claim::Claim`]).
//! * What a message does to a replica is computed once and remembered ([`node::Node`]): thousands of states of
//!   single replicas make the millions of states of the group.
//! * The two batches of the faulty replica differ only in their names, so the first that is accepted is A.
//! * With [`Grain::Quorum`], votes arrive together with the one that completes their quorum.
//!
//! # What it does not cover
//!
//! More than one sequence, checkpoints and watermarks, crashes and recovery, retransmission (statuses and what
//! answers them), catching up by committed batches, and liveness. The seeded runs of `bridge/pbft/tests` are for
//! those.

pub(crate) mod adversary;
pub mod claim;
pub mod delivery;
pub mod group;
pub mod model;
pub mod node;
pub mod properties;

pub use delivery::Grain;
pub use model::{Bounds, Group, State, Step};
