//! What is asked of an endpoint, and how its answers become what the core understands.

use std::sync::Arc;
use std::time::Duration;

use alloy::contract::Error as ContractError;
use alloy::eips::BlockId;
use alloy::network::{AnyTransactionReceipt, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol_types::SolEvent;
use alloy::transports::TransportError;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorErrors, AgentCoordinatorInstance, Anchored};
use quorate_contracts::Refusal;
use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_contracts::rpc::{self, Bounds, Broadcast};
use quorate_protocol::{Digest, Epoch, Group, GroupId, GroupIdentity, Sequence};

use quorate_node::anchored::Prover;
use quorate_node::config::{Finality, L1Fee};

use super::blocks::{self, BlockRef, Trail};
use super::inbox::InboxWatcher;
use super::{data_fee, refusal};
use crate::core::{
    AccountView, AnchorState, BroadcastOutcome, ChainView, DataFee, Estimate, Inspection, Mined,
    ProofsWanted, Purpose, SignedCall,
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
    finality: Finality,
    l1_fee: L1Fee,
    /// The blocks that earlier looks have seen.
    trail: Trail,
}

/// A look at the chain, with the blocks that it was taken at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) view: ChainView,
    head: BlockRef,
    /// The one block that everything is read at that others are told of: the head or an ancestor of it, as the
    /// configured finality has it. Nothing while the chain has no such block.
    pub(super) final_block: Option<BlockRef>,
}

/// Where an anchor was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tx_hash: B256,
    pub(super) block: u64,
}

impl Chain {
    /// Prepares to ask the endpoint at `rpc_url`, or several as [`rpc::Endpoints`] are written. Asks nothing yet.
    pub(super) fn new(
        rpc_url: &str,
        settings: &Settings,
        identity: &GroupIdentity,
        account: Address,
    ) -> Result<Self, AnchorError> {
        let bounds = Bounds::of_request(Duration::from_millis(settings.request_timeout_ms));
        let provider = rpc::provider(&rpc_url.parse()?, bounds)
            .map_err(|error| unreachable_endpoint("at all", error.to_string()))?;
        Ok(Self {
            coordinator: AgentCoordinator::new(identity.contract.0, provider.clone()),
            provider,
            chain_id: identity.chain_id,
            group: identity.group.0,
            account,
            finality: settings.finality,
            l1_fee: settings.l1_fee,
            trail: Trail::default(),
        })
    }

    /// A watcher of the group's inbox at the same endpoint.
    pub(super) fn inbox_watcher(&self) -> InboxWatcher {
        InboxWatcher::new(self.provider.clone(), *self.coordinator.address(), GroupId(self.group))
    }

    /// Checks that the endpoint serves the group's chain, and that the contract is there, as well as the final block and
    /// the oracle that the settings count on.
    pub(super) async fn check(&self) -> Result<(), AnchorError> {
        let found = self.provider.get_chain_id().await.map_err(failed("for the chain id"))?;
        if found != self.chain_id {
            return Err(AnchorError::WrongChain { expected: self.chain_id, found });
        }
        // Any contract has code; only a coordinator has this domain.
        let contract = *self.coordinator.address();
        let no_contract = AnchorError::NoContract { contract, chain_id: found };
        match self.coordinator.domainSeparator().call().await {
            Ok(separator) if separator == quorate_contracts::eip712_domain(found, contract).separator() => {}
            Err(ContractError::TransportError(error)) if error.as_error_resp().is_none() => {
                return Err(failed("for the contract's domain")(error));
            }
            Ok(_) | Err(_) => return Err(no_contract),
        }
        match self.finality {
            Finality::Safe => drop(blocks::by_tag(&self.provider, "safe").await?),
            Finality::Finalized => drop(blocks::by_tag(&self.provider, "finalized").await?),
            Finality::Latest | Finality::Depth(_) => {}
        }
        data_fee::expected(&self.provider, self.l1_fee, contract, Bytes::new()).await.map(drop)
    }

