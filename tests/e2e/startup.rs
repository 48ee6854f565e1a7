//! A node that cannot start says what is wrong and what to do, and exits with the code of its cause.

use std::fs;
use std::path::PathBuf;

use crate::network::{Network, free_ports};

/// A copy of a node's configuration with one thing changed.
fn changed(network: &Network, at: usize, name: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(network.config(at)).unwrap();
    assert!(text.contains(from), "{from} is in the configuration");
    let path = network.node_dir(at).join(name);
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path
}

fn expect(network: &Network, config: &std::path::Path, code: i32, words: &[&str]) {
    let (found, said) = network.run_to_its_end(config);
    assert_eq!(found, code, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_start_says_why() {
    let mut network = Network::found().await;

    // The configuration.
    let config = changed(&network, 0, "unknown-key.toml", "data_dir", "data_directory");
    expect(&network, &config, 3, &["data_directory"]);

    // A password that does not open the keys, and keys of somebody else.
    fs::write(network.node_dir(0).join("wrong"), "wrong\n").unwrap();
    let config = changed(&network, 0, "wrong-password.toml", "../password", "wrong");
    expect(&network, &config, 5, &["password"]);
    let config = changed(&network, 0, "other-key.toml", "keys-0/agent.json", "keys-1/agent.json");
    expect(&network, &config, 5, &["key"]);

    // A chain that does not answer, at the first start.
    let [port] = free_ports();
    let nowhere = format!("http://127.0.0.1:{port}");
    let rpc = network.anvil.url.clone();
    let config = changed(&network, 0, "no-chain.toml", &rpc, &nowhere);
    expect(&network, &config, 6, &[&nowhere]);

    // A contract and a group that are not there.
    let contract = network.contract.to_string();
    let config = changed(&network, 0, "no-contract.toml", &contract, &format!("0x{}", "ab".repeat(20)));
    expect(&network, &config, 6, &["AgentCoordinator"]);

    // A profile of another chain, and a fee that this one does not charge.
    let config = changed(&network, 0, "other-chain.toml", "\"anvil\"", "\"base-sepolia\"");
    expect(&network, &config, 6, &["chain.profile is base-sepolia", "84532", "31337"]);
    let config = changed(&network, 0, "no-oracle.toml", "\"anvil\"", "\"anvil\"\nl1_fee = \"op-stack\"");
    expect(&network, &config, 6, &["chain.l1_fee is op-stack", "0x420000000000000000000000000000000000000F"]);

    // A port that is taken.
    for at in 0..4 {
        network.launch(at);
    }
    network.ready(0).await;
    network.ready(1).await;
    let taken = network.url(1).replace("http://", "");
    let own = network.url(2).replace("http://", "");
    let config = changed(&network, 2, "taken.toml", &own, &taken);
    let config = {
        let text =
            fs::read_to_string(&config).unwrap().replacen("data_dir = \"data\"", "data_dir = \"other\"", 1);
        fs::write(&config, text).unwrap();
        config
    };
    expect(&network, &config, 7, &[&taken]);

    // A data directory that another process works in.
    let [http, peers] = free_ports();
    let text = fs::read_to_string(network.config(0)).unwrap();
    let second = network.node_dir(0).join("second.toml");
    let listen = |url: &str| format!("listen = \"{}\"", url.replace("http://", ""));
    let text = text.replacen(&listen(&network.url(0)), &format!("listen = \"127.0.0.1:{http}\""), 1);
    let at = text.find("[peers]\nlisten").unwrap();
    let (head, tail) = text.split_at(at);
    let line = tail.lines().nth(1).unwrap();
    let tail = tail.replacen(line, &format!("listen = \"127.0.0.1:{peers}\""), 1);
    fs::write(&second, format!("{head}{tail}")).unwrap();
    expect(&network, &second, 4, &["data"]);

    // A foreign and a corrupt data directory.
    network.kill_9(0);
    network.kill_9(3);
    let foreign =
        changed(&network, 3, "foreign.toml", "data_dir = \"data\"", "data_dir = \"../node-0/data\"");
    expect(&network, &foreign, 4, &["belongs to"]);
    for entry in fs::read_dir(network.node_dir(0).join("data/store")).unwrap() {
        let path = entry.unwrap().path();
        fs::write(path, vec![0x5a; 100_000]).unwrap();
    }
    expect(&network, &network.config(0), 4, &["store"]);
}
