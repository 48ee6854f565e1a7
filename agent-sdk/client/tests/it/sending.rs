//! Transactions over endpoints that fail: each is paid once, and nobody is told less than is known.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use alloy::providers::Provider as _;
use alloy::signers::local::PrivateKeySigner;
use quorate_contracts::deployment::deploy_missing_by;
use quorate_contracts::rpc::{self, Bounds};
use quorate_contracts::sending::{Account, SendError};
use quorate_protocol::AgentKey;
use quorate_sdk::{ChainAgent, CoordinatorReader, SdkError};

use crate::chain::{Anvil, Stage};
use crate::endpoint::{Act, Endpoint};

async fn through(stage: &Stage, endpoint: &Endpoint) -> ChainAgent {
    ChainAgent::new(&endpoint.url, stage.contract, stage.agents[0].account.clone()).await.unwrap()
}

/// How many transactions of the first account are included.
async fn sent(stage: &Stage) -> u64 {
    let provider = rpc::provider(&stage.anvil.url.parse().unwrap(), BOUNDS).unwrap();
    provider.get_transaction_count(stage.agents[0].id().0).await.unwrap()
}

const BOUNDS: Bounds = Bounds::of_request(Duration::from_secs(10));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_says_nothing_of_the_transaction_ends_in_its_receipt() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await;
    for act in [
        Act::PassThenError(-32000, "already known"),
        Act::PassThenError(-32010, "AlreadyKnown"),
        Act::PassThenError(-32000, "transaction already imported"),
        Act::PassThenError(-32603, "Internal error"),
        // What a gateway says that asked a second node when the first was slow.
        Act::PassThenError(-32000, "nonce too low"),
        Act::PassThenError(-32000, "replacement transaction underpriced"),
        Act::PassThenError(-32000, "insufficient funds for gas * price + value"),
        Act::PassThenClose,
        Act::PassThenStatus(502),
        Act::PassThenStatus(504),
        Act::PassThenHang,
        // It did not arrive at all.
        Act::Status(502, ""),
        Act::Error(-32000, "upstream request timed out"),
    ] {
        let before = sent(&stage).await;
        endpoint.on_sending(1, act.clone());
        let key = AgentKey::generate().public();
        let included = account.register(&key).await.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        assert_ne!(included.tx_hash, B256::ZERO);
        assert_eq!(sent(&stage).await, before + 1, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_shows_up_is_named_and_never_signed_again() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await.with_timeout(Duration::from_secs(3));
    let before = sent(&stage).await;
    endpoint.on_sending(usize::MAX, Act::Status(502, ""));
    let key = AgentKey::generate().public();
    let error = account.register(&key).await.unwrap_err();
    let SdkError::InDoubt { tx_hash, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("transaction {tx_hash} may be on its way")), "{error}");
    assert_eq!(sent(&stage).await, before);
}

