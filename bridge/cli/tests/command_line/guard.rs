//! The guard: a program that knows nothing of its parent ends with it all the same.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::quorate;

/// How long a process may take to end.
const LIMIT: Duration = Duration::from_secs(10);

/// A guarded shell that tells its process id and then sleeps.
fn guarded() -> (Child, u32) {
    let script = "echo $$; exec sleep 600";
    let mut guard = quorate(&["guard", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the guard starts");
    let mut line = String::new();
    BufReader::new(guard.stdout.take().expect("it was piped"))
        .read_line(&mut line)
        .expect("the script speaks");
    (guard, line.trim().parse().expect("a process id"))
}

fn assert_gone(process: u32) {
    let start = Instant::now();
    let exists = || {
        let mut kill = Command::new("kill");
        kill.args(["-0", &process.to_string()]).stderr(Stdio::null()).status().expect("kill runs").success()
    };
    while exists() {
        assert!(start.elapsed() < LIMIT, "process {process} outlived its guard");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_guarded_program_ends_when_standard_input_does() {
    let (mut guard, process) = guarded();
    drop(guard.stdin.take());
    assert!(guard.wait().expect("it ends").success());
    assert_gone(process);
}

#[test]
fn a_guarded_program_ends_with_a_signal_to_the_guard() {
    let (mut guard, process) = guarded();
    let killed = Command::new("kill").arg(guard.id().to_string()).status();
    assert!(killed.expect("kill runs").success());
    assert!(guard.wait().expect("it ends").success());
    assert_gone(process);
}

#[test]
fn a_program_that_ends_by_itself_is_a_failure() {
    let mut guard = quorate(&["guard", "--", "sh", "-c", "exit 3"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the guard starts");
    // Held until the guard has ended: its end would stop the program, too.
    let lifeline = guard.stdin.take();
    let status = guard.wait().expect("it ends");
    drop(lifeline);
    let mut message = String::new();
    guard.stderr.take().expect("it was piped").read_to_string(&mut message).expect("messages are UTF-8");
    assert_eq!(status.code(), Some(1));
    assert!(message.contains("ended by itself"), "{message}");
}
