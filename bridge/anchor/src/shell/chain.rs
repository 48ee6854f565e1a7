//! What is asked of an endpoint, and how its answers become what the core understands.

use std::time::Duration;

use alloy::contract::Error as ContractError;
use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol_types::SolEvent;
use alloy::transports::TransportError;
use alloy::transports::http::reqwest::Url;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorErrors, AgentCoordinatorInstance, Anchored};
use quorate_contracts::Refusal;
use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_contracts::rpc::bounded_client;
use quorate_protocol::{Digest, Epoch, Group, GroupIdentity, Sequence};

use super::refusal;
use crate::core::{
    AccountView, AnchorState, AnchorTransaction, BroadcastOutcome, ChainView, Estimate, Inspection, Mined,
    anchor_call,
};
use crate::error::AnchorError;
use crate::settings::Settings;

/// Blocks in one question for an anchor's event; public endpoints allow at least this many.
const WINDOW_BLOCKS: u64 = 500;
/// How many such questions are asked before the event is given up.
const MAX_WINDOWS: u64 = 10;

/// One group's contract behind one endpoint.
#[derive(Debug)]
pub(super) struct Chain {
    provider: DynProvider,
    coordinator: AgentCoordinatorInstance<DynProvider>,
    chain_id: u64,
    group: B256,
    account: Address,
    confirmations: u64,
}

/// A look at the chain, with the block that it was taken at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) view: ChainView,
    head_hash: B256,
}

/// Where an anchor was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tx_hash: B256,
    pub(super) block: u64,
}

