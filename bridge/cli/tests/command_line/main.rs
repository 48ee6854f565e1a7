//! The binary as a shell sees it: what it prints, where, and with which exit code.

mod failures;
mod guard;
mod help;
mod keys;

use std::path::Path;
use std::process::{Command, Output};

/// The binary with arguments, in an environment that names no connection and no password.
fn quorate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QUORATE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the binary to its end, without anything on its standard input.
fn run(arguments: &[&str]) -> Output {
    finish(&mut quorate(arguments))
}

fn finish(command: &mut Command) -> Output {
    command.stdin(std::process::Stdio::null()).output().expect("the binary starts")
}

/// What was printed for data.
fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("data is UTF-8")
}

/// What was printed beside the data.
fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

/// Checks the exit code, that nothing but the failure was printed, and that the failure names what it should.
#[track_caller]
fn assert_fails(output: &Output, code: i32, names: &[&str]) {
    let err = err(output);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert_eq!(out(output), "", "a failure leaves standard output empty");
    for name in names {
        assert!(err.contains(name), "{name:?} is not in:\n{err}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
