//! PBFT as a state machine: `step(now, event) -> effects`.
//!
//! The protocol is Castro & Liskov's with signatures (OSDI '99; checkpoints and state transfer as in TOCS
//! 2002). Nothing here reads a clock, opens a socket, touches a disk or draws randomness, so a whole group
//! runs in one thread under a simulator exactly as it runs in production.
//!
//! # The rules, and where they live
//!
//! 1. **Normal case** (section 4.2; `replica/normal_case.rs`). The primary of view v (replica v mod n) gives a batch
//!    the next sequence and broadcasts PRE-PREPARE. A backup accepts at most one batch for a view and a
//!    sequence, within the watermarks, and broadcasts PREPARE. A batch is *prepared* with the pre-prepare
//!    and prepares of a quorum in all; then the replica broadcasts COMMIT. A quorum of commits commits it.
//! 2. **Execution** (`replica/execution.rs`). Committed batches execute in order of sequence.
//! 3. **Checkpoints** (section 4.3; `replica/checkpoints.rs`). A quorum of equal checkpoints is stable: it moves the
//!    low watermark and frees what lies below. A replica signs only what follows the last checkpoint that its key
//!    signed (`replica/signing.rs`), so no correct one can be convicted; what the others sign is compared by the
//!    same order (`replica/words.rs`).
//! 4. **View change** (section 4.4; `replica/view_change.rs`, `replica/new_view.rs`). A replica that waits too long
//!    asks for the next view with its stable checkpoint and its prepared certificates. The new primary
//!    re-proposes what a quorum of such requests shows; every backup recomputes that by itself.
//! 5. **Liveness** (section 4.5.2). Time-outs double with each failed view; f + 1 requests for later views make a
//!    replica join the earliest of them, which bounds how far one faulty replica can push. A command that
//!    waits is told to every replica, again and again, so that all of them watch the primary.
//! 6. **Catching up** (`replica/catch_up.rs`). Replicas exchange their status. A replica that is behind asks for
//!    committed batches, each of which carries the commits that prove it.
//!
//! # Deviations from the paper
//!
//! * The quorum is ⌈(n + f + 1) / 2⌉, which is 2f + 1 for n = 3f + 1, so that every n ≥ 4 is safe.
//! * VIEW-CHANGE certificates and NEW-VIEW name batches by digest. Whoever lacks one fetches it; a prepared
//!   batch is held by at least f + 1 correct replicas.
//! * A commit certificate stands on its own: a quorum of commits for one view, sequence and digest commits
//!   the batch also at a replica that has moved to a later view.
//! * The wait for a NEW-VIEW begins when a quorum asks for its view or for later ones: whoever has moved on
//!   repeats only its latest wish.
//! * A replica that is behind, or hears too few others to make a quorum with, asks for no view. It could not
//!   get it, and having asked it would be lost to the view that the others go on in. A replica that is behind
//!   asks all the same once a command has waited for four time-outs: a faulty primary can keep it behind.
//! * The primary, too, gives up a view in which nothing happens.
//! * A batch can ask for a checkpoint after it. The primary uses this when entries wait for an anchor and
//!   traffic is too thin to reach the next regular checkpoint.
//! * Messages that only help a peer along (status, requests, batches fetched) are not signed: the link they
//!   come over is authenticated, and nothing in them is believed without a certificate or a digest.
//!
//! # What must hold at the border
//!
//! * Effects are carried out in order, and a [`Effect::Persist`] is durable before any later
//!   [`Effect::Send`] or [`Effect::Broadcast`] leaves. A replica that says something can prove after a crash
//!   that it said it, and never says the opposite.
//! * Records are replaced by [`Replica::durable_records`] only once the executed batches up to the stable
//!   checkpoint are durable: below it the records hold no batch any more.
//! * The last checkpoint that a key signed is durable, wherever the key is, before the signature leaves: the
//!   caller takes it from [`Record::Checkpoint`] and gives it back as [`Recovered::signed`].
//! * Evidence, unlike everything else, is not persisted here; it is the caller's to keep. Nor is what the others
//!   signed: a replica that starts again compares with what is under the certificates that it has.
//! * Messages are [`Verified`](quorate_protocol::Verified): [`verify::checks`] names every check.

pub mod batch;
pub mod certificate;
pub mod config;
pub mod event;
pub mod evidence;
pub mod message;
mod pool;
pub mod record;
mod replica;
mod slot;
pub mod verify;

pub use batch::{Batch, CommittedBatch};
pub use certificate::{PreparedCertificate, SignedVote};
pub use config::{Config, Context};
pub use event::{Effect, Event, Executed, Now};
pub use evidence::Evidence;
pub use message::{Message, MessageError};
pub use record::{Record, Recovered};
pub use replica::{Replica, ReplicaKeys, ViewState, Words};
