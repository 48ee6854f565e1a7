//! The SDK against nodes that are played by the tests, honest and otherwise, and against a real chain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod calls;
mod chain;
mod epochs;
mod forks;
mod inbox;
mod lanes;
mod node;
mod pages;
mod world;
