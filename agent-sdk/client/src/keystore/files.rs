//! Files that only their owner can read, bounded when read and durable when written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::error::SdkError;

/// The most bytes of a keystore file; real ones have less than one kilobyte.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Makes a directory, and its parents, with mode 0700. One that exists is left as it is.
pub(super) fn make_dir(dir: &Path) -> Result<(), SdkError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| SdkError::File { path: dir.to_owned(), source })
}

/// Reads a small file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, SdkError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
            let reason = format!("it is longer than {MAX_FILE_BYTES} bytes");
            Err(SdkError::Keystore { path: path.to_owned(), reason })
        }
        Ok(bytes) => Ok(bytes),
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => {
            Err(SdkError::KeyMissing { path: path.to_owned() })
        }
        Err(source) => Err(SdkError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file of mode 0600 as a whole: a crash leaves the old content, or nothing, under its name.
pub(super) fn write(path: &Path, content: &[u8], overwrite: bool) -> Result<(), SdkError> {
    let temporary = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let result = write_new(&temporary, content).and_then(|()| {
        // A hard link, unlike a rename, never replaces what somebody else made meanwhile.
        if overwrite { fs::rename(&temporary, path) } else { fs::hard_link(&temporary, path) }
    });
    // Already gone after a rename; what remains after an error is of no use.
    let _ = fs::remove_file(&temporary);
    result.and_then(|()| sync_dir(path)).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SdkError::KeyExists { path: path.to_owned() },
        _ => SdkError::File { path: path.to_owned(), source },
    })
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the file's name durable. Directories cannot be synced everywhere.
fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()?;
    }
    Ok(())
}
