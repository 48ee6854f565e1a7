//! What an agent does on the chain itself: registering, the on-chain lane, and carrying out what was
//! decided off-chain.
//!
//! The functions are thin: they turn the words of `quorate-protocol` into the contract's, send one transaction,
//! wait until a block includes it, and put the contract's refusals into words.

mod convert;
mod forks;
mod words;

use std::sync::Arc;
use std::time::Duration;

use alloy::contract::{CallBuilder, CallDecoder, Error as ContractError};
use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::local::PrivateKeySigner;
use quorate_contracts::rpc::bounded_client;
use quorate_contracts::{
    self as contract, AgentCoordinator, AgentCoordinator::AgentCoordinatorInstance, Ballot, Content, Refusal,
};
use quorate_protocol::api::ProposalView;
use quorate_protocol::group::{group_id, members_hash};
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AccountKey, AccountSignature, AgentId, ChainVote, Choice, Epoch, GroupId, GroupIdentity, Member,
    Objection, ProposalId, PublicKey, Receipt, SignedCheckpoint, SignedCommand, Terms, U256, VoterSignature,
};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::error::SdkError;
pub use forks::{Fork, NoFork};

/// How long to wait for a transaction's inclusion, unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one question to the RPC endpoint may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a transaction is sent in all when others take its nonce.
const NONCE_TRIES: u32 = 16;
/// The contract's inbox costs its fee for so many bytes begun.
const INBOX_FEE_UNIT_BYTES: usize = 1024;
/// The longest pause before it is sent again.
const NONCE_PAUSE: Duration = Duration::from_millis(400);
/// The first pause between two questions whether a transaction is included; it doubles up to …
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// … this.
const LAST_PAUSE: Duration = Duration::from_secs(1);

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
/// nonces stay simple. Where another program sends from the same account, this one gives way and tries again.
#[derive(Clone, Debug)]
pub struct ChainAgent {
    coordinator: AgentCoordinatorInstance<DynProvider>,
    account: AccountKey,
    chain_id: u64,
    timeout: Duration,
    turn: Arc<Mutex<()>>,
}

impl ChainAgent {
    /// Connects `account` to the coordinator at `contract`.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] for a URL that cannot be used, [`SdkError::ChainUnreachable`].
    pub async fn new(rpc_url: &str, contract: Address, account: AccountKey) -> Result<Self, SdkError> {
        let url = rpc_url
            .parse()
            .map_err(|error| SdkError::Configuration(format!("RPC URL {rpc_url:?}: {error}")))?;
        let client = bounded_client(url, QUESTION_TIMEOUT)
            .map_err(|error| SdkError::ChainUnreachable(error.to_string()))?;
        let secret = Zeroizing::new(account.secret());
        let signer = PrivateKeySigner::from_slice(&secret[..])
            .expect("an account key is a secp256k1 key, as the signer takes them");
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .with_gas_estimation()
            .with_simple_nonce_management()
            .fetch_chain_id()
            .wallet(EthereumWallet::from(signer))
            .connect_client(client)
            .erased();
        let chain_id = answer(provider.get_chain_id()).await?;
        let coordinator = AgentCoordinator::new(contract, provider);
        Ok(Self { coordinator, account, chain_id, timeout: DEFAULT_TIMEOUT, turn: Arc::default() })
    }

