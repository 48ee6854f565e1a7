//! A treasury in tokens: one class for both lanes, with limits for each token, on real nodes and a real chain.
//!
//! The tokens are as those that hold money are: one as USDC, one without return values as USDT, one that keeps a fee, and one
//! that answers `false` where others revert. What a lying quorum can take of them is in `malicious_quorum`.

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall as _;
use quorate_contracts::AgentCoordinator::AgentCoordinatorErrors;
use quorate_contracts::GroupAccount::GroupAccountErrors;
use quorate_contracts::tokens::{Coin, FeeCoin, PoliteCoin, SilentCoin};
use quorate_contracts::{Content, Refusal, deployment};
use quorate_protocol::class::DAY_S;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, Call, Choice, Class, DecisionStatus, Limit, Opening, Receipt, Scope, Terms};
use quorate_sdk::{ChainAgent, Client, CoordinatorReader, SdkError};

use crate::network::{Network, Options, pass, wait_for};

const HOUR_S: u32 = 3_600;
const SUPPLIER: AgentId = AgentId(Address::new([0x51; 20]));

/// A token of the treasury. Amounts are whole tokens.
#[derive(Clone, Copy, Debug)]
struct Token {
    name: &'static str,
    code: &'static Bytes,
    /// Of its smallest unit.
    whole: u128,
    funds: u128,
    per_decision: u128,
    per_day: u128,
    /// How many hundredths of what is transferred arrive.
    arrives: u128,
}

/// As USDC, as USDT, with a fee, and the one that answers `false`.
static TOKENS: [Token; 4] = [
    Token {
        name: "usual",
        code: &Coin::BYTECODE,
        whole: 1_000_000,
        funds: 50_000,
        per_decision: 1_000,
        per_day: 2_500,
        arrives: 100,
    },
    Token {
        name: "silent",
        code: &SilentCoin::BYTECODE,
        whole: 1_000_000,
        funds: 50_000,
        per_decision: 1_000,
        per_day: 2_500,
        arrives: 100,
    },
    Token {
        name: "fee",
        code: &FeeCoin::BYTECODE,
        whole: 1_000_000_000_000_000_000,
        funds: 50_000,
        per_decision: 1_000,
        per_day: 2_500,
        arrives: 99,
    },
    Token {
        name: "polite",
        code: &PoliteCoin::BYTECODE,
        whole: 1_000_000,
        funds: 50,
        per_decision: 1_000,
        per_day: 2_500,
        arrives: 100,
    },
];
/// Those that behave when there is enough of them.
static PAID: [&Token; 3] = [&TOKENS[0], &TOKENS[1], &TOKENS[2]];
static POLITE: &Token = &TOKENS[3];

impl Token {
    /// Where it goes, on every chain.
    fn address(&self) -> Address {
        deployment::address(self.code)
    }

    /// Pays so many tokens and units to the supplier.
    fn payment(&self, tokens: u128, units: u128) -> Call {
        let value = U256::from(tokens * self.whole + units);
        let transfer = Coin::transferCall { to: SUPPLIER.0, value };
        Call::new(AgentId(self.address()), U256::ZERO, transfer.abi_encode())
    }
}

/// The same class in both lanes, so that one window counts what either pays.
fn terms() -> Terms {
    let mut limits: Vec<Limit> = TOKENS
        .iter()
        .map(|token| Limit {
            asset: AgentId(token.address()),
            per_decision: token.per_decision * token.whole,
            per_window: token.per_day * token.whole,
        })
        .collect();
    limits.sort_by_key(|limit| limit.asset);
    let usual = Class::payments(3, 4, HOUR_S, (0, 0));
    assert_eq!((usual.scope, usual.window_s), (Scope::Payments, DAY_S));
    Terms::of_class(Class { limits, opening: Opening::Always, expiry_s: 7 * DAY_S, ..usual })
}

/// The group with its tokens, and both ways to decide.
struct Treasury {
    network: Network,
    client: Client,
    reader: CoordinatorReader,
    provider: DynProvider,
    chain: Vec<ChainAgent>,
    salt: u64,
    /// What has left the account of each token, in whole tokens.
    paid: [u128; 4],
}

impl Treasury {
    async fn open() -> Self {
        let network = Network::start_with(Options { terms: terms(), ..Options::default() }).await;
        let (client, reader, provider) = (network.client().await, network.reader().await, network.provider());
        let mut chain = Vec::new();
        for agent in &network.agents {
            let account = agent.account.clone();
            chain.push(ChainAgent::new(&network.anvil.url, network.contract, account).await.unwrap());
        }
        let treasury = Self { network, client, reader, provider, chain, salt: 0, paid: [0; 4] };
        let payer = treasury.provider.get_accounts().await.unwrap()[0];
        for token in &TOKENS {
            let create = TransactionRequest::default()
                .from(payer)
                .to(deployment::PROXY)
                .input(deployment::calldata(token.code).into());
            let created = treasury.provider.send_transaction(create).await.unwrap();
            assert!(created.get_receipt().await.unwrap().status());
            treasury.mint(token, token.funds).await;
        }
        treasury
    }

