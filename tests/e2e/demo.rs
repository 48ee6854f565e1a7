//! The main job, as a user runs it.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The decision of this name in the demo's report.
fn decided<'a>(report: &'a Value, name: &str) -> &'a Value {
    let decisions = report["decisions"].as_array().unwrap();
    decisions.iter().find(|decision| decision["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_demo_verifies_everything_within_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("demo.json");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["demo", "--json", json.to_str().unwrap()])
        .output()
        .unwrap();
    let took = started.elapsed();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "exit {:?}\n{out}\n{err}", output.status.code());
    assert!(took < Duration::from_secs(60), "it took {took:?}");

    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for (name, lane, status, executed) in [
        ("grain", "log", "approved", true),
        ("advice", "log", "rejected", false),
        ("retreat", "log", "expired", false),
        ("berth", "log", "approved", false),
        ("crane", "on-chain", "approved", true),
    ] {
        let decision = decided(&report, name);
        let found = (&decision["lane"], &decision["status"], &decision["executed"]);
        assert_eq!(found, (&json!(lane), &json!(status), &json!(executed)), "{name}");
    }
    let paid = report["payments"].as_array().unwrap();
    assert_eq!(paid.len(), 2, "one payment by each lane");
    for payment in paid {
        let wei = |key: &str| payment[key].as_str().unwrap().parse::<u128>().unwrap();
        assert_eq!(wei("balance_after_wei") - wei("balance_before_wei"), wei("amount_wei"));
    }
    let outage = &report["outages"][0];
    assert_eq!(outage["was_primary"], true);

    let audit = &report["audit"]["report"];
    assert_eq!(audit["finding"], Value::Null, "the log is intact");
    assert_eq!(audit["entries"], report["figures"]["anchored_entries"], "all of it is anchored");
    let tampered = &report["audit"]["tampered"];
    assert_eq!(tampered["finding"]["index"], tampered["entry"], "the audit says where the copy was changed");
    assert_eq!(report["refusals"].as_array().unwrap().len(), 2, "a bad signature and a duplicate");
    let figures = &report["figures"];
    assert!(figures["latency"]["p99_ms"].as_f64().unwrap() >= figures["latency"]["p50_ms"].as_f64().unwrap());
    assert!(
        figures["anchored_decision"]["total_gas"].as_u64()
            < figures["on_chain_decision"]["total_gas"].as_u64()
    );
}
