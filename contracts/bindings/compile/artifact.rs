//! What is committed of a compiled contract: enough for the bindings and a deployment, and nothing that
//! changes while the contract does not.

use alloy::json_abi::JsonAbi;
use alloy::primitives::Bytes;
use foundry_compilers::artifacts::ConfigurableContractArtifact;
use serde::Serialize;

use crate::Result;

/// An artifact, in the shape that `alloy::sol!` and forge's `vm.getCode` read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Artifact {
    /// The contract's name.
    pub(crate) contract_name: String,
    abi: JsonAbi,
    bytecode: Bytes,
    deployed_bytecode: Bytes,
}

impl Artifact {
    /// Fails when the compiler left something out, or the bytecode waits for the address of a library.
    pub(crate) fn new(name: &str, compiled: ConfigurableContractArtifact) -> Result<Self> {
        let missing = |part: &str| format!("the compiler gave no complete {part} for {name}");
        Ok(Self {
            contract_name: name.to_owned(),
            abi: compiled.abi.ok_or_else(|| missing("ABI"))?,
            bytecode: compiled
                .bytecode
                .and_then(|code| code.object.into_bytes())
                .ok_or_else(|| missing("bytecode"))?,
            deployed_bytecode: compiled
                .deployed_bytecode
                .and_then(|code| code.bytecode)
                .and_then(|code| code.object.into_bytes())
                .ok_or_else(|| missing("deployed bytecode"))?,
        })
    }

    /// The file's contents. The ABI's items are sorted by name, so equal contracts make equal files.
    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|json| json + "\n")
            .map_err(|error| format!("cannot write {} as JSON: {error}", self.contract_name))
    }
}
