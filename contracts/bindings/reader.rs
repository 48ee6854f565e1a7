//! Typed reading of the coordinator: what the contract says about a group, in the words of `quorate-protocol`.
//!
//! Everything that is verified off-chain starts here. A group's members, keys and anchored roots are taken from the
//! contract and never from a node, so the RPC endpoint is the one thing that a reader trusts: who does not trust a
//! provider runs an Ethereum node of their own.
//!
//! Every question has a time limit, and every answer is bounded and checked before it is believed.

use std::time::Duration;

use alloy::contract::Error as ContractError;
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use alloy::transports::TransportError;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{
    AgentId, Digest, Epoch, Group, GroupId, GroupIdentity, Member, Policy, ProposalId, PublicKey, Sequence,
};

use crate::AgentCoordinator::{self, AgentCoordinatorErrors, AgentCoordinatorInstance, Anchored};
use crate::Refusal;
use crate::rpc::bounded_client;

/// How long one question to the RPC endpoint may take, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most anchors of one group that [`CoordinatorReader::anchors`] reads.
pub const MAX_ANCHORS: usize = 1_000_000;
/// Blocks in one question for events when the endpoint refuses more; public endpoints allow at least this many.
const MIN_BLOCK_SPAN: u64 = 500;

/// Why the contract could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The RPC endpoint's address cannot be read.
    #[error("{url:?} is no http address of an RPC endpoint")]
    Url {
        /// What was given.
        url: String,
    },
    /// The RPC endpoint does not answer, or answers with an error of its own.
    #[error("the RPC endpoint does not answer: {reason}; check its address, and that it runs")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// There is no coordinator at the address.
    #[error("there is no AgentCoordinator at {contract} on chain {chain_id}; check address and RPC endpoint")]
    NoContract {
        /// The address.
        contract: Address,
        /// The chain that was asked.
        chain_id: u64,
    },
    /// The contract knows no such group.
    #[error("the contract at {contract} knows no group {group}")]
    UnknownGroup {
        /// The contract.
        contract: Address,
        /// The group.
        group: GroupId,
    },
    /// The answer cannot be true of a coordinator.
    #[error("the answer to {question} is malformed: {reason}")]
    Malformed {
        /// What was asked.
        question: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// A group's latest anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestAnchor {
    /// The epoch whose replicas signed the checkpoint.
    pub epoch: Epoch,
    /// The checkpoint's sequence.
    pub sequence: Sequence,
    /// How many entries the log had.
    pub log_size: u64,
    /// The log's root at that size.
    pub log_root: Digest,
    /// The root of the services' state.
    pub state_root: Digest,
    /// When the contract accepted it, in seconds since the Unix epoch.
    pub anchored_at_s: u64,
}

/// One anchor of a group's history, as its event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorEvent {
    /// The checkpoint's sequence.
    pub sequence: Sequence,
    /// How many entries the log had.
    pub log_size: u64,
    /// The log's root at that size.
    pub log_root: Digest,
    /// The root of the services' state.
    pub state_root: Digest,
    /// The block that includes the anchor.
    pub block: u64,
    /// The transaction that anchored it.
    pub tx_hash: B256,
}

/// Reads one coordinator over one RPC endpoint, at the chain's latest block. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CoordinatorReader {
    coordinator: AgentCoordinatorInstance<DynProvider>,
    chain_id: u64,
    timeout: Duration,
}

impl CoordinatorReader {
    /// Connects to the coordinator at `contract`, and checks that there is one.
    ///
    /// # Errors
    /// [`ReaderError::Url`], [`ReaderError::Unreachable`] or [`ReaderError::NoContract`].
    pub async fn connect(rpc_url: &str, contract: Address) -> Result<Self, ReaderError> {
        Self::connect_with_timeout(rpc_url, contract, DEFAULT_TIMEOUT).await
    }

