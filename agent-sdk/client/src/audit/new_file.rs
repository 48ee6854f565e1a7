//! A file that appears under its name as a whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::SdkError;

/// A file in the making. What has its name stays as it is until [`Self::keep`]; a file that is not kept leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    out: BufWriter<File>,
    path: PathBuf,
    /// Where it is written until it is kept; nothing for what is no file, such as a terminal, and is written to at once.
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Begins a file that is to be at `path`, in the same directory. A link is followed.
    ///
    /// # Errors
    /// [`SdkError::File`].
    pub fn create(path: &Path) -> Result<Self, SdkError> {
        let failed = |source| SdkError::File { path: path.to_owned(), source };
        let existing = fs::metadata(path).ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file() && !existing.is_dir()) {
            let out = BufWriter::new(File::options().write(true).open(path).map_err(failed)?);
            return Ok(Self { out, path: path.to_owned(), temporary: None });
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = target.file_name().filter(|_| !target.is_dir());
        let mut hidden = OsString::from(".");
        hidden.push(name.ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?);
        hidden.push(format!(".{:016x}.new", rand::random::<u64>()));
        let temporary = target.with_file_name(hidden);
        let file = File::create_new(&temporary).map_err(failed)?;
        let new = Self { out: BufWriter::new(file), path: target, temporary: Some(temporary) };
        if let Some(existing) = existing {
            new.out.get_ref().set_permissions(existing.permissions()).map_err(failed)?;
        }
        Ok(new)
    }

    /// Makes it durable, and gives it its name in place of what had it.
    ///
    /// # Errors
    /// [`SdkError::File`]. Then what had the name is still there.
    pub fn keep(mut self) -> Result<(), SdkError> {
        self.put_in_place().map_err(|source| SdkError::File { path: self.path.clone(), source })
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        self.out.flush()?;
        let Some(temporary) = &self.temporary else { return Ok(()) };
        self.out.get_ref().sync_all()?;
        fs::rename(temporary, &self.path)?;
        self.temporary = None;
        // Directories cannot be synced everywhere.
        #[cfg(unix)]
        if let Some(dir) = self.path.parent() {
            File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What remains of it is of no use.
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_replaces_another_when_it_is_kept_and_leaves_nothing_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.export");
        for content in ["old", "new"] {
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(content.as_bytes()).unwrap();
            file.keep().unwrap();
        }
        let mut lost = NewFile::create(&path).unwrap();
        lost.write_all(b"half").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        drop(lost);
        assert_eq!(
            (fs::read(&path).unwrap(), names(dir.path())),
            (b"new".to_vec(), vec!["log.export".into()])
        );
        assert!(NewFile::create(dir.path()).is_err(), "a directory");
        assert_eq!(names(dir.path()), ["log.export"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_what_is_no_file_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.write_all(b"new").unwrap();
        new.keep().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");

        let mut device = NewFile::create(Path::new("/dev/null")).unwrap();
        device.write_all(b"anything").unwrap();
        device.keep().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
