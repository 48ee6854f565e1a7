//! Every decoder of Quorate under a fuzzer.
//!
//! A [`Target`] is one decoder, or a few that read the same thing, with the properties that must hold for every
//! input: no panic, bounded time, memory in proportion to the input and never to a length that the input claims,
//! one encoding a value, and no signature or proof that holds for what nobody signed or committed to.
//!
//! | lane | inputs | command |
//! |---|---|---|
//! | quick | the corpus, then mutations of it from a fixed seed | `cargo test -p quorate-fuzz` |
//! | long | libFuzzer, guided by coverage, from the corpus on | `make fuzz RUNS=1000000` |
//!
//! Both lanes mutate with [`mutate`], which knows CBOR and text; libFuzzer takes turns with its own mutations. The
//! corpus in `corpus/` holds valid encodings of everything, made from real values by each target's
//! [`Target::seeds`], and beside them in `regressions/` every input that ever broke something.
//!
//! libFuzzer is linked through `libfuzzer-sys` alone. Its coverage comes from passes that the stable compiler has,
//! so neither a nightly compiler nor another command has to be installed.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`targets`] | the decoders, a file each |
//! | [`judge`](mod@judge) | running one input within bounds |
//! | [`mutate`] | changing inputs |
//! | [`corpus`] | the inputs in the repository |
//! | [`world`] | a group with a history, for values whose signatures and proofs hold |

pub mod corpus;
pub mod judge;
pub mod mutate;
pub mod targets;
pub mod world;

pub use corpus::Seed;
pub use judge::{Cost, Fault, judge};
pub use targets::{Format, Target};
