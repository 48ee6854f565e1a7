//! Signing commands, and submitting them until their entry is proved.
//!
//! A command that is certain to have had no effect, because its nonce or its expiry did not fit, is signed again: another
//! process with the same key, or a group whose time is ahead, is no failure. Whatever may yet take effect is never signed
//! again, only sent again in the same bytes.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_protocol::api::{CBOR, ErrorCode};
use quorate_protocol::command::{MAX_COMMAND_BYTES, MAX_OPERATIONS};
use quorate_protocol::receipt::MAX_RECEIPT_BYTES;
use quorate_protocol::{
    Command, Digest, Nonce, Operation, Outcome, Receipt, Refusal, SignedCommand, TimestampMs,
};

use super::calls::present;
use super::node::{Node, NodeFailure};
use super::nonces::Distrust;
use super::retry::Failed;
use super::{Client, evidence, pages};
use crate::agent::Agent;
use crate::error::SdkError;

/// How often a command is signed in all.
const TRIES: u32 = 24;
/// How long a command of the inbox is valid beyond the inbox' deadline.
const INBOX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the group's time may be ahead of this machine's clock for expiries to follow it by themselves. A command that
/// expires so late stays valid for as long once the group's clocks are right again.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// What a command that had no effect is signed with the next time.
enum Again {
    /// Another nonce: this one is another command's.
    NewNonce,
    /// The same nonce, so that only one of both can take effect.
    SameNonce,
}

