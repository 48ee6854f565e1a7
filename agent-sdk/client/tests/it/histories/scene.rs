//! What a history has on its stage, how it begins, and how an act is judged.

use alloy::primitives::B256;
use alloy::primitives::U256;
use quorate_protocol::class::{DAY_S, HOUR_S};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, group_id, members_hash};
use quorate_protocol::{
    AgentId, Basis, Class, ETHER, Epoch, Group, GroupIdentity, Limit, Member, Opening, ProposalId, Scope,
    Target, Terms,
};

use super::Counts;
use super::acts::Kind;
use super::chain::{Chain, TOKEN, call};
use super::log::{Actor, Log};
use super::model::contract::ContractModel;
use super::model::machine::MachineModel;
use super::model::{Proposal, Refused};
use crate::lanes::Random;

/// The classes, by their places.
pub(super) const PAY: u8 = 0;
pub(super) const ACT: u8 = 1;
pub(super) const MIXED: u8 = 2;
pub(super) const CONSTITUTION: u8 = 3;
pub(super) const TALK: u8 = 4;
/// The function that the class `act` may call at the token.
pub(super) const LISTED: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
/// What one decision of the class `pay` may send.
pub(super) const PER_DECISION: u128 = 400;
/// What the group has at first, in wei.
const FUNDS: u128 = 6_000;
const ANVIL: u64 = 31_337;

pub(super) struct History<'s> {
    pub(super) chain: &'s mut Chain,
    pub(super) actors: &'s [Actor],
    counts: &'s mut Counts,
    pub(super) random: Random,
    pub(super) group: Group,
    pub(super) log: Log,
    pub(super) contract: ContractModel,
    pub(super) machine: MachineModel,
    pub(super) proposals: Vec<Proposal>,
    /// Whether the replicas say nothing.
    pub(super) silent: bool,
    /// What the contract had in bonds of other groups.
    pub(super) others_bonds: u128,
    seed: u64,
    trace: Vec<String>,
}

impl Drop for History<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("history {} (QUORATE_HISTORY={0}):", self.seed);
            for line in &self.trace {
                println!("  {line}");
            }
        }
    }
}

/// A class of each kind, with random numbers.
fn terms(random: &mut Random) -> Terms {
    let mut class = |name: &str, scope, opening, escape| Class {
        name: name.into(),
        scope,
        opening,
        escape,
        threshold: random.pick(&[5_001, 6_000, 6_667]),
        timelock_s: 2 * HOUR_S,
        expiry_s: 12 * HOUR_S,
        voting_period_s: random.pick(&[2 * HOUR_S, 4 * HOUR_S, 12 * HOUR_S]),
        ..Class::of_weight(3, 4, HOUR_S)
    };
    let pay = class("pay", Scope::Payments, Opening::Stalled, true);
    let act = class("act", Scope::Calls, Opening::Stalled, true);
    let mixed = class("mixed", Scope::Calls, Opening::Stalled, false);
    let constitution = class("constitution", Scope::Anything, Opening::Always, true);
    let talk = class("talk", Scope::Decisions, Opening::Never, false);
    let limit = |asset, per_decision, per_window| Limit { asset, per_decision, per_window };
    let token = AgentId(TOKEN);
    let pay_limits = vec![limit(ETHER, PER_DECISION, 500), limit(token, 50, 60)];
    let act_targets = vec![Target { target: token, selector: LISTED.into() }];
    let (basis, turnout) = (Basis::Cast, random.pick(&[2_500, 5_000]));
    let window_s = random.pick(&[HOUR_S, HOUR_S, DAY_S]);
    let classes = vec![
        Class { timelock_s: 0, window_s, limits: pay_limits, ..pay },
        Class { limits: vec![limit(ETHER, 300, 0)], targets: act_targets, ..act },
        Class { basis, turnout, veto: random.pick(&[2_500, 3_334]), revotes: random.below(3) == 0, ..mixed },
        constitution,
        Class { basis, turnout, revotes: random.below(2) == 0, timelock_s: 0, ..talk },
    ];
    let has_bonds = random.below(2) == 0;
    Terms {
        inbox_deadline_s: random.pick(&[HOUR_S, 6 * HOUR_S]),
        inbox_fee: random.pick(&[0, 7]),
        bond: if has_bonds { 1_000 } else { 0 },
        evidence_window_s: if has_bonds { DAY_S } else { 0 },
        reporter_share: if has_bonds { 1_500 } else { 0 },
        ..Terms::of_classes(classes)
    }
}

/// Five or six members, of whom four or more are replicas.
fn members(actors: &[Actor], random: &mut Random) -> Vec<Member> {
    let count = 5 + random.below(2) as usize;
    let mut members: Vec<Member> = actors[..count].iter().map(|actor| member(actor, 0, random)).collect();
    members.sort_by_key(|member| member.agent);
    ensure_replicas(&mut members);
    members
}

