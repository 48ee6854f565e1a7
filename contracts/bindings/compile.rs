//! Compiles the sources of a checkout, with the compiler that it pins.
//!
//! Every setting comes from the checkout's `foundry.toml`, so forge's bytecode and this one cannot differ by a
//! setting. Needs Node.js and `npm ci` in `contracts/`.

mod artifact;
mod immutables;
mod profile;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use foundry_compilers::compilers::solc::{Solc, SolcCompiler, SolcSettings};
use foundry_compilers::{Project, ProjectBuilder, ProjectCompileOutput, ProjectPathsConfig};

pub use artifact::Artifact;
use profile::Profile;

use crate::code::Build;

/// The file with the settings, at the root of a checkout.
pub const SETTINGS_FILE: &str = "foundry.toml";
/// The tokens that tests and the demo deploy.
const TOKENS_FILE: &str = "contracts/test/support/Tokens.sol";

/// Why the sources could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// There is no checkout.
    #[error("{} has no {SETTINGS_FILE}, so it is no checkout of the sources", root.display())]
    NoSources {
        /// Where one was expected.
        root: PathBuf,
    },
    /// The settings cannot be used.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Node.js, which the compiler runs on, is not installed.
    #[error("Node.js, which the Solidity compiler runs on, is not installed: there is no `node` in PATH")]
    NoNode,
    /// The compiler does not start.
    #[error("the compiler {} does not start: {reason}", path.display())]
    NoCompiler {
        /// The compiler.
        path: PathBuf,
        /// What it or the system said.
        reason: String,
    },
    /// The compiler refused the sources.
    #[error("the sources do not compile: {0}")]
    Sources(String),
    /// The compiler's answer lacks something.
    #[error("the compiler gave no {part} for {contract}")]
    Incomplete {
        /// The contract.
        contract: &'static str,
        /// What is missing.
        part: String,
    },
}

/// What the sources of the checkout at `root` compile to. Takes seconds, and a processor.
///
/// # Errors
/// [`CompileError`]
pub fn build(root: &Path) -> Result<Build, CompileError> {
    let [coordinator, on_chain_lane, group_registry, group_account, account_proxy] =
        artifacts(root)?.map(|artifact| artifact.contract);
    Ok(Build { coordinator, on_chain_lane, group_registry, group_account, account_proxy })
}

/// As [`build`], with the ABIs: the artifacts of `AgentCoordinator`, `OnChainLane`, `GroupRegistry`, `GroupAccount` and
/// `AccountProxy`. The coordinator's ABI takes in those of its modules, the lane and the registry, which it passes calls on
/// to.
///
/// # Errors
/// [`CompileError`]
pub fn artifacts(root: &Path) -> Result<[Artifact; 5], CompileError> {
    let artifact = compiled(root, Path::to_owned)?;
    let modules = [artifact("OnChainLane")?, artifact("GroupRegistry")?];
    let mut coordinator = artifact("AgentCoordinator")?;
    for module in &modules {
        coordinator.answer_for(module);
    }
    let [lane, registry] = modules;
    Ok([coordinator, lane, registry, artifact("GroupAccount")?, artifact("AccountProxy")?])
}

/// The artifacts of the contracts without rights: `Directory`, `GovernorView` and `Keeper`. They are compiled by themselves: the code
/// of the coordinator, which is compiled without them, cannot depend on them.
///
/// # Errors
/// [`CompileError`]
pub fn adapters(root: &Path) -> Result<[Artifact; 3], CompileError> {
    let artifact = compiled(root, |sources| sources.join("adapters"))?;
    Ok([artifact("Directory")?, artifact("GovernorView")?, artifact("Keeper")?])
}

/// The tokens that tests and the demo deploy, with the settings of the contracts: the artifacts of `Coin`, `SilentCoin`,
/// `PoliteCoin` and `FeeCoin`. They are no part of a [`Build`].
///
/// # Errors
/// [`CompileError`]
pub fn tokens(root: &Path) -> Result<[Artifact; 4], CompileError> {
    let artifact = compiled(root, |_| root.join(TOKENS_FILE))?;
    Ok([artifact("Coin")?, artifact("SilentCoin")?, artifact("PoliteCoin")?, artifact("FeeCoin")?])
}

/// Compiles a file, or those that lie in a folder, not those in folders below, with what they import, and gives each contract's
/// artifact by its name. `of` is told where the sources are.
fn compiled(
    root: &Path,
    of: impl FnOnce(&Path) -> PathBuf,
) -> Result<impl Fn(&'static str) -> Result<Artifact, CompileError>, CompileError> {
    let settings = root.join(SETTINGS_FILE);
    if !settings.is_file() {
        return Err(CompileError::NoSources { root: root.to_owned() });
    }
    let profile =
        Profile::read(&settings).map_err(|reason| CompileError::Settings { path: settings, reason })?;
    let output = compile(root, &profile, &of(&root.join(&profile.src)))?;
    let names = immutables::names(&output);
    Ok(move |name| {
        let compiled = output
            .find_first(name)
            .ok_or(CompileError::Incomplete { contract: name, part: "code".into() })?;
        Artifact::new(name, compiled.clone(), &names)
    })
}

fn compile(
    root: &Path,
    profile: &Profile,
    of: &Path,
) -> Result<ProjectCompileOutput<SolcCompiler>, CompileError> {
    let path = root.join(&profile.solc);
    let solc = Solc::new(&path).map_err(|error| match Command::new("node").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => CompileError::NoNode,
        _ => CompileError::NoCompiler { path, reason: error.to_string() },
    })?;
    let project = project(root, profile, solc)
        .map_err(|reason| CompileError::Settings { path: root.join(SETTINGS_FILE), reason })?;
    let files = sources_in(of).map_err(|error| CompileError::Sources(error.to_string()))?;
    let output = project.compile_files(files).map_err(|error| CompileError::Sources(error.to_string()))?;
    if output.has_compiler_errors() {
        return Err(CompileError::Sources(output.to_string()));
    }
    Ok(output)
}

/// The file, or the Solidity files that lie in the folder.
fn sources_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let files = paths.filter(|path: &std::io::Result<PathBuf>| match path {
        Ok(path) => path.extension().is_some_and(|extension| extension == "sol"),
        Err(_) => true,
    });
    let mut files = files.collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// A project without a cache and without files of its own: the sources alone decide what comes out.
fn project(root: &Path, profile: &Profile, solc: Solc) -> Result<Project<SolcCompiler>, String> {
    let paths = ProjectPathsConfig::builder()
        .sources(root.join(&profile.src))
        .remappings(profile.remappings()?)
        .no_libs()
        .build_with_root(root);
    ProjectBuilder::<SolcCompiler>::new(Default::default())
        .paths(paths)
        .settings(SolcSettings { settings: profile.settings()?, ..Default::default() })
        .ephemeral()
        .no_artifacts()
        .offline()
        .build(SolcCompiler::Specific(solc))
        .map_err(|error| error.to_string())
}
