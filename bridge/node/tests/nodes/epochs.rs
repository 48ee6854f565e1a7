//! Changes of members, and nodes that fetch the group's state.

use std::time::{Duration, Instant};

use quorate_node::{KnownGroup, NodeKeys};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, ProposalsOutcome, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, AgentKey, ChainVote, Choice, Epoch, Group, Member, MembersChange, Operation, Outcome,
    ProposalId, PublicKey, Receipt, codec,
};

use crate::network::{Network, PATIENCE, keys};

fn member(of: u8, key: PublicKey) -> Member {
    Member { agent: AgentId(keys(of).account.address()), key, weight: 1, flags: FLAG_VOTER | FLAG_REPLICA }
}

/// Has `members` approved by the voters `by`, whose commands carry `nonce`, through node `at`; from then on
/// the network knows the group of the next epoch. Where that alters weights, the first voter uses the nonce after too.
async fn change(network: &mut Network, at: u8, by: &[u8], nonce: u64, mut members: Vec<Member>) -> Group {
    members.sort_by_key(|member| member.agent);
    let group = network.group.clone();
    let change = MembersChange { epoch: group.epoch, members };
    let next = change.apply(&group).unwrap();
    let alters_weights = change.alters_weights(&group);
    let calls = vec![change.call(&group.identity)];
    let class = u8::from(alters_weights);
    let proposer = AgentId(keys(by[0]).account.address());
    let id = proposal_id(&group.identity.group, proposer, nonce, class, &calls, "change");
    let propose = Propose { salt: nonce, description: "change".into(), calls, class };
    let mut first = vec![ProposalsOperation::Propose(propose).to_operation()];
    let mut ends = None;
    if alters_weights {
        let receipt = network.receipt_of(at, &network.command_with(by[0], nonce, first)).await;
        ends = Some(voting_ends(&receipt));
        first = Vec::new();
    }
    for (turn, &voter) in by.iter().enumerate() {
        let mut operations = if turn == 0 { std::mem::take(&mut first) } else { Vec::new() };
        operations.push(vote(&group, voter, id, ends));
        let nonce = if turn == 0 && alters_weights { nonce + 1 } else { nonce };
        let command = network.command_with(voter, nonce, operations);
        // The last receipt may be of either epoch.
        network.receipt_of(at, &command).await;
    }
    network.group = next.clone();
    next
}

/// A vote for a change of members, which the voter's account signs too where the voting `ends` at a time that matters
/// on-chain.
fn vote(group: &Group, voter: u8, proposal: ProposalId, ends: Option<u64>) -> Operation {
    let (account, choice) = (keys(voter).account, Choice::For);
    let signature = ends.map(|voting_ends| {
        let (voter, epoch) = (AgentId(account.address()), group.voters_since);
        let vote = ChainVote { voter, proposal, choice, epoch, voting_ends, nonce: 0 };
        account.sign_digest(&vote.digest(&group.identity)).into()
    });
    ProposalsOperation::Vote(Vote { proposal, choice, signature }).to_operation()
}

/// The end of the voting on what a command proposed first, in seconds.
fn voting_ends(receipt: &Receipt) -> u64 {
    let Outcome::Applied { results } = &receipt.record.outcome else { panic!("{receipt:?}") };
    match codec::decode(&results[0].body, 128) {
        Ok(ProposalsOutcome::Proposed { closes, .. }) => closes.seconds(),
        other => panic!("{other:?}"),
    }
}

