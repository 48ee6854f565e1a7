//! Many processes that act with one key at once, on a machine whose environment names a proxy that is not there.

use std::process::{Command, Stdio};

use quorate_protocol::{EntryIndex, Outcome};

use crate::network::Network;

/// How many processes run at once.
const PROCESSES: usize = 12;

fn quorate(network: &Network, arguments: &[&str]) -> Command {
    let port = network.anvil.url.rsplit(':').next().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("--keys").arg(network.node_dir(0).with_file_name("keys-0"));
    command.arg("--password-file").arg(network.node_dir(0).with_file_name("password"));
    // Two addresses of one endpoint, which agree.
    command.args(["--rpc", &network.anvil.url, "--rpc", &format!("http://localhost:{port}")]);
    command.args(["--contract", &network.contract.to_string(), "--group", &network.group.to_string()]);
    for at in 0..4 {
        command.args(["--node", &network.url(at)]);
    }
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, "http://127.0.0.1:9");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dozen_processes_propose_with_one_key_and_all_succeed() {
    let network = Network::start().await;
    let started: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let words = format!("parallel {number}");
            quorate(&network, &["propose", &words, "--expires-in", "120"]).spawn().unwrap()
        })
        .collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let client = network.client().await;
    let mut pages = client.audit(EntryIndex(0));
    let mut records = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        records.extend(page);
    }
    let refused = records.iter().filter(|record| matches!(record.outcome, Outcome::Refused { .. })).count();
    assert_eq!(refused, 0, "none of them got in another's way");
    assert_eq!(records.len(), PROCESSES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_send_transactions_of_one_account() {
    let network = Network::found().await;
    let started: Vec<_> = (0..6).map(|_| quorate(&network, &["keys", "register"]).spawn().unwrap()).collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
