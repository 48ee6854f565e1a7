//! The committed artifacts are what the sources compile to.

use std::process::Command;

#[test]
fn artifacts_match_the_sources() {
    let output = Command::new(env!("CARGO_BIN_EXE_compile-contracts"))
        .arg("--check")
        .output()
        .expect("cargo has built the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_argument_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_compile-contracts"))
        .arg("--wrong")
        .output()
        .expect("cargo has built the program");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage"));
}
