//! Typed reading of the coordinator: what the contract says about a group, in the words of `quorate-protocol`.
//!
//! Everything that is verified off-chain starts here. A group's members, keys and anchored roots are taken from the
//! contract and never from a node, so the RPC endpoint is the one thing that a reader trusts: who does not trust a
//! provider runs an Ethereum node of their own.
//!
//! The members of the current epoch are in the contract's state. Those of epochs that have ended are in its events,
//! and their hashes are in its state, so that an endpoint cannot pass off other members by its events alone.
//!
//! Every question has a time limit, and every answer is bounded and checked before it is believed.

use std::time::Duration;

use alloy::contract::Error as ContractError;
use alloy::primitives::Address;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::transports::TransportError;
use alloy::transports::http::reqwest::Url;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{
    AgentId, Digest, Epoch, Group, GroupId, GroupIdentity, Member, ProposalId, PublicKey, Sequence,
};

use crate::AgentCoordinator::{self, AgentCoordinatorErrors, AgentCoordinatorInstance};
use crate::Refusal;
use crate::rpc::bounded_client;

mod events;
mod terms;

pub use events::{AnchorEvent, MAX_ANCHORS};

/// How long one question to the RPC endpoint may take, unless said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// The contract has not come to this epoch of the group.
    #[error("the contract has group {group} in epoch {current}; epoch {epoch} has not begun there")]
    UnknownEpoch {
        /// The group.
        group: GroupId,
        /// The epoch that was asked for.
        epoch: Epoch,
        /// The contract's.
        current: Epoch,
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

/// Where an epoch of a group began, as the contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The sequence of the checkpoint that ended the epoch before; the epoch's batches have greater ones.
    pub sequence: Sequence,
    /// How many entries the log had then; the epoch's entries have this index or a greater one.
    pub log_size: u64,
    /// The hash of the epoch's members, as [`Group::members_hash`] computes it.
    pub members_hash: Digest,
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

/// A replica's bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaBond {
    /// Wei.
    pub amount: u128,
    /// From when on it can be withdrawn, in seconds since the Unix epoch; nothing while that was not asked for.
    pub released_at_s: Option<u64>,
    /// Whether the replica was convicted of contradicting itself.
    pub convicted: bool,
}

