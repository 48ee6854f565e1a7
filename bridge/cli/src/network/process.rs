//! A child process: start, watch, stop, kill. None outlives this process (see [`super`]).

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use crate::error::CliError;

/// How long a child may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How many bytes of a log are quoted when a child has ended by itself.
const TAIL_BYTES: u64 = 2_000;

/// A running child. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    /// The line whose end tells the child to end.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts this same binary with `arguments`; what it prints is appended to `log`.
    ///
    /// The arguments must make it end when its standard input ends.
    pub(crate) fn start(name: &str, arguments: &[&str], log: &Path) -> Result<Self, CliError> {
        Self::start_in(None, name, arguments, log)
    }

    /// As [`Self::start`], in a network namespace.
    pub(crate) fn start_in(
        namespace: Option<&str>,
        name: &str,
        arguments: &[&str],
        log: &Path,
    ) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(CliError::io("find", "this program"))?;
        // `ip` enters the namespace and becomes the program, so the child is still the program itself.
        let mut command = match namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = open().map_err(CliError::io("open", log))?;
        let errors = output.try_clone().map_err(CliError::io("open", log))?;
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C in a terminal reaches the foreground's process group; children are to be stopped by us, in order.
            .process_group(0)
            .spawn()
            .map_err(CliError::io("start", &program))?;
        let lifeline = child.stdin.take();
        Ok(Self { name: name.to_owned(), log: log.to_owned(), child, lifeline })
    }

    /// The process's id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fails when the child has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), CliError> {
        match self.child.try_wait().map_err(CliError::io("watch", &self.name))? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// Tells the child to end, without waiting for it.
    pub(crate) fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// Lets the child end in order; kills it when it takes too long.
    pub(crate) async fn stop(&mut self) -> Result<(), CliError> {
        self.let_go();
        match tokio::time::timeout(GRACE, self.child.wait()).await {
            Ok(status) => status.map(drop).map_err(CliError::io("wait for", &self.name)),
            Err(_) => self.kill().await,
        }
    }

    /// Kills the child with SIGKILL: it can neither answer nor tidy up.
    pub(crate) async fn kill(&mut self) -> Result<(), CliError> {
        self.child.kill().await.map_err(CliError::io("kill", &self.name))
    }

    /// Sends the child a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), CliError> {
        let Some(id) = self.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return Ok(()) };
        kill_process(id, signal).map_err(|error| CliError::io("signal", &self.name)(error.into()))
    }

    fn ended(&self, status: ExitStatus) -> CliError {
        let tail = tail(&self.log).unwrap_or_default();
        CliError::ChildEnded { name: self.name.clone(), status, tail, log: self.log.clone() }
    }
}

impl Drop for Process {
    /// Waits for the child, so that nothing is left behind even when a run fails half-way.
    fn drop(&mut self) {
        self.let_go();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > GRACE {
                // All that can be done; the process is gone or is not ours any more.
                let _ = self.child.start_kill();
                let _ = self.child.try_wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = if length > TAIL_BYTES { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_long_log_starts_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, "short\nlog\n").unwrap();
        assert_eq!(tail(&log).unwrap(), "short\nlog");

        let lines: String = (0..1_000).map(|line| format!("line number {line}\n")).collect();
        std::fs::write(&log, lines).unwrap();
        let tail = tail(&log).unwrap();
        assert!(tail.starts_with("line number "), "{tail}");
        assert!(tail.ends_with("line number 999"), "{tail}");
    }
}
