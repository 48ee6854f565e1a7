//! What can go wrong in the binary: each failure with its cause, its mend and its exit code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_node::NodeError;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::terminal;

/// What to do when nodes do not answer.
pub(crate) const SEE_NODES: &str = "see whether the nodes run and answer /readyz, then try again";

/// A failure as the command line reports it.
///
/// `Display` names the cause; [`CliError::mend`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line lacks something or contradicts itself.
    #[error("{cause}")]
    Usage {
        /// What is wrong.
        cause: String,
        /// What to write instead.
        mend: String,
    },
    /// A configuration, profile or scenario file that cannot be used.
    #[error("{}: {cause}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        cause: String,
        /// What to write instead.
        mend: String,
    },
    /// A node cannot start or go on. The message names the mend, too.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A key or its password is missing or wrong.
    #[error("{cause}")]
    Key {
        /// What is wrong.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// The chain does not answer, or answers for something else.
    #[error("{cause}")]
    Chain {
        /// What is wrong.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// A port that is taken.
    #[error("{cause}")]
    Port {
        /// Which port, and what wanted it.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// Something that was to be proven did not hold.
    #[error("verification failed: {0}")]
    Verification(String),
    /// What was compared is not what it must be, and there is something else to do about it than to ask another source.
    #[error("verification failed: {cause}")]
    Mismatch {
        /// The first difference.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// A run of `quorate chaos` broke a promise.
    #[error("{count} objections; seed {seed}, everything is kept in {}", dir.display())]
    Objections {
        /// How many.
        count: usize,
        /// What the run's faults follow from.
        seed: u64,
        /// Where data, logs and the report with its schedule are.
        dir: PathBuf,
    },
    /// The group or the contract refused.
    #[error("{cause}")]
    Refused {
        /// Why.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// A transaction may be on its way, and what it does is not to be done twice.
    #[error("{cause}")]
    InDoubt {
        /// Which transaction, and what is known of it.
        cause: String,
        /// How to find out, before anything is sent in its place.
        mend: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s{}", limit.as_secs_f32(), last.as_ref().map(|last| format!("; the last answer was: {last}")).unwrap_or_default())]
    TimeOut {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// The last thing that was seen instead.
        last: Option<String>,
    },
    /// What was asked for was not there in time, or is not there yet.
    #[error("{cause}")]
    NotYet {
        /// What, and for how long it was waited for.
        cause: String,
        /// What to do.
        mend: String,
    },
    /// A program that is needed and not installed.
    #[error("{program} was not found; looked at {}", looked_at.join(", "))]
    MissingTool {
        /// The program.
        program: &'static str,
        /// The places that were looked at, in order.
        looked_at: Vec<String>,
        /// How to get it.
        mend: String,
    },
    /// A process of a network ended by itself.
    #[error("{name} ended by itself with {status}{}", if tail.is_empty() { String::new() } else { format!("; its last words:\n{tail}") })]
    ChildEnded {
        /// Which process.
        name: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of its log.
        tail: String,
        /// The whole log.
        log: PathBuf,
    },
    /// A file or a socket failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The user ended a run that was not finished.
    #[error("interrupted")]
    Interrupted,
    /// Anything that has no variant of its own.
    #[error("{cause}")]
    Failed {
        /// What failed.
        cause: String,
        /// What to do.
        mend: String,
    },
}

impl CliError {
    /// For `map_err`: a failed file operation.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err`: a file that the user wrote and that cannot be read.
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Config {
            path: path.to_owned(),
            cause: format!("it cannot be read: {source}"),
            mend: "name an existing file".into(),
        }
    }

    /// The code that the process exits with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Config { .. } => Exit::Config,
            Self::Node(error) => Exit::from_code(error.exit_class().code()).unwrap_or(Exit::Failed),
            Self::Key { .. } => Exit::Key,
            Self::Chain { .. } => Exit::Chain,
            Self::Port { .. } => Exit::Port,
            Self::Verification(_) | Self::Mismatch { .. } | Self::Objections { .. } => Exit::Verification,
            Self::Refused { .. } => Exit::Refused,
            Self::InDoubt { .. } => Exit::InDoubt,
            Self::TimeOut { .. } | Self::NotYet { .. } => Exit::TimeOut,
            // A node is this same binary, so its exit code says more than that it ended.
            Self::ChildEnded { status, .. } => status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .and_then(Exit::from_code)
                .filter(|exit| !matches!(exit, Exit::Done | Exit::Usage))
                .unwrap_or(Exit::Failed),
            Self::MissingTool { .. } | Self::Io { .. } | Self::Interrupted | Self::Failed { .. } => {
                Exit::Failed
            }
        }
    }

    /// What to do about it, if there is anything to do.
    pub(crate) fn mend(&self) -> Option<String> {
        let mend = match self {
            Self::Usage { mend, .. }
            | Self::Config { mend, .. }
            | Self::Key { mend, .. }
            | Self::Chain { mend, .. }
            | Self::Port { mend, .. }
            | Self::Mismatch { mend, .. }
            | Self::Refused { mend, .. }
            | Self::InDoubt { mend, .. }
            | Self::NotYet { mend, .. }
            | Self::MissingTool { mend, .. }
            | Self::Failed { mend, .. } => mend.clone(),
            Self::Verification(_) => "trust nothing that this source says; ask another node".into(),
            Self::Objections { seed, dir, .. } => {
                format!(
                    "read {} and the nodes' logs; `quorate chaos --seed {seed}` brings the same faults",
                    dir.join("chaos.json").display()
                )
            }
            Self::TimeOut { .. } => SEE_NODES.into(),
            Self::ChildEnded { log, .. } => format!("read {}", log.display()),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => "see whether the path is right".into(),
                std::io::ErrorKind::PermissionDenied => "see who owns the path and who may use it".into(),
                std::io::ErrorKind::StorageFull => "make room on the disk".into(),
                _ => return None,
            },
            Self::Node(_) | Self::Interrupted => return None,
        };
        Some(mend)
    }

    /// The failure as it is printed: cause and mend in words, or both as one line of JSON.
    pub(crate) fn render(&self, json: bool) -> String {
        if json {
            let report = Report {
                error: Body { exit_code: self.exit().code(), message: self.to_string(), mend: self.mend() },
            };
            let report = serde_json::to_string(&report).expect("strings and numbers are JSON");
            return terminal::json(&report).into_owned();
        }
        let text = match self.mend() {
            Some(mend) => format!("error: {self}\n mend: {mend}"),
            None => format!("error: {self}"),
        };
        terminal::page(&text).into_owned()
    }
}

#[derive(Serialize)]
struct Report {
    error: Body,
}

#[derive(Serialize)]
struct Body {
    exit_code: u8,
    message: String,
    mend: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn ended(raw: i32) -> CliError {
        CliError::ChildEnded {
            name: "node 1".into(),
            status: std::process::ExitStatus::from_raw(raw),
            tail: String::new(),
            log: "node.log".into(),
        }
    }

    #[test]
    fn a_node_passes_its_exit_code_on() {
        assert_eq!(ended(7 << 8).exit(), Exit::Port);
        assert_eq!(ended(4 << 8).exit(), Exit::Data);
        // A clean end that nobody asked for, a wrong command line that we wrote, and a signal are failures.
        assert_eq!(ended(0).exit(), Exit::Failed);
        assert_eq!(ended(2 << 8).exit(), Exit::Failed);
        assert_eq!(ended(9).exit(), Exit::Failed);
    }

    #[test]
    fn a_node_s_failure_has_the_code_of_its_class() {
        let in_use = CliError::from(NodeError::DataInUse { dir: "data".into() });
        assert_eq!(in_use.exit(), Exit::Data);
        let chain = CliError::from(NodeError::Chain { rpc_url: "http://a".into(), detail: "silent".into() });
        assert_eq!(chain.exit(), Exit::Chain);
        let fault = CliError::from(NodeError::Invariant("a contradiction".into()));
        assert_eq!(fault.exit(), Exit::Failed);
    }

    #[test]
    fn a_failure_prints_cause_and_mend() {
        let error = CliError::Key { cause: "no key in keys/".into(), mend: "quorate keys new".into() };
        assert_eq!(error.render(false), "error: no key in keys/\n mend: quorate keys new");
        let json: serde_json::Value = serde_json::from_str(&error.render(true)).unwrap();
        assert_eq!(json["error"]["exit_code"], 5);
        assert_eq!(json["error"]["mend"], "quorate keys new");
    }

    #[test]
    fn a_time_out_says_what_was_seen_last() {
        let error = CliError::TimeOut {
            what: "node 2 being ready".into(),
            limit: Duration::from_secs(5),
            last: Some("connection refused".into()),
        };
        assert_eq!(error.exit(), Exit::TimeOut);
        assert_eq!(
            error.to_string(),
            "node 2 being ready did not happen within 5 s; the last answer was: connection refused"
        );
    }
}