    /// Sets how long to wait for a transaction's inclusion; 60 seconds unless set.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The account's address.
    pub fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }

    /// Binds an ed25519 key to the account, for groups that are created later.
    ///
    /// # Errors
    /// [`SdkError::Reverted`], [`SdkError::NotIncluded`] or [`SdkError::ChainUnreachable`], as for all
    /// transactions.
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

    /// Proposes in the on-chain lane. The account must be a voter of the group.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn propose(
        &self,
        group: GroupId,
        propose: &Propose,
    ) -> Result<(ProposalId, Included), SdkError> {
        let Propose { salt, description, calls, class } = propose;
        let id = proposal_id(&group, self.id(), *salt, *class, calls, description);
        let calls = calls.iter().map(contract::Call::from).collect();
        let included =
            self.send(self.coordinator.propose(group.0, *class, calls, description.clone(), *salt)).await?;
        Ok((id, included))
    }

    /// Votes on a proposal of the on-chain lane.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote(
        &self,
        group: GroupId,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<Included, SdkError> {
        self.send(self.coordinator.vote(group.0, proposal.0, choice as u8)).await
    }

    /// The account's signature on a vote, for somebody else to send with [`Self::vote_by_sigs`].
    pub fn sign_vote(&self, group: GroupId, vote: &ChainVote) -> AccountSignature {
        self.account.sign_digest(&vote.digest(&self.identity(group)))
    }

    /// The account's signature on its objection to an approved proposal, for somebody to send with [`Self::veto`].
    pub fn sign_objection(&self, group: GroupId, proposal: ProposalId) -> AccountSignature {
        let objection = Objection { voter: self.id(), proposal };
        self.account.sign_digest(&objection.digest(&self.identity(group)))
    }

    /// What the account signs if it has not voted on a proposal of the on-chain lane: the proposal's epoch and the end of its
    /// voting are the contract's.
    ///
    /// # Errors
    /// [`SdkError::Reverted`] when there is no such group, [`SdkError::ChainUnreachable`].
    pub async fn first_vote(
        &self,
        group: GroupId,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<ChainVote, SdkError> {
        let known = self.ask(self.coordinator.proposal(group.0, proposal.0)).await?;
        let (epoch, voting_ends) = (Epoch(known.epoch), known.votingEnds);
        Ok(ChainVote { voter: self.id(), proposal, choice, epoch, voting_ends, nonce: 0 })
    }

    /// Sends votes on one proposal that their voters signed. Those that do not count are passed over, with an event that
    /// says why.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote_by_sigs(
        &self,
        group: GroupId,
        proposal: ProposalId,
        ballots: &[(AgentId, Choice, VoterSignature)],
    ) -> Result<Included, SdkError> {
        let ballots =
            ballots.iter().map(|(voter, choice, signature)| Ballot::of(*voter, *choice, signature)).collect();
        self.send(self.coordinator.voteBySigs(group.0, proposal.0, ballots)).await
    }

    /// Approves a proposal that began off-chain by the votes that it has there, when the group has stalled; then it is
    /// executed with [`Self::execute`]. Anybody may. The proposal is as a node shows it: the contract checks the votes'
    /// signatures, which name the proposal.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn approve_by_sigs(
        &self,
        group: GroupId,
        proposal: &ProposalView,
    ) -> Result<Included, SdkError> {
        let ballots = proposal
            .votes
            .iter()
            .filter(|vote| vote.choice == Choice::For)
            .filter_map(|vote| Some(Ballot::of(vote.voter, vote.choice, vote.signature.as_ref()?)))
            .collect();
        let voting_ends = proposal.closes.seconds();
        self.send(self.coordinator.approveBySigs(group.0, proposal.into(), voting_ends, ballots)).await
    }

    /// Shows the contract that an anchored log refused a proposal: nobody approves it there by signatures any more.
    ///
    /// # Errors
    /// [`SdkError::NotExecutable`] when the receipt is not of a refusing decision or carries no anchor proof yet, and as
    /// [`Self::register`].
    pub async fn close_from_log(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredRefusal { group, size, refusal, proof } = convert::anchored_refusal(receipt)?;
        self.send(self.coordinator.closeFromLog(group, size, refusal, proof)).await
    }

    /// Takes back an approved proposal by the objections of voters that could have blocked it.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn veto(
        &self,
        group: GroupId,
        proposal: ProposalId,
        objections: &[(AgentId, VoterSignature)],
    ) -> Result<Included, SdkError> {
        let mut objections: Vec<_> = objections.iter().collect();
        objections.sort_by_key(|(voter, _)| *voter);
        let objection = |(voter, signature): &(AgentId, VoterSignature)| {
            Ballot::objection(&Objection { voter: *voter, proposal }, signature)
        };
        let objections = objections.into_iter().map(objection).collect();
        self.send(self.coordinator.veto(group.0, proposal.0, objections)).await
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

    /// Withdraws an open proposal of the on-chain lane that the account made.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn cancel(&self, group: GroupId, content: &Content) -> Result<Included, SdkError> {
        self.send(self.coordinator.cancel(group.0, content.clone())).await
    }

    /// Makes the calls of a proposal that is approved on-chain: by votes there, by the escape lane, or from the queue.
    /// Anybody may.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn execute(&self, group: GroupId, content: &Content) -> Result<Included, SdkError> {
        self.send(self.coordinator.execute(group.0, content.clone())).await
    }

    /// Makes the calls of a decision that was taken off-chain and is anchored, in a class without a timelock. Anybody may.
    /// The contract checks the receipt's proof; nothing is checked twice here.
    ///
    /// # Errors
    /// [`SdkError::NotExecutable`] when the receipt is not of an approved decision or carries no anchor proof
    /// yet, and as [`Self::register`].
    pub async fn execute_anchored(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredDecision { group, size, approval, proof } = self.anchored(receipt).await?;
        self.send(self.coordinator.executeAnchored(group, size, approval, proof)).await
    }

    /// Approves on-chain a decision that was taken off-chain and is anchored, in a class with a timelock, which runs from
    /// there: then it is executed with [`Self::execute`], unless voters object. Anybody may.
    ///
    /// # Errors
    /// As [`Self::execute_anchored`].
    pub async fn queue_anchored(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredDecision { group, size, approval, proof } = self.anchored(receipt).await?;
        self.send(self.coordinator.queueAnchored(group, size, approval, proof)).await
    }

    /// Makes the calls of several decisions in one transaction with one proof, in the order of the log; what was executed or
    /// revoked meanwhile is passed over. That costs less than half of what they cost singly. The receipts are of one group
    /// and of one anchor.
    ///
    /// # Errors
    /// As [`Self::execute_anchored`], and [`SdkError::NotExecutable`] when there are none, one is there twice, or they
    /// are not of one anchor.
    pub async fn execute_anchored_batch(&self, receipts: &[Receipt]) -> Result<Included, SdkError> {
        let mut decisions = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            decisions.push(self.anchored(receipt).await?);
        }
        let convert::AnchoredDecisions { group, size, approvals, proof } = convert::joined(decisions)?;
        self.send(self.coordinator.executeAnchoredBatch(group, size, approvals, proof)).await
    }

    /// The decision in a receipt, as the contract takes it.
    async fn anchored(&self, receipt: &Receipt) -> Result<convert::AnchoredDecision, SdkError> {
        let (group, index) = (receipt.identity.group, receipt.record.entry.index.0);
        // What cannot be executed is refused before the contract is asked anything.
        let decision = convert::anchored_decision(receipt, receipt.epoch)?;
        let epoch = self.epoch_of(group, index, receipt.epoch).await?;
        Ok(decision.of_epoch(epoch))
    }

    /// The epoch in which the entry at `index` was made, which is not after `newest`: the last that began with no more
    /// entries than that, by the contract.
    async fn epoch_of(&self, group: GroupId, index: u64, newest: Epoch) -> Result<Epoch, SdkError> {
        let current = Epoch(self.ask(self.coordinator.group(group.0)).await?.epoch);
        let mut epoch = newest.min(current);
        loop {
            let start = self.ask(self.coordinator.epochStart(group.0, epoch.0)).await?;
            if !start.membersHash.is_zero() && start.logSize <= index {
                return Ok(epoch);
            }
            epoch = match (epoch.era(), epoch.number()) {
                (0, 0) => return Ok(epoch),
                (_, number) if number > 0 => Epoch(epoch.0 - 1),
                (era, _) => self.last_of_era(group, era - 1).await?,
            };
        }
    }

    /// The last epoch of an era that is over.
    async fn last_of_era(&self, group: GroupId, era: u32) -> Result<Epoch, SdkError> {
        let mut last = Epoch(u64::from(era) << 32);
        loop {
            let start = self.ask(self.coordinator.epochStart(group.0, last.0 + 1)).await?;
            if start.membersHash.is_zero() {
                return Ok(last);
            }
            last = Epoch(last.0 + 1);
        }
    }

    fn identity(&self, group: GroupId) -> GroupIdentity {
        GroupIdentity { chain_id: self.chain_id, contract: AgentId(*self.coordinator.address()), group }
    }

    /// Asks the contract, at the latest block.
    async fn ask<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<D::CallOutput, SdkError>
    where
        D: CallDecoder + Unpin,
    {
        let answer = tokio::time::timeout(QUESTION_TIMEOUT, call.call()).await.map_err(|_| no_answer())?;
        answer.map_err(|error| refused(&error, None))
    }

    /// Sends a transaction and waits until a block includes it.
    async fn send<D>(&self, call: CallBuilder<&DynProvider, D>) -> Result<Included, SdkError>
    where
        D: CallDecoder + Unpin,
    {
        let _turn = self.turn.lock().await;
        let tx_hash = self.submit(&call).await?;
        let receipt = self.included(tx_hash).await?;
        let block = receipt.block_number.unwrap_or_default();
        if !receipt.status() {
            // Something else was included between the estimate and this; ask why it fails now.
            let reason = tokio::time::timeout(QUESTION_TIMEOUT, call.block(block.into()).call()).await;
            return Err(match reason {
                Ok(Err(error)) => refused(&error, Some(tx_hash)),
                Ok(Ok(_)) | Err(_) => SdkError::Reverted {
                    refusal: "the transaction failed for a reason that is gone by now".into(),
                    error: None,
                    tx_hash: Some(tx_hash),
                },
            });
        }
        Ok(Included { tx_hash, gas_used: receipt.gas_used, block })
    }

    /// Sends a transaction. When another program took the nonce meanwhile, with the next one: a replica's account
    /// also sends its node's anchors.
    async fn submit<D>(&self, call: &CallBuilder<&DynProvider, D>) -> Result<B256, SdkError>
    where
        D: CallDecoder + Unpin,
    {
        let mut tries = NONCE_TRIES;
        loop {
            tries -= 1;
            // Estimating the gas makes the contract refuse before anything is sent or paid for.
            let sent = tokio::time::timeout(QUESTION_TIMEOUT, call.send()).await;
            match sent.map_err(|_| no_answer())? {
                Ok(pending) => return Ok(*pending.tx_hash()),
                Err(error) if tries > 0 && is_nonce_taken(&error) => {
                    tokio::time::sleep(NONCE_PAUSE.mul_f64(rand::random())).await;
                }
                Err(error) => return Err(refused(&error, None)),
            }
        }
    }

    async fn included(&self, tx_hash: B256) -> Result<TransactionReceipt, SdkError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            // An endpoint that fails now may answer the next time; the transaction is on its way.
            match answer(self.coordinator.provider().get_transaction_receipt(tx_hash)).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                Err(error) => tracing::debug!(%tx_hash, %error, "asking for a transaction again"),
            }
            if started.elapsed() + pause > self.timeout {
                return Err(SdkError::NotIncluded { tx_hash, waited: started.elapsed() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// Whether the endpoint refused a transaction because another one has its nonce. JSON-RPC has no code for
/// that; the words are those of geth, which the other clients took over.
fn is_nonce_taken(error: &ContractError) -> bool {
    const WORDS: [&str; 4] = [
        "nonce too low",
        "replacement transaction underpriced",
        "transaction underpriced",
        "already imported",
    ];
    let ContractError::TransportError(error) = error else { return false };
    let message = error.as_error_resp().map(|response| response.message.to_lowercase());
    message.is_some_and(|message| WORDS.iter().any(|words| message.contains(words)))
}

async fn answer<T, E: std::fmt::Display>(
    question: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, SdkError> {
    let answer = tokio::time::timeout(QUESTION_TIMEOUT, question.into_future()).await;
    answer.map_err(|_| no_answer())?.map_err(|error| SdkError::ChainUnreachable(error.to_string()))
}

fn no_answer() -> SdkError {
    SdkError::ChainUnreachable(format!("no answer within {} ms", QUESTION_TIMEOUT.as_millis()))
}

fn refused(error: &ContractError, tx_hash: Option<B256>) -> SdkError {
    match error.as_revert_data() {
        Some(data) => {
            let error = Refusal::decode(&data);
            let refusal = error.as_ref().map_or_else(|| words::of_foreign(&data), words::of);
            SdkError::Reverted { refusal, error: error.map(Box::new), tx_hash }
        }
        // Endpoints answer with an error of their own for what is wrong with the sender, such as no funds.
        None => SdkError::ChainUnreachable(error.to_string()),
    }
}
