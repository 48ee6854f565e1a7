//! The settings in `foundry.toml` that shape the bytecode.

use std::fs;
use std::path::{Path, PathBuf};

use foundry_compilers::artifacts::output_selection::OutputSelection;
use foundry_compilers::artifacts::remappings::Remapping;
use foundry_compilers::artifacts::{Optimizer, Settings, SettingsMetadata};
use serde::Deserialize;

/// `[profile.default]`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Profile {
    /// The folder of the contracts.
    pub(super) src: PathBuf,
    /// The compiler.
    pub(super) solc: PathBuf,
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
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Foundry {
            profile: Profiles,
        }
        #[derive(Deserialize)]
        struct Profiles {
            default: Profile,
        }

        let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
        let foundry: Foundry = toml::from_str(&text).map_err(|error| error.to_string())?;
        Ok(foundry.profile.default)
    }

    /// The remappings of imports to folders.
    pub(super) fn remappings(&self) -> Result<Vec<Remapping>, String> {
        self.remappings
            .iter()
            .map(|text| text.parse().map_err(|error| format!("remapping {text}: {error}")))
            .collect()
    }

    /// The compiler's settings.
    pub(super) fn settings(&self) -> Result<Settings, String> {
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
            output_selection: output_selection(),
            ..Settings::default()
        })
    }
}

/// The code of every contract, and the syntax trees, which name the immutables.
fn output_selection() -> OutputSelection {
    let mut of_file = OutputSelection::default_file_output_selection();
    of_file.insert(String::new(), vec!["ast".into()]);
    OutputSelection([("*".into(), of_file)].into())
}