    /// Looks at the head and the final block, and at the group's anchors as of both.
    pub(super) async fn look(&mut self) -> Result<Look, AnchorError> {
        let found = blocks::look(&self.provider, self.finality, &self.trail).await?;
        let (head, final_block) = (BlockRef::from(&found.head), found.final_block);
        let no_base_fee = AnchorError::NoBaseFee { chain_id: self.chain_id };
        let base_fee = found.head.base_fee_per_gas.ok_or(no_base_fee)?;
        let anchor = self.anchor_at(BlockId::hash(head.hash)).await?;
        let epoch = self.epoch_at(BlockId::hash(head.hash)).await?;
        let confirmed = match final_block {
            Some(block) if block == head => anchor,
            Some(block) => self.anchor_at(BlockId::hash(block.hash)).await?,
            None => AnchorState::default(),
        };
        let view = ChainView {
            head: head.number,
            final_block: final_block.map(|block| block.number),
            dropped: found.dropped,
            base_fee: base_fee.into(),
            epoch,
            anchor,
            confirmed,
        };
        // Only now, so that a look that failed half-way takes nothing from the next one.
        self.trail = found.trail;
        Ok(Look { view, head, final_block })
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

    /// The group's epoch at the final block of `look`; nothing without such a block.
    pub(super) async fn final_epoch(&self, look: &Look) -> Result<Option<Epoch>, AnchorError> {
        match look.final_block {
            Some(block) if block != look.head => self.epoch_at(BlockId::hash(block.hash)).await.map(Some),
            Some(_) => Ok(Some(look.view.epoch)),
            None => Ok(None),
        }
    }

    /// Answers an [`Inspection`] as of `look`.
    pub(super) async fn inspect(
        &self,
        look: &Look,
        wanted: &Inspection,
        prover: &Prover,
    ) -> Result<AccountView, AnchorError> {
        let account = self.account;
        let at_head = BlockId::hash(look.head.hash);
        let nonce = self.provider.get_transaction_count(account).block_id(at_head).await;
        let pending = self.provider.get_transaction_count(account).pending().await;
        let tip = self.provider.get_max_priority_fee_per_gas().await.map_err(failed("for a tip"))?;
        let mut mined = Vec::new();
        for hash in &wanted.receipts {
            mined.extend(self.mined(*hash).await?);
        }
        let pooled = match wanted.pooled {
            Some(hash) => {
                let known = self.provider.get_transaction_by_hash(hash).await;
                known.map_err(failed("for a transaction"))?.is_some()
            }
            None => false,
        };
        let mut data_fee = DataFee::default();
        let (mut prepared, mut refused) = (None, None);
        if let Some(purpose) = &wanted.estimate {
            match self.prepare(look, purpose, prover).await? {
                Ok(purpose) => prepared = Some(purpose),
                Err(reason) => refused = Some(Estimate::Refused(reason)),
            }
        }
        let estimate = match &prepared {
            Some(purpose) => {
                let (contract, data) = (*self.coordinator.address(), purpose.call());
                data_fee = data_fee::expected(&self.provider, self.l1_fee, contract, data.clone()).await?;
                let request =
                    TransactionRequest::default().with_from(account).with_to(contract).with_input(data);
                match self.provider.estimate_gas(request).block(BlockId::latest()).await {
                    Ok(gas) => Estimate::Gas(gas),
                    Err(TransportError::ErrorResp(error)) => Estimate::Refused(refusal::reason(&error)),
                    Err(error) => return Err(failed("for the gas of a transaction")(error)),
                }
            }
            None => refused.unwrap_or(Estimate::NotAsked),
        };
        let convicted = match wanted.accused {
            Some(accused) => {
                let answer = self.coordinator.seatOf(self.group, accused.0).block(at_head).call().await;
                answer.map_err(|error| unreachable_endpoint("for a conviction", error.to_string()))?.convicted
            }
            None => false,
        };
        Ok(AccountView {
            nonce: nonce.map_err(failed("for the account's nonce"))?,
            pending_nonce: pending.map_err(failed("for the account's nonce"))?,
            tip,
            mined,
            pooled,
            estimate,
            prepared,
            convicted,
            data_fee,
        })
    }

    /// The same purpose, with the signatures that count at the head and the proofs on top of what is anchored there; or why
    /// the contract would not take it.
    async fn prepare(
        &self,
        look: &Look,
        purpose: &Purpose,
        prover: &Prover,
    ) -> Result<Result<Purpose, String>, AnchorError> {
        let Purpose::Anchor(anchorable) = purpose else { return Ok(Ok(purpose.clone())) };
        let at_head = BlockId::hash(look.head.hash);
        let counted = self.coordinator.countedReplicas(self.group).block(at_head).call().await;
        let counted = counted.map_err(|error| {
            unreachable_endpoint("for the replicas whose signatures count", error.to_string())
        })?;
        let inbox = self.coordinator.inbox(self.group).block(at_head).call().await;
        let inbox = inbox.map_err(|error| unreachable_endpoint("for the inbox", error.to_string()))?;
        let signatures = &anchorable.certificate.signatures;
        let mut chosen: Vec<_> =
            signatures.iter().filter(|signed| counted.contains(&signed.replica.0)).copied().collect();
        if chosen.len() < anchorable.quorum {
            let uncounted = signatures.iter().filter(|signed| !counted.contains(&signed.replica.0));
            let uncounted: Vec<String> = uncounted.map(|signed| signed.replica.to_string()).collect();
            return Ok(Err(format!(
                "{} of its signatures count, {} are needed; those of {} do not: convicted, unbonded or gone",
                chosen.len(),
                anchorable.quorum,
                if uncounted.is_empty() { "nobody".to_owned() } else { uncounted.join(", ") }
            )));
        }
        chosen.truncate(anchorable.quorum);
        let wanted = ProofsWanted::of(&anchorable.certificate.checkpoint, &look.view.anchor, inbox.taken);
        let prover = prover.clone();
        let ProofsWanted { anchored_size, log_size, taken } = wanted;
        let proved =
            tokio::task::spawn_blocking(move || prover.0.prove(anchored_size, log_size, taken)).await;
        Ok(match proved.map_err(|error| error.to_string()) {
            Ok(Ok(Some(proofs))) => Ok(Purpose::Anchor(Arc::new(anchorable.shown(chosen, proofs.into())))),
            Ok(Ok(None)) => Err(format!(
                "this node has not what proves that its log of {log_size} entries extends the anchored one of {anchored_size}"
            )),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error),
        })
    }

