//! The `quorate` binary: the composition root of nodes and networks, and every command.
//!
//! Data goes to standard output, as text or with `--json` as one JSON document; progress, logs and failures go to
//! standard error. Every failure names its cause and its mend and ends with an exit code of [`exit`].

mod amount;
mod args;
mod chain;
mod commands;
mod connection;
mod deliberate_fault;
mod deployment;
mod error;
mod exit;
mod logging;
mod network;
mod output;
mod password;
#[cfg(test)]
mod printed;
mod profile;
mod scenario;
mod sdk;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::connection::ConnectionOptions;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Format, complain, terminal};

/// A release has none of the deliberate faults that nodes of the tests run with: whoever builds one with them finds out at
/// once.
const _: () = assert!(
    !quorate_protocol::faults::COMPILED_IN || cfg!(debug_assertions),
    "the feature `faults` is for tests alone"
);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for in the same way as they are given after a mistake.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // A terminal that went away changes nothing about the outcome.
            if exit == Exit::Done {
                let _ = error.print();
            } else {
                complain(&terminal::page(&error.render().to_string()));
            }
            return exit.into();
        }
    };
    let json = cli.json || cli.command.asks_for_json();
    match run(cli, Format::json_if(json)) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            complain(&format!("{}\n", error.render(json)));
            error.exit().into()
        }
    }
}

fn run(mut cli: Cli, format: Format) -> Result<(), CliError> {
    // A node's log is set up from its configuration.
    if !matches!(cli.command, Command::Node(_)) {
        logging::start_for_command()?;
    }
    // A network of its own is entered before there are other threads, which would stay outside.
    if let Command::Chaos(chaos) = &mut cli.command {
        chaos.prepare();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::io("start", "the asynchronous runtime"))?;
    runtime.block_on(cli.command.run(format, cli.connection))
}

impl Command {
    /// Whether the command's own flag asks for JSON. The demo's takes a file and changes nothing else.
    fn asks_for_json(&self) -> bool {
        match self {
            Self::Node(command) => command.asks_for_json(),
            Self::Keys(command) => command.asks_for_json(),
            Self::Contract(command) => command.asks_for_json(),
            Self::Group(command) => command.asks_for_json(),
            Self::Propose(command) => command.output.json,
            Self::Vote(command) => command.output.json,
            Self::Decision(command) => command.output.json,
            Self::Proposals(command) => command.output.json,
            Self::Execute(command) => command.output.json,
            Self::Veto(command) => command.asks_for_json(),
            Self::Revoke(command) => command.output.json,
            Self::Escape(command) => command.output.json,
            Self::Recover(command) => command.asks_for_json(),
            Self::Anchor(command) => command.output.json,
            Self::Transaction(command) => command.output.json,
            Self::Leave(command) => command.output.json,
            Self::Bond(command) => command.asks_for_json(),
            Self::Directory(command) => command.asks_for_json(),
            Self::Audit(command) => command.asks_for_json(),
            Self::Devnet(command) => command.output.json,
            Self::Demo(_) | Self::Chaos(_) | Self::Completions(_) | Self::Guard(_) => false,
        }
    }

    async fn run(self, format: Format, options: ConnectionOptions) -> Result<(), CliError> {
        match self {
            Self::Demo(command) => command.run(format).await,
            Self::Devnet(command) => command.run(format).await,
            Self::Chaos(command) => command.run(format).await,
            Self::Node(command) => command.run(format).await,
            Self::Keys(command) => command.run(format, options.resolve()?).await,
            Self::Contract(command) => command.run(format, options.resolve()?).await,
            Self::Group(command) => command.run(format, options.resolve()?).await,
            Self::Propose(command) => command.run(format, options.resolve()?).await,
            Self::Vote(command) => command.run(format, options.resolve()?).await,
            Self::Decision(command) => command.run(format, options.resolve()?).await,
            Self::Proposals(command) => command.run(format, options.resolve()?).await,
            Self::Execute(command) => command.run(format, options.resolve()?).await,
            Self::Veto(command) => command.run(format, options.resolve()?).await,
            Self::Revoke(command) => command.run(format, options.resolve()?).await,
            Self::Escape(command) => command.run(format, options.resolve()?).await,
            Self::Recover(command) => command.run(format, options.resolve()?).await,
            Self::Anchor(command) => command.run(format, options.resolve()?).await,
            Self::Transaction(command) => command.run(format, options.resolve()?).await,
            Self::Leave(command) => command.run(format, options.resolve()?).await,
            Self::Bond(command) => command.run(format, options.resolve()?).await,
            Self::Directory(command) => command.run(format, options.resolve()?).await,
            Self::Audit(command) => command.run(format, options.resolve()?).await,
            Self::Completions(command) => command.run(),
            Self::Guard(command) => command.run().await,
        }
    }
}
