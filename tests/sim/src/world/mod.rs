//! The events of a run, in order of time.
//!
//! Everything that happens is a `Happening` at a millisecond; those of one millisecond happen in the order in
//! which they were planned. Nothing else decides what comes next.

mod clients;
mod faults;
mod inbox;
mod links;
mod members;
mod processes;
mod settling;

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{
    AgentId, Class, Digest, Epoch, Group, GroupId, GroupIdentity, Member, ProposalId, Receipt, Sequence,
    SignedCommand, Terms, TimestampMs,
};

use crate::agents::Agent;
use crate::byzantine::TICK_MS;
use crate::checkers::contradiction::Contradiction;
use crate::checkers::evidence::EvidenceChecker;
use crate::checkers::linearizability::History;
use crate::checkers::receipts::Receipts;
use crate::checkers::reference::Reference;
use crate::network::Network;
use crate::node::{Bytes, SimNode, Standing, keys};
use crate::plan::{Change, Faulty, Mishap, Plan};
use crate::random::Random;
use crate::trace::Trace;
use crate::violation::{Verdict, Violation};
use inbox::ChainInbox;

/// The true time at the start, as a wall clock shows it.
const START_MS: u64 = 1_700_000_000_000;
/// The numbers of plain agents begin here, those of replicas are below.
const PLAIN_AGENTS: usize = 40;
/// The class in which weights are changed; class 0 is for everything else.
const CONSTITUTION: u8 = 1;

/// Something that happens.
pub(crate) enum Happening {
    /// A frame arrives.
    Deliver { from: usize, to: usize, incarnation: u64, bytes: Bytes },
    /// A node has a round.
    Round { node: usize, incarnation: u64 },
    /// A node's log is written.
    Log { node: usize, incarnation: u64 },
    /// A node's store is written.
    Store { node: usize, incarnation: u64 },
    /// A node answers those who are behind.
    Supply { node: usize, incarnation: u64 },
    /// A faulty replica may say something unasked.
    Act { node: usize },
    /// A faulty replica's frame leaves late.
    Leave { from: usize, to: AgentId, bytes: Bytes },
    /// A node that was down comes back.
    Start { node: usize },
    /// A node gets its rotated key.
    Rekey { node: usize, version: u8 },
    /// An agent thinks of something to do.
    Think { agent: usize },
    /// An agent's command arrives at a node.
    Command { agent: usize, node: usize, command: SignedCommand },
    /// A node's answer arrives at an agent.
    Answer { agent: usize, command: Digest, receipt: Box<Receipt> },
    /// A node's refusal arrives at an agent.
    Refused { agent: usize, command: Digest },
    /// An agent has waited long enough for an answer.
    Retry { agent: usize, command: Digest, tries: u64 },
    /// Something goes wrong.
    Mishap,
    /// What went wrong is mended.
    Mend(Mended),
    /// A replica loses its memory.
    Forget,
    /// The members are to change.
    Change,
    /// An agent signs very many commands.
    Flood,
    /// A message of the contract's inbox becomes final.
    Enqueue,
    /// A node's endpoint shows it the inbox.
    SeeInbox { node: usize },
}

/// What a mishap leaves to be mended.
#[derive(Clone, Debug)]
pub(crate) enum Mended {
    Links(Vec<(usize, usize)>),
    Speed(usize),
    Clock(usize),
    Disk(usize),
}

/// What a run amounted to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Batches of the group.
    pub batches: usize,
    /// Entries of the group.
    pub entries: u64,
    /// Commands that clients have receipts for.
    pub acknowledged: usize,
    /// Processes that started.
    pub starts: u64,
    /// The latest view of a correct replica.
    pub views: u64,
    /// The group's last epoch.
    pub epochs: u64,
    /// States that were fetched.
    pub fetches: u64,
    /// Replicas that contradicted themselves.
    pub accused: usize,
    /// Those of them that the contract convicts for it.
    pub convicted: usize,
    /// Messages of the contract's inbox that were taken.
    pub taken: u64,
    /// Milliseconds from healing until the group was settled.
    pub settled_ms: u64,
}

/// A run.
pub struct World {
    /// What the seed decided beforehand.
    pub plan: Plan,
    /// What happened.
    pub trace: Trace,
    now_ms: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    random: Random,
    nodes: Vec<SimNode>,
    network: Network,
    agents: Vec<Agent>,
    /// The group of each epoch, as the contract would have it.
    groups: Vec<Group>,
    /// The last sequence of the epoch before, for each epoch.
    bases: Vec<Sequence>,
    /// The highest checkpoint that any correct replica holds for stable.
    highest_stable: Sequence,
    /// Whether the signatures of a frame hold, by its hash, its epoch and its sender.
    verdicts: BTreeMap<Digest, bool>,
    /// The hashes of the proofs of quorums that were judged.
    judged: BTreeSet<Digest>,
    /// Commands whose signatures hold.
    verified: BTreeSet<(Digest, [u8; 64])>,
    /// Proposals that agents know of, with their proposers.
    proposals: Vec<(ProposalId, AgentId)>,
    history: History,
    reference: Reference,
    contradiction: Contradiction,
    evidence: EvidenceChecker,
    receipts: Receipts,
    inbox: ChainInbox,
    changes: Vec<Change>,
    /// The change of members under way: the epoch that it is to end, and the proposal's salt.
    changing: Option<Epoch>,
    healed_at_ms: Option<u64>,
    totals: Totals,
}

