//! Replicas that come, go and change their keys while the links are in use.

use super::*;

/// As `key`, for the key that the replica with `seed` changes to.
fn next_key(seed: u8) -> AgentKey {
    key(100 + seed)
}

/// `roster`, with another key for the replica with `seed`.
fn with_next_key(mut roster: Roster, seed: u8) -> Roster {
    roster.replicas.retain(|(replica, _)| *replica != agent(seed));
    roster.replicas.insert((agent(seed), next_key(seed).public()));
    roster
}

/// `roster`, and the replica with `seed` in it.
fn with_me(roster: &Roster, seed: u8) -> Roster {
    let mut roster = roster.clone();
    roster.replicas.insert((agent(seed), key(seed).public()));
    roster
}

#[tokio::test]
async fn links_of_those_who_stay_are_not_touched() {
    let mut nodes = nodes(3).await;
    for (at, other) in [(0, 2), (1, 1), (0, 3), (2, 1)] {
        until("all are linked", || linked(&nodes[at], other)).await;
    }
    let dials = [status(&nodes[0], 2).dials, status(&nodes[1], 1).dials];
    // Added, removed, changed: everybody but the two.
    let rosters = [
        roster(1, 1..=9),
        roster(2, [1, 2]),
        with_next_key(roster(3, 1..=3), 3),
        roster(4, [2]),
        roster(5, 1..=4),
    ];
    for round in 0..200u32 {
        let roster = &rosters[round as usize % rosters.len()];
        // Frames are on their way, both ways, while the roster changes.
        for count in 0..10u32 {
            nodes[0].0.send(agent(2), frame(&(round * 10 + count).to_be_bytes()));
            nodes[1].0.send(agent(1), frame(&(round * 10 + count).to_be_bytes()));
            nodes[2].0.broadcast(frame(b"load of one that comes and goes"));
        }
        nodes[0].0.reconfigure(with_me(roster, 2)).unwrap();
        nodes[1].0.reconfigure(with_me(roster, 1)).unwrap();
        for (at, from) in [(0, agent(2)), (1, agent(1))] {
            let mut expected = round * 10..round * 10 + 10;
            while let Some(next) = expected.next() {
                let received = receive(&mut nodes[at]).await;
                if received.from == from {
                    assert_eq!(received.bytes, next.to_be_bytes());
                } else {
                    expected.start = next;
                }
            }
        }
    }
    assert_eq!([status(&nodes[0], 2).dials, status(&nodes[1], 1).dials], dials);
    assert_eq!([status(&nodes[0], 2).dropped_frames, status(&nodes[1], 1).dropped_frames], [0, 0]);
}

#[tokio::test]
async fn a_removed_replica_is_cut_off_at_once_and_refused() {
    let mut nodes = nodes(3).await;
    until("the one to remove is linked", || linked(&nodes[0], 3) && linked(&nodes[2], 1)).await;
    for _ in 0..500 {
        nodes[2].0.send(agent(1), frame(b"of a replica"));
    }
    assert_eq!(receive(&mut nodes[0]).await.from, agent(3));
    until("more of it waits", || status(&nodes[0], 3).received_frames > 10).await;

    nodes[0].0.reconfigure(roster(1, [1, 2, 4])).unwrap();
    assert!(nodes[0].0.peers().iter().all(|peer| peer.agent != agent(3)));
    // What had come before is not handed on, and what it sends now is not received.
    for _ in 0..500 {
        nodes[2].0.send(agent(1), frame(b"of a stranger"));
    }
    nodes[1].0.send(agent(1), frame(b"of a replica"));
    assert_eq!(receive(&mut nodes[0]).await.from, agent(2));
    until("it loses both links", || !status(&nodes[2], 1).sending && !status(&nodes[2], 1).receiving).await;
    assert!(dial_as(&nodes[0], 3).await.is_err(), "the key of a removed replica is let in");
    nodes[0].0.send(agent(3), frame(b"to nobody"));
    nodes[0].0.blame(agent(3), "it is none of the peers");

    // Back in the group, it is found again, and finds the other.
    nodes[0].0.reconfigure(roster(2, 1..=4)).unwrap();
    until("it is linked again", || linked(&nodes[0], 3) && linked(&nodes[2], 1)).await;
    assert_eq!(status(&nodes[2], 1).epoch, Some(Epoch(2)));
    nodes[0].0.send(agent(3), frame(b"welcome"));
    assert_eq!(receive(&mut nodes[2]).await.bytes, b"welcome");
}