/// An endpoint that tells the nonce as used and knows no transaction, as one does that stands for several nodes, of which some
/// lag: that is no word on whose transaction has the nonce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_finds_no_transaction_has_none_paid_twice() {
    let blind_for = |endpoint: &Endpoint, time: Duration| {
        let until = Instant::now() + time;
        endpoint.plan(move |method, _| match method {
            "eth_getTransactionReceipt" | "eth_getTransactionByHash" if Instant::now() < until => {
                Act::Result(serde_json::Value::Null)
            }
            _ => Act::Pass,
        });
    };
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await;
    let before = sent(&stage).await;
    blind_for(&endpoint, Duration::from_secs(6));
    account.register(&AgentKey::generate().public()).await.unwrap();
    assert_eq!(sent(&stage).await, before + 1);

    blind_for(&endpoint, Duration::from_secs(600));
    let impatient = account.with_timeout(Duration::from_secs(8));
    let error = impatient.register(&AgentKey::generate().public()).await.unwrap_err();
    assert!(matches!(&error, SdkError::InDoubt { last, .. } if last.contains("a block has it")), "{error}");
    assert_eq!(sent(&stage).await, before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_contract_or_the_endpoint_refuses_is_not_in_doubt() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await;
    endpoint.on_sending(1, Act::Error(-32000, "insufficient funds for gas * price + value"));
    let error = account.register(&AgentKey::generate().public()).await.unwrap_err();
    assert!(matches!(&error, SdkError::NotSent(words) if words.contains("insufficient funds")), "{error}");
    endpoint.plan(|_, _| Act::Pass);
    let error = account.withdraw(stage.id()).await.unwrap_err();
    assert!(matches!(error, SdkError::Reverted { tx_hash: None, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_limits_requests_is_waited_for() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await;
    let started = Instant::now();
    endpoint.plan(|method, number| match (method, number) {
        ("eth_estimateGas", 0) => Act::Status(429, "retry-after: 1\r\n"),
        ("eth_sendRawTransaction", 0) => Act::Error(-32005, "rate limit exceeded"),
        _ => Act::Pass,
    });
    account.register(&AgentKey::generate().public()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    endpoint.plan(|method, number| match (method, number) {
        ("eth_call", 0) => Act::Status(429, "retry-after: 1\r\n"),
        _ => Act::Pass,
    });
    let reader = CoordinatorReader::connect(&endpoint.url, stage.contract).await.unwrap();
    assert_eq!(reader.group(stage.id()).await.unwrap(), stage.group);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_lags_is_not_believed_for_long() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::start(&stage.anvil.url).await;
    let account = through(&stage, &endpoint).await;
    let before = sent(&stage).await;
    let stale = before - 1;
    // Of the next nonce alone; how many are included is told by the latest block.
    endpoint.plan(move |method, number| match method {
        "eth_getTransactionCount" if number == 0 => Act::Result(format!("{stale:#x}").into()),
        _ => Act::Pass,
    });
    account.register(&AgentKey::generate().public()).await.unwrap();
    assert_eq!(sent(&stage).await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_programs_send_from_one_account() {
    let stage = Stage::new().await;
    let before = sent(&stage).await;
    let mut programs = Vec::new();
    for _ in 0..8 {
        // Each with a queue of its own, as processes have.
        let url = stage.anvil.url.clone();
        let account = ChainAgent::new(&url, stage.contract, stage.agents[0].account.clone()).await.unwrap();
        let key = AgentKey::generate().public();
        programs.push(tokio::spawn(async move { account.register(&key).await }));
    }
    for program in programs {
        program.await.unwrap().unwrap();
    }
    assert_eq!(sent(&stage).await, before + 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_endpoints_one_may_lie_and_another_may_fail_at_sending() {
    let stage = Stage::new().await;
    let (liar, failing) = (Endpoint::start(&stage.anvil.url).await, Endpoint::start(&stage.anvil.url).await);
    liar.plan(|method, _| match method {
        "eth_chainId" => Act::Result("0x1".into()),
        "eth_call" => Act::Result("0x".into()),
        "eth_getTransactionReceipt" => Act::Result(serde_json::Value::Null),
        "eth_getTransactionCount" | "eth_maxPriorityFeePerGas" => Act::Result("0xffffffff".into()),
        _ => Act::Pass,
    });
    failing.on_sending(usize::MAX, Act::Status(502, ""));
    let all = format!("{},{},{}", liar.url, failing.url, stage.anvil.url);
    let reader = CoordinatorReader::connect(&all, stage.contract).await.unwrap();
    assert_eq!(reader.chain_id(), 31337);
    assert_eq!(reader.group(stage.id()).await.unwrap(), stage.group);
    let before = sent(&stage).await;
    let account = ChainAgent::new(&all, stage.contract, stage.agents[0].account.clone()).await.unwrap();
    account.register(&AgentKey::generate().public()).await.unwrap();
    assert_eq!(sent(&stage).await, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_goes_on_after_lost_answers_and_names_what_it_lost() {
    let anvil = Anvil::start();
    let endpoint = Endpoint::start(&anvil.url).await;
    let provider = rpc::provider(&endpoint.url.parse().unwrap(), BOUNDS).unwrap();
    let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let signer: PrivateKeySigner = secret.parse().unwrap();
    let account = Account::new(provider.clone(), signer, 31337);

    endpoint.on_sending(usize::MAX, Act::Status(502, ""));
    let hasty = account.clone().with_patience(Duration::from_millis(500));
    let error = deploy_missing_by(&hasty).await.unwrap_err();
    let quorate_contracts::deployment::DeployError::Unsent { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, SendError::InDoubt { .. }), "{error}");

    endpoint.on_sending(usize::MAX, Act::PassThenClose);
    let deployed = deploy_missing_by(&account).await.unwrap();
    assert_eq!(deployed.len(), 3);
    assert_eq!(provider.get_transaction_count(account.address()).await.unwrap(), 3);
    assert!(deploy_missing_by(&account).await.unwrap().is_empty());
    assert_eq!(endpoint.asked("eth_sendRawTransaction"), 3);
}
