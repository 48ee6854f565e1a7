//! Measures the state machine alone: commands executed a second, and the root of a large state.
//!
//! `cargo run --release -p quorate-services --example services_throughput`
//!
//! Commands carry no valid signatures, because the machine relies on its caller for those.
#![allow(clippy::unwrap_used, reason = "a measurement may stop at anything unexpected")]

use std::time::{Duration, Instant};

use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, GroupIdentity};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, Choice, Class, Command, Epoch, Group, GroupId, Member, Nonce, Operation, ProposalId, PublicKey,
    Sequence, Signature, SignedCommand, Terms, TimestampMs,
};
use quorate_services::StateMachine;

const BATCH: usize = 512;
const PROPOSALS: u64 = 25_000;
const MILLION: u32 = 1_000_000;

fn group() -> Group {
    let members = (1..=4)
        .map(|i| Member {
            agent: AgentId::from([i; 20]),
            key: PublicKey([i; 32]),
            weight: 1,
            flags: FLAG_VOTER | FLAG_REPLICA,
        })
        .collect();
    let identity =
        GroupIdentity { chain_id: 31337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) };
    let terms = Terms::of_class(Class::of_weight(3, 4, 3600));
    Group {
        identity,
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members,
        terms,
        voters_since: Epoch(0),
    }
}

fn command(member: u8, nonce: u64, operation: Operation) -> SignedCommand {
    let command = Command {
        group: GroupId::from([7; 32]),
        agent: AgentId::from([member; 20]),
        key: PublicKey([member; 32]),
        nonce: Nonce(nonce),
        expires: TimestampMs(u64::MAX),
        operations: vec![operation],
    };
    SignedCommand::from_parts(command, Signature([0; 64]))
}

/// One member proposes and three vote for it: four commands, five entries a proposal.
fn commands() -> Vec<SignedCommand> {
    let description = "pay the supplier";
    let mut nonces = [0; 5];
    let mut commands = Vec::new();
    let mut send = |member: u8, operation: ProposalsOperation| {
        let nonce = &mut nonces[usize::from(member)];
        commands.push(command(member, *nonce, operation.to_operation()));
        *nonce += 1;
    };
    for salt in 0..PROPOSALS {
        let calls = vec![];
        let proposal: ProposalId =
            proposal_id(&GroupId::from([7; 32]), AgentId::from([1; 20]), salt, 0, &calls, description);
        send(
            1,
            ProposalsOperation::Propose(Propose { salt, description: description.into(), calls, class: 0 }),
        );
        for voter in 2..=4 {
            send(voter, ProposalsOperation::Vote(Vote { proposal, choice: Choice::For, signature: None }));
        }
    }
    commands
}

fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn main() {
    let group = group();
    let (mut machine, _) = StateMachine::genesis(&group);
    let commands = commands();

    let start = Instant::now();
    let mut entries = 0;
    for (sequence, batch) in (1..).map(Sequence).zip(commands.chunks(BATCH)) {
        entries += machine.execute(sequence, TimestampMs(1_000), batch).records.len();
    }
    let elapsed = start.elapsed();
    println!(
        "executed   {} commands, {entries} entries, {:.0} commands/s",
        commands.len(),
        rate(commands.len(), elapsed)
    );
    assert_eq!(entries as u64, 5 * PROPOSALS);

    let start = Instant::now();
    machine.state_root();
    println!(
        "first root {:.1} ms over {} pairs",
        start.elapsed().as_secs_f64() * 1e3,
        machine.pairs().count()
    );
    let changes = machine.take_changes();

    let pairs = changes.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let ballast = (0..MILLION).map(|i| (format!("ballast/{i}").into_bytes(), vec![0; 100]));
    let start = Instant::now();
    let mut machine = StateMachine::restore(&group, pairs.chain(ballast)).unwrap();
    let before = machine.state_root();
    println!("restored   {} pairs in {:.0} ms", machine.pairs().count(), start.elapsed().as_secs_f64() * 1e3);

    let proposals = (0..165).map(|i| {
        let operation = Propose { salt: PROPOSALS + i, description: "more".into(), calls: vec![], class: 0 };
        command(1, PROPOSALS + i, ProposalsOperation::Propose(operation).to_operation())
    });
    let proposals: Vec<_> = proposals.collect();
    machine.execute(Sequence(u64::MAX), TimestampMs(2_000), &proposals);
    let start = Instant::now();
    assert_ne!(machine.state_root(), before);
    let elapsed = start.elapsed();
    let changed = machine.take_changes().len();
    println!("next root  {:.2} ms after {changed} changed pairs", elapsed.as_secs_f64() * 1e3);
}
