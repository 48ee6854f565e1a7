//! The commands, one file each: its options, what it does, and what it prints.

pub(crate) mod alerts;
pub(crate) mod anchor;
pub(crate) mod audit;
pub(crate) mod bond;
pub(crate) mod chaos;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod decision;
pub(crate) mod demo;
pub(crate) mod devnet;
pub(crate) mod escape;
pub(crate) mod execute;
pub(crate) mod group;
pub(crate) mod guard;
pub(crate) mod inbox;
pub(crate) mod keys;
pub(crate) mod lane;
pub(crate) mod leave;
pub(crate) mod node;
pub(crate) mod proposals;
pub(crate) mod propose;
pub(crate) mod recover;
pub(crate) mod revoke;
pub(crate) mod sent;
pub(crate) mod veto;
pub(crate) mod vote;
