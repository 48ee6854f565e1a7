//! Each cause of failure with its exit code, its cause and its mend.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use quorate_sdk::{Agent, KeystoreOptions, ScryptCost};

use crate::{assert_fails, finish, quorate, run, text};

const CONTRACT: &str = "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";
const GROUP: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";

/// An address on this machine where nobody listens.
fn dead_url() -> String {
    // The port was free a moment ago, and is below the ports that the system hands out.
    let port = (1_024..20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free");
    format!("http://127.0.0.1:{port}")
}

/// A node's configuration with keys, on a chain that is not there.
fn node_config(dir: &Path, extra: &str) -> PathBuf {
    let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
    Agent::create_with(dir.join("keys"), "right", options).expect("the directory is empty");
    std::fs::write(dir.join("password"), "right\n").expect("the directory can be written");
    let config = dir.join("node.toml");
    let toml = format!(
        "{extra}\n[chain]\nrpc_url = \"{}\"\ncontract = \"{CONTRACT}\"\ngroup = \"{GROUP}\"\n\
         [keys]\naccount = \"keys/account.json\"\nagent = \"keys/agent.json\"\npassword_file = \"password\"\n\
         [[peers.replicas]]\nagent = \"{CONTRACT}\"\nendpoint = \"127.0.0.1:1\"\n",
        dead_url()
    );
    std::fs::write(&config, toml).expect("the directory can be written");
    config
}

/// A log that takes no more, or a pipe whose reader went away, changes nothing about the outcome.
#[test]
fn an_exit_code_outlives_standard_error() {
    for arguments in [&["nonsense"][..], &["decision", GROUP], &["--json", "decision", GROUP]] {
        let expected = run(arguments).status.code();
        let full =
            std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the system has /dev/full");
        let output = quorate(arguments).stdin(std::process::Stdio::null()).stderr(full).status();
        assert_eq!(output.expect("the binary starts").code(), expected, "{arguments:?}");
        assert_eq!(expected, Some(2), "{arguments:?}");
    }
}

/// What was typed, or pasted, comes back in the message, and moves no cursor.
#[test]
fn an_argument_is_spelled_out_in_its_message() {
    for arguments in
        [&["decision", "evil\u{1b}[2J\u{9b}31m\u{202e}\u{ad}"][..], &["vote", GROUP, "x\u{1b}]0;y\u{7}"]]
    {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(2), "{said:?}");
        let raw = said.chars().filter(|c| c.is_control() && *c != '\n' || ['\u{202e}', '\u{ad}'].contains(c));
        assert_eq!(raw.count(), 0, "{said:?}");
    }
}

#[test]
fn a_wrong_configuration_is_named_with_its_key() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = node_config(dir.path(), "data_dirr = \"data\"");
    assert_fails(&run(&["node", "check-config", "--config", text(&config)]), 3, &["data_dirr"]);
    assert_fails(&run(&["node", "run", "--config", text(&config)]), 3, &["data_dirr"]);
    let absent = dir.path().join("absent.toml");
    assert_fails(&run(&["node", "run", "--config", text(&absent)]), 3, &["absent.toml"]);
}

#[test]
fn a_node_without_its_chain_says_so() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = node_config(dir.path(), "");
    let checked = run(&["node", "check-config", "--config", text(&config)]);
    assert_eq!(checked.status.code(), Some(0), "{}", crate::err(&checked));
    let said = crate::out(&checked);
    assert!(said.contains("is in order"));
    assert!(said.contains("finality = \"finalized\"") && said.contains("max_fee_gwei = 100\n"), "{said}");
    assert!(!said.contains("http://"), "the endpoint's address may hold a key");
    assert_fails(&run(&["node", "run", "--config", text(&config)]), 6, &["the chain at http://127.0.0.1"]);
    assert!(!dir.path().join("data").exists(), "a node that never started leaves no data");
}

