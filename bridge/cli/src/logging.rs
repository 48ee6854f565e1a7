//! Log lines, on standard error.

use tracing_subscriber::EnvFilter;

use crate::error::CliError;

/// The variable that says what the commands log; a node has its own in its configuration.
const VARIABLE: &str = "QUORATE_LOG";

/// Logs in text or JSON what `filter` lets through.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(filter: &str, json: bool) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| CliError::Usage {
        cause: format!("the log filter {filter:?} cannot be read: {error}"),
        mend: "write it as `info` or `warn,quorate_node=debug`".into(),
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
    Ok(())
}

/// Logs what [`VARIABLE`] asks for, else errors, and that an RPC endpoint keeps the command waiting.
pub(crate) fn start_for_command() -> Result<(), CliError> {
    start(&std::env::var(VARIABLE).unwrap_or_else(|_| "error,quorate_contracts::rpc=warn".into()), false)
}