    async fn mint(&self, token: &Token, tokens: u128) {
        let payer = self.provider.get_accounts().await.unwrap()[0];
        let coin = Coin::new(token.address(), &self.provider);
        let mint = coin.mint(self.network.account, U256::from(tokens * token.whole)).from(payer);
        assert!(mint.send().await.unwrap().get_receipt().await.unwrap().status());
    }

    fn proposal(&mut self, calls: Vec<Call>) -> Propose {
        self.salt += 1;
        Propose { salt: self.salt, description: "Invoice".into(), calls, class: 0 }
    }

    /// Decides in the log; the receipt under an anchor.
    async fn decide_in_log(&mut self, calls: Vec<Call>) -> Receipt {
        let propose = self.proposal(calls);
        let id = self.client.propose(&self.network.agents[0], propose).await.unwrap().proposal;
        for agent in &self.network.agents[..3] {
            self.client.vote(agent, id, Choice::For).await.unwrap();
        }
        let decided = self.client.wait(id, Duration::from_secs(20)).await.unwrap();
        assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
        wait_for("the decision's anchor", async || {
            let receipt = self.client.decision(id).await.ok()??.receipt;
            receipt.anchor.is_some().then_some(receipt)
        })
        .await
    }

    /// Decides by transactions alone.
    async fn decide_on_chain(&mut self, calls: Vec<Call>) -> Content {
        let propose = self.proposal(calls);
        let content = Content::of(
            self.chain[0].id(),
            propose.salt,
            propose.class,
            &propose.description,
            &propose.calls,
        );
        let (id, _) = self.chain[0].propose(self.network.group, &propose).await.unwrap();
        for voter in &self.chain[..3] {
            voter.vote(self.network.group, id, Choice::For).await.unwrap();
        }
        content
    }

    async fn execute_log(&self, receipt: &Receipt) -> Result<(), SdkError> {
        self.chain[3].execute_anchored(receipt).await.map(drop)
    }

    async fn execute_chain(&self, content: &Content) -> Result<(), SdkError> {
        self.chain[3].execute(self.network.group, content).await.map(drop)
    }

    /// Notes that so many of the first three tokens were paid, and checks both sides' balances to the unit.
    async fn paid(&mut self, tokens: u128) {
        for paid in &mut self.paid[..3] {
            *paid += tokens;
        }
        self.check_balances().await;
    }

    async fn check_balances(&self) {
        for (token, paid) in TOKENS.iter().zip(self.paid).take(3) {
            let (funds, paid) = (token.funds * token.whole, paid * token.whole);
            self.check(token, funds - paid, paid * token.arrives / 100).await;
        }
    }

    /// Checks what the account and the supplier have, in a token's smallest unit.
    async fn check(&self, token: &Token, account: u128, supplier: u128) {
        let coin = Coin::new(token.address(), &self.provider);
        let found = (
            coin.balanceOf(self.network.account).call().await.unwrap(),
            coin.balanceOf(SUPPLIER.0).call().await.unwrap(),
        );
        assert_eq!(found, (U256::from(account), U256::from(supplier)), "{}", token.name);
    }

    /// What the day leaves of a token, in whole ones.
    async fn left(&self, token: &Token) -> u128 {
        let asset = AgentId(token.address());
        let spendable = self.reader.spendable(self.network.group, 0, asset).await.unwrap();
        spendable.left.unwrap() / token.whole
    }

