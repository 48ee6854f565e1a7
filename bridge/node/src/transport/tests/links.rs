//! What travels, and links that are mended.

use super::*;

#[tokio::test]
async fn frames_arrive_in_order_under_their_sender() {
    let mut nodes = nodes(3).await;
    for i in 0..100u8 {
        nodes[0].0.send(agent(2), frame(&[i; 100]));
    }
    for i in 0..100u8 {
        let received = receive(&mut nodes[1]).await;
        assert_eq!((received.from, received.bytes), (agent(1), vec![i; 100]));
    }
    let largest = vec![5; MAX_FRAME];
    nodes[2].0.broadcast(frame(&largest));
    for at in [0, 1] {
        let received = receive(&mut nodes[at]).await;
        assert_eq!(received.from, agent(3));
        assert!(received.bytes == largest);
    }
    // Neither to itself, nor to somebody who is no replica, nor empty or too long.
    nodes[0].0.send(agent(1), frame(b"self"));
    nodes[0].0.send(agent(99), frame(b"nobody"));
    nodes[0].0.send(agent(2), frame(b""));
    nodes[0].0.send(agent(2), frame(&vec![0; MAX_FRAME + 1]));
    nodes[0].0.send(agent(2), frame(b"last"));
    assert_eq!(receive(&mut nodes[1]).await.bytes, b"last");
    assert_eq!(status(&nodes[0], 2).dropped_frames, 2);
    assert_eq!(nodes[0].0.dropped_frames(), 2);
}

#[tokio::test]
async fn a_restarted_peer_is_found_again() {
    let mut nodes = nodes(2).await;
    nodes[0].0.send(agent(2), frame(b"first"));
    assert_eq!(receive(&mut nodes[1]).await.bytes, b"first");

    let (old, frames) = nodes.pop().unwrap();
    let address = old.local_address();
    drop((old, frames));
    until("the loss is noticed", || !status(&nodes[0], 2).sending).await;
    nodes[0].0.send(agent(2), frame(b"kept for its return"));
    let mut again = Transport::start_on(bind(address).await, config(2, BTreeMap::new())).unwrap();
    assert_eq!(receive(&mut again).await.bytes, b"kept for its return");
    assert_eq!(status(&nodes[0], 2).dials, 2);
}

#[tokio::test]
async fn an_accepting_end_that_falls_silent_is_dialled_again() {
    let listener = bind(local()).await;
    let endpoints = BTreeMap::from([(agent(2), listener.local_addr().unwrap().to_string())]);
    let node = Transport::start(config(1, endpoints)).await.unwrap();
    let mut mute = Vec::new();
    for dials in 1..=2 {
        let stream = answer(&listener, 2).await;
        until("the link stands", || status(&node, 2).dials == dials).await;
        // The connection stays open, but nothing more is said on it.
        mute.push(stream);
    }
}

#[tokio::test]
async fn a_dialling_end_that_falls_silent_is_given_up() {
    let node = nodes(1).await.pop().unwrap();
    let mut mute = dial_as(&node, 2).await.unwrap();
    until("the link stands", || status(&node, 2).receiving).await;
    is_closed(&mut mute).await;
    until("it is noticed", || !status(&node, 2).receiving).await;
    assert_eq!(status(&node, 2).garbage, 0, "silence is no fault");
}

#[tokio::test]
async fn a_half_open_link_gives_way_to_a_new_one_at_once() {
    let mut node = nodes(1).await.pop().unwrap();
    // Its other end is gone without a word: the process was killed, or the cable pulled.
    let mut half_open = dial_as(&node, 2).await.unwrap();
    until("the link stands", || status(&node, 2).receiving).await;
    let dialled = Instant::now();
    let mut again = dial_as(&node, 2).await.unwrap();
    is_closed(&mut half_open).await;
    framing::write(&mut again, b"back").await.unwrap();
    assert_eq!(receive(&mut node).await.bytes, b"back");
    assert!(dialled.elapsed() < SILENCE, "it waited for the old link's silence");
}

#[tokio::test]
async fn a_link_with_nothing_to_say_stays() {
    let nodes = nodes(2).await;
    until("both ends are linked", || linked(&nodes[0], 2) && linked(&nodes[1], 1)).await;
    let dials = [status(&nodes[0], 2).dials, status(&nodes[1], 1).dials];
    // Without heartbeats, either end would give the other up in this time.
    let silent_since = Instant::now();
    until("time passes", || silent_since.elapsed() > SILENCE + HEARTBEAT).await;
    assert_eq!([status(&nodes[0], 2).dials, status(&nodes[1], 1).dials], dials);
    assert!(linked(&nodes[0], 2) && linked(&nodes[1], 1));
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let taken = bind(local()).await;
    let address = taken.local_addr().unwrap();
    let config = TransportConfig { listen: address, ..config(1, BTreeMap::new()) };
    let error = Transport::start(config).await.expect_err("the port is taken");
    assert!(matches!(error, NodeError::PortTaken { key: "peers.listen", .. }), "{error}");
}
