//! The main job, as a user runs it.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_demo_verifies_everything_within_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("demo.json");
    let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["demo", "--json", json.to_str().unwrap()])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "exit {:?}\n{out}\n{err}", output.status.code());
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    println!("{report:#}");
}