#[test]
fn a_checked_configuration_shows_what_its_profile_and_itself_set() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = node_config(dir.path(), "");
    let text_of = std::fs::read_to_string(&config).expect("it was written");
    let profile = "profile = \"base-sepolia\"\npoll_ms = 1234\n[keys]";
    std::fs::write(&config, text_of.replacen("[keys]", profile, 1)).expect("the directory can be written");
    let checked = run(&["node", "check-config", "--json", "--config", text(&config)]);
    let said: serde_json::Value = serde_json::from_str(&crate::out(&checked)).expect("it is JSON");
    let chain = &said["in_force"]["chain"];
    assert_eq!((&chain["profile"], &chain["finality"]), (&"base-sepolia".into(), &"safe".into()));
    assert_eq!((&chain["l1_fee"], &chain["poll_ms"]), (&"op-stack".into(), &1234.into()));
    assert_eq!(said["in_force"]["anchor"]["max_fee_gwei"], 5);

    std::fs::write(&config, text_of.replacen("[keys]", "profile = \"mainnet\"\n[keys]", 1))
        .expect("as before");
    assert_fails(
        &run(&["node", "check-config", "--config", text(&config)]),
        3,
        &["mainnet", "arbitrum-sepolia"],
    );
}

#[test]
fn a_node_with_a_wrong_password_says_so() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = node_config(dir.path(), "");
    std::fs::write(dir.path().join("password"), "wrong\n").expect("the directory can be written");
    let names = ["account.json", "--password-file"];
    assert_fails(&run(&["node", "run", "--config", text(&config)]), 5, &names[..1]);
}

#[test]
fn a_chain_that_does_not_answer_is_named() {
    let url = dead_url();
    let arguments = ["group", "show", "--rpc", &url, "--contract", CONTRACT, "--group", GROUP];
    assert_fails(&run(&arguments), 6, &["does not answer", "--rpc"]);
    let no_url = ["group", "show", "--rpc", "localhost:1", "--contract", CONTRACT, "--group", GROUP];
    assert_fails(&run(&no_url), 2, &["localhost:1", "http://HOST:PORT"]);
}

#[test]
fn the_profile_and_the_environment_say_where_the_chain_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let profile = dir.path().join("profile.toml");
    let url = dead_url();
    let toml = format!("rpc = \"{url}\"\ncontract = \"{CONTRACT}\"\ngroup = \"{GROUP}\"\n");
    std::fs::write(&profile, toml).expect("the directory can be written");
    assert_fails(&run(&["--profile", text(&profile), "group", "show"]), 6, &["does not answer"]);
    let mut by_environment = quorate(&["group", "show"]);
    by_environment.env("QUORATE_PROFILE", &profile).env("QUORATE_RPC", "nowhere");
    assert_fails(&finish(&mut by_environment), 2, &["nowhere"]);

    std::fs::write(&profile, "rcp = \"x\"\n").expect("the directory can be written");
    assert_fails(&run(&["--profile", text(&profile), "group", "show"]), 3, &["profile.toml", "rcp"]);
    let absent = dir.path().join("absent.toml");
    assert_fails(&run(&["--profile", text(&absent), "group", "show"]), 3, &["absent.toml"]);
}

#[test]
fn a_scenario_with_a_slip_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("scenario.toml");
    std::fs::write(&file, "title = \"x\"\nfundin = \"1 ether\"\n").expect("the directory can be written");
    assert_fails(
        &run(&["demo", "--scenario", text(&file)]),
        3,
        &["scenario.toml", "fundin", "treasury.toml"],
    );
    let absent = dir.path().join("absent.toml");
    assert_fails(&run(&["demo", "--scenario", text(&absent)]), 3, &["absent.toml"]);
}

#[test]
fn a_missing_anvil_is_named_with_the_way_to_get_it() {
    let mut devnet = quorate(&["devnet"]);
    devnet.env("QUORATE_ANVIL", "/nowhere/anvil");
    assert_fails(&finish(&mut devnet), 1, &["/nowhere/anvil", "make setup"]);
}

#[test]
fn a_devnet_does_not_write_over_what_is_there() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("something"), "precious").expect("the directory can be written");
    assert_fails(&run(&["devnet", "--dir", text(dir.path())]), 2, &["is not empty"]);
}
