//! `quorate guard`: runs a program that knows nothing of lifelines and kills it when standard input ends.

use std::ffi::OsString;
use std::process::Stdio;

use clap::Args;

use crate::error::CliError;
use crate::network::lifeline::standard_input_closed;
use crate::signals;

/// Runs a program until it ends, standard input ends, or a signal says so.
#[derive(Debug, Args)]
pub(crate) struct Guard {
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    program: Vec<OsString>,
}

impl Guard {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let (program, arguments) = self.program.split_first().expect("clap requires a program");
        let end = signals::end_asked_for();
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(CliError::io("start", program))?;
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(CliError::io("wait for", program))?;
                Err(CliError::Failed {
                    cause: format!("{} ended by itself with {status}", program.display()),
                    mend: "read what it printed above".into(),
                })
            }
            _ = standard_input_closed() => child.kill().await.map_err(CliError::io("kill", program)),
            () = end => child.kill().await.map_err(CliError::io("kill", program)),
        }
    }
}
