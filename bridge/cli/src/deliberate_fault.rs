//! A node that breaks a rule on purpose, so that a test sees the others bear it. Only where that is compiled in, see
//! `quorate_protocol::faults`.

use quorate_protocol::faults::{self, Fault};

use crate::error::CliError;

/// Names the fault that the process runs with.
const VARIABLE: &str = "QUORATE_FAULT";

/// Switches on the fault that the environment names, if there is one and faults are compiled in.
pub(crate) fn switch_on() -> Result<(), CliError> {
    let named = std::env::var(VARIABLE).ok().filter(|_| faults::COMPILED_IN);
    let Some(name) = named else { return Ok(()) };
    let fault: Fault = name.parse().map_err(|_| CliError::Usage {
        cause: format!("{VARIABLE} is {name:?}, and there is no such fault"),
        mend: format!("take {VARIABLE} out of the environment"),
    })?;
    faults::switch_on_in_process(fault);
    tracing::warn!(%fault, "this node breaks a rule on purpose");
    Ok(())
}
