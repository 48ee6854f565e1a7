//! Recoveries: the voters replaced the replicas on-chain, and the log goes on behind what was anchored last.

use std::path::{Path, PathBuf};

use quorate_node::{Era, EraPlan, EraStart, KnownGroup, NodeError, NodeKeys, Recovered};
use quorate_protocol::{AgentId, Checkpoint, Digest, EntryIndex, Epoch, Group};

use crate::network::{Network, PATIENCE, group, keys};

/// The next era of a group, in which the replica 4 has the seat of the replica 3, behind `anchor`.
fn era_behind(before: &Group, anchor: &Checkpoint) -> Era {
    let mut members = before.members.clone();
    let gone = AgentId(keys(3).account.address());
    let seat = members.iter_mut().find(|member| member.agent == gone).unwrap();
    (seat.agent, seat.key) = (AgentId(keys(4).account.address()), keys(4).agent.public());
    members.sort_by_key(|member| member.agent);
    let epoch = before.epoch.next_era();
    Era {
        group: Group { epoch, members, ..before.clone() },
        start: EraStart { epoch, sequence: anchor.sequence, log_size: anchor.log_size },
        log_root: Some(anchor.log_root),
        state_root: Some(anchor.state_root),
    }
}

/// A group that stopped for good some entries behind a checkpoint, which was anchored. The data directory of replica 0 lies
/// at the path.
async fn dead_group() -> (Network, Checkpoint, PathBuf) {
    let mut network = Network::start_with_room(4, 1).await;
    for nonce in 0..20 {
        network.propose(0, 0, nonce).await;
    }
    let mut stable = network.node(0).anchoring_links().stable;
    let anchor = {
        let first = tokio::time::timeout(PATIENCE, stable.wait_for(Option::is_some)).await.unwrap().unwrap();
        first.clone().unwrap().checkpoint
    };
    // The state of the store goes on beyond it.
    for nonce in 20..40 {
        network.propose(0, 0, nonce).await;
    }
    let beyond = |stable: &Option<quorate_protocol::CheckpointCertificate>| {
        stable.as_ref().is_some_and(|stable| stable.checkpoint.sequence > anchor.sequence)
    };
    drop(tokio::time::timeout(PATIENCE, stable.wait_for(beyond)).await.unwrap().unwrap());
    for at in 0..4 {
        network.stop(at).await;
    }
    let old = network.dir.path().join("old");
    std::fs::rename(network.data_dir(0), &old).unwrap();
    (network, anchor, old)
}

async fn recover(
    network: &Network,
    at: u8,
    keys: &NodeKeys,
    from: &Path,
    eras: Vec<Era>,
) -> Result<Recovered, NodeError> {
    let plan = EraPlan { genesis: group(4), eras };
    quorate_node::Node::recover(&network.config(at), keys, from.into(), plan).await
}

