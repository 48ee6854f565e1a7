//! The two lanes decide alike: random histories of votes, on the contract and in the state machine that replicas run.
//!
//! `QUORATE_HISTORIES=200 cargo test -p quorate-sdk lanes` plays more of them.

use std::collections::BTreeMap;

use alloy::primitives::U64;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use quorate_contracts::{AgentCoordinator, Content, ProposalStatus as OnChain};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::terms::LONGEST_S;
use quorate_protocol::{
    Basis, Choice, Class, Command, Group, Member, Nonce, Opening, Operation, Outcome, ProposalId, Sequence,
    SignedCommand, Terms, TimestampMs,
};
use quorate_sdk::SdkError;
use quorate_services::{ProposalStatus, StateMachine};

use crate::chain::Stage;

/// As short as a voting on-chain may be.
const PERIOD_S: u32 = 3600;
/// Time passes by the minute.
const MINUTE_S: u64 = 60;
const DESCRIPTION: &str = "history";
const STEPS: usize = 22;

/// Small numbers, the same every time for one seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed + 1))
    }

    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// One group, in both lanes.
struct History<'s> {
    stage: &'s Stage,
    provider: DynProvider,
    group: Group,
    machine: StateMachine,
    sequence: u64,
    nonces: BTreeMap<usize, u64>,
    proposals: Vec<Proposed>,
    counted: usize,
}

/// A proposal of both lanes.
#[derive(Clone)]
struct Proposed {
    id: ProposalId,
    content: Content,
    /// The end of its voting, in seconds.
    ends: u64,
}

/// Open on-chain when the group has stalled, whatever decides in it.
fn class(name: &str, random: &mut Random) -> Class {
    let threshold = random.pick(&[5_001, 6_000, 6_666, 7_500, 10_000]);
    let (name, opening, expiry_s) = (name.into(), Opening::Stalled, LONGEST_S);
    Class { name, threshold, opening, expiry_s, ..Class::decisions(3, 4, PERIOD_S) }
}

/// A class of every kind, with random numbers.
fn terms(random: &mut Random) -> Terms {
    let turnout = random.pick(&[1, 2_500, 5_000, 9_000]);
    let veto = random.pick(&[1, 2_500, 3_334, 6_000]);
    let classes = vec![
        class("all", random),
        Class { basis: Basis::Cast, turnout, ..class("cast", random) },
        Class { veto, turnout: random.pick(&[0, 5_000]), ..class("veto", random) },
        Class { revotes: true, veto: random.pick(&[0, 5_000]), ..class("revotes", random) },
        Class { basis: Basis::Cast, turnout, veto, revotes: true, ..class("mixed", random) },
    ];
    Terms::of_classes(classes)
}

impl<'s> History<'s> {
    async fn begin(stage: &'s Stage, seed: u64, random: &mut Random) -> Self {
        let members: Vec<Member> = stage
            .group
            .members
            .iter()
            .map(|member| Member { weight: 1 + random.below(5), ..member.clone() })
            .collect();
        let group = stage.another_group(&members, &terms(random), seed).await;
        let (machine, _) = StateMachine::genesis(&group);
        let provider = ProviderBuilder::new().connect_http(stage.anvil.url.parse().unwrap()).erased();
        let (nonces, proposals) = (BTreeMap::new(), Vec::new());
        let mut history =
            Self { stage, provider, group, machine, sequence: 0, nonces, proposals, counted: 0 };
        // Somebody asks on-chain, and nobody serves: the group has stalled, and the lane is open to all classes.
        let propose = Propose { salt: u64::MAX, description: String::new(), calls: vec![], class: 0 };
        let asked = history.command(0, ProposalsOperation::Propose(propose).to_operation());
        stage.chain[0].enqueue(history.group.identity.group, &asked).await.unwrap();
        history.pass(u64::from(history.group.terms.stall_time_s)).await;
        history
    }

    /// The time of the latest block.
    async fn now(&self) -> u64 {
        let block = self.provider.get_block(alloy::eips::BlockId::latest()).await.unwrap().unwrap();
        block.header.timestamp
    }

    /// Lets time pass on the chain, but never to just before the end of a voting, where the two lanes' clocks could
    /// fall to different sides of it.
    async fn pass(&self, seconds: u64) {
        let mut at = self.now().await + seconds;
        let near = |proposed: &&Proposed| (at..=at + 3).contains(&proposed.ends);
        if let Some(proposed) = self.proposals.iter().find(near) {
            at = proposed.ends;
        }
        let _: serde_json::Value =
            self.provider.raw_request("evm_setNextBlockTimestamp".into(), [U64::from(at)]).await.unwrap();
        let _: serde_json::Value = self.provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }

