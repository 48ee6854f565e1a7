//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How a run of the binary ended. The numbers never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// Something failed that has no code of its own.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A configuration, profile or scenario file is wrong.
    Config = 3,
    /// The data directory is corrupt, or belongs to another node, group or era.
    Data = 4,
    /// A key or its password is missing or wrong.
    Key = 5,
    /// The chain cannot be reached or is not the one that was expected.
    Chain = 6,
    /// A port is taken.
    Port = 7,
    /// A proof, a signature or a comparison did not hold.
    Verification = 8,
    /// The group, or the contract for it, refused the command.
    Refused = 9,
    /// Nothing came in time.
    TimeOut = 10,
    /// A transaction may be on its way: it may be included, or never.
    InDoubt = 11,
}

/// Every code with its meaning, as `quorate --help` prints it.
const TABLE: [(Exit, &str); 12] = [
    (Exit::Done, "done"),
    (Exit::Failed, "unexpected failure"),
    (Exit::Usage, "wrong command line"),
    (Exit::Config, "invalid configuration, profile or scenario"),
    (Exit::Data, "data directory corrupt, or of another node, group or era"),
    (Exit::Key, "key or password missing or wrong"),
    (Exit::Chain, "chain unreachable, or not the expected one"),
    (Exit::Port, "port taken"),
    (Exit::Verification, "verification failed"),
    (Exit::Refused, "the group refused the command"),
    (Exit::TimeOut, "time-out"),
    (Exit::InDoubt, "a transaction may be on its way: look for its hash before you send it again"),
];

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The meaning of a number, for the exit of a child process that runs this same binary.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        TABLE.iter().map(|(exit, _)| *exit).find(|exit| exit.code() == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of exit codes for the help text.
pub(crate) fn table() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in TABLE {
        text.push_str(&format!("  {:>2}  {meaning}\n", exit.code()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_code_once_and_in_order() {
        for (position, (exit, meaning)) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), position);
            assert!(!meaning.is_empty());
            assert_eq!(Exit::from_code(exit.code()), Some(*exit));
        }
        assert_eq!(Exit::from_code(12), None);
        assert!(table().contains("\n   7  port taken\n"), "{}", table());
    }
}
