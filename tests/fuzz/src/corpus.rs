//! The inputs in the repository: `corpus/<target>/` and `regressions/<target>/`, a file each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::targets::Target;

/// A valid encoding that mutations start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Its file's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Seed {
    /// A seed in a file called `name`.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where a target's seeds lie.
pub fn seeds_dir(target: &Target) -> PathBuf {
    root().join("corpus").join(target.name)
}

/// Where the inputs lie that broke something in a target.
pub fn regressions_dir(target: &Target) -> PathBuf {
    root().join("regressions").join(target.name)
}

/// The files of a directory by name; none if there is no such directory.
///
/// # Errors
/// When the disk fails.
pub fn read(dir: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let items = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        items => items?,
    };
    items
        .map(|item| {
            let item = item?;
            Ok((item.file_name().to_string_lossy().into_owned(), fs::read(item.path())?))
        })
        .collect()
}

/// Every input of a target in the repository: its seeds, then its regressions.
///
/// # Errors
/// When the disk fails.
pub fn inputs(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let (seeds, regressions) = (read(&seeds_dir(target))?, read(&regressions_dir(target))?);
    Ok(seeds.into_values().chain(regressions.into_values()).collect())
}

/// Writes a target's seeds into the repository, in place of those that are there.
///
/// # Errors
/// When the disk fails.
pub fn write(target: &Target) -> io::Result<()> {
    let dir = seeds_dir(target);
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    (target.seeds)().iter().try_for_each(|seed| fs::write(dir.join(&seed.name), &seed.bytes))
}