/// A member with a random part.
pub(super) fn member(actor: &Actor, generation: usize, random: &mut Random) -> Member {
    let flags = random.pick(&[3, 3, 3, 3, FLAG_REPLICA, FLAG_VOTER]);
    let weight = if flags & FLAG_VOTER == 0 { 0 } else { 1 + random.below(4) };
    Member { agent: actor.id(), key: actor.key(generation), weight, flags }
}

/// Makes replicas of the first ones until there are four.
pub(super) fn ensure_replicas(members: &mut [Member]) {
    while members.iter().filter(|member| member.is_replica()).count() < 4 {
        members.iter_mut().find(|member| !member.is_replica()).unwrap().flags |= FLAG_REPLICA;
    }
}

impl<'s> History<'s> {
    pub(super) async fn begin(
        chain: &'s mut Chain,
        actors: &'s [Actor],
        counts: &'s mut Counts,
        seed: u64,
        mut random: Random,
    ) -> Self {
        for actor in actors {
            let key = B256::from(actor.key(0).0);
            chain.send(actor.id(), 0, call::registerCall { key }).await.unwrap();
        }
        let (members, terms) = (members(actors, &mut random), terms(&mut random));
        let (creator, salt) = (actors[0].id(), B256::from(U256::from(seed)));
        let contract = AgentId(chain.coordinator);
        let id = group_id(ANVIL, contract.0, creator.0, salt, members_hash(&members), terms.hash());
        let create = call::createGroupCall {
            members_: members.iter().map(Into::into).collect(),
            terms: (&terms).into(),
            salt,
        };
        chain.send(creator, 0, create).await.unwrap();
        let account = AgentId(chain.ask(call::accountOfCall { groupId: id.0 }).await);
        let identity = GroupIdentity { chain_id: ANVIL, contract, group: id };
        let group = Group { identity, account, epoch: Epoch(0), members, terms, voters_since: Epoch(0) };
        let contract_model = ContractModel::new(&group, chain.now);
        let others_bonds = chain.balance(contract).await;
        let mut history = Self {
            log: Log::begin(&group),
            machine: MachineModel::new(&group),
            contract: contract_model,
            chain,
            actors,
            counts,
            random,
            group,
            proposals: Vec::new(),
            silent: false,
            others_bonds,
            seed,
            trace: Vec::new(),
        };
        history.chain.fund(creator, account, FUNDS).await;
        history.contract.balance = FUNDS;
        // Most replicas deposit at once, so that the group can anchor.
        for member in history.group.members.clone() {
            if history.group.terms.bond != 0 && history.random.below(8) != 0 {
                history.deposit(member.agent, 1_000).await;
            }
        }
        history
    }

    /// Holds what came of an act against what the model says.
    pub(super) fn settle(
        &mut self,
        kind: Kind,
        what: &str,
        expected: Result<(), Refused>,
        found: Result<(), String>,
    ) {
        let second = self.chain.now;
        self.trace.push(format!("{second} {kind:?} {what}: {found:?}"));
        let expected = expected.map_err(str::to_owned);
        assert_eq!(found, expected, "{kind:?} {what} at {second} s, the model says otherwise");
        *self.counts.acts.entry((kind, found.is_ok())).or_default() += 1;
        if let Err(error) = found {
            *self.counts.errors.entry(error).or_default() += 1;
        }
    }

    pub(super) fn note(&mut self, what: String) {
        self.trace.push(format!("{} {what}", self.chain.now));
    }

    pub(super) fn actor(&self, id: AgentId) -> &'s Actor {
        self.actors.iter().find(|actor| actor.id() == id).unwrap()
    }

    /// Anybody; mostly a member.
    pub(super) fn anybody(&mut self) -> &'s Actor {
        &self.actors[self.random.below(self.actors.len() as u64) as usize]
    }

    /// Whether something comes about that does so in one of so many cases.
    pub(super) fn one_in(&mut self, cases: u64) -> bool {
        self.random.below(cases) == 0
    }

    /// Mostly a voter who has not left, and never did what `has` says; or else anybody.
    pub(super) fn voter(&mut self, has: impl Fn(AgentId) -> bool) -> AgentId {
        let members = self.contract.seats.members.iter().map(|member| member.agent);
        let voters: Vec<AgentId> =
            members.filter(|member| self.contract.seats.weight(*member) != 0 && !has(*member)).collect();
        if voters.is_empty() || self.one_in(10) { self.anybody().id() } else { self.random.pick(&voters) }
    }

    /// A proposal: mostly one that suits. Where none does, mostly none.
    pub(super) fn some_proposal(&mut self, suits: impl Fn(&Self, ProposalId) -> bool) -> Option<Proposal> {
        let suiting: Vec<usize> =
            (0..self.proposals.len()).filter(|at| suits(self, self.proposals[*at].id)).collect();
        let any = self.one_in(if suiting.is_empty() { 5 } else { 12 });
        let from = if any { (0..self.proposals.len()).collect() } else { suiting };
        if from.is_empty() { None } else { Some(self.proposals[self.random.pick(&from)].clone()) }
    }
}
