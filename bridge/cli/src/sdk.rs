//! What the commands need of the SDK: keys, a client, and its failures in the words of the command line.

use quorate_protocol::ReceiptError;
use quorate_protocol::api::ErrorCode;
use quorate_sdk::audit::{Fault, Finding};
use quorate_sdk::{Agent, Client, SdkError};

use crate::connection::Connection;
use crate::error::{CliError, SEE_NODES};
use crate::password::{self, Purpose};

/// Opens the keys to act with.
pub(crate) async fn agent(connection: &Connection) -> Result<Agent, CliError> {
    let dir = connection.keys()?.to_owned();
    let password = password::obtain(connection.password_file(), Purpose::Open)?;
    blocking(move || Agent::open(dir, &password)).await
}

/// Connects to the group: its members come from the contract, and no node is trusted.
pub(crate) async fn client(connection: &Connection) -> Result<Client, CliError> {
    let nodes = connection.nodes()?.iter().map(String::as_str);
    let mut builder = Client::builder().nodes(nodes);
    if let Some(expiry) = connection.expiry() {
        builder = builder.expiry(expiry);
    }
    Ok(builder.connect(connection.rpc()?, connection.contract()?.0, connection.group()?).await?)
}

/// Runs what takes long on a processor, such as opening a keystore, beside the asynchronous work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SdkError> + Send + 'static,
) -> Result<T, CliError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.expect("the work neither panics nor is aborted")?)
}

/// What an audit found, in words that name the entry once.
pub(crate) fn finding_text(finding: &Finding) -> String {
    match &finding.fault {
        // A record's own contradiction names its entry already.
        Fault::Record(fault) => fault.reason.clone(),
        _ => finding.to_string(),
    }
}

/// What to do about a condition that nodes report.
fn mend_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownAgent => {
            "act with the keys of a member of the group, or let a voter admit the agent"
        }
        ErrorCode::WrongKey => {
            "act with the key that the contract names for the account (quorate group show)"
        }
        ErrorCode::NonceReused | ErrorCode::NonceTooOld | ErrorCode::NonceTooFar => {
            "run the command again; it takes a new number"
        }
        ErrorCode::Expired => {
            "set this machine's clock, which is behind the nodes', and run the command again; or give it longer with --expires-in"
        }
        ErrorCode::RateLimited | ErrorCode::Busy => "wait a moment and run the command again",
        ErrorCode::NotReady | ErrorCode::Diverged | ErrorCode::Internal => {
            "ask other nodes (--node), and see the nodes' logs"
        }
        ErrorCode::NotFound => "check --group and what the command names",
        _ => "see what the node says above",
    }
}

impl From<SdkError> for CliError {
    fn from(error: SdkError) -> Self {
        let cause = error.to_string();
        match error {
            SdkError::Reader(error) => error.into(),
            SdkError::WrongPassword { .. } => {
                Self::Key { cause, mend: "name the file with the right password with --password-file".into() }
            }
            SdkError::KeyMissing { .. } => Self::Key {
                cause,
                mend: "name the directory of the keys with --keys, or make some with `quorate keys new`"
                    .into(),
            },
            SdkError::KeyExists { .. } => Self::Key {
                cause,
                mend: "name another directory with --keys, or add --overwrite if the keys there may be lost"
                    .into(),
            },
            SdkError::Keystore { .. } | SdkError::KeyMismatch { .. } | SdkError::InvalidSecret(_) => {
                Self::Key { cause, mend: "restore the keys from a copy, or import them again".into() }
            }
            SdkError::File { path, source } => Self::Io { action: "use", path, source },
            SdkError::Configuration(_) | SdkError::TooLarge { .. } | SdkError::InvalidProposal(_) => {
                Self::Usage { cause, mend: "see the options of the command with --help".into() }
            }
            SdkError::UnknownAgent(_) => {
                Self::Refused { cause, mend: mend_of(ErrorCode::UnknownAgent).into() }
            }
            SdkError::Refused { .. } => {
                Self::Refused { cause, mend: "the entry proves why; change the command accordingly".into() }
            }
            SdkError::MembersChange(_) => Self::Refused {
                cause,
                mend: "see the members and the policy with `quorate group show`, and change the command accordingly"
                    .into(),
            },
            SdkError::Rejected { code, .. } => Self::Refused { cause, mend: mend_of(code).into() },
            SdkError::Reverted { .. } => {
                Self::Refused { cause, mend: "see contracts/src/Errors.sol for what the reason means".into() }
            }
            SdkError::Unconfirmed { .. } => Self::NotYet {
                cause,
                mend: format!(
                    "{SEE_NODES}; the command may still take effect until it expires, so look for it in `quorate audit list` first"
                ),
            },
            SdkError::NoAnswer { .. } | SdkError::Undecided { .. } => {
                Self::NotYet { cause, mend: SEE_NODES.into() }
            }
            SdkError::InDoubt { tx_hash, .. } => Self::InDoubt {
                cause,
                mend: format!(
                    "do not run the command again before you know what became of it: `quorate transaction {tx_hash} --wait 600` tells"
                ),
            },
            SdkError::NotSent(_) => Self::Chain {
                cause,
                mend: "see that the account of --keys has funds for the value and the gas; nothing was paid".into(),
            },
            SdkError::GroupAhead { ahead, .. } => Self::Refused {
                cause,
                mend: format!(
                    "if this machine's clock is wrong, set it; if it is right, the group's replicas had a wrong one, and it \
                     takes commands as ever when its time has come: until then add --expires-in {}, and note that such a \
                     command stays valid for as long",
                    ahead.as_secs() + 600
                ),
            },
            SdkError::FalseVoting { .. } => Self::Refused {
                cause,
                mend: "ask other nodes (--node), more than a third of them; if the members changed, propose it again"
                    .into(),
            },
            SdkError::NotExecutable(_) => {
                Self::Refused { cause, mend: "see what became of it with `quorate decision`".into() }
            }
            SdkError::NothingToAnchor { .. } => Self::NotYet {
                cause,
                mend: "wait for the group's next checkpoint; ask other nodes (--node)".into(),
            },
            SdkError::OtherInbox { .. } => Self::Refused {
                cause,
                mend: "ask nodes that follow the chain (--node); if all say so, the voters recover the group (quorate recover)".into(),
            },
            SdkError::Objection { .. } => Self::Refused {
                cause,
                mend: "leave it out, and let the voter sign again with `quorate veto sign`".into(),
            },
            SdkError::Receipt(ReceiptError::NotAnchored { .. }) => Self::Mismatch {
                cause,
                mend: "fetch the receipt again: the chain may have lost that anchor, or the endpoint (--rpc) may be behind; else it is forged"
                    .into(),
            },
            SdkError::Moved { .. } => Self::Refused {
                cause,
                mend: "see what became of it on-chain with `quorate decision`".into(),
            },
            SdkError::Receipt(_)
            | SdkError::Handover(_)
            | SdkError::UnexpectedOutcome { .. }
            | SdkError::Export(_) => Self::Verification(cause),
            SdkError::NotWritten(_) => {
                Self::Failed { cause, mend: "see that its folder has room and may be written to".into() }
            }
            SdkError::ChainUnreachable(_) => crate::chain::unreachable_chain(cause),
            _ => Self::Failed { cause, mend: "see the options of the command with --help".into() },
        }
    }
}