/// Waits until node `at` is in `epoch`.
async fn in_epoch(network: &Network, at: u8, epoch: u64) {
    let deadline = Instant::now() + PATIENCE;
    while network.node(at).ledger().read(|ledger| ledger.group().epoch) != Epoch(epoch) {
        assert!(Instant::now() < deadline, "node {at} does not come to epoch {epoch}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rotated_and_the_old_one_is_of_no_use() {
    let mut network = Network::start(4).await;
    let first = network.group.clone();
    let before = network.propose(0, 0, 0).await;
    let new_key = AgentKey::from_secret(&[201; 32]);
    let members = (0..4)
        .map(|of| member(of, if of == 3 { new_key.public() } else { keys(of).agent.public() }))
        .collect();
    let next = change(&mut network, 0, &[0, 1, 2], 1, members).await;
    for at in 0..3 {
        in_epoch(&network, at, 1).await;
    }
    // The node with the old key stops by itself, with a reason.
    let stopped = network.stopped_by_itself(3).await;
    assert_eq!(stopped.exit_class().code(), 5, "{stopped}");
    assert!(stopped.to_string().contains("epoch 1"), "{stopped}");

    let rotated = NodeKeys { agent: new_key, ..keys(3) };
    let known = KnownGroup { group: next, previous: Some(first), era: None };
    network.launch_knowing(3, rotated, known).await.unwrap();
    network.ready(3).await;
    let after = network.propose(1, 1, 10).await;
    assert_eq!((before.epoch, after.epoch), (Epoch(0), Epoch(1)));
    network.agree(after.certificate.head.size).await;
    // It counts again: without another one there is still a quorum.
    network.stop(0).await;
    network.propose(3, 2, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_joins_by_state_transfer_and_a_removed_one_leaves() {
    let mut network = Network::start_with_room(4, 1).await;
    let first = network.group.clone();
    for nonce in 0..30 {
        network.propose(0, 0, nonce).await;
    }
    let members = [0, 1, 2, 4].map(|of| member(of, keys(of).agent.public())).to_vec();
    let next = change(&mut network, 1, &[0, 1, 2], 30, members).await;
    in_epoch(&network, 0, 1).await;
    let stopped = network.stopped_by_itself(3).await;
    assert_eq!(stopped.exit_class().code(), 5, "{stopped}");

    let known = KnownGroup { group: next.clone(), previous: Some(first), era: None };
    network.launch_knowing(4, keys(4), known).await.unwrap();
    network.ready(4).await;
    let size = network.propose(4, 4, 0).await.certificate.head.size;
    network.agree(size).await;
    let history = network.node(4).ledger().record(quorate_protocol::EntryIndex(5)).unwrap();
    assert!(history.is_some(), "it has the log from the beginning");
    // It is one of the quorum, and comes back by itself after a restart.
    network.stop(0).await;
    network.propose(4, 1, 31).await;
    network.stop(4).await;
    network.launch_knowing(0, keys(0), next.clone()).await.unwrap();
    network.launch_knowing(4, keys(4), next).await.unwrap();
    network.ready(4).await;
    let size = network.propose(0, 2, 31).await.certificate.head.size;
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_off_follows_through_several_epochs() {
    let mut network = Network::start(4).await;
    let first = network.group.clone();
    network.propose(0, 0, 0).await;
    network.stop(3).await;
    for epoch in 1..4 {
        let mut members: Vec<Member> = (0..4).map(|of| member(of, keys(of).agent.public())).collect();
        // Whoever follows the handovers takes another weight from nobody but the voters.
        members[3].weight = if epoch < 2 { 1 } else { 2 };
        let voters: &[u8] = if epoch < 3 { &[0, 1, 2] } else { &[0, 1, 2, 3] };
        change(&mut network, 0, voters, 3 * epoch, members).await;
        for at in 0..3 {
            in_epoch(&network, at, epoch).await;
        }
        network.propose(0, 0, 10 * epoch).await;
    }
    // The contract is behind: it knows the first epoch only.
    network.launch_knowing(3, keys(3), first).await.unwrap();
    in_epoch(&network, 3, 3).await;
    network.ready(3).await;
    network.stop(1).await;
    let size = network.propose(3, 3, 10).await.certificate.head.size;
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_is_silent_until_the_next_epoch() {
    let mut network = Network::start(4).await;
    let dir = tempfile::tempdir().unwrap();
    let remembered = || NodeKeys { agent_keystore: Some(dir.path().join("agent.json")), ..keys(3) };
    let group = network.group.clone();
    network.stop(3).await;
    network.launch_knowing(3, remembered(), group.clone()).await.unwrap();
    network.ready(3).await;
    network.propose(3, 0, 0).await;
    network.stop(3).await;
    std::fs::remove_dir_all(network.data_dir(3)).unwrap();
    network.launch_knowing(3, remembered(), group.clone()).await.unwrap();
    let size = network.propose(0, 0, 1).await.certificate.head.size;
    // It executes what the others decide, and no quorum comes about with it.
    network.agree(size).await;
    network.stop(2).await;
    let (status, _) = network.post_for(0, &network.command(0, 2), 1_500).await;
    assert_eq!(status.as_u16(), 504, "two replicas that speak are no quorum");
    network.launch(2).await.unwrap();
    network.ready(2).await;

    let members = (0..4).map(|of| member(of, keys(of).agent.public())).collect();
    change(&mut network, 0, &[0, 1, 2], 5, members).await;
    in_epoch(&network, 3, 1).await;
    network.stop(2).await;
    let size = network.propose(3, 0, 6).await.certificate.head.size;
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_state_is_broken_fetches_it_and_speaks_again() {
    let mut network = Network::start(4).await;
    for nonce in 0..20 {
        network.propose(0, 0, nonce).await;
    }
    network.stop(3).await;
    break_state(&network.config(3).store_dir().join("store.redb"));
    network.launch(3).await.unwrap();
    network.ready(3).await;
    // It has not forgotten what it said, so it counts at once.
    network.stop(1).await;
    let size = network.propose(3, 3, 50).await.certificate.head.size;
    network.agree(size).await;
}

/// Flips a bit of a stored value of the state.
fn break_state(path: &std::path::Path) {
    const STATE: redb::TableDefinition<'_, &[u8; 32], &[u8]> = redb::TableDefinition::new("state");
    let database = redb::Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    {
        use redb::ReadableTable as _;
        let mut table = write.open_table(STATE).unwrap();
        let (key, mut value) = {
            let (key, value) = table.first().unwrap().unwrap();
            (*key.value(), value.value().to_vec())
        };
        *value.last_mut().unwrap() ^= 1;
        table.insert(&key, value.as_slice()).unwrap();
    }
    write.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_write_ahead_log_is_silent_and_says_so() {
    let mut network = Network::start(4).await;
    network.propose(3, 0, 0).await;
    network.stop(3).await;
    let config = network.config(3);
    std::fs::rename(config.wal_dir(), config.data_dir.join("moved")).unwrap();
    network.launch(3).await.unwrap();
    let size = network.propose(0, 0, 1).await.certificate.head.size;
    network.agree(size).await;
    // Also after another start.
    network.stop(3).await;
    network.launch(3).await.unwrap();
    network.stop(2).await;
    let (status, _) = network.post_for(0, &network.command(0, 2), 1_500).await;
    assert_eq!(status.as_u16(), 504, "two replicas that speak are no quorum");
}