    /// The next command of an agent.
    fn command(&mut self, agent: usize, operation: Operation) -> SignedCommand {
        let agent_keys = &self.stage.agents[agent];
        let nonce = self.nonces.entry(agent).or_default();
        let command = Command {
            group: self.group.identity.group,
            agent: agent_keys.id(),
            key: agent_keys.public_key(),
            nonce: Nonce(*nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![operation],
        };
        *nonce += 1;
        SignedCommand::sign(command, &agent_keys.key)
    }

    /// What the state machine makes of an operation at this second: whether it took effect.
    fn off_chain(&mut self, agent: usize, operation: Operation, second: u64) -> bool {
        let command = self.command(agent, operation);
        self.sequence += 1;
        let executed = self.machine.execute(Sequence(self.sequence), TimestampMs(second * 1000), &[command]);
        executed.records.iter().any(|record| matches!(record.outcome, Outcome::Applied { .. }))
    }

    /// Does the same in both lanes, and compares what came of it.
    async fn act(
        &mut self,
        agent: usize,
        operation: ProposalsOperation,
        sent: Result<quorate_sdk::Included, SdkError>,
    ) -> bool {
        let (on_chain, second) = match sent {
            Ok(included) => {
                let block = self.provider.get_block(included.block.into()).await.unwrap().unwrap();
                (true, block.header.timestamp)
            }
            Err(SdkError::Reverted { .. }) => (false, self.now().await),
            Err(other) => panic!("{other}"),
        };
        let off_chain = self.off_chain(agent, operation.to_operation(), second);
        assert_eq!(off_chain, on_chain, "{operation:?} of agent {agent} at {second} s");
        on_chain
    }

    async fn propose(&mut self, random: &mut Random) {
        let (agent, class) = (random.below(4) as usize, random.below(5) as u8);
        let (salt, description) = (self.proposals.len() as u64, String::from(DESCRIPTION));
        let propose = Propose { salt, description, calls: vec![], class };
        let group = self.group.identity.group;
        let sent = self.stage.chain[agent].propose(group, &propose).await.map(|(_, included)| included);
        let block = sent.as_ref().map(|included| included.block).unwrap();
        self.act(agent, ProposalsOperation::Propose(propose.clone()), sent).await;
        let opened = self.provider.get_block(block.into()).await.unwrap().unwrap().header.timestamp;
        let proposer = self.stage.agents[agent].id();
        let id = proposal_id(&group, proposer, salt, class, &[], DESCRIPTION);
        let content = Content::of(proposer, salt, class, DESCRIPTION, &[]);
        self.proposals.push(Proposed { id, content, ends: opened + u64::from(PERIOD_S) });
    }

    async fn vote(&mut self, random: &mut Random) {
        let agent = random.below(4) as usize;
        let Proposed { id: proposal, .. } = random.pick(&self.proposals);
        let choice = random.pick(&[Choice::For, Choice::For, Choice::Against, Choice::Abstain]);
        let sent = self.stage.chain[agent].vote(self.group.identity.group, proposal, choice).await;
        let vote = Vote { proposal, choice, signature: None };
        self.counted += usize::from(self.act(agent, ProposalsOperation::Vote(vote), sent).await);
    }

    async fn cancel(&mut self, random: &mut Random) {
        let agent = random.below(4) as usize;
        let Proposed { id: proposal, content, .. } = random.pick(&self.proposals);
        let sent = self.stage.chain[agent].cancel(self.group.identity.group, &content).await;
        self.act(agent, ProposalsOperation::Cancel(Cancel { proposal }), sent).await;
    }

    /// Compares where each proposal stands at this moment.
    async fn compare(&mut self) -> Vec<u8> {
        let second = self.now().await;
        self.sequence += 1;
        self.machine.execute(Sequence(self.sequence), TimestampMs(second * 1000), &[]);
        let coordinator = AgentCoordinator::new(self.stage.contract, &self.provider);
        let mut statuses = Vec::new();
        for Proposed { id, ends, .. } in &self.proposals {
            let tally = coordinator.proposal(self.group.identity.group.0, id.0).call().await.unwrap();
            let on_chain = tally.status;
            let view = self.machine.proposal(id).unwrap();
            let off_chain = match view.status {
                ProposalStatus::Open => OnChain::Open,
                ProposalStatus::Approved => OnChain::Approved,
                ProposalStatus::Rejected => OnChain::Rejected,
                ProposalStatus::Expired => OnChain::Expired,
                ProposalStatus::Cancelled => OnChain::Cancelled,
                ProposalStatus::Moved => panic!("no message says so"),
            };
            assert_eq!(off_chain as u8, on_chain, "{view:?} at {second} s, voting ends at {ends} s");
            let weights = (tally.forWeight, tally.againstWeight, tally.abstainWeight);
            assert_eq!(weights, (view.for_weight, view.against_weight, view.abstain_weight));
            statuses.push(on_chain);
        }
        statuses
    }
}

#[tokio::test]
async fn random_histories_come_to_the_same_in_both_lanes() {
    let histories =
        std::env::var("QUORATE_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(24);
    let stage = Stage::new().await;
    let (mut seen, mut counted) = (BTreeMap::<u8, u32>::new(), 0);
    for seed in 0..histories {
        let mut random = Random::seeded(seed);
        let mut history = History::begin(&stage, seed, &mut random).await;
        history.propose(&mut random).await;
        for _ in 0..STEPS {
            match random.below(16) {
                0..2 if history.proposals.len() < 5 => history.propose(&mut random).await,
                2 => history.cancel(&mut random).await,
                3 => history.pass(MINUTE_S * (1 + random.below(40))).await,
                _ => history.vote(&mut random).await,
            }
            if random.below(4) == 0 {
                history.compare().await;
            }
        }
        history.pass(2 * u64::from(PERIOD_S)).await;
        for status in history.compare().await {
            *seen.entry(status).or_default() += 1;
        }
        counted += history.counted;
    }
    println!("{histories} histories, {counted} votes counted, proposals by status: {seen:?}");
    let ends = [OnChain::Approved, OnChain::Rejected, OnChain::Expired, OnChain::Cancelled];
    assert!(
        counted > 0 && ends.iter().all(|end| seen.contains_key(&(*end as u8))),
        "every end was seen: {seen:?}"
    );
}
