//! What the commands print: data on standard output, as text or as JSON; everything else on standard error.

pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod terminal;

use std::io::Write;
use std::path::Path;

use quorate_sdk::audit::NewFile;
use serde::Serialize;

use crate::error::CliError;

/// Data that a command prints.
pub(crate) trait Report: Serialize {
    /// The data for a reader. Lines end with a line end.
    fn text(&self) -> String;
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a reader.
    Text,
    /// One JSON document.
    Json,
}

impl Format {
    /// The format that a `--json` flag asks for.
    pub(crate) fn json_if(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints `report` on standard output.
    pub(crate) fn print(self, report: &impl Report) -> Result<(), CliError> {
        let text = match self {
            Self::Text => terminal::page(&report.text()).into_owned(),
            Self::Json => terminal::json(&to_json(report)?).into_owned(),
        };
        print(&text)
    }
}

/// `value` as readable JSON with a line end.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, CliError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| CliError::Failed {
        cause: format!("a result cannot be written as JSON: {error}"),
        mend: "run the command without --json".into(),
    })?;
    text.push('\n');
    Ok(text)
}

/// Writes `text` to standard output. A reader that went away, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::io("write to", "standard output")(error))
        }
        _ => Ok(()),
    }
}

/// Writes `text` to standard error. One that is closed or full changes nothing about the outcome.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Sees to it that a file which is there is replaced only when that is asked for: it may be a keystore, or another's objection.
/// What is no file, such as a pipe, is written to.
pub(crate) fn require_free(path: &Path, overwrite: bool) -> Result<(), CliError> {
    if overwrite || !path.is_file() {
        return Ok(());
    }
    Err(CliError::Usage {
        cause: format!("{} exists already", path.display()),
        mend: "name another file, or add --overwrite if what is in it may be lost".into(),
    })
}

/// Writes a file as a whole: what is there stays until the new one is complete.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let mut file = NewFile::create(path)?;
    file.write_all(content).map_err(CliError::io("write to", path))?;
    Ok(file.keep()?)
}

/// The first and the last digits of a long hex text, for tables.
pub(crate) fn short(hex: impl std::fmt::Display) -> String {
    let text = hex.to_string();
    if text.len() <= 16 || !text.is_ascii() {
        return text;
    }
    format!("{}…{}", &text[..8], &text[text.len() - 6..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_on_demand_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.json");
        assert!(require_free(&path, false).is_ok());
        std::fs::write(&path, "a key").unwrap();
        let refused = require_free(&path, false).unwrap_err();
        assert!(refused.to_string().contains("agent.json exists already"), "{refused}");
        assert!(require_free(&path, true).is_ok() && require_free(Path::new("/dev/null"), false).is_ok());
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert!(require_free(&link, false).is_err());
        }
    }

    #[test]
    fn long_identifiers_are_shortened_and_short_ones_are_not() {
        assert_eq!(short("0x1234567890abcdef1234567890abcdef"), "0x123456…abcdef");
        assert_eq!(short("entry 7"), "entry 7");
        assert_eq!(short("für die Überweisung von zehn"), "für die Überweisung von zehn");
    }
}
