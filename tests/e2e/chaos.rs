//! A short run of faults, as a user runs it: no promise is broken, and nothing is left behind.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Whether this machine lets this process make network namespaces.
fn has_namespaces() -> bool {
    let name = format!("probe-{}", std::process::id());
    let ip = |what: &str| {
        let mut ip = Command::new("ip");
        ip.args(["netns", what, &name]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    ip("add") && ip("del")
}

/// The network namespaces that belong to a process.
fn namespaces_of(process: u32) -> Vec<String> {
    let Ok(names) = std::fs::read_dir("/run/netns") else { return Vec::new() };
    let names = names.map(|name| name.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("quorate-{process}-"))).collect()
}

#[test]
fn a_round_of_faults_breaks_no_promise() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chaos.json");
    let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["chaos", "--rounds", "1", "--faults", "kill,pause,chain-down,mute", "--seed", "4"])
        .args(["--hold", "2", "--pause", "1", "--report", file.to_str().unwrap()])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "exit {:?}\n{out}\n{err}", output.status.code());

    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let faults = report["faults"].as_array().unwrap();
    let kinds: BTreeSet<_> = faults.iter().map(|fault| fault["kind"].as_str().unwrap()).collect();
    let mut expected = BTreeSet::from(["kill", "pause", "chain-down"]);
    if has_namespaces() {
        expected.insert("mute");
    } else {
        assert!(report["left_out"]["mute"].is_string(), "what is left out has its reason");
    }
    assert_eq!(kinds, expected);
    for fault in faults {
        assert!(fault["recovery_ms"].as_f64().unwrap() > 0.0, "{fault}");
        assert!(fault["rejoin_ms"].is_number() && fault["trouble"].is_null(), "{fault}");
    }
    let sent = report["load"]["sent"].as_u64().unwrap();
    assert!(sent >= 100, "only {sent} commands were sent");
    assert_eq!(report["load"]["acknowledged"].as_u64(), Some(sent));
    assert_eq!(report["restarts"], 1, "the killed node was started again");
    assert_eq!(report["ending"]["anchored_entries"], report["ending"]["entries"]);
    assert!(report["ending"]["heads_compared"].as_u64().unwrap() > 50);
    assert_eq!(report["objections"].as_array().unwrap().len(), 0);
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["chaos", "--minutes", "5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Said when the network is up.
    let mut dirs = lines.filter_map(|line| line.strip_prefix("everything below ").map(str::to_owned));
    let dir = dirs.next().expect("the network starts");
    assert_eq!(namespaces_of(run.id()).is_empty(), !has_namespaces());
    let interrupted = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert_eq!(namespaces_of(run.id()), Vec::<String>::new());
    assert!(!Path::new(&dir).exists(), "{dir} is still there");
}
