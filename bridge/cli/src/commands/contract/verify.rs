//! `quorate contract verify`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use alloy::primitives::Address;
use clap::Args;
use quorate_contracts::code::{Build, CompiledContract, Deployed, Difference, Mismatch, Part};
use quorate_contracts::reader::DEFAULT_TIMEOUT;
use quorate_protocol::AgentId;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};

/// Compiles the sources here and compares them with the code at an address, byte for byte
///
/// Every immutable in the code must have the one value that is right for the address and the chain. The contract's two modules,
/// and the implementation of the groups' accounts, which it created, must be those of the sources, too. Only the RPC endpoint
/// is trusted.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The contract's address; without it that of --contract
    address: Option<AgentId>,
    /// The contracts of the checkout to compile; foundry.toml stands beside the directory
    #[arg(long, value_name = "DIR", default_value = "contracts")]
    sources: PathBuf,
    /// Compares with the code that this program was built with, and compiles nothing
    #[arg(long, conflicts_with = "sources")]
    built_in: bool,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// What the comparison found.
#[derive(Debug, Serialize)]
struct Compared {
    contract: Address,
    chain_id: u64,
    /// The directory that was compiled; nothing for the program's own code.
    sources: Option<PathBuf>,
    code_bytes: usize,
    immutables: Vec<String>,
    group_account: Address,
    group_account_code_bytes: usize,
    on_chain_lane: Address,
    on_chain_lane_code_bytes: usize,
    group_registry: Address,
    group_registry_code_bytes: usize,
    /// Where `quorate contract deploy` puts a contract of this code.
    deterministic_address: Address,
    /// Whether the address commits to the constructor, too.
    constructor_verified: bool,
    difference: Option<Differing>,
}

#[derive(Debug, Serialize)]
struct Differing {
    part: Part,
    address: Address,
    #[serde(flatten)]
    difference: Difference,
}

impl Compared {
    fn new(build: &Build, deployed: &Deployed, sources: Option<PathBuf>) -> (Self, Option<Mismatch>) {
        let mismatch = build.verify(deployed).err();
        let parts = [&build.coordinator, &build.on_chain_lane, &build.group_registry, &build.group_account];
        let addresses = build.addresses();
        let compared = Self {
            contract: deployed.contract,
            chain_id: deployed.chain_id,
            sources,
            code_bytes: deployed.coordinator_code.len(),
            immutables: names(&parts),
            group_account: deployed.group_account(),
            group_account_code_bytes: deployed.group_account_code.len(),
            on_chain_lane: addresses.on_chain_lane,
            on_chain_lane_code_bytes: deployed.on_chain_lane_code.len(),
            group_registry: addresses.group_registry,
            group_registry_code_bytes: deployed.group_registry_code.len(),
            deterministic_address: build.address(),
            constructor_verified: mismatch.is_none() && deployed.contract == build.address(),
            difference: mismatch.clone().map(|Mismatch { part, address, difference }| Differing {
                part,
                address,
                difference,
            }),
        };
        (compared, mismatch)
    }
}

/// The immutables of all parts by name, each once: both modules have that of their common base.
fn names(parts: &[&CompiledContract]) -> Vec<String> {
    let names: BTreeSet<_> = parts.iter().flat_map(|compiled| compiled.immutables.keys().cloned()).collect();
    names.into_iter().collect()
}

impl Report for Compared {
    fn text(&self) -> String {
        let with = match &self.sources {
            Some(sources) => format!("compiled from {}", sources.display()),
            None => "that this program was built with".into(),
        };
        let constructor = if self.constructor_verified {
            "The address follows from the creation code, so the constructor is that of the sources, too."
                .into()
        } else {
            format!(
                "What its constructor did is not known: only at {} it is proven to be that of the sources.\nAnother constructor may have put entries into the storage that no transaction shows.",
                self.deterministic_address
            )
        };
        format!(
            "contract {} on chain {}: {} bytes\naccounts {}: {} bytes\nlane     {}: {} bytes\nregistry {}: {} bytes\nAll are byte for byte the code {with}, with the right values in all {} immutables.\n{constructor}\n",
            self.contract,
            self.chain_id,
            self.code_bytes,
            self.group_account,
            self.group_account_code_bytes,
            self.on_chain_lane,
            self.on_chain_lane_code_bytes,
            self.group_registry,
            self.group_registry_code_bytes,
            self.immutables.len()
        )
    }
}

