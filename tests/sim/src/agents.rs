//! The agents: they propose, vote and cancel through the nodes, and ask one node after another until they have
//! a receipt.

use std::collections::VecDeque;

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, Call, ChainVote, Choice, Command, Epoch, GroupIdentity, Nonce, Outcome, ProposalId, Refusal,
    SignedCommand, TimestampMs,
};

use crate::checkers::linearizability::{Answer, Operation};
use crate::node::keys;

/// What an agent is to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// Open a proposal.
    Propose {
        /// Tells it apart from the agent's others.
        salt: u64,
        /// What it would do.
        calls: Vec<Call>,
        /// The class of decisions.
        class: u8,
    },
    /// Vote.
    Vote(ProposalId, Choice),
    /// Vote for a change of weights, which takes the account's signature.
    SignedVote {
        /// The change.
        proposal: ProposalId,
        /// The epoch that it was proposed in.
        epoch: Epoch,
        /// The end of its voting, in seconds.
        voting_ends: u64,
    },
    /// Withdraw.
    Cancel(ProposalId),
    /// Let a plain agent in.
    Admit(usize),
}

/// A command on its way.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The command.
    pub command: SignedCommand,
    /// What it is for.
    pub task: Task,
    /// Where its call stands in the history.
    pub call: Option<(ProposalId, usize)>,
    /// How often it was sent.
    pub tries: u64,
    /// The node that was asked last.
    pub asked: usize,
    /// Refusals in a row, from nodes that may be behind.
    pub refusals: u64,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its number, which its keys follow from.
    pub number: usize,
    /// Its address.
    pub id: AgentId,
    /// How often its key was rotated.
    pub key_version: u8,
    /// The next nonce.
    pub nonce: u64,
    /// What it has yet to do, before anything of its own accord.
    pub tasks: VecDeque<Task>,
    /// Commands of its own accord that are left.
    pub left: u64,
    /// What it waits for.
    pub pending: Option<Pending>,
    /// Whether it may propose and vote.
    pub is_voter: bool,
}

impl Agent {
    /// An agent with `left` commands to issue.
    pub fn new(number: usize, left: u64, is_voter: bool) -> Self {
        let id = AgentId(keys(number, 0).account.address());
        Self { number, id, key_version: 0, nonce: 0, tasks: VecDeque::new(), left, pending: None, is_voter }
    }

    /// Whether it has nothing to do and nothing to wait for.
    pub fn is_done(&self) -> bool {
        self.pending.is_none() && self.tasks.is_empty() && self.left == 0
    }

    /// The signed command for a task.
    pub fn sign(&mut self, identity: &GroupIdentity, task: &Task, expires: TimestampMs) -> SignedCommand {
        let operation = match task {
            Task::Propose { salt, calls, class } => ProposalsOperation::Propose(Propose {
                salt: *salt,
                description: description(*salt),
                calls: calls.clone(),
                class: *class,
            })
            .to_operation(),
            Task::Vote(proposal, choice) => {
                ProposalsOperation::Vote(Vote { proposal: *proposal, choice: *choice, signature: None })
                    .to_operation()
            }
            Task::SignedVote { proposal, epoch, voting_ends } => {
                let (proposal, choice) = (*proposal, Choice::For);
                let (voter, epoch, voting_ends) = (self.id, *epoch, *voting_ends);
                let vote = ChainVote { voter, proposal, choice, epoch, voting_ends, nonce: 0 };
                let signature = keys(self.number, 0).account.sign_digest(&vote.digest(identity));
                let signature = Some(signature.into());
                ProposalsOperation::Vote(Vote { proposal, choice, signature }).to_operation()
            }
            Task::Cancel(proposal) => {
                ProposalsOperation::Cancel(Cancel { proposal: *proposal }).to_operation()
            }
            Task::Admit(number) => {
                let keys = keys(*number, 0);
                let admit = Admit::sign(identity, &keys.account, keys.agent.public());
                MembersOperation::Admit(admit).to_operation()
            }
        };
        self.nonce += 1;
        let key = keys(self.number, self.key_version).agent;
        let command = Command {
            group: identity.group,
            agent: self.id,
            key: key.public(),
            nonce: Nonce(self.nonce),
            expires,
            operations: vec![operation],
        };
        SignedCommand::sign(command, &key)
    }

    /// The proposal that a task is about, and what it asks of it.
    pub fn operation(&self, identity: &GroupIdentity, task: &Task) -> Option<(ProposalId, Operation)> {
        match task {
            Task::Propose { salt, calls, class } => {
                let id = proposal_id(&identity.group, self.id, *salt, *class, calls, &description(*salt));
                Some((id, Operation::Propose))
            }
            Task::Vote(proposal, choice) => Some((*proposal, Operation::Vote(self.id, *choice))),
            Task::SignedVote { proposal, .. } => Some((*proposal, Operation::Vote(self.id, Choice::For))),
            Task::Cancel(proposal) => Some((*proposal, Operation::Cancel(self.id))),
            Task::Admit(_) => None,
        }
    }
}

fn description(salt: u64) -> String {
    format!("proposal {salt}")
}

/// What an outcome tells a client about a proposal.
pub fn answer(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Applied { .. } | Outcome::Recorded => Answer::Done,
        Outcome::Refused { refusal: Refusal::Service { code, .. } } => match code.as_str() {
            "proposal_exists" => Answer::Exists,
            "unknown_proposal" => Answer::Unknown,
            "proposal_closed" => Answer::Closed,
            "voting_over" => Answer::Over,
            "already_voted" => Answer::Voted,
            "other_voters" => Answer::OtherVoters,
            "not_the_proposer" => Answer::NotTheProposer,
            _ => Answer::Refused,
        },
        Outcome::Refused { .. } => Answer::Refused,
    }
}