#[tokio::test]
async fn a_replica_that_is_added_is_dialled_and_let_in() {
    let (mut listeners, endpoints) = listeners(2).await;
    let of_one = |me: u8| TransportConfig { roster: roster(0, [1]), ..config(me, endpoints.clone()) };
    // It knows the replicas of the epoch before the one that it joins in.
    let mut joining = Transport::start_on(listeners.pop().unwrap(), of_one(2)).unwrap();
    let mut node = Transport::start_on(listeners.pop().unwrap(), of_one(1)).unwrap();
    joining.0.send(agent(1), frame(b"not yet a replica"));
    assert!(dial_as(&node, 2).await.is_err(), "one that is no replica yet is let in");
    assert_eq!(status(&joining, 1).dials, 0);

    node.0.reconfigure(roster(1, [1, 2])).unwrap();
    assert_eq!(receive(&mut node).await.bytes, b"not yet a replica", "what waited is sent");
    node.0.send(agent(2), frame(b"welcome"));
    assert_eq!(receive(&mut joining).await.bytes, b"welcome");
    assert_eq!(status(&joining, 1).epoch, Some(Epoch(1)));
    assert_eq!(status(&node, 2).epoch, Some(Epoch(0)));
}

#[tokio::test]
async fn a_changed_key_cuts_the_old_one_off() {
    let mut nodes = nodes(2).await;
    until("the old key is linked", || linked(&nodes[0], 2) && linked(&nodes[1], 1)).await;
    for _ in 0..100 {
        nodes[1].0.send(agent(1), frame(b"under the old key"));
    }
    until("some of it waits", || status(&nodes[0], 2).received_frames > 10).await;
    nodes[0].0.reconfigure(with_next_key(roster(1, 1..=4), 2)).unwrap();
    until("the old key is cut off", || !status(&nodes[1], 1).sending && !status(&nodes[1], 1).receiving)
        .await;
    assert!(dial_as(&nodes[0], 2).await.is_err(), "the old key is let in");
    // The old key still answers at the endpoint; what is meant for the new one is not told to it.
    nodes[0].0.send(agent(2), frame(b"for the new key"));

    let (old, mut frames) = nodes.pop().unwrap();
    let address = old.local_address();
    old.close().await;
    assert!(frames.recv().await.is_none(), "the old key heard something");
    let endpoints = BTreeMap::from([(agent(1), nodes[0].0.local_address().to_string())]);
    let new = TransportConfig { key: next_key(2), roster: roster(1, 1..=4), ..config(2, endpoints) };
    let mut new = Transport::start_on(bind(address).await, new).unwrap();
    assert_eq!(receive(&mut new).await.bytes, b"for the new key");
    new.0.send(agent(1), frame(b"under the new key"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"under the new key");
}

#[tokio::test]
async fn a_handshake_that_a_change_overtakes_comes_too_late() {
    let node = nodes(1).await.pop().unwrap();
    let peer = node.0.shared.current().peers[&(agent(2), key(2).public())].peer.clone();
    node.0.reconfigure(roster(1, [1, 3, 4])).unwrap();
    // The handshake had found the peer before; the last step is to be admitted.
    assert!(peer.incoming.admit().is_none());
}

#[tokio::test]
async fn after_the_end_the_roster_does_not_matter() {
    let node = nodes(1).await.pop().unwrap();
    node.0.close().await;
    node.0.reconfigure(roster(1, 1..=9)).unwrap();
    assert!(TcpStream::connect(node.0.local_address()).await.is_err(), "the port is free");
    assert_eq!(node.0.peers().len(), 3);
}

#[tokio::test]
async fn a_replica_has_a_link_under_each_of_its_keys() {
    let mut nodes = nodes(2).await;
    until("the old key is linked", || linked(&nodes[0], 2) && linked(&nodes[1], 1)).await;
    let mut both = roster(1, 1..=4);
    both.replicas.insert((agent(2), next_key(2).public()));
    nodes[0].0.reconfigure(both).unwrap();
    nodes[1].0.send(agent(1), frame(b"under the old key"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"under the old key");
    nodes[0].0.send(agent(2), frame(b"the epoch is over"));
    assert_eq!(receive(&mut nodes[1]).await.bytes, b"the epoch is over");

    let endpoints = BTreeMap::from([(agent(1), nodes[0].0.local_address().to_string())]);
    let new = TransportConfig { key: next_key(2), roster: roster(1, 1..=4), ..config(2, endpoints) };
    let new = Transport::start_on(bind(local()).await, new).unwrap();
    new.0.send(agent(1), frame(b"under the new key"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"under the new key");
}
