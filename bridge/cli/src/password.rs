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
            let bytes = std::fs::read(file).map_err(|error| CliError::Key {
                cause: format!("the password file {} cannot be read: {error}", file.display()),
                mend: "name the right file with --password-file".into(),
            })?;
            first_line(&bytes).map_err(|fault| CliError::Key {
                cause: format!("the password file {} {fault}", file.display()),
                mend: "save it as UTF-8 text, with the password in its first line".into(),
            })?
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

/// The first line of a file, without its end and without the byte order mark that some editors write in front.
fn first_line(bytes: &[u8]) -> Result<String, &'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16 text");
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).map(str::to_owned).map_err(|_| "is no UTF-8 text")
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
    fn the_first_line_of_a_file_is_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "correct horse \r\n").unwrap();
        assert_eq!(obtain(Some(&file), Purpose::Open).unwrap(), "correct horse ");
        for written in
            ["secret", "secret\n", "secret\r\nsecond line\r\n", "\u{feff}secret\r\n", "secret\nsecond"]
        {
            std::fs::write(&file, written).unwrap();
            assert_eq!(obtain(Some(&file), Purpose::Open).unwrap(), "secret", "{written:?}");
        }
        for written in [&b"\xff\xfes\0e\0"[..], b"\xfe\xff\0s", b"p\xe4ssword\n"] {
            std::fs::write(&file, written).unwrap();
            let refused = obtain(Some(&file), Purpose::Open).unwrap_err().to_string();
            assert!(refused.contains("UTF-"), "{refused}");
        }
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(obtain(Some(&file), Purpose::Open), Err(CliError::Key { .. })));
        let absent = obtain(Some(&dir.path().join("absent")), Purpose::Create).unwrap_err();
        assert!(absent.to_string().contains("absent"), "{absent}");
    }
}
