//! What an agent does on the chain itself: registering, the on-chain lane, and carrying out what was
//! decided off-chain.
//!
//! The functions are thin: they turn the words of `quorate-protocol` into the contract's, send one transaction,
//! wait until a block includes it, and put the contract's refusals into words.

mod convert;
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
use quorate_contracts::{AgentCoordinator, AgentCoordinator::AgentCoordinatorInstance, Refusal};
use quorate_protocol::api::ProposalView;
use quorate_protocol::group::group_id;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::{ChainVote, actions_hash, proposal_id};
use quorate_protocol::{
    AccountKey, AccountSignature, AgentId, Call, Choice, Epoch, GroupId, GroupIdentity, Member, ProposalId,
    PublicKey, Receipt, SignedCheckpoint, SignedCommand, Terms, U256,
};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::error::SdkError;

/// How long to wait for a transaction's inclusion, unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one question to the RPC endpoint may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a transaction is sent in all when others take its nonce.
const NONCE_TRIES: u32 = 16;
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
        let id = group_id(self.chain_id, *self.coordinator.address(), self.account.address(), salt);
        let members = members.iter().map(convert::member).collect();
        let included = self.send(self.coordinator.createGroup(members, convert::terms(terms), salt)).await?;
        Ok((id, included))
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
        let id = proposal_id(&group, self.id(), *salt, *class, actions_hash(calls), description);
        let calls = convert::calls(calls);
        let included =
            self.send(self.coordinator.propose(group.0, *class, calls, description.clone(), *salt)).await?;
        Ok((id, included))
    }

    /// Votes on a proposal of the on-chain lane.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote(&self, proposal: ProposalId, choice: Choice) -> Result<Included, SdkError> {
        self.send(self.coordinator.vote(proposal.0, choice as u8)).await
    }

    /// The account's signature on a vote, for somebody else to send with [`Self::vote_by_sig`].
    pub fn sign_vote(&self, group: GroupId, vote: &ChainVote) -> AccountSignature {
        let contract = AgentId(*self.coordinator.address());
        let identity = GroupIdentity { chain_id: self.chain_id, contract, group };
        self.account.sign_digest(&vote.digest(&identity))
    }

    /// What a voter signs who has not voted on a proposal of the on-chain lane: its epoch and the end of its voting are
    /// the contract's.
    ///
    /// # Errors
    /// [`SdkError::Reverted`] when there is no such proposal or group, [`SdkError::ChainUnreachable`].
    pub async fn first_vote(&self, proposal: ProposalId, choice: Choice) -> Result<ChainVote, SdkError> {
        let known = self.ask(self.coordinator.proposal(proposal.0)).await?;
        let group = self.ask(self.coordinator.group(known.groupId)).await?;
        let voting_ends = known.votingEnds;
        Ok(ChainVote { proposal, choice, epoch: Epoch(group.epoch), voting_ends, nonce: 0 })
    }

    /// Sends the vote that `voter` signed. Anybody may.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote_by_sig(
        &self,
        proposal: ProposalId,
        voter: AgentId,
        choice: Choice,
        signature: &AccountSignature,
    ) -> Result<Included, SdkError> {
        let signature = Bytes::copy_from_slice(&signature.0);
        self.send(self.coordinator.voteBySig(proposal.0, voter.0, choice as u8, signature)).await
    }

    /// Sends several votes on one proposal that their voters signed. Those that are counted already are passed over.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote_by_sigs(
        &self,
        proposal: ProposalId,
        ballots: &[(AgentId, Choice, AccountSignature)],
    ) -> Result<Included, SdkError> {
        let ballots =
            ballots.iter().map(|(voter, choice, signature)| convert::ballot(*voter, *choice, signature));
        self.send(self.coordinator.voteBySigs(proposal.0, ballots.collect())).await
    }

    /// Approves a proposal that began off-chain by the votes that it has there, when anchors have stalled; then it is
    /// executed with [`Self::execute`]. Anybody may. The proposal is as a node shows it: the contract checks the votes'
    /// signatures, which name the proposal.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn approve_from_log(
        &self,
        group: GroupId,
        proposal: &ProposalView,
    ) -> Result<Included, SdkError> {
        let ballots = proposal
            .votes
            .iter()
            .filter(|vote| vote.choice == Choice::For)
            .filter_map(|vote| Some(convert::ballot(vote.voter, vote.choice, vote.signature.as_ref()?)))
            .collect();
        let voting_ends = proposal.closes.seconds();
        let content = convert::content(proposal);
        self.send(self.coordinator.approveFromLog(group.0, content, voting_ends, ballots)).await
    }

    /// Puts a signed command into the group's inbox: its replicas have to take it into the log. For an agent whose
    /// commands no node takes. The account must be registered, and need not be the agent's.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn enqueue(&self, group: GroupId, command: &SignedCommand) -> Result<Included, SdkError> {
        self.send(self.coordinator.enqueue(group.0, command.encode().into())).await
    }

    /// Adds `wei` to a replica's bond. Only the replica gets it back.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn deposit(&self, group: GroupId, replica: AgentId, wei: U256) -> Result<Included, SdkError> {
        self.send(self.coordinator.deposit(group.0, replica.0).value(wei)).await
    }

    /// Asks for the account's bond, once it is no replica any more. It can be withdrawn after the evidence window and a
    /// day.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn request_withdrawal(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.requestWithdrawal(group.0)).await
    }

    /// Takes the account's bond back, after [`Self::request_withdrawal`].
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn withdraw(&self, group: GroupId) -> Result<Included, SdkError> {
        self.send(self.coordinator.withdraw(group.0)).await
    }

    /// Shows the contract that a replica signed two different checkpoints of one sequence. It forfeits its bond, of
    /// which the account has its share.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn report_equivocation(
        &self,
        first: &SignedCheckpoint,
        second: &SignedCheckpoint,
    ) -> Result<Included, SdkError> {
        let call = self.coordinator.reportEquivocation(
            (&first.checkpoint).into(),
            Bytes::copy_from_slice(&first.signature.0),
            (&second.checkpoint).into(),
            Bytes::copy_from_slice(&second.signature.0),
        );
        self.send(call).await
    }

    /// Withdraws an open proposal of the on-chain lane that the account made.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn cancel(&self, proposal: ProposalId) -> Result<Included, SdkError> {
        self.send(self.coordinator.cancel(proposal.0)).await
    }

    /// Makes the calls of a proposal that was approved in the on-chain lane. Anybody may.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn execute(&self, proposal: ProposalId, calls: &[Call]) -> Result<Included, SdkError> {
        self.send(self.coordinator.execute(proposal.0, convert::calls(calls))).await
    }

    /// Makes the calls of a decision that was taken off-chain and is anchored. Anybody may. The contract checks
    /// the receipt's proof; nothing is checked twice here.
    ///
    /// # Errors
    /// [`SdkError::NotExecutable`] when the receipt is not of an approved decision or carries no anchor proof
    /// yet, and as [`Self::register`].
    pub async fn execute_anchored(&self, receipt: &Receipt) -> Result<Included, SdkError> {
        let convert::AnchoredDecision { group, size, approval, proof } = convert::anchored_decision(receipt)?;
        self.send(self.coordinator.executeAnchored(group, size, approval, proof)).await
    }

    /// Makes the calls of several decisions in one transaction with one proof, all or none, in the order of the log.
    /// That costs less than half of what they cost singly. The receipts are of one group and of one anchor.
    ///
    /// # Errors
    /// As [`Self::execute_anchored`], and [`SdkError::NotExecutable`] when there are none, one is there twice, or they
    /// are not of one anchor.
    pub async fn execute_anchored_batch(&self, receipts: &[Receipt]) -> Result<Included, SdkError> {
        let convert::AnchoredDecisions { group, size, approvals, proof } =
            convert::anchored_decisions(receipts)?;
        self.send(self.coordinator.executeAnchoredBatch(group, size, approvals, proof)).await
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
