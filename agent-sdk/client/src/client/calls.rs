//! Typed calls: what an agent does in a group, and what it gets as proof.

use std::time::Duration;

use quorate_protocol::api::{CBOR, ErrorCode};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, ProposalsOutcome, Propose, Vote};
use quorate_protocol::receipt::MAX_RECEIPT_BYTES;
use quorate_protocol::{
    ChainVote, Choice, Class, DecisionRecord, Member, MembersChange, Operation, ProposalId, Receipt, Scope,
    TimestampMs, VoterSignature,
};

use super::retry::{Failed, Patience};
use super::{Client, NodeFailure, evidence};
use crate::agent::Agent;
use crate::error::SdkError;

/// How long a node is asked to hold a request for a decision that is still to come.
const DECISION_WAIT: Duration = Duration::from_secs(5);

/// A proposal that is open.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The proposal's id.
    pub proposal: ProposalId,
    /// It expires in the first batch at or after this time.
    pub closes: TimestampMs,
    /// The proof.
    pub receipt: Receipt,
}

/// A vote that counts.
#[derive(Clone, Debug)]
pub struct Voted {
    /// With what weight it counts.
    pub weight: u64,
    /// The proof.
    pub receipt: Receipt,
}

/// What a node proves of a proposal that is closed.
enum Closed {
    Decided(Box<Decided>),
    /// The on-chain lane has it: there is no decision, and none will come.
    Moved(Box<Receipt>),
}

/// A proposal that is closed.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision, with the proposal that it is on.
    pub record: DecisionRecord,
    /// The proof.
    pub receipt: Receipt,
}

impl Client {
    /// Proposes something to the group. `agent` must be a voter.
    ///
    /// # Errors
    /// [`SdkError::InvalidProposal`] for what no group takes; nothing is signed then. And as [`Self::execute`].
    pub async fn propose(&self, agent: &Agent, propose: Propose) -> Result<Proposed, SdkError> {
        propose.check()?;
        let operation = ProposalsOperation::Propose(propose).to_operation();
        let receipt = self.execute(agent, vec![operation]).await?;
        match evidence::proposals_outcome(&receipt)? {
            ProposalsOutcome::Proposed { proposal, closes } => Ok(Proposed { proposal, closes, receipt }),
            other => Err(unexpected(&receipt, &other)),
        }
    }

    /// Proposes that the next epoch's members are `members`, in ascending order of address, in place of the current
    /// ones; the same members again renew the epoch. `agent` must be a voter. Once the proposal is approved, the change
    /// takes effect at the group's next checkpoint, unless another one did before.
    ///
    /// # Errors
    /// [`SdkError::MembersChange`] when these members could form no group under the group's policy, and as
    /// [`Self::newest_group`] and [`Self::execute`].
    pub async fn change_members(
        &self,
        agent: &Agent,
        members: Vec<Member>,
        description: String,
        salt: u64,
    ) -> Result<Proposed, SdkError> {
        let group = self.newest_group().await?;
        let change = MembersChange { epoch: group.epoch, members };
        change.apply(&group)?;
        let calls = vec![change.call(&group.identity)];
        // A change of weights takes the voters' signatures, which votes carry in classes with the escape lane alone.
        let alters = change.alters_weights(&group);
        let serves =
            |class: &Class| if alters { class.changes_weights() } else { class.scope == Scope::Anything };
        let class = group.terms.classes.iter().position(serves);
        let class = class.and_then(|class| u8::try_from(class).ok()).ok_or(SdkError::NoClassForMembers)?;
        self.propose(agent, Propose { salt, description, calls, class }).await
    }

    /// Votes on an open proposal. `agent` must be a voter that has not voted on it, or for something else in a class
    /// where votes may change. In a group with a class that allows the escape lane, the nodes are asked for the proposal
    /// first, because there the vote carries the account's signature on the end of the voting.
    ///
    /// # Errors
    /// As [`Self::vote_operation`] and [`Self::execute`].
    pub async fn vote(&self, agent: &Agent, proposal: ProposalId, choice: Choice) -> Result<Voted, SdkError> {
        let operation = self.vote_operation(agent, proposal, choice).await?;
        let receipt = self.execute(agent, vec![operation]).await?;
        match evidence::proposals_outcome(&receipt)? {
            ProposalsOutcome::Voted { weight } => Ok(Voted { weight, receipt }),
            other => Err(unexpected(&receipt, &other)),
        }
    }

