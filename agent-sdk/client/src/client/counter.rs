//! The next nonce of an agent as all processes of this machine count it, in a file beside its keystore.
//!
//! The file is a hint that keeps processes with one key out of each other's way. It holds nothing that must not be lost:
//! where it is missing, cannot be written, or is wrong, commands meet a nonce that is used and are signed again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use quorate_protocol::{GroupId, Nonce};

/// The directory of the files, in that of the keystore.
const DIRECTORY: &str = "nonces";

/// The count of one agent in one group.
#[derive(Clone, Debug)]
pub(super) struct SharedCounter(PathBuf);

impl SharedCounter {
    /// The counter beside the keystore in `home`.
    pub(super) fn new(home: &Path, group: GroupId) -> Self {
        Self(home.join(DIRECTORY).join(group.to_string()))
    }

    /// Takes a nonce that no other process of this machine takes: the file's next one, or `least` if that is higher.
    /// `least` itself where the file cannot be used.
    pub(super) async fn take(&self, least: Nonce) -> Nonce {
        self.update(least, move |next| next.max(least.0)).await
    }

    /// Has the count go on behind `next`, whatever it was: it was wrong.
    pub(super) async fn restart(&self, next: Nonce) -> Nonce {
        self.update(next, move |_| next.0).await
    }

    async fn update(&self, unshared: Nonce, choose: impl FnOnce(u64) -> u64 + Send + 'static) -> Nonce {
        let path = self.0.clone();
        // Another process holds the lock for the time of a short write.
        let taken = tokio::task::spawn_blocking(move || take(&path, choose)).await;
        match taken.expect("counting neither panics nor is aborted") {
            Ok(nonce) => Nonce(nonce),
            Err(error) => {
                tracing::debug!(path = %self.0.display(), %error, "nonces are not shared with other processes");
                unshared
            }
        }
    }
}

fn take(path: &Path, choose: impl FnOnce(u64) -> u64) -> io::Result<u64> {
    let mut file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            open(path)?
        }
        other => other?,
    };
    file.lock()?;
    let mut text = String::new();
    (&file).take(32).read_to_string(&mut text)?;
    // A file that was cut off by a crash counts from anew.
    let nonce = choose(text.trim().parse().unwrap_or(0));
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(nonce.saturating_add(1).to_string().as_bytes())?;
    Ok(nonce)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_nonce_is_taken_twice() {
        let dir = tempfile::tempdir().unwrap();
        let counter = SharedCounter::new(dir.path(), GroupId::from([7; 32]));
        let takers: Vec<_> = (0..32)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move { counter.take(Nonce(5)).await.0 })
            })
            .collect();
        let mut taken = Vec::new();
        for taker in takers {
            taken.push(taker.await.unwrap());
        }
        taken.sort_unstable();
        assert_eq!(taken, (5..37).collect::<Vec<_>>());
        assert_eq!(counter.take(Nonce(100)).await, Nonce(100));
        assert_eq!(counter.restart(Nonce(3)).await, Nonce(3));
        assert_eq!(counter.take(Nonce(0)).await, Nonce(4));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_done_without() {
        let dir = tempfile::tempdir().unwrap();
        let in_the_way = dir.path().join("home");
        std::fs::write(&in_the_way, "a file").unwrap();
        let counter = SharedCounter::new(&in_the_way, GroupId::from([7; 32]));
        assert_eq!(counter.take(Nonce(5)).await, Nonce(5));

        let counter = SharedCounter::new(dir.path(), GroupId::from([7; 32]));
        counter.take(Nonce(5)).await;
        std::fs::write(&counter.0, "no number").unwrap();
        assert_eq!(counter.take(Nonce(6)).await, Nonce(6));
    }
}
