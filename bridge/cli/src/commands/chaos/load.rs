//! A steady load: agents that propose, vote, cancel, admit others and leave, so many commands a second.
//!
//! Commands are due by the clock, whatever became of those before (an open loop): a group that stands still shows as a
//! gap. What a command makes possible, such as votes on a proposal, is queued when its receipt has verified.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::MembersOperation;
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, ProposalsOutcome, Propose, Vote};
use quorate_protocol::{
    Choice, GroupIdentity, Operation, Outcome as Applied, ProposalId, Receipt, SignedCommand, codec,
};
use quorate_sdk::{Agent, Client, RetryPolicy, SdkError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval};

use super::history::{Acknowledged, History, Outcome, Repeated};
use super::judges::leaves::Fields;
use super::schedule::Chance;
use crate::error::CliError;
use crate::network::running::Network;

/// Commands of one agent that are on their way at once. The group remembers 64 nonces of an agent.
const MAX_ON_THEIR_WAY: usize = 32;
/// How long a command may take to be ordered.
const EXPIRY: Duration = Duration::from_secs(150);
/// How long a command is sent again and again until its receipt is there.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one node is waited for before the next is asked, too.
const HEDGE_AFTER: Duration = Duration::from_millis(500);
/// One in so many acknowledged commands is sent a second time.
const REPEAT_ONE_IN: u64 = 20;
/// Clients that take turns in sending. Each begins with a node that it chooses at random.
const CLIENTS: usize = 8;

/// The load, shared by everybody who sends.
#[derive(Clone)]
pub(super) struct Load(Arc<Shared>);

struct Shared {
    start: Instant,
    group: GroupIdentity,
    rpc_url: String,
    urls: Vec<String>,
    voters: Vec<Voter>,
    /// Signs everything: it counts the agents' nonces.
    signer: Client,
    senders: Mutex<Vec<Client>>,
    jobs: Mutex<VecDeque<Job>>,
    history: Mutex<History>,
    chance: Mutex<Chance>,
}

struct Voter {
    agent: Agent,
    on_their_way: Arc<Semaphore>,
}

/// A command that is due.
#[derive(Clone)]
struct Job {
    voter: usize,
    deed: Deed,
}

#[derive(Clone)]
enum Deed {
    Propose(Story),
    Vote(ProposalId, Choice),
    Cancel(ProposalId),
    Admit(Box<Agent>),
    Leave(Box<Agent>),
    Repeat(Box<SignedCommand>, u64),
}

/// What becomes of a proposal.
#[derive(Clone, Copy)]
enum Story {
    Approve,
    Reject,
    Withdraw,
}

impl Load {
    /// A load by these voters on the group's nodes.
    pub(super) async fn new(network: &Network, seed: u64) -> Result<Self, CliError> {
        let (group, rpc_url) = (network.founded.identity, network.rpc_url().to_owned());
        let urls: Vec<_> = network.nodes().iter().map(|node| node.url.clone()).collect();
        let signer = client(&group, &rpc_url, &urls).await?;
        let agents = network.members.iter().map(|member| member.agent.clone());
        let voters = agents
            .map(|agent| Voter { agent, on_their_way: Arc::new(Semaphore::new(MAX_ON_THEIR_WAY)) })
            .collect();
        let load = Self(Arc::new(Shared {
            start: Instant::now(),
            group,
            rpc_url,
            urls,
            voters,
            signer,
            senders: Mutex::default(),
            jobs: Mutex::default(),
            history: Mutex::default(),
            chance: Mutex::new(Chance::new(seed)),
        }));
        load.spread().await?;
        Ok(load)
    }

    /// Lets clients choose their nodes anew: a client stays with the node that answered last, so after some faults
    /// all would ask the same one.
    pub(super) async fn spread(&self) -> Result<(), CliError> {
        let mut fresh = Vec::with_capacity(CLIENTS);
        for _ in 0..CLIENTS {
            fresh.push(client(&self.0.group, &self.0.rpc_url, &self.0.urls).await?);
        }
        *lock(&self.0.senders) = fresh;
        Ok(())
    }

    /// Milliseconds since the run's start.
    pub(super) fn now(&self) -> f64 {
        self.0.start.elapsed().as_secs_f64() * 1_000.0
    }

