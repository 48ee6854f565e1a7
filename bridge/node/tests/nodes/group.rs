//! Groups of one epoch: ordering, crashes, and what cannot start.

use std::time::{Duration, Instant};

use quorate_node::{Node, NodeKeys};
use quorate_protocol::{AccountKey, AgentKey, GroupId, SignedCommand, TimestampMs};

use crate::network::{Network, keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_through_every_node_make_one_log() {
    let network = Network::start(4).await;
    let mut size = 0;
    for nonce in 0..3 {
        for at in 0..4 {
            let receipt = network.propose(at, at, nonce).await;
            size = size.max(receipt.certificate.head.size);
        }
    }
    assert_eq!(size, 1 + 12, "the genesis and twelve commands");
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_twice_is_the_same_entry() {
    let network = Network::start(4).await;
    let first = network.propose(0, 0, 5).await;
    let again = network.propose(2, 0, 5).await;
    assert_eq!(first.record, again.record);
}

/// Nobody orders a command that expired while there was no quorum. The nodes that let it in must not wait for
/// it for ever, and give up one primary after another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_expired_while_it_waited_costs_no_view() {
    let mut network = Network::start(4).await;
    let primary = network.first_primary();
    let others: Vec<u8> = (0..4).filter(|at| *at != primary).collect();
    network.stop(primary).await;
    network.stop(others[2]).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut command = network.command(0, 1).command().clone();
    command.expires = TimestampMs(u64::try_from(now.as_millis()).unwrap() + 1_000);
    let command = SignedCommand::sign(command, &keys(0).agent);
    let (status, _) = network.post_for(others[0], &command, 1_200).await;
    assert_eq!(status.as_u16(), 504, "two of four nodes decide nothing");

    network.launch(primary).await.unwrap();
    network.launch(others[2]).await.unwrap();
    network.ready(primary).await;
    // Three time-outs of other people's work, in which nobody gives the primary up.
    let until = Instant::now() + Duration::from_millis(2_400);
    let mut nonce = 0;
    while Instant::now() < until {
        network.propose(primary, 3, nonce).await;
        nonce += 1;
    }
    for at in 0..4 {
        assert_eq!(network.node(at).metrics().view_changes.get(), 0, "at node {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_group_goes_on_without_its_primary_and_takes_it_back() {
    let mut network = Network::start(4).await;
    let before = network.propose(1, 1, 0).await;
    let primary = network.first_primary();
    network.stop(primary).await;

    let others: Vec<u8> = (0..4).filter(|at| *at != primary).collect();
    let mut size = before.certificate.head.size;
    for nonce in 1..40 {
        let at = others[nonce as usize % 3];
        size = network.propose(at, at, nonce).await.certificate.head.size;
    }
    network.agree(size).await;

    network.launch(primary).await.unwrap();
    network.ready(primary).await;
    network.agree(size).await;
    let after = network.propose(primary, primary, 100).await;
    network.agree(after.certificate.head.size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stops_as_a_whole_comes_back_with_its_log() {
    let mut network = Network::start(4).await;
    let mut size = 0;
    for nonce in 0..20 {
        size = network.propose(0, 0, nonce).await.certificate.head.size;
    }
    let root = network.root_at(0, size).await;
    for at in 0..4 {
        network.stop(at).await;
    }
    for at in 0..4 {
        network.launch(at).await.unwrap();
    }
    assert_eq!(network.root_at(3, size).await, root);
    let again = network.propose(2, 0, 7).await;
    assert!(again.record.entry.index.0 < size, "a command of before is answered with its entry");
    network.propose(1, 0, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_says_why() {
    let mut network = Network::start(4).await;
    let other_key = NodeKeys { agent: AgentKey::generate(), ..keys(0) };
    let config = network.config(0);
    let group = network.group.clone();
    let error = Node::start(&config, other_key, group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 5, "{error}");

    let stranger = NodeKeys { account: AccountKey::generate(), ..keys(0) };
    let error = Node::start(&config, stranger, group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 5, "{error}");

    let error = Node::start(&config, keys(0), group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 4, "the directory is in use: {error}");

    let mut taken = network.config(0);
    taken.http.listen = network.node(1).http_address();
    let error = Node::start(&taken, keys(0), group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 7, "{error}");

    network.stop(0).await;
    let mut foreign = group;
    foreign.identity.group = GroupId::from([8; 32]);
    let error = Node::start(&config, keys(0), foreign).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 4, "{error}");
    assert_eq!(Node::known_group(&config).unwrap(), Some(network.group.clone()));
}
