//! The SDK against nodes that are played by the tests, honest and otherwise, and against a real chain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anchor;
mod audit;
mod calls;
mod chain;
mod directory;
mod endpoint;
mod epochs;
mod forks;
mod histories;
mod inbox;
mod lanes;
mod node;
mod on_chain;
mod pages;
mod sending;
mod sharing;
mod world;
