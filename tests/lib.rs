//! Tests that span crates. The library is empty: everything is in the test targets.
//!
//! | folder | what it tests |
//! |---|---|
//! | `vectors/` | every encoding, against JSON that Rust and Solidity share |
//! | `layout/` | that dependencies point one way |
//! | `e2e/` | the real binary with a real anvil (built as a test of the `quorate` package, which has the binary) |
