//! What an agent does on the chain itself: registering, the on-chain lane, and carrying out what was
//! decided off-chain.
//!
//! The functions are thin: they turn the words of `quorate-protocol` into the contract's, send one transaction,
//! wait until a block includes it, and put the contract's refusals into words.

mod anchored;
mod convert;
mod directory;
mod forks;
mod lane;
mod objection;
mod sending;
mod words;

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider};
use alloy::signers::local::PrivateKeySigner;
use quorate_contracts::rpc::{self, Bounds};
use quorate_contracts::sending::Account;
use quorate_contracts::{self as contract, AgentCoordinator, AgentCoordinator::AgentCoordinatorInstance};
use quorate_protocol::group::{group_id, members_hash};
use quorate_protocol::{
    AccountKey, AgentId, GroupId, GroupIdentity, Member, PublicKey, SignedCheckpoint, SignedCommand, Terms,
    U256,
};
use zeroize::Zeroizing;

pub use lane::{recover_call, revoke_call};
pub use objection::{MAX_OBJECTION_BYTES, SignedObjection};
use sending::answer;

use crate::error::SdkError;
pub use forks::{Fork, NoFork};

/// How long to wait for a transaction's inclusion, unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one request to an RPC endpoint may take, and how long one that limits requests is waited for.
const BOUNDS: Bounds = Bounds::of_request(Duration::from_secs(10));
/// The contract's inbox costs its fee for so many bytes begun.
const INBOX_FEE_UNIT_BYTES: usize = 1024;

/// A transaction that a block includes, and that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// The transaction.
    pub tx_hash: B256,
    /// The gas that it used, intrinsic gas included.
    pub gas_used: u64,
    /// The block that includes it.
    pub block: u64,
}

/// An account that acts on one coordinator. Cheap to clone; clones share the queue.
///
/// Transactions of one account wait for each other: nodes and pools handle many from one sender badly, and
/// nonces stay simple. Where another program sends from the same account, this one gives way and tries again. What may be
/// on its way is never signed a second time: see [`quorate_contracts::sending`].
#[derive(Clone, Debug)]
pub struct ChainAgent {
    coordinator: AgentCoordinatorInstance<DynProvider>,
    account: AccountKey,
    chain_id: u64,
    sender: Account,
}

impl ChainAgent {
    /// Connects `account` to the coordinator at `contract`. `rpc_url` is the address of an RPC endpoint, or several as
    /// [`rpc::Endpoints`] are written.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] for a URL that cannot be used, [`SdkError::ChainUnreachable`].
    pub async fn new(rpc_url: &str, contract: Address, account: AccountKey) -> Result<Self, SdkError> {
        let endpoints = rpc_url
            .parse()
            .map_err(|error: rpc::EndpointsError| SdkError::Configuration(error.to_string()))?;
        let provider = rpc::provider(&endpoints, BOUNDS)
            .map_err(|error| SdkError::ChainUnreachable(error.to_string()))?;
        let secret = Zeroizing::new(account.secret());
        let signer = PrivateKeySigner::from_slice(&secret[..])
            .expect("an account key is a secp256k1 key, as the signer takes them");
        let chain_id = answer(provider.get_chain_id()).await?;
        let sender = Account::new(provider.clone(), signer, chain_id).with_patience(DEFAULT_TIMEOUT);
        let coordinator = AgentCoordinator::new(contract, provider);
        Ok(Self { coordinator, account, chain_id, sender })
    }

    /// Sets how long to wait for a transaction's inclusion; 60 seconds unless set.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.sender = self.sender.with_patience(timeout);
        self
    }

    /// The account's address.
    pub fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }

    /// Binds an ed25519 key to the account, for groups that are created later.
    ///
    /// # Errors
    /// [`SdkError::Reverted`], [`SdkError::InDoubt`] or [`SdkError::ChainUnreachable`], as for all transactions. Only after
    /// [`SdkError::InDoubt`] may the transaction still take effect.
    pub async fn register(&self, key: &PublicKey) -> Result<Included, SdkError> {
        self.send(self.coordinator.register(B256::from(key.0))).await
    }

    /// Creates a group. Its members, in ascending order of address, have all registered the keys given.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn create_group(
        &self,
        members: &[Member],
        terms: &Terms,
        salt: B256,
    ) -> Result<(GroupId, Included), SdkError> {
        let contract = *self.coordinator.address();
        let (members_hash, terms_hash) = (members_hash(members), terms.hash());
        let id = group_id(self.chain_id, contract, self.account.address(), salt, members_hash, terms_hash);
        let members = members.iter().map(contract::Member::from).collect();
        let included = self.send(self.coordinator.createGroup(members, terms.into(), salt)).await?;
        Ok((id, included))
    }

    /// Gives up the account's vote in a group, on-chain and, once the log is told, there. Nobody else can.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn leave(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.leave(group.0)).await
    }

    /// Puts a signed command into the group's inbox: its replicas have to take it into the log. For an agent whose
    /// commands no node takes. The account need not be the agent's; if it is no member of the group, it pays the terms'
    /// fee, and nothing where they close the inbox to it.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn enqueue(&self, group: GroupId, command: &SignedCommand) -> Result<Included, SdkError> {
        let bytes = command.encode();
        let member = self.ask(self.coordinator.memberOf(group.0, self.account.address())).await?;
        let fee = if member.flags == 0 {
            let known = self.ask(self.coordinator.group(group.0)).await?;
            let units = U256::from(bytes.len().div_ceil(INBOX_FEE_UNIT_BYTES));
            U256::from(known.terms.inboxFee) * units
        } else {
            U256::ZERO
        };
        self.send(self.coordinator.enqueue(group.0, bytes.into()).value(fee)).await
    }

    /// Adds `wei` to the account's own bond.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn deposit(&self, group: GroupId, wei: U256) -> Result<Included, SdkError> {
        self.send(self.coordinator.deposit(group.0).value(wei)).await
    }

    /// Adds `wei` to the bond of a replica of the current epoch. Only the replica gets it back.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn deposit_for(
        &self,
        group: GroupId,
        replica: AgentId,
        wei: U256,
    ) -> Result<Included, SdkError> {
        self.send(self.coordinator.depositFor(group.0, replica.0).value(wei)).await
    }

    /// Asks for the account's bond. A replica's signature counts for 14 days more; the bond can be withdrawn the evidence
    /// window and a day after.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn request_withdrawal(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.requestWithdrawal(group.0)).await
    }

    /// Takes back [`Self::request_withdrawal`].
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn stay(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.stay(group.0)).await
    }

    /// Takes the account's bond back, after [`Self::request_withdrawal`].
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn withdraw(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.withdraw(group.0)).await
    }

    /// Shows the contract that a replica signed two checkpoints that contradict each other. It forfeits its bond, of
    /// which the account has its share. `members` are those of the epoch of either checkpoint, where the replica has no
    /// seat in the current one.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn report_contradiction(
        &self,
        first: &SignedCheckpoint,
        second: &SignedCheckpoint,
        members: &[Member],
    ) -> Result<Included, SdkError> {
        let call = self.coordinator.reportContradiction(
            (&first.checkpoint).into(),
            Bytes::copy_from_slice(&first.signature.0),
            (&second.checkpoint).into(),
            Bytes::copy_from_slice(&second.signature.0),
            members.iter().map(contract::Member::from).collect(),
            contract::Fork::default(),
        );
        self.send(call).await
    }

    fn identity(&self, group: GroupId) -> GroupIdentity {
        GroupIdentity { chain_id: self.chain_id, contract: AgentId(*self.coordinator.address()), group }
    }
}
