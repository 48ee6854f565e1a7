//! The password of keystores: from a file, from the environment, or from the terminal. Never an argument, which
//! every process on the machine could read.

use std::io::IsTerminal;
use std::path::Path;

use crate::error::CliError;

/// The variable that holds the password.
const VARIABLE: &str = "QUORATE_PASSWORD";

/// Whether a password is asked for once or, for new keys, twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Existing keys are opened.
    Open,
    /// New keys are written: a slip of the finger would lock their owner out.
    Create,
}

/// The password from `file`, else from the environment, else from the terminal.
pub(crate) fn obtain(file: Option<&Path>, purpose: Purpose) -> Result<String, CliError> {
    let password = match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).map_err(|error| CliError::Key {
                cause: format!("the password file {} cannot be read: {error}", file.display()),
                mend: "name the right file with --password-file".into(),
            })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        (None, Ok(password)) => password,
        (None, Err(_)) if std::io::stdin().is_terminal() => ask(purpose)?,
        (None, Err(_)) => String::new(),
    };
    if password.is_empty() {
        return Err(CliError::Key {
            cause: "no password for the keys is given".into(),
            mend: format!("name a file that holds it with --password-file, or set {VARIABLE}"),
        });
    }
    Ok(password)
}

fn ask(purpose: Purpose) -> Result<String, CliError> {
    let prompt =
        |text: &str| rpassword::prompt_password(text).map_err(CliError::io("read from", "the terminal"));
    let password = prompt("Password of the keys: ")?;
    if purpose == Purpose::Create && prompt("The same once more: ")? != password {
        return Err(CliError::Key {
            cause: "the two passwords differ".into(),
            mend: "type the same password twice".into(),
        });
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_line_end_is_not_part_of_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "correct horse \r\n").unwrap();
        assert_eq!(obtain(Some(&file), Purpose::Open).unwrap(), "correct horse ");
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(obtain(Some(&file), Purpose::Open), Err(CliError::Key { .. })));
        let absent = obtain(Some(&dir.path().join("absent")), Purpose::Create).unwrap_err();
        assert!(absent.to_string().contains("absent"), "{absent}");
    }
}
