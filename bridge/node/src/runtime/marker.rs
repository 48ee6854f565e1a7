//! What a key remembers when its node's data directory is gone: that it has spoken, and until which epoch.
//!
//! A replica that lost its write-ahead log could contradict what it said. It cannot know that it lost
//! anything when the whole data directory is gone, so a small file beside the keystore says so.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use quorate_protocol::{Epoch, GroupId};

use crate::error::NodeError;

/// The file beside a keystore, of one group.
#[derive(Clone, Debug)]
pub(super) struct SpokenMarker(PathBuf);

impl SpokenMarker {
    /// The marker of the key in `keystore` for `group`.
    pub(super) fn beside(keystore: &Path, group: &GroupId) -> Self {
        let mut name = keystore.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:.16}.spoken", group.to_string().trim_start_matches("0x")));
        Self(keystore.with_file_name(name))
    }

    /// The last epoch in which the key has spoken.
    ///
    /// # Errors
    /// [`NodeError::Storage`] when the file cannot be read, [`NodeError::DataCorrupt`] when it says something
    /// else.
    pub(super) fn read(&self) -> Result<Option<Epoch>, NodeError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NodeError::storage("read", &self.0)(error)),
        };
        let epoch = text.lines().next().and_then(|line| line.trim().parse().ok()).map(Epoch);
        let detail = || "it should hold the number of an epoch in its first line".into();
        epoch.map(Some).ok_or_else(|| NodeError::DataCorrupt { path: self.0.clone(), detail: detail() })
    }

    /// Makes it durable that the key speaks in `epoch`.
    ///
    /// # Errors
    /// As [`Self::read`], and when the file cannot be written.
    pub(super) fn write(&self, epoch: Epoch) -> Result<(), NodeError> {
        if self.read()?.is_some_and(|known| known >= epoch) {
            return Ok(());
        }
        let unfinished = self.0.with_extension("unfinished");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&unfinished)?;
            writeln!(file, "{epoch}")?;
            writeln!(
                file,
                "The last epoch in which this key has spoken. Keep it with the keystore: without it, a node \
                 that lost its data could contradict itself."
            )?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.0)?;
            let dir = self.0.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(dir)?.sync_all()
        };
        write().map_err(NodeError::storage("write to", &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_remembers_the_last_epoch_of_each_group() {
        let dir = tempfile::tempdir().unwrap();
        let keystore = dir.path().join("agent.json");
        let marker = SpokenMarker::beside(&keystore, &GroupId::from([7; 32]));
        let other = SpokenMarker::beside(&keystore, &GroupId::from([8; 32]));
        assert_eq!(marker.read().unwrap(), None);
        marker.write(Epoch(3)).unwrap();
        marker.write(Epoch(1)).unwrap();
        assert_eq!((marker.read().unwrap(), other.read().unwrap()), (Some(Epoch(3)), None));
        marker.write(Epoch(4)).unwrap();
        assert_eq!(marker.read().unwrap(), Some(Epoch(4)));

        fs::write(&marker.0, "soon").unwrap();
        assert!(matches!(marker.read(), Err(NodeError::DataCorrupt { .. })));
    }
}
