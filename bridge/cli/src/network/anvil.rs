//! The chain of a network on one machine: anvil, from the contracts' pinned packages.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::providers::Provider as _;

use crate::chain;
use crate::error::CliError;
use crate::network::process::Process;
use crate::network::wait::{Look, wait_for};

/// The variable that names the binary.
const VARIABLE: &str = "QUORATE_ANVIL";
/// Where the pinned package keeps the binary of this platform, below the repository.
const PACKAGE_DIR: &str = "contracts/node_modules/@foundry-rs";
/// How long anvil may take to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running anvil.
#[derive(Debug)]
pub(crate) struct Anvil {
    /// The guard that anvil runs under.
    pub(crate) process: Process,
    /// Where it answers.
    pub(crate) url: String,
}

impl Anvil {
    /// Starts anvil at `address` with a block every `block_time` and waits until it answers. The chain goes on from
    /// `state` if there is such a file; there it is written when anvil is stopped in order.
    pub(crate) async fn start(
        address: SocketAddr,
        block_time: Duration,
        state: &Path,
        log: &Path,
    ) -> Result<Self, CliError> {
        let binary = find()?;
        let (binary, state) = (plain(&binary)?, plain(state)?);
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let block_time = block_time.as_secs_f64().to_string();
        let arguments = [
            "guard",
            "--",
            binary,
            "--host",
            &host,
            "--port",
            &port,
            "--block-time",
            &block_time,
            "--state",
            state,
        ];
        let mut process = Process::start("anvil", &arguments, log)?;
        let url = format!("http://{address}");
        let provider = chain::connect(&url)?;
        wait_for("an answer of anvil", START_LIMIT, async || {
            process.check()?;
            Ok(match provider.get_chain_id().await {
                Ok(_) => Look::Found(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        Ok(Self { process, url })
    }
}

/// A path as an argument of anvil's command line.
fn plain(path: &Path) -> Result<&str, CliError> {
    path.to_str().ok_or_else(|| CliError::Usage {
        cause: format!("the path {} is not UTF-8", path.display()),
        mend: "name directories of plain characters".into(),
    })
}

/// Finds the binary: by [`VARIABLE`], in the pinned package below the working directory or the sources that this
/// binary was built from, and in `PATH`.
pub(crate) fn find() -> Result<PathBuf, CliError> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let package = Path::new(PACKAGE_DIR).join(platform_package()).join("bin/anvil");
    find_in(std::env::var_os(VARIABLE), &[package.clone(), sources.join(package)], std::env::var_os("PATH"))
}

fn find_in(
    named: Option<OsString>,
    packaged: &[PathBuf],
    path: Option<OsString>,
) -> Result<PathBuf, CliError> {
    let missing = |looked_at| CliError::MissingTool {
        program: "anvil",
        looked_at,
        mend: format!("run `make setup` in the repository, or set {VARIABLE} to the binary"),
    };
    // Who names a binary wants that one and no other.
    if let Some(named) = named {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(missing(vec![named.display().to_string()])) };
    }
    if let Some(found) = packaged.iter().find(|candidate| candidate.is_file()) {
        return Ok(found.clone());
    }
    let path = path.unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).map(|dir| dir.join("anvil")).find(|file| file.is_file())
    {
        return Ok(found);
    }
    let looked_at = packaged.iter().map(|candidate| candidate.display().to_string());
    Err(missing(looked_at.chain(["PATH".to_owned()]).collect()))
}

/// The npm package with anvil's binary for this platform.
fn platform_package() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("anvil-{system}-{processor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_binary_is_taken_or_missed_but_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (named, packaged) = (dir.path().join("named"), dir.path().join("packaged"));
        std::fs::write(&packaged, "").unwrap();
        let error = find_in(Some(named.clone().into()), std::slice::from_ref(&packaged), None).unwrap_err();
        assert!(error.mend().unwrap().contains("make setup"), "{error}");
        std::fs::write(&named, "").unwrap();
        assert_eq!(
            find_in(Some(named.clone().into()), std::slice::from_ref(&packaged), None).unwrap(),
            named
        );
        assert_eq!(find_in(None, std::slice::from_ref(&packaged), None).unwrap(), packaged);
    }

    #[test]
    fn the_path_comes_last_and_an_error_names_every_place() {
        let dir = tempfile::tempdir().unwrap();
        let packaged = dir.path().join("packaged");
        let path = Some(dir.path().as_os_str().to_owned());
        let error = find_in(None, std::slice::from_ref(&packaged), path.clone()).unwrap_err().to_string();
        assert!(error.contains(&packaged.display().to_string()) && error.contains("PATH"), "{error}");
        std::fs::write(dir.path().join("anvil"), "").unwrap();
        assert_eq!(find_in(None, &[packaged], path).unwrap(), dir.path().join("anvil"));
    }
}
