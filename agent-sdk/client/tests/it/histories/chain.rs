//! The contract on a real chain whose every second the test sets.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, TxKind, U64, U256, address};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::{SolCall, SolEvent as _};
use alloy::transports::{RpcError, TransportErrorKind};
/// The contract's functions, by their names.
pub(super) use quorate_contracts::AgentCoordinator as call;
use quorate_contracts::AgentCoordinator::{AgentCoordinatorErrors, Enqueued, ProposalExecuted};
use quorate_contracts::GroupAccount::GroupAccountErrors;
use quorate_contracts::deployment;
use quorate_protocol::{AgentId, GroupId, InboxMessage, ProposalId};

use crate::chain::Anvil;

/// A contract that takes any call and answers one, as a token does that is content.
pub(super) const TOKEN: Address = address!("00000000000000000000000000000000000070c1");
/// `mstore(0, 1); return(0, 32)`.
const CONTENT: &str = "0x600160005260206000f3";
/// As much as one transaction may take: no act runs out of it.
const GAS: u64 = 15_000_000;

/// What a transaction did, or the name of the error that it reverted with.
pub(super) type Sent = Result<TransactionReceipt, String>;

pub(super) struct Chain {
    _anvil: Anvil,
    provider: DynProvider,
    pub(super) coordinator: Address,
    /// The second (Unix time) at which the next transaction is included, and what is asked is answered.
    pub(super) now: u64,
    /// What was put into the inbox of any group, by the events.
    pub(super) messages: BTreeMap<GroupId, Vec<InboxMessage>>,
    /// How often each proposal was executed, by the events.
    pub(super) executions: BTreeMap<ProposalId, u32>,
}

impl Chain {
    /// A fresh chain with the contract, on which these accounts have ether.
    pub(super) async fn start(accounts: &[AgentId]) -> Self {
        let anvil = Anvil::start();
        let provider = ProviderBuilder::new().connect_http(anvil.url.parse().unwrap()).erased();
        let funder = provider.get_accounts().await.unwrap()[0];
        let coordinator = *deployment::deploy(&provider, funder).await.unwrap().address();
        let chain = Self {
            _anvil: anvil,
            provider,
            coordinator,
            now: 0,
            messages: BTreeMap::new(),
            executions: BTreeMap::new(),
        };
        chain.tell("anvil_autoImpersonateAccount", (true,)).await;
        chain.tell("anvil_setCode", (TOKEN, CONTENT)).await;
        for account in accounts {
            chain.tell("anvil_setBalance", (account.0, U256::from(10).pow(U256::from(24)))).await;
        }
        chain
    }

    async fn tell<P: serde::Serialize + Send + Sync + Clone + std::fmt::Debug + Unpin + 'static>(
        &self,
        method: &'static str,
        params: P,
    ) {
        let _: serde_json::Value = self.provider.raw_request(method.into(), params).await.unwrap();
    }

    /// Moves to this second, and makes a block of it.
    pub(super) async fn pass_to(&mut self, second: u64) {
        self.now = second;
        self.tell("evm_setNextBlockTimestamp", (U64::from(second),)).await;
        self.tell("evm_mine", ()).await;
    }

    fn request(&self, from: Address, value: u128, data: Vec<u8>) -> TransactionRequest {
        TransactionRequest {
            from: Some(from),
            to: Some(TxKind::Call(self.coordinator)),
            value: Some(U256::from(value)),
            gas: Some(GAS),
            input: Bytes::from(data).into(),
            ..TransactionRequest::default()
        }
    }

    /// Has `from` call the contract in the next second, if the contract takes that.
    pub(super) async fn send(&mut self, from: AgentId, value: u128, call: impl SolCall) -> Sent {
        self.now += 1;
        let request = self.request(from.0, value, call.abi_encode());
        if let Err(error) = self.simulate(&request).await {
            return Err(error_name(&error));
        }
        Ok(self.include(request).await)
    }

    /// Sends ether to an address in the next second.
    pub(super) async fn fund(&mut self, from: AgentId, to: AgentId, wei: u128) {
        self.now += 1;
        let request =
            TransactionRequest { to: Some(TxKind::Call(to.0)), ..self.request(from.0, wei, Vec::new()) };
        self.include(request).await;
    }

    async fn include(&mut self, request: TransactionRequest) -> TransactionReceipt {
        self.tell("evm_setNextBlockTimestamp", (U64::from(self.now),)).await;
        let receipt: TransactionReceipt =
            self.provider.raw_request("eth_sendTransactionSync".into(), (request,)).await.unwrap();
        assert!(receipt.status(), "what was simulated at this very second goes through");
        for log in receipt.logs() {
            self.note(log);
        }
        receipt
    }

    fn note(&mut self, log: &Log) {
        if let Ok(event) = Enqueued::decode_log(&log.inner) {
            self.messages.entry(GroupId(event.groupId)).or_default().push(InboxMessage {
                index: event.index,
                kind: event.kind,
                sender: AgentId(event.sender),
                enqueued_at: event.enqueuedAt,
                payload: event.payload.to_vec(),
            });
        }
        if let Ok(event) = ProposalExecuted::decode_log(&log.inner) {
            *self.executions.entry(ProposalId(event.proposalId)).or_default() += 1;
        }
    }

    async fn simulate(&self, request: &TransactionRequest) -> Result<Bytes, RpcError<TransportErrorKind>> {
        let at = serde_json::json!({ "time": U64::from(self.now) });
        self.provider.raw_request("eth_call".into(), (request, "latest", serde_json::json!({}), at)).await
    }

    /// Asks the contract at this second.
    pub(super) async fn ask<C: SolCall>(&self, call: C) -> C::Return {
        let request = self.request(Address::ZERO, 0, call.abi_encode());
        let answer = self.simulate(&request).await.unwrap();
        C::abi_decode_returns(&answer).unwrap()
    }

    pub(super) async fn balance(&self, account: AgentId) -> u128 {
        self.provider.get_balance(account.0).await.unwrap().to()
    }
}

/// The name of the error that a call reverted with.
fn error_name(error: &RpcError<TransportErrorKind>) -> String {
    let data = error.as_error_resp().and_then(|response| response.as_revert_data());
    let data = data.unwrap_or_else(|| panic!("no revert: {error}"));
    let selector = *data.first_chunk().unwrap_or_else(|| panic!("an error without a name: {error}"));
    let name = AgentCoordinatorErrors::name_by_selector(selector)
        .or_else(|| GroupAccountErrors::name_by_selector(selector));
    name.map_or_else(|| panic!("an unknown error: {data}"), str::to_owned)
}