    /// What became of the commands so far.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.0.history)
    }

    /// Sends `per_second` commands a second until it is dropped.
    pub(super) async fn run(&self, per_second: f64) {
        let mut due = interval(Duration::from_secs_f64(1.0 / per_second));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let job = lock(&self.0.jobs).pop_front().unwrap_or_else(|| self.story());
            let on_its_way = self.0.voters[job.voter].on_their_way.clone().try_acquire_owned();
            match on_its_way {
                Ok(permit) => drop(tokio::spawn(self.clone().send(job, permit))),
                Err(_) => {
                    lock(&self.0.jobs).push_back(job);
                    self.history().hold_back();
                }
            }
        }
    }

    /// Lets the group adopt its members again, which begins a new epoch.
    pub(super) async fn renew_members(&self) -> Result<(), CliError> {
        let client = &self.0.signer;
        let agents: Vec<&Agent> = self.0.voters.iter().map(|voter| &voter.agent).collect();
        let members = client.newest_group().await?.members.clone();
        let why = "Renew the epoch with the same members".to_owned();
        let proposal = client.change_members(agents[0], members, why, rand::random()).await?.proposal;
        for agent in &agents[..=agents.len() / 2] {
            client.vote(agent, proposal, Choice::For).await?;
        }
        Ok(())
    }

    /// The beginning of something new.
    fn story(&self) -> Job {
        let mut chance = lock(&self.0.chance);
        let voter = chance.below(self.0.voters.len() as u64) as usize;
        let deed = match chance.below(20) {
            0..=11 => Deed::Propose(Story::Approve),
            12..=14 => Deed::Propose(Story::Reject),
            15..=16 => Deed::Propose(Story::Withdraw),
            _ => Deed::Admit(Box::new(Agent::generate())),
        };
        Job { voter, deed }
    }

    async fn send(self, job: Job, on_its_way: OwnedSemaphorePermit) {
        if let Deed::Repeat(command, first) = &job.deed {
            let digest = *command.digest().as_bytes();
            // One that fails shows nothing: the first answer is judged by the log.
            if let Some(receipt) = receipt_of(self.sender().submit((**command).clone()).await) {
                let second = receipt.record.entry.index.0;
                self.history().repeat(Repeated { digest, first: *first, second });
            }
            return;
        }
        let (what, agent, operation) = self.command(&job);
        let Ok(command) = self.0.signer.sign(&agent, vec![operation]).await else {
            // No node told the agent's first nonce; nothing was sent.
            lock(&self.0.jobs).push_back(job);
            return;
        };
        let number = {
            let mut history = self.history();
            // Within the lock, so that commands are in the order of their times.
            let now = self.now();
            history.send(what, *command.digest().as_bytes(), now)
        };
        let outcome = self.sender().submit(command.clone()).await;
        let now = self.now();
        let failure = outcome.as_ref().err().map(reason);
        match receipt_of(outcome) {
            Some(receipt) => {
                self.history().settle(number, Outcome::Acknowledged(acknowledged(&receipt, now)));
                drop(on_its_way);
                self.follow_up(job, command, &receipt);
            }
            None => {
                let failure = failure.unwrap_or_default();
                self.history().settle(number, Outcome::Failed(failure));
            }
        }
    }

    fn sender(&self) -> Client {
        let at = lock(&self.0.chance).below(CLIENTS as u64) as usize;
        lock(&self.0.senders)[at].clone()
    }

    /// What a job is called, who signs it, and what it does.
    fn command(&self, job: &Job) -> (&'static str, Agent, Operation) {
        let voter = || self.0.voters[job.voter].agent.clone();
        let proposals = |operation: ProposalsOperation| operation.to_operation();
        match &job.deed {
            Deed::Propose(_) => {
                let salt = rand::random();
                let propose =
                    Propose { salt, description: format!("proposal {salt:x}"), calls: Vec::new(), class: 0 };
                ("propose", voter(), proposals(ProposalsOperation::Propose(propose)))
            }
            Deed::Vote(proposal, choice) => {
                let vote = Vote { proposal: *proposal, choice: *choice, signature: None };
                ("vote", voter(), proposals(ProposalsOperation::Vote(vote)))
            }
            Deed::Cancel(proposal) => {
                ("cancel", voter(), proposals(ProposalsOperation::Cancel(Cancel { proposal: *proposal })))
            }
            Deed::Admit(agent) => {
                let admit = agent.admission(&self.0.group);
                ("admit", voter(), MembersOperation::Admit(admit).to_operation())
            }
            Deed::Leave(agent) => ("leave", (**agent).clone(), MembersOperation::Leave.to_operation()),
            Deed::Repeat(..) => unreachable!("what was sent before is not signed again"),
        }
    }

    /// Queues what an acknowledged command makes possible.
    fn follow_up(&self, job: Job, command: SignedCommand, receipt: &Receipt) {
        let mut next = VecDeque::new();
        let voters = self.0.voters.len();
        let index = receipt.record.entry.index.0;
        let mut chance = lock(&self.0.chance);
        if chance.below(REPEAT_ONE_IN) == 0 {
            next.push_back(Job { voter: job.voter, deed: Deed::Repeat(Box::new(command), index) });
        }
        match job.deed {
            Deed::Propose(story) => {
                let Some(proposal) = proposed(receipt) else { return };
                let first = chance.below(voters as u64) as usize;
                let votes = |count: usize, choice: Choice| {
                    (0..count).map(move |at| Job {
                        voter: (first + at) % voters,
                        deed: Deed::Vote(proposal, choice),
                    })
                };
                match story {
                    // The last vote comes when all is decided, and is refused.
                    Story::Approve => next.extend(votes(voters / 2 + 2, Choice::For)),
                    Story::Reject => next.extend(votes(voters.div_ceil(2), Choice::Against)),
                    Story::Withdraw => {
                        next.extend(votes(2, Choice::Abstain));
                        next.push_back(Job { voter: job.voter, deed: Deed::Cancel(proposal) });
                    }
                }
            }
            Deed::Admit(agent) => next.push_back(Job { voter: job.voter, deed: Deed::Leave(agent) }),
            Deed::Vote(..) | Deed::Cancel(_) | Deed::Leave(_) | Deed::Repeat(..) => {}
        }
        drop(chance);
        lock(&self.0.jobs).append(&mut next);
    }
}