impl World {
    /// The beginning of a run.
    pub fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let group = genesis(plan.replicas);
        let nodes = (0..plan.replicas).map(|number| SimNode::new(number, seed)).collect();
        let mut world = Self {
            trace: Trace::default(),
            now_ms: 0,
            queue: BTreeMap::new(),
            planned: 0,
            random: Random::part(seed, "world"),
            nodes,
            network: Network::new(plan.weather, Random::part(seed, "network")),
            agents: Vec::new(),
            groups: vec![group],
            bases: vec![Sequence(0)],
            highest_stable: Sequence(0),
            verdicts: BTreeMap::new(),
            judged: BTreeSet::new(),
            verified: BTreeSet::new(),
            proposals: Vec::new(),
            history: History::default(),
            reference: Reference::default(),
            contradiction: Contradiction::default(),
            evidence: EvidenceChecker::default(),
            receipts: Receipts::default(),
            inbox: ChainInbox::new(seed, plan.inbox),
            changes: plan.changes.clone(),
            changing: None,
            healed_at_ms: None,
            totals: Totals::default(),
            plan,
        };
        world.hire_agents();
        world.corrupt();
        world
    }

    fn hire_agents(&mut self) {
        for number in 0..self.plan.replicas {
            self.agents.push(Agent::new(number, self.plan.commands, true));
        }
        for number in PLAIN_AGENTS..PLAIN_AGENTS + self.plan.plain_agents {
            self.agents[0].tasks.push_back(crate::agents::Task::Admit(number));
            self.agents.push(Agent::new(number, self.plan.commands / 2, false));
        }
    }

    /// Gives the faulty replicas their faults.
    fn corrupt(&mut self) {
        for (place, faulty) in self.plan.faulty.clone() {
            self.nodes[place].standing = Standing::Faulty;
            self.nodes[place].was_faulty = true;
            match faulty {
                Faulty::Actor(kind) => {
                    let mut random = Random::part(self.plan.seed, kind.name());
                    self.nodes[place].actor = Some((kind.make(&mut random), random));
                    self.after(TICK_MS, Happening::Act { node: place });
                }
                Faulty::Twins => {
                    self.nodes[place].is_twin = true;
                    let mut twin = SimNode::new(place, self.plan.seed ^ 0x7717);
                    twin.name = format!("r{place}'");
                    twin.is_twin = true;
                    twin.standing = Standing::Faulty;
                    twin.was_faulty = true;
                    self.nodes.push(twin);
                }
            }
        }
    }

    /// Plans a happening, so many milliseconds from now.
    pub(crate) fn after(&mut self, ms: u64, happening: Happening) {
        self.planned += 1;
        self.queue.insert((self.now_ms + ms, self.planned), happening);
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first violation.
    pub fn run(&mut self) -> Verdict {
        self.begin()?;
        while self.now_ms < self.plan.turmoil_ms {
            self.next(self.plan.turmoil_ms)?;
        }
        self.heal()?;
        self.settle()
    }

    fn begin(&mut self) -> Verdict {
        self.begin_inbox();
        for number in 0..self.nodes.len() {
            let skew_ms = self.random.between(0, 2 * self.plan.skew_ms) as i64 - self.plan.skew_ms as i64;
            self.nodes[number].skew_ms = skew_ms;
            self.start_node(number)?;
        }
        for agent in 0..self.agents.len() {
            let think_ms = self.random.between(1, 200);
            self.after(think_ms, Happening::Think { agent });
        }
        if !self.plan.mishaps.is_empty() {
            self.plan_mishap();
        }
        if self.plan.loss.is_some() {
            let at = self.random.between(self.plan.turmoil_ms / 4, self.plan.turmoil_ms / 2);
            self.after(at, Happening::Forget);
        }
        if self.plan.floods {
            self.after(self.plan.turmoil_ms / 2, Happening::Flood);
        }
        if !self.changes.is_empty() {
            let at = self.random.between(self.plan.turmoil_ms / 4, self.plan.turmoil_ms * 3 / 4);
            self.after(at, Happening::Change);
        }
        Ok(())
    }

    /// Lets the next thing happen, if it comes before `end_ms`.
    fn next(&mut self, end_ms: u64) -> Verdict {
        match self.queue.first_key_value() {
            Some((&(at_ms, _), _)) if at_ms <= end_ms => {
                let (_, happening) = self.queue.pop_first().expect("there is a first");
                self.now_ms = at_ms.max(self.now_ms);
                self.happen(happening)
            }
            _ => {
                self.now_ms = end_ms;
                Ok(())
            }
        }
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Deliver { from, to, incarnation, bytes } => {
                self.deliver(from, to, incarnation, &bytes)
            }
            Happening::Round { node, incarnation } => self.on_round(node, incarnation),
            Happening::Log { node, incarnation } => self.on_log(node, incarnation),
            Happening::Store { node, incarnation } => self.on_store(node, incarnation),
            Happening::Supply { node, incarnation } => self.on_supply(node, incarnation),
            Happening::Act { node } => self.on_act(node),
            Happening::Leave { from, to, bytes } => {
                self.put_on_link(from, to, &bytes);
                Ok(())
            }
            Happening::Start { node } => self.start_node(node),
            Happening::Rekey { node, version } => self.rekey(node, version),
            Happening::Think { agent } => self.think(agent),
            Happening::Command { agent, node, command } => self.on_command(agent, node, &command),
            Happening::Answer { agent, command, receipt } => self.on_answer(agent, &command, &receipt),
            Happening::Refused { agent, command } => self.on_refused(agent, &command),
            Happening::Retry { agent, command, tries } => self.on_retry(agent, &command, tries),
            Happening::Mishap => self.on_mishap(),
            Happening::Mend(mended) => self.mend(&mended),
            Happening::Forget => self.forget(),
            Happening::Change => self.change_members(),
            Happening::Flood => self.flood(),
            Happening::Enqueue => self.enqueue(),
            Happening::SeeInbox { node } => self.see_inbox(node),
        }
    }

    /// The wall clock of a node.
    fn wall(&self, node: usize) -> TimestampMs {
        TimestampMs((START_MS + self.now_ms).saturating_add_signed(self.nodes[node].skew_ms))
    }

    /// The group as the contract has it, and as it was an epoch before.
    fn known_group(&self) -> (Group, Option<Group>) {
        let latest = self.groups.last().expect("there is a first epoch").clone();
        let previous = self.groups.len().checked_sub(2).map(|before| self.groups[before].clone());
        (latest, previous)
    }

    fn group(&self) -> &Group {
        self.groups.last().expect("there is a first epoch")
    }

    /// What the run amounts to so far.
    pub fn totals(&self) -> Totals {
        Totals {
            virtual_ms: self.now_ms,
            batches: self.reference.batches(),
            entries: self.reference.size(),
            acknowledged: self.receipts.count(),
            epochs: self.groups.len() as u64,
            accused: self.evidence.accused(),
            convicted: self.evidence.convicted(),
            taken: self.reference.inbox.taken(),
            ..self.totals.clone()
        }
    }

    /// Where everybody stands, for a report.
    pub fn picture(&self) -> String {
        let mut picture = format!("at {} ms, epoch {}\n", self.now_ms, self.group().epoch);
        for node in &self.nodes {
            let state = match &node.running {
                None => "down".into(),
                Some(running) => running.picture(),
            };
            picture += &format!("  {:<4} {:?}: {state}\n", node.name, node.standing);
        }
        for agent in self.agents.iter().filter(|agent| !agent.is_done()) {
            picture += &format!(
                "  agent {}: {} tasks, {} left, waits for {:?}\n",
                agent.number,
                agent.tasks.len(),
                agent.left,
                agent.pending.as_ref().map(|pending| (&pending.command, pending.tries, pending.asked))
            );
        }
        picture
    }
}

