//! The API over real HTTP on a loopback port, before a ledger with real services and signatures. Only the
//! order is a stand-in: one task executes every submission at once and attests for all four replicas.

mod browsers;
mod chain;
mod commands;
mod events;
mod harness;
mod limits;
mod node;
mod reads;