fn unfit(result: Result<Recovered, NodeError>) -> String {
    match result {
        Err(error @ NodeError::NotRecoverable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_a_new_era_go_on_behind_the_last_anchor() {
    let (mut network, anchor, old) = dead_group().await;
    let era = era_behind(&network.group, &anchor);
    let (start, epoch) = (era.start, era.group.epoch);
    let remembered = NodeKeys { agent_keystore: Some(network.dir.path().join("agent.json")), ..keys(0) };
    for (at, keys) in [(0, remembered.clone()), (2, keys(2)), (4, keys(4))] {
        if at == 2 {
            std::fs::remove_dir_all(network.data_dir(2)).unwrap();
        }
        let recovered = recover(&network, at, &keys, &old, vec![era.clone()]).await.unwrap();
        assert_eq!((recovered.start, recovered.silent), (start, false));
        assert!(recovered.dropped_entries >= 20, "{recovered:?}");
    }
    network.group = era.group.clone();
    let known = KnownGroup { group: era.group.clone(), previous: None, era: Some(start) };
    network.launch_knowing(0, remembered.clone(), known.clone()).await.unwrap();
    network.launch_knowing(2, keys(2), known.clone()).await.unwrap();
    // One that does not reach the chain knows it from its data.
    network.launch_knowing(4, keys(4), era.group.clone()).await.unwrap();
    for at in [0, 2, 4] {
        network.ready(at).await;
    }
    let receipt = network.propose(4, 4, 0).await;
    assert_eq!(receipt.epoch, epoch);
    network.agree(receipt.certificate.head.size).await;
    let ledger = network.node(0).ledger();
    assert_eq!(ledger.read(|ledger| ledger.root_at(start.log_size)), Some(anchor.log_root));
    let first = ledger.record(EntryIndex(start.log_size)).unwrap().unwrap();
    assert!(first.entry.sequence > anchor.sequence, "what came behind the anchor is void");
    // A replica without data fetches the state; the one with data of the old era is told what to do.
    let refused = network.launch_knowing(1, keys(1), known.clone()).await.unwrap_err();
    assert!(matches!(refused, NodeError::Recovered { epoch: Epoch(0), contract } if contract == epoch));
    assert!(refused.to_string().contains("era 1") && refused.exit_class().code() == 4, "{refused}");
    std::fs::remove_dir_all(network.data_dir(1)).unwrap();
    for nonce in 1..12 {
        network.propose(4, 4, nonce).await;
    }
    network.launch_knowing(1, keys(1), known.clone()).await.unwrap();
    network.ready(1).await;
    network.stop(2).await;
    let size = network.propose(1, 4, 20).await.certificate.head.size;
    network.agree(size).await;

    // They come back by themselves.
    network.stop(0).await;
    network.stop(4).await;
    network.launch_knowing(0, remembered.clone(), known.clone()).await.unwrap();
    network.launch_knowing(4, keys(4), known.clone()).await.unwrap();
    let size = network.propose(0, 0, 60).await.certificate.head.size;
    network.agree(size).await;

    // Whoever rebuilds its data in an era in which it has spoken is silent: it forgot what it said.
    network.stop(0).await;
    std::fs::remove_dir_all(network.data_dir(0)).unwrap();
    let again = recover(&network, 0, &remembered, &old, vec![era.clone()]).await.unwrap();
    assert!(again.silent);
    // Data of the new era is none to recover from.
    std::fs::remove_dir_all(network.data_dir(3)).unwrap();
    let why = unfit(recover(&network, 3, &keys(4), &network.data_dir(2), vec![era]).await);
    assert!(why.contains("of the new era already"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_not_what_was_anchored_is_refused() {
    let (network, anchor, old) = dead_group().await;
    let era = era_behind(&network.group, &anchor);
    let me = keys(0);
    let cases = [
        (Era { log_root: Some(Digest::from([9; 32])), ..era.clone() }, "what was anchored"),
        (Era { state_root: Some(Digest::from([9; 32])), ..era.clone() }, "its state is not the one"),
        (Era { start: EraStart { log_size: 3, ..era.start }, ..era.clone() }, "what was anchored"),
        (
            Era {
                start: EraStart { sequence: quorate_protocol::Sequence(9_999), ..era.start },
                ..era.clone()
            },
            "the last anchor is of sequence 9999",
        ),
    ];
    for (case, expected) in cases {
        let why = unfit(recover(&network, 0, &me, &old, vec![case]).await);
        assert!(why.contains(expected), "{why}");
        assert!(!network.data_dir(0).exists(), "nothing is left in place");
    }
    let epoch = era.group.epoch.next_era();
    let (group, start) = (Group { epoch, ..era.group.clone() }, EraStart { epoch, ..era.start });
    let second = Era { group, start, ..era.clone() };
    let why = unfit(recover(&network, 0, &me, &old, vec![era.clone(), second]).await);
    assert!(why.contains("of era 0, and the anchor is of era 1"), "{why}");
    let why = unfit(recover(&network, 0, &me, network.dir.path(), vec![era.clone()]).await);
    assert!(why.contains("holds no node's store"), "{why}");
    let stranger = recover(&network, 0, &keys(3), &old, vec![era.clone()]).await;
    assert!(matches!(stranger, Err(NodeError::NotAReplica { .. })), "{stranger:?}");
    std::fs::create_dir(network.data_dir(0)).unwrap();
    std::fs::write(network.data_dir(0).join("note"), "mine").unwrap();
    let in_the_way = recover(&network, 0, &me, &old, vec![era]).await;
    assert!(matches!(in_the_way, Err(NodeError::DataInTheWay { .. })), "{in_the_way:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_anchored_nothing_begins_behind_its_genesis() {
    let (mut network, anchor, old) = dead_group().await;
    let era = era_behind(&network.group, &anchor);
    let start = EraStart { sequence: quorate_protocol::Sequence(0), log_size: 0, ..era.start };
    let era = Era { start, log_root: None, state_root: None, ..era };
    std::fs::remove_dir_all(network.data_dir(1)).unwrap();
    std::fs::remove_dir_all(network.data_dir(2)).unwrap();
    network.group = era.group.clone();
    for at in [0, 1, 2] {
        recover(&network, at, &keys(at), &old, vec![era.clone()]).await.unwrap();
        let known = KnownGroup { group: era.group.clone(), previous: None, era: Some(start) };
        network.launch_knowing(at, keys(at), known).await.unwrap();
    }
    let receipt = network.propose(0, 0, 0).await;
    assert_eq!(receipt.epoch, era.group.epoch);
    network.agree(receipt.certificate.head.size).await;
    let genesis = network.node(0).ledger().record(EntryIndex(0)).unwrap().unwrap();
    assert_eq!(genesis.entry.sequence.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_stops_when_the_contract_is_in_a_later_era() {
    let mut network = Network::start(4).await;
    let contract = network.node(3).anchoring_links().contract_epoch;
    // A later epoch of its own era is for handovers to prove.
    contract.send_replace(Some(Epoch(7)));
    network.propose(3, 0, 0).await;
    contract.send_replace(Some(Epoch::of(2, 5)));
    let stopped = network.stopped_by_itself(3).await;
    assert!(matches!(stopped, NodeError::Recovered { epoch: Epoch(0), contract } if contract.era() == 2));
    assert!(stopped.to_string().contains("quorate node recover --from"), "{stopped}");
}