/// A group's inbox in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxStatus {
    /// How many messages there are.
    pub length: u64,
    /// How many of them the anchored log has taken in.
    pub taken: u64,
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
        let client = bounded_client(parse_url(rpc_url)?, timeout)?;
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

    /// The group with the members of its current epoch, its terms and that epoch. What is returned satisfies
    /// [`Group::validate`], and the members hash to what the contract keeps.
    ///
    /// # Errors
    /// [`ReaderError::UnknownGroup`], [`ReaderError::Unreachable`] or [`ReaderError::Malformed`].
    pub async fn group(&self, group: GroupId) -> Result<Group, ReaderError> {
        let summary = self.summary(group).await?;
        self.current(group, summary).await
    }

    /// The group with the members of `epoch`, which may have ended: they are taken from the contract's events and
    /// hash to what its state keeps for the epoch. What is returned satisfies [`Group::validate`].
    ///
    /// # Errors
    /// As [`Self::group`], and [`ReaderError::UnknownEpoch`] for one that has not begun on the chain; also
    /// [`ReaderError::Malformed`] when the endpoint has no event of the epoch's beginning: it may have pruned it.
    pub async fn group_at(&self, group: GroupId, epoch: Epoch) -> Result<Group, ReaderError> {
        let summary = self.summary(group).await?;
        if epoch.0 == summary.epoch {
            return self.current(group, summary).await;
        }
        let current = Epoch(summary.epoch);
        let start = self.epoch_start(group, epoch).await?;
        let start = start.ok_or(ReaderError::UnknownEpoch { group, epoch, current })?;
        let members = self.members_of_event(group, epoch).await?;
        self.checked(group, epoch, members, &summary.terms, start.members_hash)
    }

    /// Where `epoch` of the group began, or nothing when it has not begun on the chain.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn epoch_start(&self, group: GroupId, epoch: Epoch) -> Result<Option<EpochStart>, ReaderError> {
        let call = self.coordinator.epochStart(group.0, epoch.0);
        let start = self.ask(group, "epochStart", call.call()).await?;
        Ok((!start.membersHash.is_zero()).then_some(EpochStart {
            epoch,
            sequence: Sequence(start.sequence),
            log_size: start.logSize,
            members_hash: Digest(start.membersHash),
        }))
    }

    /// The epoch that the contract has the group in.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn epoch(&self, group: GroupId) -> Result<Epoch, ReaderError> {
        Ok(Epoch(self.summary(group).await?.epoch))
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
        Ok((!anchored.is_zero()).then_some(Digest(anchored)))
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

    /// A replica's bond in the group, and whether it was convicted.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn bond(&self, group: GroupId, replica: AgentId) -> Result<ReplicaBond, ReaderError> {
        let bond = self.coordinator.bondOf(group.0, replica.0);
        let bond = self.ask(group, "bondOf", bond.call()).await?;
        let convicted = self.coordinator.isConvicted(group.0, replica.0);
        let convicted = self.ask(group, "isConvicted", convicted.call()).await?;
        let released_at_s = (bond.releasedAt != 0).then_some(bond.releasedAt);
        Ok(ReplicaBond { amount: bond.amount, released_at_s, convicted })
    }

    /// Where the group's inbox stands.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn inbox(&self, group: GroupId) -> Result<InboxStatus, ReaderError> {
        let inbox = self.ask(group, "inbox", self.coordinator.inbox(group.0).call()).await?;
        Ok(InboxStatus { length: inbox.length, taken: inbox.taken })
    }

    /// Whether the group's anchors have stalled.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn has_stalled(&self, group: GroupId) -> Result<bool, ReaderError> {
        self.ask(group, "hasStalled", self.coordinator.hasStalled(group.0).call()).await
    }

    /// Whether the group's proposal was executed, in either lane.
    ///
    /// # Errors
    /// As [`Self::anchored_root`].
    pub async fn executed(&self, group: GroupId, proposal: ProposalId) -> Result<bool, ReaderError> {
        let call = self.coordinator.executed(group.0, proposal.0);
        self.ask(group, "executed", call.call()).await
    }

    async fn current(&self, group: GroupId, summary: crate::Group) -> Result<Group, ReaderError> {
        let members = self.coordinator.members(group.0);
        let members = self.ask(group, "members", members.call()).await?;
        self.checked(group, Epoch(summary.epoch), members, &summary.terms, Digest(summary.membersHash))
    }

    /// The group of these members, once they form one and are those that the contract's state names.
    fn checked(
        &self,
        group: GroupId,
        epoch: Epoch,
        members: Vec<crate::Member>,
        terms: &crate::Terms,
        members_hash: Digest,
    ) -> Result<Group, ReaderError> {
        let malformed = |reason: String| ReaderError::Malformed { question: "members", reason };
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
        let terms = terms::read(terms).map_err(malformed)?;
        let read = Group { identity, epoch, members, terms };
        read.validate().map_err(|error| malformed(error.to_string()))?;
        if Digest(read.members_hash()) != members_hash {
            return Err(malformed("the members do not hash to the contract's members hash".into()));
        }
        Ok(read)
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

/// The address of an endpoint that can be asked over HTTP.
pub(crate) fn parse_url(rpc_url: &str) -> Result<Url, ReaderError> {
    match rpc_url.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
        _ => Err(ReaderError::Url { url: rpc_url.chars().take(80).collect() }),
    }
}

fn timed_out(timeout: Duration) -> ReaderError {
    ReaderError::Unreachable { reason: format!("no answer within {} ms", timeout.as_millis()) }
}

pub(crate) async fn within<T, E, F>(timeout: Duration, answer: F) -> Result<T, ReaderError>
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: Future,
    ReaderError: From<E>,
{
    let answer = tokio::time::timeout(timeout, answer.into_future()).await;
    Ok(answer.map_err(|_| timed_out(timeout))??)
}
