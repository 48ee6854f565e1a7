//! Random histories: batches of commands of every sort, most of them sensible, many of them not.

use proptest::prelude::*;
use quorate_protocol::{Choice, Group, Operation, ProposalId, SignedCommand, TimestampMs};

use crate::fixture::*;

/// How many plain agents there are beside the five members.
const PLAIN: usize = 2;
const AGENTS: usize = 5 + PLAIN;
/// Proposals of one proposer differ in their salts.
const SALTS: u64 = 6;
/// Votes aim at the proposals of this many agents.
const PROPOSERS: usize = 2;

#[derive(Clone, Debug)]
enum Doing {
    Propose { salt: u64 },
    Vote { target: (usize, u64), choice: Choice },
    Cancel { target: (usize, u64) },
    Admit { agent: usize },
    Leave,
    Garbage,
}

#[derive(Clone, Debug)]
enum Manner {
    /// Under the agent's next nonce.
    Proper,
    /// Under a nonce this far below the next: used, skipped, or below the window.
    Earlier(u64),
    /// Skipping some nonces, possibly more than the window.
    Jumping(u64),
    /// With the key of another.
    Forged,
    /// Long expired.
    Expired,
    /// An earlier command again, chosen by a number.
    Again(usize),
}

#[derive(Clone, Debug)]
struct Act {
    agent: usize,
    doings: Vec<Doing>,
    manner: Manner,
}

/// A history as it is drawn; [`Plan::play`] makes the commands.
#[derive(Clone, Debug)]
pub(crate) struct Plan(Vec<(i64, Vec<Act>)>);

/// A batch: its time and its commands.
pub(crate) type Batch = (u64, Vec<SignedCommand>);

impl Plan {
    /// Plans of up to 40 batches of up to seven commands.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let step = prop_oneof![60 => -500i64..2_000, 1 => Just(PERIOD_MS as i64)];
        let batch = (step, prop::collection::vec(act(), 0..8));
        prop::collection::vec(batch, 1..40).prop_map(Self)
    }

    /// The batches of this plan among the agents of [`agents`].
    pub(crate) fn play(self, group: &Group, agents: &[Keys]) -> Vec<Batch> {
        let mut time = 1i64;
        let mut nonces = vec![0u64; AGENTS];
        let mut sent: Vec<SignedCommand> = Vec::new();
        // Histories that begin with open proposals spend their commands on votes.
        sent.extend(
            agents[..PROPOSERS].iter().map(|agent| agent.command(0, (0..SALTS - 2).map(propose).collect())),
        );
        nonces[..PROPOSERS].fill(1);
        let mut batches = vec![(1, sent.clone())];
        for (step, acts) in self.0 {
            time += step;
            let from = sent.len();
            for act in acts {
                sent.push(command(act, group, agents, &mut nonces, &sent));
            }
            batches.push((u64::try_from(time.max(1)).unwrap(), sent[from..].to_vec()));
        }
        batches
    }
}

/// The five members of [`group`], and the plain agents.
pub(crate) fn agents() -> (Group, Vec<Keys>) {
    let (group, mut agents) = group();
    agents.extend((0..PLAIN).map(|i| Keys::new(50 + u8::try_from(i).unwrap())));
    (group, agents)
}

/// Every proposal that a plan can speak of.
pub(crate) fn every_proposal(agents: &[Keys]) -> Vec<ProposalId> {
    agents.iter().flat_map(|agent| (0..SALTS).map(|salt| id_of(agent, salt))).collect()
}

fn act() -> impl Strategy<Value = Act> {
    let manner = prop_oneof![
        24 => Just(Manner::Proper),
        1 => (1u64..100).prop_map(Manner::Earlier),
        1 => Just(Manner::Earlier(1)),
        2 => (40u64..160).prop_map(Manner::Jumping),
        1 => Just(Manner::Forged),
        1 => Just(Manner::Expired),
        3 => any::<usize>().prop_map(Manner::Again),
    ];
    // Mostly voters, and mostly one operation: most commands of a history should take effect.
    let agent = prop_oneof![6 => 0..4usize, 1 => 4..AGENTS];
    let count = prop_oneof![3 => Just(1usize), 1 => 2..4usize];
    let doings = count.prop_flat_map(|count| prop::collection::vec(doing(), count));
    (agent, doings, manner).prop_map(|(agent, doings, manner)| Act { agent, doings, manner })
}

fn doing() -> impl Strategy<Value = Doing> {
    // Few targets, so that votes meet on the same proposals.
    let target = || (0..PROPOSERS, 0..SALTS);
    let choice = prop_oneof![4 => Just(Choice::For), 2 => Just(Choice::Against), 1 => Just(Choice::Abstain)];
    prop_oneof![
        5 => (0..SALTS).prop_map(|salt| Doing::Propose { salt }),
        20 => (target(), choice).prop_map(|(target, choice)| Doing::Vote { target, choice }),
        3 => target().prop_map(|target| Doing::Cancel { target }),
        2 => (5..AGENTS).prop_map(|agent| Doing::Admit { agent }),
        1 => Just(Doing::Leave),
        1 => Just(Doing::Garbage),
    ]
}

fn operation(doing: &Doing, group: &Group, agents: &[Keys]) -> Operation {
    match *doing {
        Doing::Propose { salt } => propose(salt),
        Doing::Vote { target: (agent, salt), choice } => vote(id_of(&agents[agent], salt), choice),
        Doing::Cancel { target: (agent, salt) } => cancel(id_of(&agents[agent], salt)),
        Doing::Admit { agent } => admit(group, &agents[agent]),
        Doing::Leave => leave(),
        Doing::Garbage => Operation { service: "proposals".into(), body: vec![0x80] },
    }
}

fn command(
    act: Act,
    group: &Group,
    agents: &[Keys],
    nonces: &mut [u64],
    sent: &[SignedCommand],
) -> SignedCommand {
    let agent = &agents[act.agent];
    let next = &mut nonces[act.agent];
    let operations: Vec<_> = act.doings.iter().map(|doing| operation(doing, group, agents)).collect();
    let mut fresh = |skipped: u64| {
        let nonce = *next + skipped;
        *next = nonce + 1;
        nonce
    };
    match act.manner {
        Manner::Again(chosen) if !sent.is_empty() => sent[chosen % sent.len()].clone(),
        Manner::Proper | Manner::Again(_) => agent.command(fresh(0), operations),
        Manner::Earlier(distance) => agent.command(next.saturating_sub(distance), operations),
        Manner::Jumping(skipped) => agent.command(fresh(skipped), operations),
        Manner::Forged => agent.forged_by(&agents[(act.agent + 1) % AGENTS], *next, operations),
        Manner::Expired => agent.command_until(fresh(0), TimestampMs(5), operations),
    }
}