    /// As [`Self::connect`], with another time limit for each question.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_with_timeout(
        rpc_url: &str,
        contract: Address,
        timeout: Duration,
    ) -> Result<Self, ReaderError> {
        let no_url = || ReaderError::Url { url: rpc_url.chars().take(80).collect() };
        let url: alloy::transports::http::reqwest::Url = rpc_url.parse().map_err(|_| no_url())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(no_url());
        }
        let client = bounded_client(url, timeout)?;
        let provider = ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased();
        let chain_id = within(timeout, provider.get_chain_id()).await?;
        let code = within(timeout, provider.get_code_at(contract)).await?;
        if code.is_empty() {
            return Err(ReaderError::NoContract { contract, chain_id });
        }
        let coordinator = AgentCoordinator::new(contract, provider);
        let reader = Self { coordinator, chain_id, timeout };
        // Any contract has code; only a coordinator has this domain.
        let domain = reader.coordinator.domainSeparator();
        let answer = tokio::time::timeout(timeout, domain.call().into_future()).await;
        match answer.map_err(|_| timed_out(timeout))? {
            Ok(separator) if separator == crate::eip712_domain(chain_id, contract).separator() => Ok(reader),
            Err(ContractError::TransportError(error))
                if error.as_error_resp().and_then(|error| error.as_revert_data()).is_none() =>
            {
                Err(error.into())
            }
            Ok(_) | Err(_) => Err(ReaderError::NoContract { contract, chain_id }),
        }
    }

    /// The chain's EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The coordinator's address.
    pub fn contract(&self) -> Address {
        *self.coordinator.address()
    }

    /// The group with its members, policy and epoch. What is returned satisfies [`Group::validate`], and the members
    /// hash to what the contract keeps.
    ///
    /// # Errors
    /// [`ReaderError::UnknownGroup`], [`ReaderError::Unreachable`] or [`ReaderError::Malformed`].
    pub async fn group(&self, group: GroupId) -> Result<Group, ReaderError> {
        const QUESTION: &str = "group";
        let malformed = |reason: String| ReaderError::Malformed { question: QUESTION, reason };
        let summary = self.summary(group).await?;
        let members = self.coordinator.members(group.0);
        let members = self.ask(group, "members", members.call()).await?;
        if members.len() > MAX_MEMBERS {
            return Err(malformed(format!("{} members, at most {MAX_MEMBERS} are possible", members.len())));
        }
        let members = members
            .into_iter()
            .map(|member| Member {
                agent: AgentId(member.account),
                key: PublicKey(member.key.0),
                weight: member.weight,
                flags: member.flags,
            })
            .collect();
        let identity = GroupIdentity { chain_id: self.chain_id, contract: AgentId(self.contract()), group };
        let policy = Policy {
            threshold: summary.policy.threshold,
            voting_period_s: summary.policy.votingPeriod,
            timelock_s: summary.policy.timelock,
        };
        let read = Group { identity, epoch: Epoch(summary.epoch), members, policy };
        read.validate().map_err(|error| malformed(error.to_string()))?;
        if read.members_hash() != summary.membersHash {
            return Err(malformed("the members do not hash to the contract's members hash".into()));
        }
        Ok(read)
    }

    /// The account that holds the group's funds.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn group_account(&self, group: GroupId) -> Result<Address, ReaderError> {
        Ok(self.summary(group).await?.account)
    }

    /// The log root that is anchored for exactly `log_size` entries, or nothing.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`] or [`ReaderError::Malformed`].
    pub async fn anchored_root(&self, group: GroupId, log_size: u64) -> Result<Option<Digest>, ReaderError> {
        let call = self.coordinator.anchoredRoot(group.0, log_size);
        let anchored = self.ask(group, "anchoredRoot", call.call()).await?;
        Ok((anchored.anchoredAt != 0).then_some(Digest(anchored.logRoot)))
    }

    /// The group's latest anchor, or nothing before the first.
    ///
    /// # Errors
    /// As [`Self::anchored_root`].
    pub async fn latest_anchor(&self, group: GroupId) -> Result<Option<LatestAnchor>, ReaderError> {
        let call = self.coordinator.latestAnchor(group.0);
        let anchor = self.ask(group, "latestAnchor", call.call()).await?;
        Ok((anchor.anchoredAt != 0).then_some(LatestAnchor {
            epoch: Epoch(anchor.epoch),
            sequence: Sequence(anchor.sequence),
            log_size: anchor.logSize,
            log_root: Digest(anchor.logRoot),
            state_root: Digest(anchor.stateRoot),
            anchored_at_s: anchor.anchoredAt,
        }))
    }

    /// Whether the group's proposal was executed, in either lane.
    ///
    /// # Errors
    /// As [`Self::anchored_root`].
    pub async fn executed(&self, group: GroupId, proposal: ProposalId) -> Result<bool, ReaderError> {
        let call = self.coordinator.executed(group.0, proposal.0);
        self.ask(group, "executed", call.call()).await
    }

    /// Every anchor of the group from block `from_block` on, in the chain's order: sequences strictly ascend and log
    /// sizes never shrink. Asks for fewer blocks at a time where the endpoint refuses more.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`]; [`ReaderError::Malformed`] for events that a coordinator cannot have emitted, or
    /// for more than [`MAX_ANCHORS`].
    pub async fn anchors(&self, group: GroupId, from_block: u64) -> Result<Vec<AnchorEvent>, ReaderError> {
        let provider = self.coordinator.provider();
        let latest = within(self.timeout, provider.get_block_number()).await?;
        let filter =
            Filter::new().address(self.contract()).event_signature(Anchored::SIGNATURE_HASH).topic1(group.0);
        let mut anchors = Vec::new();
        let (mut from, mut span) = (from_block, u64::MAX);
        while from <= latest {
            let to = latest.min(from.saturating_add(span - 1));
            let question = filter.clone().from_block(from).to_block(to);
            match within(self.timeout, provider.get_logs(&question)).await {
                Ok(logs) => append_anchors(&mut anchors, &logs, group, self.contract())?,
                Err(_) if to - from >= MIN_BLOCK_SPAN => {
                    span = (to - from).div_ceil(2);
                    continue;
                }
                Err(error) => return Err(error),
            }
            from = to + 1;
        }
        Ok(anchors)
    }

    async fn summary(&self, group: GroupId) -> Result<crate::Group, ReaderError> {
        let call = self.coordinator.group(group.0);
        self.ask(group, "group", call.call()).await
    }

    async fn ask<T>(
        &self,
        group: GroupId,
        question: &'static str,
        answer: impl IntoFuture<Output = Result<T, ContractError>>,
    ) -> Result<T, ReaderError> {
        let answer = tokio::time::timeout(self.timeout, answer.into_future()).await;
        match answer.map_err(|_| timed_out(self.timeout))? {
            Ok(answer) => Ok(answer),
            Err(error) => match error.as_revert_data().map(|data| Refusal::decode(&data)) {
                Some(Some(Refusal::Coordinator(AgentCoordinatorErrors::UnknownGroup(_)))) => {
                    Err(ReaderError::UnknownGroup { contract: self.contract(), group })
                }
                Some(_) => Err(ReaderError::Malformed { question, reason: error.to_string() }),
                None => match error.into() {
                    ReaderError::Malformed { reason, .. } => Err(ReaderError::Malformed { question, reason }),
                    unreachable => Err(unreachable),
                },
            },
        }
    }
}