impl Client {
    /// Signs a command of these operations, all or nothing, and submits it. An agent has at most 32
    /// commands on their way at once; further calls wait. Where another process with the same key took the nonce, or the
    /// group's time is ahead, the command is signed again: it took no effect, and the group's proof or enough nodes say so.
    ///
    /// # Errors
    /// As [`Self::sign`] and [`Self::submit`]; [`SdkError::GroupAhead`] where the group's time is further ahead than expiries
    /// follow it.
    pub async fn execute(&self, agent: &Agent, operations: Vec<Operation>) -> Result<Receipt, SdkError> {
        let mut flight = self.inner.nonces.enter(agent.id()).await;
        let mut command = self.sign(agent, operations.clone()).await?;
        for _ in 1..TRIES {
            flight.take_off(command.command().nonce).await;
            let error = match self.submit(command.clone()).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) => error,
            };
            command = match self.again(&command, error).await? {
                Again::NewNonce => self.sign(agent, operations.clone()).await?,
                Again::SameNonce => {
                    let nonce = Some(command.command().nonce);
                    self.sign_with(agent, operations.clone(), nonce, self.inner.expiry).await?
                }
            };
        }
        flight.take_off(command.command().nonce).await;
        self.submit(command).await
    }

    /// Whether a command that failed is to be signed again, and how; else why not.
    async fn again(&self, command: &SignedCommand, error: SdkError) -> Result<Again, SdkError> {
        let expires = command.command().expires;
        match &error {
            // `submit` has given the count up.
            SdkError::Refused { refusal: Refusal::NonceReused { .. }, .. } => Ok(Again::NewNonce),
            SdkError::Rejected {
                code: ErrorCode::NonceReused | ErrorCode::NonceTooOld | ErrorCode::NonceTooFar,
                ..
            } => Ok(Again::NewNonce),
            // It was late by the group's clock alone; a command that was late by this machine's stays refused.
            SdkError::Refused { refusal: Refusal::Expired { batch_time, .. }, .. } if *batch_time > now() => {
                self.follow_group_time(expires).map(|()| Again::NewNonce)
            }
            SdkError::Rejected { code: ErrorCode::Expired, .. } if expires > now() => {
                self.learn_group_time().await;
                if self.inner.group_time() < expires {
                    // So the nodes' own clocks are ahead of this one, which the group has not proved.
                    return Err(error);
                }
                self.follow_group_time(expires).map(|()| Again::SameNonce)
            }
            _ => Err(error),
        }
    }

    /// Fails when the group's time is further ahead than expiries follow it.
    fn follow_group_time(&self, expires: TimestampMs) -> Result<(), SdkError> {
        let (group_time, now) = (self.inner.group_time(), now());
        let ahead = Duration::from_millis(group_time.0.saturating_sub(now.0));
        if ahead > MAX_AHEAD {
            return Err(SdkError::GroupAhead { group_time, ahead, expires });
        }
        Ok(())
    }

    /// Has a node prove how far the group's time has come. Without an answer, nothing is known.
    async fn learn_group_time(&self) {
        let ask = |node: Arc<Node>| {
            let client = self.clone();
            async move { pages::certificate(&client, &node).await }
        };
        let learnt = self.inner.ask_nodes(self.inner.query(), ask).await;
        if let Err(failed) = learnt {
            tracing::debug!(error = %SdkError::from(failed), "the group's time is not known");
        }
    }

    /// Signs a command of these operations with the agent's next nonce and this client's expiry. The first
    /// nonce is a node's claim, which at worst makes the group refuse the command; then they are counted here.
    ///
    /// # Errors
    /// [`SdkError::UnknownAgent`], [`SdkError::NoAnswer`] or [`SdkError::Rejected`] when no node tells the
    /// nonce; [`SdkError::TooLarge`]; [`SdkError::Configuration`] for no operations or too many.
    pub async fn sign(&self, agent: &Agent, operations: Vec<Operation>) -> Result<SignedCommand, SdkError> {
        self.sign_with(agent, operations, None, self.inner.expiry).await
    }

    /// Signs a command for the contract's inbox ([`crate::ChainAgent::enqueue`]), for an agent whose commands the nodes
    /// do not take. It expires a day after the group has to have taken it in. The nonce is `nonce` if it is given: any
    /// that the agent has not used and that is not far from its last one; otherwise a node is asked for the next.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub async fn sign_for_inbox(
        &self,
        agent: &Agent,
        operations: Vec<Operation>,
        nonce: Option<Nonce>,
    ) -> Result<SignedCommand, SdkError> {
        let deadline = Duration::from_secs(self.group().terms.inbox_deadline_s.into());
        self.sign_with(agent, operations, nonce, deadline + INBOX_GRACE).await
    }

    async fn sign_with(
        &self,
        agent: &Agent,
        operations: Vec<Operation>,
        nonce: Option<Nonce>,
        expiry: Duration,
    ) -> Result<SignedCommand, SdkError> {
        let id = agent.id();
        if operations.is_empty() || operations.len() > MAX_OPERATIONS {
            let reason = format!("a command has 1 to {MAX_OPERATIONS} operations, not {}", operations.len());
            return Err(SdkError::Configuration(reason));
        }
        let group = self.group().identity.group;
        let first = async {
            let view = self.agent_view(id).await?.ok_or(SdkError::UnknownAgent(id))?;
            Ok(view.next_nonce)
        };
        let nonce = match nonce {
            Some(nonce) => nonce,
            None => self.inner.nonces.next(agent, group, first).await?,
        };
        let latest = now().plus(millis(MAX_AHEAD));
        let base = now().max(self.inner.group_time().min(latest));
        let command = Command {
            group,
            agent: id,
            key: agent.public_key(),
            nonce,
            expires: base.plus(millis(expiry)),
            operations,
        };
        Ok(SignedCommand::sign(command, &agent.key))
    }

    /// Submits a signed command until a node gives the verified receipt of its entry. Submitting the same
    /// command again, here or anywhere else, gives the same entry.
    ///
    /// # Errors
    /// - [`SdkError::Refused`] when the group ordered the command and it had no effect, with the proof.
    /// - [`SdkError::Rejected`] when the nodes do not take it.
    /// - [`SdkError::Unconfirmed`] when time is over; the command may still take effect, once.
    /// - [`SdkError::TooLarge`], and [`SdkError::Configuration`] for a command for another group.
    pub async fn submit(&self, command: SignedCommand) -> Result<Receipt, SdkError> {
        let bytes = command.encode();
        if bytes.len() > MAX_COMMAND_BYTES {
            return Err(SdkError::TooLarge { bytes: bytes.len(), max: MAX_COMMAND_BYTES });
        }
        command
            .check_shape(&self.group().identity.group)
            .map_err(|error| SdkError::Configuration(error.to_string()))?;
        let digest = command.digest();
        let policy = self.inner.policy;
        let wait = policy.node_wait.min(policy.total_timeout);
        let path = format!("/commands?wait_ms={}", wait.as_millis());
        let ask = |node: Arc<Node>| {
            let (client, path, bytes) = (self.clone(), path.clone(), bytes.clone());
            async move {
                let timeout = wait + policy.request_timeout;
                let answer = match node.post(&path, bytes, timeout, MAX_RECEIPT_BYTES).await {
                    // Its entry may be older than the nonces that the group remembers.
                    Err(old @ NodeFailure::Answered { code: ErrorCode::NonceTooOld, .. }) => {
                        executed_before(&client, &node, digest, old).await?
                    }
                    answer => answer?,
                };
                evidence::command(&client.inner, &node, digest, &answer).await
            }
        };
        match self.inner.ask_nodes(self.inner.query(), ask).await {
            Ok(receipt) => self.unless_refused(&command, receipt).await,
            Err(Failed::Exhausted { waited, failures }) => {
                Err(SdkError::Unconfirmed { digest, waited, failures })
            }
            Err(rejected @ Failed::Rejected { code, .. }) => {
                match code {
                    ErrorCode::NonceReused => self.distrust_nonces(&command, Distrust::Contested).await,
                    ErrorCode::NonceTooOld => self.distrust_nonces(&command, Distrust::Contested).await,
                    ErrorCode::NonceTooFar => self.distrust_nonces(&command, Distrust::Wrong).await,
                    _ => {}
                }
                Err(rejected.into())
            }
        }
    }

    /// The receipt of a command's entry, also of a refused one, or nothing when enough nodes say that there is
    /// none yet.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn receipt(&self, digest: Digest) -> Result<Option<Receipt>, SdkError> {
        let ask = |node: Arc<Node>| {
            let client = self.clone();
            async move {
                let answer = receipt_bytes(&client, &node, digest).await?;
                evidence::command(&client.inner, &node, digest, &answer).await
            }
        };
        present(self.inner.ask_nodes(self.inner.query(), ask).await)
    }

    async fn unless_refused(&self, command: &SignedCommand, receipt: Receipt) -> Result<Receipt, SdkError> {
        let Outcome::Refused { refusal } = &receipt.record.outcome else { return Ok(receipt) };
        let refusal = refusal.clone();
        if matches!(refusal, Refusal::NonceReused { .. }) {
            self.distrust_nonces(command, Distrust::Contested).await;
        }
        Err(SdkError::Refused { refusal, receipt: Box::new(receipt) })
    }

    /// Somebody else uses the agent's nonces, or the node that told the first one lied.
    async fn distrust_nonces(&self, command: &SignedCommand, why: Distrust) {
        self.inner.nonces.forget(command.command().agent, why).await;
        self.inner.distrust_preferred();
    }
}

async fn receipt_bytes(client: &Client, node: &Node, digest: Digest) -> Result<Vec<u8>, NodeFailure> {
    let timeout = client.inner.policy.request_timeout;
    node.get(&format!("/commands/{digest}"), CBOR, timeout, MAX_RECEIPT_BYTES).await
}

/// The receipt that the node has of a command although it says that its nonce is too old; else what it said. Both are asked
/// of one node: one that is correct and has no entry of the command will never make one.
async fn executed_before(
    client: &Client,
    node: &Node,
    digest: Digest,
    said: NodeFailure,
) -> Result<Vec<u8>, NodeFailure> {
    match receipt_bytes(client, node, digest).await {
        Err(NodeFailure::Answered { code: ErrorCode::NotFound, .. }) => Err(said),
        answer => answer,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// This machine's clock.
pub(super) fn now() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(millis(since_epoch))
}