impl Chain {
    /// Prepares to ask the endpoint at `rpc_url`. Asks nothing yet.
    pub(super) fn new(
        rpc_url: &str,
        settings: &Settings,
        identity: &GroupIdentity,
        account: Address,
    ) -> Result<Self, AnchorError> {
        let no_url = || AnchorError::Url { url: rpc_url.chars().take(80).collect() };
        let url: Url = rpc_url.parse().map_err(|_| no_url())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(no_url());
        }
        let client = bounded_client(url, Duration::from_millis(settings.request_timeout_ms))
            .map_err(|error| unreachable_endpoint("at all", error.to_string()))?;
        let provider = ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased();
        Ok(Self {
            coordinator: AgentCoordinator::new(identity.contract.0, provider.clone()),
            provider,
            chain_id: identity.chain_id,
            group: identity.group.0,
            account,
            confirmations: settings.confirmations,
        })
    }

    /// Checks that the endpoint serves the group's chain, and that the contract is there.
    pub(super) async fn check(&self) -> Result<(), AnchorError> {
        let found = self.provider.get_chain_id().await.map_err(failed("for the chain id"))?;
        if found != self.chain_id {
            return Err(AnchorError::WrongChain { expected: self.chain_id, found });
        }
        // Any contract has code; only a coordinator has this domain.
        let contract = *self.coordinator.address();
        let no_contract = AnchorError::NoContract { contract, chain_id: found };
        match self.coordinator.domainSeparator().call().await {
            Ok(separator) if separator == quorate_contracts::eip712_domain(found, contract).separator() => {
                Ok(())
            }
            Err(ContractError::TransportError(error)) if error.as_error_resp().is_none() => {
                Err(failed("for the contract's domain")(error))
            }
            Ok(_) | Err(_) => Err(no_contract),
        }
    }

    /// Looks at the head, and at the group's anchors as of it.
    pub(super) async fn look(&self) -> Result<Look, AnchorError> {
        const QUESTION: &str = "for its head";
        let block = self.provider.get_block(BlockId::latest()).await.map_err(failed(QUESTION))?;
        let header =
            block.ok_or_else(|| unreachable_endpoint(QUESTION, "it has no block".to_owned()))?.header;
        let base_fee = header.base_fee_per_gas.ok_or(AnchorError::NoBaseFee { chain_id: self.chain_id })?;
        let anchor = self.anchor_at(BlockId::hash(header.hash)).await?;
        let epoch = self.epoch_at(BlockId::hash(header.hash)).await?;
        let confirmed = match (self.confirmations, header.number.checked_sub(self.confirmations)) {
            (0, _) => anchor,
            (_, Some(deep)) => self.anchor_at(BlockId::number(deep)).await?,
            (_, None) => AnchorState::default(),
        };
        let view = ChainView { head: header.number, base_fee: base_fee.into(), epoch, anchor, confirmed };
        Ok(Look { view, head_hash: header.hash })
    }

    /// The latest anchor as of a block; none where the group or the contract did not exist yet.
    async fn anchor_at(&self, block: BlockId) -> Result<AnchorState, AnchorError> {
        let answer = self.coordinator.latestAnchor(self.group).block(block).call().await;
        match answer {
            Ok(anchor) => Ok(AnchorState {
                epoch: Epoch(anchor.epoch),
                sequence: Sequence(anchor.sequence),
                log_size: anchor.logSize,
                log_root: Digest(anchor.logRoot),
            }),
            Err(error) if is_absence(&error) => Ok(AnchorState::default()),
            Err(error) => Err(unreachable_endpoint("for the latest anchor", error.to_string())),
        }
    }

    /// The group's epoch as of a block; the first where the group or the contract did not exist yet.
    async fn epoch_at(&self, block: BlockId) -> Result<Epoch, AnchorError> {
        match self.coordinator.group(self.group).block(block).call().await {
            Ok(group) => Ok(Epoch(group.epoch)),
            Err(error) if is_absence(&error) => Ok(Epoch(0)),
            Err(error) => Err(unreachable_endpoint("for the group's epoch", error.to_string())),
        }
    }

    /// Answers an [`Inspection`] as of `look`.
    pub(super) async fn inspect(&self, look: &Look, wanted: &Inspection) -> Result<AccountView, AnchorError> {
        let account = self.account;
        let at_head = BlockId::hash(look.head_hash);
        let nonce = self.provider.get_transaction_count(account).block_id(at_head).await;
        let pending = self.provider.get_transaction_count(account).pending().await;
        let tip = self.provider.get_max_priority_fee_per_gas().await.map_err(failed("for a tip"))?;
        let mut mined = Vec::new();
        for hash in &wanted.receipts {
            let receipt = self.provider.get_transaction_receipt(*hash).await;
            if let Some(receipt) = receipt.map_err(failed("for a receipt"))?
                && let Some(block) = receipt.block_number
            {
                mined.push(Mined { hash: *hash, block, success: receipt.status() });
            }
        }
        let pooled = match wanted.pooled {
            Some(hash) => {
                let known = self.provider.get_transaction_by_hash(hash).await;
                known.map_err(failed("for a transaction"))?.is_some()
            }
            None => false,
        };
        let estimate = match &wanted.estimate {
            Some(anchorable) => {
                let request = TransactionRequest::default()
                    .with_from(account)
                    .with_to(*self.coordinator.address())
                    .with_input(anchor_call(anchorable));
                match self.provider.estimate_gas(request).block(BlockId::latest()).await {
                    Ok(gas) => Estimate::Gas(gas),
                    Err(TransportError::ErrorResp(error)) => Estimate::Refused(refusal::reason(&error)),
                    Err(error) => return Err(failed("for the gas of an anchor")(error)),
                }
            }
            None => Estimate::NotAsked,
        };
        Ok(AccountView {
            nonce: nonce.map_err(failed("for the account's nonce"))?,
            pending_nonce: pending.map_err(failed("for the account's nonce"))?,
            tip,
            mined,
            pooled,
            estimate,
        })
    }

    /// Sends a transaction.
    pub(super) async fn broadcast(&self, transaction: &AnchorTransaction) -> BroadcastOutcome {
        match self.provider.send_raw_transaction(&transaction.raw).await {
            Ok(_) => BroadcastOutcome::Accepted,
            Err(TransportError::ErrorResp(error)) => refusal::broadcast_outcome(&error),
            Err(_) => BroadcastOutcome::Unknown,
        }
    }

    /// Finds the transaction that made `anchor`, looking back from the confirmed block of `look`. Nothing when the
    /// anchor is older than the blocks that are searched.
    pub(super) async fn locate(
        &self,
        look: &Look,
        anchor: &AnchorState,
    ) -> Result<Option<Place>, AnchorError> {
        let filter = Filter::new()
            .address(*self.coordinator.address())
            .event_signature(Anchored::SIGNATURE_HASH)
            .topic1(self.group)
            .topic2(B256::from(U256::from(anchor.sequence.0)));
        let mut newest = look.view.head.saturating_sub(self.confirmations);
        for _ in 0..MAX_WINDOWS {
            let oldest = newest.saturating_sub(WINDOW_BLOCKS - 1);
            let question = filter.clone().from_block(oldest).to_block(newest);
            let logs = self.provider.get_logs(&question).await.map_err(failed("for an anchor's event"))?;
            let place = logs.iter().find_map(|log| {
                let event = Anchored::decode_log(&log.inner).ok()?;
                let same = event.logSize == anchor.log_size && event.logRoot == anchor.log_root.0;
                let (tx_hash, block) = (log.transaction_hash?, log.block_number?);
                (same && !log.removed).then_some(Place { tx_hash, block })
            });
            if place.is_some() || oldest == 0 {
                return Ok(place);
            }
            newest = oldest - 1;
        }
        Ok(None)
    }
}

/// The group as the contract has it, for a start; nothing where the endpoint does not know the group yet.
///
/// # Errors
/// The endpoint does not answer, or gives a group that cannot be.
pub(super) async fn group_of_contract(
    rpc_url: &str,
    settings: &Settings,
    identity: &GroupIdentity,
) -> Result<Option<Group>, AnchorError> {
    let timeout = Duration::from_millis(settings.request_timeout_ms);
    let asked = async {
        let reader = CoordinatorReader::connect_with_timeout(rpc_url, identity.contract.0, timeout).await?;
        reader.group(identity.group).await
    };
    match asked.await {
        Ok(group) => Ok(Some(group)),
        Err(ReaderError::UnknownGroup { .. }) => Ok(None),
        Err(error) => Err(unreachable_endpoint("for the group's members", error.to_string())),
    }
}

/// Whether the answer says that there is no such contract or group at the block.
fn is_absence(error: &ContractError) -> bool {
    let refusal = || error.as_revert_data().and_then(|data| Refusal::decode(&data));
    matches!(error, ContractError::ZeroData(..))
        || matches!(refusal(), Some(Refusal::Coordinator(AgentCoordinatorErrors::UnknownGroup(_))))
}

fn unreachable_endpoint(question: &'static str, reason: String) -> AnchorError {
    AnchorError::Unreachable { question, reason }
}

fn failed(question: &'static str) -> impl Fn(TransportError) -> AnchorError {
    move |error| unreachable_endpoint(question, error.to_string())
}
