//! What is committed of a compiled contract: enough for the bindings, a deployment and a comparison, and nothing that
//! changes while the contract does not.

use std::collections::BTreeMap;

use alloy::json_abi::JsonAbi;
use foundry_compilers::artifacts::{CompactDeployedBytecode, ConfigurableContractArtifact};
use serde::Serialize;

use super::CompileError;
use super::immutables::Names;
use crate::code::{CompiledContract, Place};

/// An artifact, in the shape that `alloy::sol!` and forge's `vm.getCode` read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The contract's name.
    pub contract_name: &'static str,
    /// The ABI.
    pub abi: JsonAbi,
    /// The code.
    #[serde(flatten)]
    pub contract: CompiledContract,
}

impl Artifact {
    /// Fails when the compiler left something out, or the bytecode waits for the address of a library.
    pub(super) fn new(
        name: &'static str,
        compiled: ConfigurableContractArtifact,
        names: &Names,
    ) -> Result<Self, CompileError> {
        let missing =
            |part: &str| CompileError::Incomplete { contract: name, part: format!("complete {part}") };
        let deployed = compiled.deployed_bytecode.ok_or_else(|| missing("deployed bytecode"))?;
        let CompactDeployedBytecode { bytecode, immutable_references } = deployed;
        let immutables = immutable_references
            .into_iter()
            .map(|(number, places)| {
                let name = names.get(&number).ok_or_else(|| missing("syntax tree"))?;
                let place =
                    |start: u32, length: u32| Place { start: start as usize, length: length as usize };
                let places = places.into_iter().map(|found| place(found.start, found.length)).collect();
                Ok((name.clone(), places))
            })
            .collect::<Result<_, _>>()?;
        let contract = CompiledContract {
            bytecode: compiled
                .bytecode
                .and_then(|code| code.object.into_bytes())
                .ok_or_else(|| missing("bytecode"))?,
            deployed_bytecode: bytecode
                .and_then(|code| code.object.into_bytes())
                .ok_or_else(|| missing("deployed bytecode"))?,
            immutables,
        };
        Ok(Self { contract_name: name, abi: compiled.abi.ok_or_else(|| missing("ABI"))?, contract })
    }

    /// Takes the other's functions, events and errors into the ABI.
    pub(super) fn answer_for(&mut self, other: &Self) {
        fn merge<T: Clone + PartialEq>(into: &mut BTreeMap<String, Vec<T>>, from: &BTreeMap<String, Vec<T>>) {
            for (name, items) in from {
                let known = into.entry(name.clone()).or_default();
                known.extend(items.iter().filter(|item| !known.contains(item)).cloned().collect::<Vec<_>>());
            }
        }
        merge(&mut self.abi.functions, &other.abi.functions);
        merge(&mut self.abi.events, &other.abi.events);
        merge(&mut self.abi.errors, &other.abi.errors);
        // What it is not told to do by a function, it does not do.
        self.abi.fallback = None;
    }

    /// The file's contents. The ABI's items are sorted by name, so equal contracts make equal files.
    ///
    /// # Panics
    /// Never: text, numbers and lists of them are JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text, numbers and lists of them are JSON") + "\n"
    }
}