/// A client that has the group from the contract, in whatever epoch that is: nodes lead on from there alone.
async fn client(group: &GroupIdentity, rpc_url: &str, urls: &[String]) -> Result<Client, CliError> {
    let policy =
        RetryPolicy { total_timeout: PATIENCE, hedge_after: Some(HEDGE_AFTER), ..RetryPolicy::default() };
    let builder = Client::builder().nodes(urls).retry(policy).expiry(EXPIRY);
    Ok(builder.connect(rpc_url, group.contract.0, group.group).await?)
}

/// The receipt of an entry, also of a refused one.
fn receipt_of(outcome: Result<Receipt, SdkError>) -> Option<Receipt> {
    match outcome {
        Ok(receipt) => Some(receipt),
        Err(SdkError::Refused { receipt, .. }) => Some(*receipt),
        Err(_) => None,
    }
}

/// Why a command failed, without what differs from command to command.
fn reason(error: &SdkError) -> String {
    match error {
        SdkError::Unconfirmed { waited, .. } => format!("no receipt within {} s", waited.as_secs()),
        SdkError::Rejected { code, nodes, .. } => format!("{nodes} nodes rejected it: {code:?}"),
        other => other.to_string(),
    }
}

fn acknowledged(receipt: &Receipt, at: f64) -> Acknowledged {
    let entry = &receipt.record.entry;
    let fields = Fields::of(entry);
    let head = receipt.certificate.head;
    Acknowledged {
        at,
        index: entry.index.0,
        leaf: fields.leaf().hash,
        size: head.size,
        root: *head.root.as_bytes(),
        refused: matches!(receipt.record.outcome, Applied::Refused { .. }),
    }
}

fn proposed(receipt: &Receipt) -> Option<ProposalId> {
    let Applied::Applied { results } = &receipt.record.outcome else { return None };
    let body = &results.first()?.body;
    match codec::decode(body, body.len()) {
        Ok(ProposalsOutcome::Proposed { proposal, .. }) => Some(proposal),
        _ => None,
    }
}

/// Locks what is valid at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
