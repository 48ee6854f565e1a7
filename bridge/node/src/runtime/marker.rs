//! What a key remembers when its node's data directory is gone: that it has spoken, until which epoch, and the last
//! checkpoint that it signed.
//!
//! A replica that lost its write-ahead log could contradict what it said. It cannot know that it lost
//! anything when the whole data directory is gone, so a small file beside the keystore says so. The checkpoint is what
//! keeps a replica from signing one that the contract would convict it for: it is durable before the signature
//! leaves, and a file that is damaged stops the node.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use quorate_protocol::{Checkpoint, Digest, Epoch, GroupId, codec};
use serde::{Deserialize, Serialize};

use crate::error::NodeError;

/// What stands in the file for people.
const ABOUT: &str = "What this key has said: the last epoch that it spoke in, and the last checkpoint that it signed. \
                     Keep it with the keystore, and never bring back an older copy: a node that forgets what its key \
                     signed could contradict it, and be convicted for that.";

/// What a key has said in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    /// The last epoch in which it has spoken.
    pub(super) epoch: Option<Epoch>,
    /// The last checkpoint that it signed.
    pub(super) signed: Option<Checkpoint>,
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    about: String,
    epoch: Option<Epoch>,
    signed: Option<Checkpoint>,
    /// [`checksum`] of the two.
    checksum: Digest,
}

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

    /// What the key has said.
    ///
    /// # Errors
    /// [`NodeError::Storage`] when the file cannot be read, [`NodeError::DataCorrupt`] when it is not as it was
    /// written.
    pub(super) fn read(&self) -> Result<Spoken, NodeError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Spoken::default()),
            Err(error) => return Err(NodeError::storage("read", &self.0)(error)),
        };
        let corrupt = |detail: String| NodeError::DataCorrupt { path: self.0.clone(), detail };
        let content: Content = serde_json::from_str(&text)
            .map_err(|error| corrupt(format!("it is not as it was written: {error}")))?;
        let spoken = Spoken { epoch: content.epoch, signed: content.signed };
        if checksum(&spoken) != content.checksum {
            return Err(corrupt("its checksum does not fit what it says".into()));
        }
        Ok(spoken)
    }

    /// Makes it durable that the key speaks in `epoch`.
    ///
    /// # Errors
    /// As [`Self::read`], and when the file cannot be written.
    pub(super) fn speaks_in(&self, epoch: Epoch) -> Result<(), NodeError> {
        let known = self.read()?;
        if known.epoch >= Some(epoch) {
            return Ok(());
        }
        self.write(&Spoken { epoch: Some(epoch), ..known })
    }

    /// Makes it durable that the key signs `checkpoint`, and nothing that does not follow it from here on.
    ///
    /// # Errors
    /// As [`Self::speaks_in`].
    pub(super) fn signs(&self, checkpoint: &Checkpoint) -> Result<(), NodeError> {
        let known = self.read()?;
        if known.signed.as_ref() == Some(checkpoint) {
            return Ok(());
        }
        self.write(&Spoken { signed: Some(checkpoint.clone()), ..known })
    }

    fn write(&self, spoken: &Spoken) -> Result<(), NodeError> {
        let Spoken { epoch, signed } = spoken.clone();
        let content = Content { about: ABOUT.into(), epoch, signed, checksum: checksum(spoken) };
        let unfinished = self.0.with_extension("unfinished");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&unfinished)?;
            serde_json::to_writer_pretty(&mut file, &content)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.0)?;
            let dir = self.0.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(dir)?.sync_all()
        };
        write().map_err(NodeError::storage("write to", &self.0))
    }
}

fn checksum(spoken: &Spoken) -> Digest {
    Digest::of(&[b"quorate spoken", &codec::encode(&(spoken.epoch, &spoken.signed))])
}

#[cfg(test)]
mod tests {
    use quorate_protocol::Sequence;

    use super::*;

    fn checkpoint(sequence: u64) -> Checkpoint {
        Checkpoint {
            group: GroupId::from([7; 32]),
            epoch: Epoch(1 << 32 | 3),
            sequence: Sequence(sequence),
            log_size: 100,
            log_root: Digest::from([1; 32]),
            state_root: Digest::from([2; 32]),
            inbox_count: 5,
            inbox_hash: Digest::from([3; 32]),
            next_members_hash: Digest::default(),
        }
    }

    #[test]
    fn a_key_remembers_what_it_said_in_each_group() {
        let dir = tempfile::tempdir().unwrap();
        let keystore = dir.path().join("agent.json");
        let marker = SpokenMarker::beside(&keystore, &GroupId::from([7; 32]));
        let other = SpokenMarker::beside(&keystore, &GroupId::from([8; 32]));
        assert_eq!(marker.read().unwrap(), Spoken::default());
        marker.speaks_in(Epoch(3)).unwrap();
        marker.speaks_in(Epoch(1)).unwrap();
        assert_eq!(marker.read().unwrap(), Spoken { epoch: Some(Epoch(3)), signed: None });
        assert_eq!(other.read().unwrap(), Spoken::default());
        for sequence in [8, 16] {
            marker.signs(&checkpoint(sequence)).unwrap();
        }
        marker.speaks_in(Epoch(4)).unwrap();
        assert_eq!(marker.read().unwrap(), Spoken { epoch: Some(Epoch(4)), signed: Some(checkpoint(16)) });
    }

    #[test]
    fn no_byte_of_the_file_can_be_changed_or_lost_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let marker = SpokenMarker::beside(&dir.path().join("agent.json"), &GroupId::from([7; 32]));
        marker.speaks_in(Epoch(3)).unwrap();
        marker.signs(&checkpoint(8)).unwrap();
        let (spoken, whole) = (marker.read().unwrap(), fs::read(&marker.0).unwrap());
        let says_else = |bytes: &[u8]| {
            fs::write(&marker.0, bytes).unwrap();
            match marker.read() {
                Err(NodeError::DataCorrupt { .. } | NodeError::Storage { .. }) => false,
                other => other.unwrap() != spoken,
            }
        };
        for length in 0..whole.len() {
            assert!(!says_else(&whole[..length]), "the first {length} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(!says_else(&changed), "byte {at}");
        }
        fs::write(&marker.0, "soon").unwrap();
        assert!(matches!(marker.read(), Err(NodeError::DataCorrupt { .. })));
    }
}