impl Verify {
    pub(super) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let contract = match self.address {
            Some(address) => address,
            None => connection.contract()?,
        };
        let (build, sources) = if self.built_in {
            (Build::built_in(), None)
        } else {
            (sources::compile(self.sources.clone()).await?, Some(self.sources))
        };
        let deployed = Deployed::read(connection.rpc()?, contract.0, None, &build, DEFAULT_TIMEOUT).await?;
        let (compared, mismatch) = Compared::new(&build, &deployed, sources);
        let Some(mismatch) = mismatch else { return format.print(&compared) };
        if format == Format::Json {
            format.print(&compared)?;
        }
        Err(CliError::Mismatch {
            cause: mismatch.to_string(),
            mend: match mismatch.difference {
                Difference::NoCode => "check the address and --rpc: they belong together",
                Difference::UnknownImmutable { .. } => "build the program from the sources that are compared",
                _ => "do not join a group there; if the contract should be this one, check the address, --rpc, and that the sources are of the version that the group uses",
            }
            .into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_immutable_is_named_once() {
        let build = Build::built_in();
        let parts = [&build.coordinator, &build.on_chain_lane, &build.group_registry, &build.group_account];
        let named = names(&parts);
        assert!(named.contains(&"Module._self".to_owned()) && named.is_sorted(), "{named:?}");
        assert!(named.windows(2).all(|pair| pair[0] != pair[1]), "{named:?}");
    }
}

/// Compiling, in a build of the program that can.
#[cfg(feature = "compile")]
mod sources {
    use std::path::{Path, PathBuf};

    use quorate_contracts::code::Build;
    use quorate_contracts::compile::{self, CompileError, SETTINGS_FILE};

    use crate::error::CliError;
    use crate::output::progress::Progress;

    const BUILT_IN: &str = "compare with what this program was built with, by --built-in";

    pub(super) async fn compile(sources: PathBuf) -> Result<Build, CliError> {
        let progress = Progress::new(false);
        progress.waiting(format!("compiling {}", sources.display()));
        let root = root(&sources);
        let done = tokio::task::spawn_blocking(move || compile::build(&root)).await;
        done.expect("the compilation neither panics nor is aborted").map_err(explained)
    }

    /// The checkout of a directory of contracts, which may also be named itself.
    fn root(sources: &Path) -> PathBuf {
        let given = std::fs::canonicalize(sources).unwrap_or_else(|_| sources.to_owned());
        match given.parent() {
            Some(parent) if !given.join(SETTINGS_FILE).is_file() => parent.to_owned(),
            _ => given,
        }
    }

    fn explained(error: CompileError) -> CliError {
        let cause = error.to_string();
        match error {
            CompileError::NoSources { .. } => CliError::Usage {
                cause,
                mend: format!(
                    "run this in a checkout of Quorate, name its contracts with --sources, or {BUILT_IN}"
                ),
            },
            CompileError::NoNode => {
                CliError::Failed { cause, mend: format!("install Node.js 20 or later, or {BUILT_IN}") }
            }
            CompileError::NoCompiler { .. } => {
                CliError::Failed { cause, mend: format!("run `make setup` in the checkout, or {BUILT_IN}") }
            }
            CompileError::Settings { .. } | CompileError::Sources(_) | CompileError::Incomplete { .. } => {
                CliError::Failed { cause, mend: format!("use the sources of a release, or {BUILT_IN}") }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_contracts_and_their_checkout_are_the_same_sources() {
            let dir = tempfile::tempdir().unwrap();
            let checkout = dir.path().canonicalize().unwrap();
            std::fs::create_dir(checkout.join("contracts")).unwrap();
            std::fs::write(checkout.join(SETTINGS_FILE), "").unwrap();
            assert_eq!(root(&checkout.join("contracts")), checkout);
            assert_eq!(root(&checkout), checkout);
        }

        #[test]
        fn missing_sources_are_named_with_the_other_way() {
            let error = explained(CompileError::NoSources { root: "nowhere".into() });
            assert_eq!(error.exit(), crate::exit::Exit::Usage);
            assert!(error.to_string().contains("nowhere"), "{error}");
            for error in [error, explained(CompileError::NoNode)] {
                assert!(error.mend().unwrap().contains("--built-in"), "{error}");
            }
        }
    }
}

#[cfg(not(feature = "compile"))]
mod sources {
    use std::path::PathBuf;

    use quorate_contracts::code::Build;

    use crate::error::CliError;

    pub(super) async fn compile(_: PathBuf) -> Result<Build, CliError> {
        Err(CliError::Usage {
            cause: "this program was built without the feature `compile`".into(),
            mend: "build it with the feature, or compare with what it was built with, by --built-in".into(),
        })
    }
}
