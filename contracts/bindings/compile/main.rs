//! Compiles the contracts and keeps `artifacts/` equal to what comes out.
//!
//! ```text
//! cargo run -p quorate-contracts --features compile            # writes the artifacts that changed
//! cargo run -p quorate-contracts --features compile -- --check # writes nothing, fails when one would change
//! ```
//!
//! Every setting comes from `foundry.toml`, so forge's bytecode and this one cannot differ by a setting.
//! Needs Node.js and `npm ci` in `contracts/`.

mod artifact;
mod profile;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use foundry_compilers::compilers::solc::{Solc, SolcCompiler, SolcSettings};
use foundry_compilers::{Project, ProjectBuilder, ProjectPathsConfig};

use crate::artifact::Artifact;
use crate::profile::Profile;

/// The contracts whose artifacts the bindings are generated from.
const CONTRACTS: [&str; 2] = ["AgentCoordinator", "GroupAccount"];

/// What goes wrong here is told to a person and ends the program, so it is text.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write(),
        ["--check"] => check(),
        _ => Err("usage: compile-contracts [--check]".to_owned()),
    };
    match outcome {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<String> {
    let stale = stale()?;
    for (path, contents) in &stale {
        fs::write(path, contents).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(format!("{} of {} artifacts changed", stale.len(), CONTRACTS.len()))
}

fn check() -> Result<String> {
    let stale = stale()?;
    if stale.is_empty() {
        return Ok("the artifacts are those of the sources".to_owned());
    }
    let paths: Vec<String> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
    Err(format!(
        "not what the sources compile to: {}\n\
         run `cargo run -p quorate-contracts --features compile` and commit the result",
        paths.join(", ")
    ))
}

/// The artifacts whose file is missing or differs from what the sources compile to, with what should be in
/// it.
fn stale() -> Result<Vec<(PathBuf, String)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = directory.parent().ok_or("contracts/ has no parent directory")?;
    let profile = Profile::read(&root.join("foundry.toml"))?;
    let mut stale = Vec::new();
    for artifact in compile(root, &profile)? {
        let path = directory.join("artifacts").join(format!("{}.json", artifact.contract_name));
        let contents = artifact.to_json()?;
        if fs::read_to_string(&path).ok().as_deref() != Some(contents.as_str()) {
            stale.push((path, contents));
        }
    }
    Ok(stale)
}

fn compile(root: &Path, profile: &Profile) -> Result<Vec<Artifact>> {
    let output = project(root, profile)
        .and_then(|project| project.compile().map_err(|error| error.to_string()))
        .map_err(|error| format!("cannot compile (is `npm ci` in contracts/ done?): {error}"))?;
    if output.has_compiler_errors() {
        return Err(output.to_string());
    }
    CONTRACTS
        .iter()
        .map(|name| {
            let compiled =
                output.find_first(name).ok_or_else(|| format!("the sources have no contract {name}"))?;
            Artifact::new(name, compiled.clone())
        })
        .collect()
}

/// A project without a cache and without files of its own: the sources alone decide what comes out.
fn project(root: &Path, profile: &Profile) -> Result<Project<SolcCompiler>> {
    let solc = Solc::new(root.join(&profile.solc)).map_err(|error| error.to_string())?;
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
