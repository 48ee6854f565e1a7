//! The settings in `foundry.toml` that shape the bytecode.

use std::fs;
use std::path::{Path, PathBuf};

use foundry_compilers::artifacts::output_selection::OutputSelection;
use foundry_compilers::artifacts::remappings::Remapping;
use foundry_compilers::artifacts::{Optimizer, Settings, SettingsMetadata};
use serde::Deserialize;

use crate::Result;

/// `[profile.default]`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Profile {
    /// The folder of the contracts.
    pub(crate) src: PathBuf,
    /// The compiler.
    pub(crate) solc: PathBuf,
    remappings: Vec<String>,
    evm_version: String,
    optimizer: bool,
    optimizer_runs: usize,
    bytecode_hash: String,
    cbor_metadata: bool,
    #[serde(default)]
    via_ir: bool,
}

impl Profile {
    /// Reads the profile. Fails when the file cannot be read or a setting is missing: a default that forge
    /// and this program understand differently would make two bytecodes.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Foundry {
            profile: Profiles,
        }
        #[derive(Deserialize)]
        struct Profiles {
            default: Profile,
        }

        let text =
            fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let foundry: Foundry =
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(foundry.profile.default)
    }

    /// The remappings of imports to folders.
    pub(crate) fn remappings(&self) -> Result<Vec<Remapping>> {
        self.remappings
            .iter()
            .map(|text| text.parse().map_err(|error| format!("remapping {text}: {error}")))
            .collect()
    }

    /// The compiler's settings.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let evm_version =
            self.evm_version.parse().map_err(|error| format!("evm_version {}: {error}", self.evm_version))?;
        let bytecode_hash = self
            .bytecode_hash
            .parse()
            .map_err(|error| format!("bytecode_hash {}: {error}", self.bytecode_hash))?;
        Ok(Settings {
            optimizer: Optimizer {
                enabled: Some(self.optimizer),
                runs: Some(self.optimizer_runs),
                details: None,
            },
            metadata: Some(SettingsMetadata {
                use_literal_content: None,
                bytecode_hash: Some(bytecode_hash),
                cbor_metadata: Some(self.cbor_metadata),
            }),
            evm_version: Some(evm_version),
            via_ir: Some(self.via_ir),
            output_selection: OutputSelection::default_output_selection(),
            ..Settings::default()
        })
    }
}