    /// Moves the chain's clock on, once the log has taken in what waits for it.
    async fn pass(&self, seconds: u32) {
        wait_for("an anchor with the inbox taken in", async || {
            let inbox = self.reader.inbox(self.network.group).await.ok()?;
            (inbox.taken == inbox.length).then_some(())
        })
        .await;
        pass(&self.provider, seconds).await;
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, SdkError>) -> Refusal {
    match result {
        Err(SdkError::Reverted { error: Some(error), .. }) => *error,
        other => panic!("{other:?}"),
    }
}

/// The window of `token` leaves `left` of it, which is less than is asked for.
fn assert_above_window(result: Result<(), SdkError>, token: &Token, left: u128) {
    match refusal(result) {
        Refusal::Coordinator(AgentCoordinatorErrors::AboveWindow(above)) => {
            assert_eq!((above.asset, above.left), (token.address(), U256::from(left * token.whole)));
        }
        other => panic!("{}: {other:?}", token.name),
    }
}

fn assert_call_failed(result: Result<(), SdkError>) {
    let refused = refusal(result);
    let Refusal::Account(GroupAccountErrors::CallFailed(failed)) = refused else { panic!("{refused:?}") };
    assert_eq!(failed.target, POLITE.address());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_lanes_pay_tokens_within_the_limits_of_a_decision_and_of_a_day() {
    let mut treasury = Treasury::open().await;
    treasury.check_balances().await;
    let all = |tokens| PAID.iter().map(|token| token.payment(tokens, 0)).collect::<Vec<_>>();

    // As much as a decision may pay: of every token, once in each lane.
    let receipt = treasury.decide_in_log(all(1_000)).await;
    treasury.execute_log(&receipt).await.unwrap();
    treasury.paid(1_000).await;
    let content = treasury.decide_on_chain(all(1_000)).await;
    treasury.execute_chain(&content).await.unwrap();
    treasury.paid(1_000).await;

    // One unit more is refused, by the nodes and by the contract.
    for token in &TOKENS {
        let above = treasury.proposal(vec![token.payment(1_000, 1)]);
        let refused = treasury.client.propose(&treasury.network.agents[0], above.clone()).await.unwrap_err();
        let (asked, limit) = (1_000 * token.whole + 1, 1_000 * token.whole);
        let words = refused.to_string();
        let expected = format!("the calls take {asked} of asset {}", AgentId(token.address()));
        assert!(
            words.contains(&expected) && words.contains(&format!("limit is {limit} a decision")),
            "{words}"
        );
        let refused = refusal(treasury.chain[0].propose(treasury.network.group, &above).await);
        let Refusal::Coordinator(AgentCoordinatorErrors::AboveLimit(above)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((above.amount, above.limit), (U256::from(asked), U256::from(limit)));
    }

    // What either lane paid counts in the other: the day leaves 500, and neither pays 600.
    let mut waiting = Vec::new();
    for token in PAID {
        assert_eq!(treasury.left(token).await, 500, "{}", token.name);
        let receipt = treasury.decide_in_log(vec![token.payment(600, 0)]).await;
        assert_above_window(treasury.execute_log(&receipt).await, token, 500);
        let content = treasury.decide_on_chain(vec![token.payment(600, 0)]).await;
        assert_above_window(treasury.execute_chain(&content).await, token, 500);
        waiting.push((token, receipt, content));
    }
    let receipt = treasury.decide_in_log(all(500)).await;
    treasury.execute_log(&receipt).await.unwrap();
    treasury.paid(500).await;

    // The decisions stay; the window gives back what was taken, after a day at the earliest and two at the latest.
    treasury.pass(23 * HOUR_S).await;
    for (token, receipt, content) in &waiting {
        assert_above_window(treasury.execute_log(receipt).await, token, 0);
        assert_above_window(treasury.execute_chain(content).await, token, 0);
    }
    treasury.pass(26 * HOUR_S).await;
    for (token, receipt, content) in &waiting {
        assert_eq!(treasury.left(token).await, 2_500, "{}", token.name);
        treasury.execute_log(receipt).await.unwrap();
        treasury.execute_chain(content).await.unwrap();
        assert_eq!(treasury.left(token).await, 1_300, "{}", token.name);
    }
    treasury.paid(1_200).await;
    // And what was decided before the log heard of it, or after, is paid once.
    for (_, receipt, content) in &waiting {
        let twice = [treasury.execute_log(receipt).await, treasury.execute_chain(content).await];
        for refused in twice {
            let refused = refusal(refused);
            assert!(
                matches!(refused, Refusal::Coordinator(AgentCoordinatorErrors::WrongStatus(_))),
                "{refused:?}"
            );
        }
    }
    treasury.check_balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_answers_false_does_not_pass_for_paid() {
    let mut treasury = Treasury::open().await;
    let receipt = treasury.decide_in_log(vec![POLITE.payment(60, 0)]).await;
    let content = treasury.decide_on_chain(vec![POLITE.payment(70, 0)]).await;
    assert_call_failed(treasury.execute_log(&receipt).await);
    assert_call_failed(treasury.execute_chain(&content).await);
    treasury.check(POLITE, 50 * POLITE.whole, 0).await;
    assert_eq!(treasury.left(POLITE).await, 2_500, "what failed as a whole counts for nothing");

    // With enough of them, both are paid: neither was taken for done.
    treasury.mint(POLITE, 90).await;
    treasury.execute_log(&receipt).await.unwrap();
    treasury.execute_chain(&content).await.unwrap();
    treasury.check(POLITE, 10 * POLITE.whole, 130 * POLITE.whole).await;
    assert_eq!(treasury.left(POLITE).await, 2_500 - 130);
}
