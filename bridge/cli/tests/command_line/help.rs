//! Help, version, completions, and slips on the command line.

use crate::{assert_fails, err, out, run};

#[test]
fn help_and_version_are_data_and_no_failure() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in [
        "demo",
        "devnet",
        "contract",
        "audit",
        "completions",
        "QUORATE_NODE",
        "Exit codes:",
        "8  verification failed",
    ] {
        assert!(out(&help).contains(part), "{part:?} is not in the help");
    }
    assert!(!out(&help).contains("guard"), "the guard is for this binary alone");
    let version = run(&["--version"]);
    assert_eq!(out(&version), format!("quorate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn slips_have_the_code_of_usage() {
    assert_fails(&run(&[]), 2, &["Usage:"]);
    assert_fails(&run(&["demonstrate"]), 2, &["demonstrate"]);
    assert_fails(&run(&["devnet", "--nodes", "3"]), 2, &["4..=16"]);
    assert_fails(&run(&["devnet", "--block-time", "0"]), 2, &["seconds from 0.05 to 60"]);
    assert_fails(&run(&["vote", "0x12", "for"]), 2, &["is not a proposal id", "64 hex digits"]);
    let id = format!("0x{}", "00".repeat(32));
    assert_fails(&run(&["vote", &id, "maybe"]), 2, &["for, against, abstain"]);
    assert_fails(&run(&["propose", "tea", "--pay", "0x12=3"]), 2, &["--pay"]);
}

#[test]
fn what_is_missing_is_named_with_all_ways_to_give_it() {
    let id = format!("0x{}", "00".repeat(32));
    assert_fails(&run(&["vote", &id, "for"]), 2, &["--keys", "QUORATE_KEYS", "--profile"]);
    assert_fails(&run(&["group", "show"]), 2, &["--contract", "QUORATE_CONTRACT"]);
    assert_fails(&run(&["audit", "list"]), 2, &["--node", "QUORATE_NODE"]);
}

#[test]
fn failures_are_json_for_those_who_ask_for_it() {
    for arguments in [["--json", "audit", "list"], ["audit", "list", "--json"]] {
        let output = run(&arguments);
        assert_fails(&output, 2, &[]);
        let report: serde_json::Value = serde_json::from_str(&err(&output)).expect("a line of JSON");
        assert_eq!(report["error"]["exit_code"], 2);
        assert!(report["error"]["mend"].as_str().is_some_and(|mend| mend.contains("--node")), "{report}");
    }
}

#[test]
fn completions_are_scripts_for_the_shell() {
    let bash = run(&["completions", "bash"]);
    assert_eq!(bash.status.code(), Some(0));
    assert!(out(&bash).contains("complete") && out(&bash).contains("quorate__"), "{}", out(&bash));
    assert_fails(&run(&["completions", "cmd"]), 2, &["bash"]);
}
