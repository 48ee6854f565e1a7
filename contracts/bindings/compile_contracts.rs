//! Compiles the contracts and keeps `artifacts/` equal to what comes out.
//!
//! ```text
//! cargo run -p quorate-contracts --features compile            # writes the artifacts that changed
//! cargo run -p quorate-contracts --features compile -- --check # writes nothing, fails when one would change
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use quorate_contracts::compile;

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
    Ok(format!("{} artifacts changed", stale.len()))
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
    let failed = |error| format!("{error}\nis Node.js installed, and `npm ci` in contracts/ done?");
    let contracts = compile::artifacts(root).map_err(failed)?.map(|artifact| ("artifacts", artifact));
    let adapters = compile::adapters(root).map_err(failed)?.map(|artifact| ("artifacts", artifact));
    let tokens = compile::tokens(root).map_err(failed)?.map(|artifact| ("artifacts/tokens", artifact));
    let mut stale = Vec::new();
    for (folder, artifact) in contracts.into_iter().chain(adapters).chain(tokens) {
        let path = directory.join(folder).join(format!("{}.json", artifact.contract_name));
        let contents = artifact.to_json();
        if fs::read_to_string(&path).ok().as_deref() != Some(contents.as_str()) {
            stale.push((path, contents));
        }
    }
    Ok(stale)
}