    /// What became of a transaction that is in a block, and what it cost.
    async fn mined(&self, hash: B256) -> Result<Option<Mined>, AnchorError> {
        let asked = self.provider.raw_request("eth_getTransactionReceipt".into(), (hash,)).await;
        let receipt: Option<AnyTransactionReceipt> = asked.map_err(failed("for a receipt"))?;
        let receipt = receipt.filter(|receipt| receipt.transaction_hash == hash);
        Ok(receipt.and_then(|receipt| data_fee::mined(self.l1_fee, &receipt)))
    }

    /// Sends a transaction.
    pub(super) async fn broadcast(&self, transaction: &SignedCall) -> BroadcastOutcome {
        let sent = self.provider.send_raw_transaction(&transaction.raw).await;
        match (Broadcast::of(&sent), sent) {
            (Broadcast::Accepted, _) | (_, Ok(_)) => BroadcastOutcome::Accepted,
            (Broadcast::NonceUsed, _) => BroadcastOutcome::NonceUsed,
            (Broadcast::Underpriced, _) => BroadcastOutcome::Underpriced,
            (Broadcast::Refused, Err(TransportError::ErrorResp(error))) => {
                BroadcastOutcome::Refused(refusal::reason(&error))
            }
            (Broadcast::Unknown | Broadcast::Refused, Err(_)) => BroadcastOutcome::Unknown,
        }
    }

    /// Finds the transaction that made `anchor`, looking back from the final block of `look`. Nothing when the anchor is
    /// older than the blocks that are searched.
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
        let Some(BlockRef { number: mut newest, .. }) = look.final_block else { return Ok(None) };
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
pub(super) fn is_absence(error: &ContractError) -> bool {
    let refusal = || error.as_revert_data().and_then(|data| Refusal::decode(&data));
    matches!(error, ContractError::ZeroData(..))
        || matches!(refusal(), Some(Refusal::Coordinator(AgentCoordinatorErrors::UnknownGroup(_))))
}

pub(super) fn unreachable_endpoint(question: &'static str, reason: String) -> AnchorError {
    AnchorError::Unreachable { question, reason }
}

pub(super) fn failed(question: &'static str) -> impl Fn(TransportError) -> AnchorError {
    move |error| unreachable_endpoint(question, error.to_string())
}
