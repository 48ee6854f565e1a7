//! A contract as the compiler made it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes};
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
    /// The creation code, without the constructor's arguments, which follow it.
    pub bytecode: Bytes,
    /// The code that the constructor deploys, with zeros where immutables will stand.
    pub deployed_bytecode: Bytes,
    /// The places of each immutable, by its name after that of the contract that declares it, such as
    /// `GroupAccount.coordinator`. The compiler knows them by numbers that change with every edit.
    pub immutables: BTreeMap<String, Vec<Place>>,
}

impl CompiledContract {
    /// The creation code with the constructor's arguments, which are all addresses.
    pub(crate) fn creation_code(&self, arguments: &[Address]) -> Bytes {
        let words = arguments.iter().flat_map(|argument| argument.into_word().0);
        self.bytecode.iter().copied().chain(words).collect()
    }
}