fn append_anchors(
    anchors: &mut Vec<AnchorEvent>,
    logs: &[Log],
    group: GroupId,
    contract: Address,
) -> Result<(), ReaderError> {
    let malformed = |reason: String| ReaderError::Malformed { question: "the Anchored events", reason };
    if anchors.len() + logs.len() > MAX_ANCHORS {
        return Err(malformed(format!("more than {MAX_ANCHORS} anchors of one group")));
    }
    for log in logs {
        let event = Anchored::decode_log(&log.inner).map_err(|error| malformed(error.to_string()))?;
        let (Some(block), Some(tx_hash)) = (log.block_number, log.transaction_hash) else {
            return Err(malformed("an event that is in no block".into()));
        };
        if event.address != contract || event.groupId != group.0 || log.removed {
            return Err(malformed("an event of another contract, group or chain".into()));
        }
        let anchor = AnchorEvent {
            sequence: Sequence(event.sequence),
            log_size: event.logSize,
            log_root: Digest(event.logRoot),
            state_root: Digest(event.stateRoot),
            block,
            tx_hash,
        };
        if let Some(last) = anchors.last()
            && (last.sequence >= anchor.sequence || last.log_size > anchor.log_size)
        {
            return Err(malformed(format!("the anchor of sequence {} comes too late", anchor.sequence)));
        }
        anchors.push(anchor);
    }
    Ok(())
}

impl From<ContractError> for ReaderError {
    fn from(error: ContractError) -> Self {
        match error {
            ContractError::TransportError(error) => error.into(),
            other => Self::Malformed { question: "a call", reason: other.to_string() },
        }
    }
}

impl From<TransportError> for ReaderError {
    fn from(error: TransportError) -> Self {
        Self::Unreachable { reason: error.to_string() }
    }
}

fn timed_out(timeout: Duration) -> ReaderError {
    ReaderError::Unreachable { reason: format!("no answer within {} ms", timeout.as_millis()) }
}

async fn within<T, E, F>(timeout: Duration, answer: F) -> Result<T, ReaderError>
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: Future,
    ReaderError: From<E>,
{
    let answer = tokio::time::timeout(timeout, answer.into_future()).await;
    Ok(answer.map_err(|_| timed_out(timeout))??)
}
