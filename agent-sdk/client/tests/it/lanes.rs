//! The two lanes decide alike: random histories of votes, on the contract and in the state machine that replicas run.
//!
//! `QUORATE_HISTORIES=200 cargo test -p quorate-sdk lanes` plays more of them.

use std::collections::BTreeMap;

use alloy::primitives::U64;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use quorate_contracts::AgentCoordinator;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::{actions_hash, proposal_id};
use quorate_protocol::{
    Basis, Choice, Command, Group, Member, Nonce, Operation, Outcome, Policy, ProposalId, Sequence,
    SignedCommand, Terms, TimestampMs,
};
use quorate_sdk::SdkError;
use quorate_services::{ProposalStatus, StateMachine};

use crate::chain::Stage;

const PERIOD_S: u32 = 60;
const STEPS: usize = 22;

/// Small numbers, the same every time for one seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
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
    /// Each with the end of its voting, in seconds.
    proposals: Vec<(ProposalId, u64)>,
    counted: usize,
}

fn class(name: &str, random: &mut Random) -> Policy {
    let threshold = random.pick(&[5_001, 6_000, 6_666, 7_500, 10_000]);
    Policy { name: name.into(), threshold, ..Policy::of_weight(3, 4, PERIOD_S, 0) }
}

/// A class of every kind, with random numbers.
fn terms(random: &mut Random) -> Terms {
    let turnout = random.pick(&[1, 2_500, 5_000, 9_000]);
    let veto = random.pick(&[1, 2_500, 3_334, 6_000]);
    let classes = vec![
        class("all", random),
        Policy { basis: Basis::Cast, turnout, ..class("cast", random) },
        Policy { veto, turnout: random.pick(&[0, 5_000]), ..class("veto", random) },
        Policy { revotes: true, veto: random.pick(&[0, 5_000]), ..class("revotes", random) },
        Policy { basis: Basis::Cast, turnout, veto, revotes: true, ..class("mixed", random) },
    ];
    Terms { classes, ..Terms::of_class(Policy::of_weight(1, 1, 1, 0)) }
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
        Self { stage, provider, group, machine, sequence: 0, nonces, proposals, counted: 0 }
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
        if let Some((_, ends)) = self.proposals.iter().find(|(_, ends)| (at..=at + 3).contains(ends)) {
            at = *ends;
        }
        let _: serde_json::Value =
            self.provider.raw_request("evm_setNextBlockTimestamp".into(), [U64::from(at)]).await.unwrap();
        let _: serde_json::Value = self.provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }

    /// What the state machine makes of an operation at this second: whether it took effect.
    fn off_chain(&mut self, agent: usize, operation: Operation, second: u64) -> bool {
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
        let command = SignedCommand::sign(command, &agent_keys.key);
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
        let (salt, description) = (self.proposals.len() as u64, String::from("history"));
        let propose = Propose { salt, description, calls: vec![], class };
        let group = self.group.identity.group;
        let sent = self.stage.chain[agent].propose(group, &propose).await.map(|(_, included)| included);
        let block = sent.as_ref().map(|included| included.block).unwrap();
        self.act(agent, ProposalsOperation::Propose(propose.clone()), sent).await;
        let opened = self.provider.get_block(block.into()).await.unwrap().unwrap().header.timestamp;
        let proposer = self.stage.agents[agent].id();
        let id = proposal_id(&group, proposer, salt, class, actions_hash(&[]), &propose.description);
        self.proposals.push((id, opened + u64::from(PERIOD_S)));
    }

    async fn vote(&mut self, random: &mut Random) {
        let agent = random.below(4) as usize;
        let (proposal, _) = random.pick(&self.proposals);
        let choice = random.pick(&[Choice::For, Choice::For, Choice::Against, Choice::Abstain]);
        let sent = self.stage.chain[agent].vote(proposal, choice).await;
        let vote = Vote { proposal, choice, signature: None };
        self.counted += usize::from(self.act(agent, ProposalsOperation::Vote(vote), sent).await);
    }

    async fn cancel(&mut self, random: &mut Random) {
        let agent = random.below(4) as usize;
        let (proposal, _) = random.pick(&self.proposals);
        let sent = self.stage.chain[agent].cancel(proposal).await;
        self.act(agent, ProposalsOperation::Cancel(Cancel { proposal }), sent).await;
    }

    /// Compares where each proposal stands at this moment.
    async fn compare(&mut self) -> Vec<u8> {
        let second = self.now().await;
        self.sequence += 1;
        self.machine.execute(Sequence(self.sequence), TimestampMs(second * 1000), &[]);
        let coordinator = AgentCoordinator::new(self.stage.contract, &self.provider);
        let mut statuses = Vec::new();
        for (id, ends) in &self.proposals {
            let on_chain = coordinator.proposalStatus(id.0).call().await.unwrap();
            let view = self.machine.proposal(id).unwrap();
            let off_chain = match view.status {
                ProposalStatus::Open => 0,
                ProposalStatus::Approved => 1,
                ProposalStatus::Rejected => 2,
                ProposalStatus::Expired => 3,
                ProposalStatus::Cancelled => 4,
            };
            assert_eq!(off_chain, on_chain, "{view:?} at {second} s, voting ends at {ends} s");
            let tally = coordinator.proposal(id.0).call().await.unwrap();
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
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed + 1));
        let mut history = History::begin(&stage, seed, &mut random).await;
        history.propose(&mut random).await;
        for _ in 0..STEPS {
            match random.below(16) {
                0..2 if history.proposals.len() < 5 => history.propose(&mut random).await,
                2 => history.cancel(&mut random).await,
                3 => history.pass(1 + random.below(40)).await,
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
    assert!(counted > 0 && (1..=4).all(|status| seen.contains_key(&status)), "every end was seen: {seen:?}");
}
