//! A contract as the compiler made it.

use std::collections::BTreeMap;

use alloy::primitives::Bytes;
use serde::{Deserialize, Serialize};

/// Where the compiled code leaves room for an immutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The number of bytes.
    pub length: usize,
}

/// A contract's code, with the places of its immutables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompiledContract {
    /// The creation code. The constructors here take no arguments, so nothing follows it.
    pub bytecode: Bytes,
    /// The code that the constructor deploys, with zeros where immutables will stand.
    pub deployed_bytecode: Bytes,
    /// The places of each immutable, by its name after that of the contract that declares it, such as
    /// `Groups.groupAccountImplementation`. The compiler knows them by numbers that change with every edit.
    pub immutables: BTreeMap<String, Vec<Place>>,
}
