//! Peers that are dead, slow or too fast stall nobody else.

use super::*;

/// Two frames of this length fill what the queue to one peer may hold to a quarter.
const LARGE: usize = MAX_FRAME / 4;

/// Broadcasts `count` large frames, each as soon as `alive` has the one before. Each must arrive in much less
/// time than a link is given to move: a sender that waited for another peer would take that long.
async fn broadcast_paced(sender: &Transport, alive: &mut Node, count: usize) {
    let content = vec![1; LARGE];
    for _ in 0..count {
        let sent = Instant::now();
        sender.broadcast(frame(&content));
        assert_eq!(receive(alive).await.bytes.len(), content.len());
        assert!(sent.elapsed() < SILENCE / 2, "another peer held a frame up for {:?}", sent.elapsed());
    }
}

/// A node with seed 1 that knows where 2 and `other`, whose seed is 3, listen; and the node with seed 2.
async fn sender_beside(other: &TcpListener) -> (Node, Node) {
    let listener = bind(local()).await;
    let endpoints = BTreeMap::from([
        (agent(2), listener.local_addr().unwrap().to_string()),
        (agent(3), other.local_addr().unwrap().to_string()),
    ]);
    let sender = Transport::start(config(1, endpoints)).await.unwrap();
    let alive = Transport::start_on(listener, config(2, BTreeMap::new())).unwrap();
    until("it is linked", || status(&sender, 2).sending).await;
    (sender, alive)
}

#[tokio::test]
async fn a_dead_peer_costs_its_queue_and_stalls_nobody() {
    // Takes connections into its backlog and never answers.
    let dead = bind(local()).await;
    let (sender, mut alive) = sender_beside(&dead).await;
    broadcast_paced(&sender.0, &mut alive, 100).await;
    assert_eq!(status(&sender, 2).dropped_frames, 0);
    assert_eq!(status(&sender, 3).dropped_frames, 100 - 8, "twice the largest frame is kept");
    // The fourth replica has no endpoint, and its queue the same bound.
    assert_eq!(sender.0.dropped_frames(), 2 * (100 - 8));
}

#[tokio::test]
async fn a_peer_that_never_reads_costs_its_queue_and_stalls_nobody() {
    let listener = bind(local()).await;
    let (sender, mut alive) = sender_beside(&listener).await;
    let mut slow = answer(&listener, 3).await;
    until("the slow peer is linked", || status(&sender, 3).sending).await;
    // It shows that it is alive as a correct peer does, and reads nothing.
    let slow = tokio::spawn(async move {
        while framing::write_all(&mut slow, &framing::HEARTBEAT_FRAME).await.is_ok() {
            sleep(HEARTBEAT).await;
        }
    });
    // More than the buffers of two sockets hold, so that the queue fills up too.
    broadcast_paced(&sender.0, &mut alive, 400).await;
    assert_eq!(status(&sender, 2).dropped_frames, 0);
    assert!(status(&sender, 3).dropped_frames > 0, "all of it went somewhere");
    // A link that takes nothing is dead, however alive its other end says that it is.
    until("the link is given up", || !status(&sender, 3).sending).await;
    until("the slow end notices", || slow.is_finished()).await;
    broadcast_paced(&sender.0, &mut alive, 10).await;
}

#[tokio::test]
async fn a_frame_that_never_ends_holds_up_its_sender_alone() {
    let mut nodes = nodes(2).await;
    until("the other peer is linked", || status(&nodes[0], 2).receiving).await;
    let mut drip = dial_as(&nodes[0], 3).await.unwrap();
    let announced = u32::try_from(MAX_FRAME).unwrap().to_be_bytes();
    framing::write_all(&mut drip, &announced).await.unwrap();
    for i in 0..50u8 {
        nodes[1].0.send(agent(1), frame(&[i]));
        assert_eq!(receive(&mut nodes[0]).await.bytes, [i]);
    }
    is_closed(&mut drip).await;
    until("it is given up", || !status(&nodes[0], 3).receiving).await;
}

#[tokio::test]
async fn a_flood_fills_its_own_budget_alone() {
    let mut nodes = nodes(3).await;
    let budget = u64::from(FRAMES_PER_BUDGET);
    for _ in 0..budget * 3 {
        nodes[1].0.send(agent(1), frame(b"flood"));
    }
    let mut kept = Vec::new();
    for _ in 0..budget {
        kept.push(receive(&mut nodes[0]).await);
    }
    assert!(kept.iter().all(|frame| frame.from == agent(2)));
    nodes[2].0.send(agent(1), frame(b"heard"));
    let next = receive(&mut nodes[0]).await;
    assert_eq!((next.from, next.bytes.as_slice()), (agent(3), b"heard".as_slice()));
    assert_eq!(status(&nodes[0], 2).received_frames, budget);

    // Whoever is read goes on.
    kept.clear();
    assert_eq!(receive(&mut nodes[0]).await.from, agent(2));
}
