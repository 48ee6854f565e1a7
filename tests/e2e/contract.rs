//! The contract is deployed at one address, once, and whoever doubts it compares it with the sources.

use std::path::Path;
use std::process::{Command, Output};

use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionRequest;
use quorate_contracts::AgentCoordinator;
use quorate_contracts::code::Build;
use quorate_contracts::deployment::{PROXY, PROXY_CODE, PROXY_MAKER, PROXY_TRANSACTION, deploy_missing};
use quorate_sdk::{Agent, KeystoreOptions, ScryptCost};
use serde_json::{Value, json};

use crate::network::{Anvil, connect};

const PASSWORD: &str = "correct horse battery staple";

/// A chain, and keys whose account has no funds yet.
struct Chain {
    anvil: Anvil,
    provider: DynProvider,
    account: Address,
    dir: tempfile::TempDir,
}

impl Chain {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let anvil = Anvil::start(dir.path()).await;
        let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
        let agent = Agent::create_with(dir.path().join("keys"), PASSWORD, options).unwrap();
        std::fs::write(dir.path().join("password"), PASSWORD).unwrap();
        let provider = connect(&anvil.url);
        Self { anvil, provider, account: agent.id().0, dir }
    }

    async fn fund(&self) {
        self.call("anvil_setBalance", (self.account, U256::from(10u128.pow(18)))).await;
    }

    async fn call(
        &self,
        method: &'static str,
        arguments: impl serde::Serialize + Clone + Send + Sync + Unpin + std::fmt::Debug + 'static,
    ) {
        let () = self.provider.raw_request(method.into(), arguments).await.unwrap();
    }

    async fn code(&self, address: Address) -> Vec<u8> {
        self.provider.get_code_at(address).await.unwrap().to_vec()
    }

    /// `quorate contract …` in a directory that is no checkout, without keys.
    fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command.current_dir(self.dir.path()).arg("contract").args(arguments).args(["--rpc", &self.anvil.url]);
        command
    }

    /// The same with keys.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.args(["--keys", "keys", "--password-file", "password"]);
        command
    }

    /// Runs it, checks its exit code, and returns what it printed.
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        finish(code, &mut self.command(arguments))
    }

    /// Runs it with `--json`.
    fn data(&self, code: i32, arguments: &[&str]) -> Value {
        let (out, err) = self.run(code, &[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }
}

fn finish(code: i32, command: &mut Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_deployed_once_and_compared_with_the_sources() {
    let chain = Chain::start().await;
    let (_, err) = chain.run(6, &["deploy"]);
    assert!(err.contains(&chain.account.to_string()) && err.contains("funds"), "{err}");
    assert!(chain.code(Build::built_in().address()).await.is_empty());

    // The address is said before anything is sent, and is the one that is known without a chain.
    chain.fund().await;
    let (out, err) = chain.run(0, &["deploy"]);
    let addressed = chain.data(0, &["address"]);
    let contract = Build::built_in().address();
    assert_eq!(addressed["contract"], json!(contract));
    let contract = &contract.to_string();
    assert!(out.contains(contract) && out.contains("gas"), "{out}");
    assert_eq!(
        out.matches("transaction 0x").count(),
        5,
        "each module, the contract, and its adapters: {out}"
    );
    assert!(err.contains(contract), "{err}");

    // Once more: nothing is sent, and no key is needed.
    let sent = chain.provider.get_transaction_count(chain.account).await.unwrap();
    let (out, _) = finish(0, &mut chain.bare(&["deploy", "--json"]));
    let again: Value = serde_json::from_str(&out).unwrap();
    let nothing = (&again["deployed"], &again["transactions"], &again["contract"]);
    assert_eq!(nothing, (&json!(false), &json!([]), &addressed["contract"]));
    assert_eq!(chain.provider.get_transaction_count(chain.account).await.unwrap(), sent);

    // The sources of this checkout make this very code, the constructor's included.
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let verified = chain.data(0, &["verify", contract, "--sources", sources.to_str().unwrap()]);
    assert_eq!((&verified["difference"], &verified["constructor_verified"]), (&Value::Null, &json!(true)));
    assert_eq!(verified["immutables"].as_array().unwrap().len(), 6);
    let (out, _) = chain.run(0, &["verify", "--contract", contract, "--built-in"]);
    assert!(out.contains("all 6 immutables") && out.contains("constructor is that of the sources"), "{out}");

    // What is missing is named, with the other way to compare.
    let (_, err) = chain.run(2, &["verify", contract]);
    assert!(err.contains("foundry.toml") && err.contains("--sources") && err.contains("--built-in"), "{err}");
    let mut without_node = chain.command(&["verify", contract, "--sources", sources.to_str().unwrap()]);
    let (_, err) = finish(1, without_node.env("PATH", chain.dir.path()));
    assert!(err.contains("Node.js") && err.contains("--built-in"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_from_the_sources_is_named() {
    let chain = Chain::start().await;
    // Deployed in another way: the code is right, and nothing is known of the constructor.
    let payer = chain.provider.get_accounts().await.unwrap()[0];
    deploy_missing(&chain.provider, payer).await.unwrap();
    let modules = Build::built_in().addresses();
    let deployment =
        AgentCoordinator::deploy_builder(&chain.provider, modules.on_chain_lane, modules.group_registry);
    let deployment = deployment.from(payer).send().await.unwrap();
    let contract = deployment.get_receipt().await.unwrap().contract_address.unwrap();
    let address = contract.to_string();
    let verify = ["verify", &address, "--built-in"];
    let verified = chain.data(0, &verify);
    assert_eq!((&verified["difference"], &verified["constructor_verified"]), (&Value::Null, &json!(false)));
    let (out, _) = chain.run(0, &verify);
    assert!(out.contains("What its constructor did is not known"), "{out}");

    let (build, code) = (Build::built_in(), chain.code(contract).await);
    let put = async |address: Address, code: Vec<u8>| {
        chain.call("anvil_setCode", (address, Bytes::from(code))).await;
    };

    // One bit of an immutable.
    let at = build.coordinator.immutables["AgentCoordinator.groupRegistry"][0];
    let mut changed = code.clone();
    changed[at.start + 31] ^= 1;
    put(contract, changed).await;
    let difference = &chain.data(8, &verify)["difference"];
    let found = (&difference["kind"], &difference["name"], &difference["offset"]);
    assert_eq!(found, (&json!("immutable"), &json!("AgentCoordinator.groupRegistry"), &json!(at.start)));
    assert_eq!(difference["expected"], json!(modules.group_registry.into_word()));
    let (_, err) = chain.run(8, &verify);
    assert!(err.contains("AgentCoordinator.groupRegistry") && err.contains("do not join"), "{err}");

    // One bit of the code.
    let mut changed = code.clone();
    changed[1_000] ^= 1;
    put(contract, changed).await;
    let difference = &chain.data(8, &verify)["difference"];
    let found = (&difference["part"], &difference["kind"], &difference["offset"]);
    assert_eq!(found, (&json!("coordinator"), &json!("code"), &json!(1_000)));

    // The account that every group's account delegates to.
    put(contract, code).await;
    let account = chain.code(contract.create(1)).await;
    let mut changed = account.clone();
    changed[200] ^= 1;
    put(contract.create(1), changed).await;
    assert_eq!(chain.data(8, &verify)["difference"]["part"], "group_account");
    put(contract.create(1), account).await;
    chain.run(0, &verify);

    // The modules that the coordinator delegates to.
    for (part, address) in
        [("on_chain_lane", modules.on_chain_lane), ("group_registry", modules.group_registry)]
    {
        let module = chain.code(address).await;
        let mut changed = module.clone();
        changed[500] ^= 1;
        put(address, changed).await;
        assert_eq!(chain.data(8, &verify)["difference"]["part"], part);
        put(address, module).await;
    }

    // Nothing at all.
    let (_, err) = chain.run(8, &["verify", &Address::repeat_byte(7).to_string(), "--built-in"]);
    assert!(err.contains("there is none") && err.contains("--rpc"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_without_the_proxy_gets_it_by_the_mend() {
    let chain = Chain::start().await;
    chain.fund().await;
    chain.call("anvil_setCode", (PROXY, Bytes::from_static(&[0xfe]))).await;
    let (_, err) = chain.run(6, &["deploy"]);
    assert!(err.contains(&PROXY.to_string()) && err.contains("another contract"), "{err}");

    chain.call("anvil_setCode", (PROXY, Bytes::new())).await;
    let (_, err) = chain.run(6, &["deploy"]);
    for part in [&PROXY.to_string(), &PROXY_MAKER.to_string(), "0.01 ether", "contracts/README.md"] {
        assert!(err.contains(part), "{part} is not in: {err}");
    }
    assert!(chain.code(Build::built_in().address()).await.is_empty(), "nothing was sent");

    let payer = chain.provider.get_accounts().await.unwrap()[0];
    let money = U256::from(10u128.pow(16));
    let payment = TransactionRequest::default().from(payer).to(PROXY_MAKER).value(money);
    chain.provider.send_transaction(payment).await.unwrap().get_receipt().await.unwrap();
    let made = chain.provider.send_raw_transaction(&PROXY_TRANSACTION).await.unwrap();
    made.get_receipt().await.unwrap();
    assert_eq!(chain.code(PROXY).await, PROXY_CODE);
    chain.run(0, &["deploy"]);
}
