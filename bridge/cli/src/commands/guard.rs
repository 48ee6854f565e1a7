//! `quorate guard`: runs a program that knows nothing of lifelines and ends it when standard input ends.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::error::CliError;
use crate::network::lifeline::standard_input_closed;
use crate::signals;

/// How long the program may take to end. Whoever started the guard waits longer for the guard itself.
const GRACE: Duration = Duration::from_secs(3);

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
            _ = standard_input_closed() => stop(&mut child).await.map_err(CliError::io("stop", program)),
            () = end => stop(&mut child).await.map_err(CliError::io("stop", program)),
        }
    }
}

/// Asks the program to end, so that it can write down what it keeps, and kills it when it takes too long.
async fn stop(child: &mut Child) -> std::io::Result<()> {
    if let Some(id) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        kill_process(id, Signal::TERM)?;
    }
    match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => status.map(drop),
        Err(_) => child.kill().await,
    }
}