    /// The operation of a vote, with the signature by which it counts on-chain too where the proposal's class wants one:
    /// what [`Self::vote`] submits, for a command of one's own.
    ///
    /// The end of the voting and the epoch that the account signs are those that enough nodes tell alike to include a correct
    /// one, if so many are known to the client; and they are never beyond what the group's own rules and members allow.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`] when the class has to be asked for and no node tells;
    /// [`SdkError::FalseVoting`] for an end or an epoch that cannot be.
    pub async fn vote_operation(
        &self,
        agent: &Agent,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<Operation, SdkError> {
        let signature = self.chain_signature(agent, proposal, choice).await?;
        Ok(ProposalsOperation::Vote(Vote { proposal, choice, signature }).to_operation())
    }

    async fn chain_signature(
        &self,
        agent: &Agent,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<Option<VoterSignature>, SdkError> {
        let group = &self.inner.group;
        if !group.terms.classes.iter().any(|class| class.escape) {
            return Ok(None);
        }
        let Some(view) = self.agreed_proposal(proposal).await? else { return Ok(None) };
        let Some(class) = group.terms.class(view.class).filter(|class| class.escape) else { return Ok(None) };
        self.check_voting(&view, class).await?;
        let voting_ends = view.closes.seconds();
        let voter = agent.id();
        let vote = ChainVote { voter, proposal, choice, epoch: view.epoch, voting_ends, nonce: 0 };
        Ok(Some(agent.account.sign_digest(&vote.digest(&group.identity)).into()))
    }

    /// Withdraws an open proposal that `agent` made.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn cancel(&self, agent: &Agent, proposal: ProposalId) -> Result<Receipt, SdkError> {
        let operation = ProposalsOperation::Cancel(Cancel { proposal }).to_operation();
        self.execute(agent, vec![operation]).await
    }

    /// Lets a plain agent submit commands. `agent` must be a voter; `admit` is signed by the agent that is
    /// to be admitted (see [`Agent::admission`]).
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn admit(&self, agent: &Agent, admit: Admit) -> Result<Receipt, SdkError> {
        self.execute(agent, vec![MembersOperation::Admit(admit).to_operation()]).await
    }

    /// Gives up the place of `agent`, which is a plain agent.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn leave(&self, agent: &Agent) -> Result<Receipt, SdkError> {
        self.execute(agent, vec![MembersOperation::Leave.to_operation()]).await
    }

    /// The decision on a proposal, or nothing when enough nodes say that there is none yet, or one proves that there will be
    /// none because the on-chain lane has the proposal.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn decision(&self, proposal: ProposalId) -> Result<Option<Decided>, SdkError> {
        match present(self.ask_decision(proposal, Duration::ZERO, self.inner.query()).await)? {
            Some(Closed::Decided(decided)) => Ok(Some(*decided)),
            Some(Closed::Moved(_)) | None => Ok(None),
        }
    }

    /// Waits for the decision on a proposal, which may be yet unknown to the nodes.
    ///
    /// # Errors
    /// [`SdkError::Moved`] as soon as it is proved that there will be none; [`SdkError::Undecided`] when there is none within
    /// `timeout`, [`SdkError::NoAnswer`] when no node could be
    /// asked within it, or [`SdkError::Rejected`].
    pub async fn wait(&self, proposal: ProposalId, timeout: Duration) -> Result<Decided, SdkError> {
        // No hedging: a correct node holds the request as long as there is no decision.
        let slowest = self.inner.policy.max_backoff.max(DECISION_WAIT);
        let patience = Patience { total: timeout, hedge_after: None, await_absent: true, slowest };
        match self.ask_decision(proposal, timeout.min(DECISION_WAIT), patience).await {
            // A node that still holds the request has not failed.
            Err(Failed::Exhausted { waited, failures })
                if failures.is_empty() || failures.iter().any(|report| report.failure.is_absence()) =>
            {
                Err(SdkError::Undecided { proposal, waited })
            }
            other => match other? {
                Closed::Decided(decided) => Ok(*decided),
                Closed::Moved(receipt) => Err(SdkError::Moved { proposal, receipt }),
            },
        }
    }

    async fn ask_decision(
        &self,
        proposal: ProposalId,
        wait: Duration,
        patience: Patience,
    ) -> Result<Closed, Failed> {
        let timeout = wait + self.inner.policy.request_timeout;
        let ask = |node: std::sync::Arc<super::Node>| {
            let client = self.clone();
            async move {
                let path = format!("/proposals/{proposal}/decision?wait_ms={}", wait.as_millis());
                let answer = match node.get(&path, CBOR, timeout, MAX_RECEIPT_BYTES).await {
                    Err(NodeFailure::Answered {
                        code: ErrorCode::NotDecided, entry: Some(entry), ..
                    }) => {
                        let path = format!("/entries/{entry}/receipt");
                        let answer = node.get(&path, CBOR, timeout, MAX_RECEIPT_BYTES).await?;
                        let receipt = evidence::moved(&client.inner, &node, proposal, &answer).await?;
                        return Ok(Closed::Moved(Box::new(receipt)));
                    }
                    answer => answer?,
                };
                let decided = evidence::decision(&client.inner, &node, proposal, &answer).await?;
                Ok(Closed::Decided(Box::new(decided)))
            }
        };
        self.inner.ask_nodes(patience, ask).await
    }
}

/// Absence, where enough nodes claim it, is an answer.
pub(super) fn present<T>(answer: Result<T, Failed>) -> Result<Option<T>, SdkError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Failed::Rejected { code: ErrorCode::NotFound | ErrorCode::NotDecided, .. }) => Ok(None),
        Err(failed) => Err(failed.into()),
    }
}

fn unexpected(receipt: &Receipt, outcome: &ProposalsOutcome) -> SdkError {
    SdkError::UnexpectedOutcome { index: receipt.record.entry.index, reason: format!("{outcome:?}") }
}