/// The group of a run before anything changes.
fn genesis(replicas: usize) -> Group {
    let mut members: Vec<Member> = (0..replicas).map(|number| member(number, 0)).collect();
    members.sort_by_key(|member| member.agent);
    let identity = GroupIdentity {
        chain_id: 31_337,
        contract: AgentId::from([0xc0; 20]),
        group: GroupId::from([7; 32]),
    };
    let threshold = replicas as u128 * 2 / 3 + 1;
    let total = replicas as u128;
    let all = Class::of_weight(threshold, total, 600);
    let group = Group {
        identity,
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members,
        voters_since: Epoch(0),
        terms: Terms::of_classes(vec![all, Class::constitution(threshold, total, 7_200)]),
    };
    assert_eq!(group.validate(), Ok(()), "a simulation begins with a sound group");
    group
}

fn member(number: usize, version: u8) -> Member {
    let keys = keys(number, version);
    Member {
        agent: AgentId(keys.account.address()),
        key: keys.agent.public(),
        weight: 1,
        flags: FLAG_VOTER | FLAG_REPLICA,
    }
}

/// A mishap that happens to one node.
pub(crate) fn is_of_one(mishap: Mishap) -> bool {
    !matches!(mishap, Mishap::CrashAll | Mishap::Partition | Mishap::OneWay)
}

fn violation(checker: &'static str, detail: String) -> Verdict {
    Err(Violation::new(checker, detail))
}
