//! Strangers, liars and those who send garbage.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use super::*;

#[tokio::test]
async fn only_the_keys_of_the_replicas_are_let_in_and_trusted() {
    let node = nodes(1).await.pop().unwrap();
    let server = key(1).public();
    assert!(dial(&node, &key(2), &server, &hello(2)).await.is_ok());
    assert!(dial(&node, &key(77), &server, &hello(2)).await.is_err(), "a stranger's key is let in");
    assert!(dial(&node, &key(1), &server, &hello(1)).await.is_err(), "the node's own key is let in");
    let other = key(3).public();
    assert!(dial(&node, &key(2), &other, &hello(2)).await.is_err(), "the wrong server is trusted");
}

#[tokio::test]
async fn a_hello_of_another_group_or_account_is_refused_by_both() {
    let node = nodes(1).await.pop().unwrap();
    let server = key(1).public();
    let elsewhere = Hello::new(identity(8), Epoch(0), agent(2));
    let error = dial(&node, &key(2), &server, &elsewhere).await.expect_err("another group");
    assert!(error.to_string().contains("group"), "{error}");
    until("the node refuses it too", || status(&node, 2).refused == 1).await;
    // The server's hello suits this one; what tells is that the connection ends.
    let mut liar = dial(&node, &key(2), &server, &hello(3)).await.unwrap();
    is_closed(&mut liar).await;
    until("the node refuses it", || status(&node, 2).refused == 2).await;
    assert!(!status(&node, 2).receiving);
    assert_eq!(status(&node, 2).epoch, None);
}

#[tokio::test]
async fn a_peer_in_another_epoch_is_linked_and_its_epoch_is_known() {
    let mut node = nodes(1).await.pop().unwrap();
    let ahead = Hello::new(identity(7), Epoch(3), agent(2));
    let mut stream = dial(&node, &key(2), &key(1).public(), &ahead).await.unwrap();
    framing::write(&mut stream, b"of epoch 3").await.unwrap();
    assert_eq!(receive(&mut node).await.bytes, b"of epoch 3");
    assert_eq!(status(&node, 2).epoch, Some(Epoch(3)));
}

#[tokio::test]
async fn an_oversize_frame_ends_the_connection_and_keeps_the_peer_out_for_a_while() {
    let node = nodes(1).await.pop().unwrap();
    let mut stream = dial_as(&node, 2).await.unwrap();
    let too_long = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
    framing::write_all(&mut stream, &too_long).await.unwrap();
    is_closed(&mut stream).await;
    until("it is counted", || status(&node, 2).garbage == 1).await;

    let mut again = dial_as(&node, 2).await.unwrap();
    is_closed(&mut again).await;
    assert_eq!(status(&node, 2).refused, 1);

    // Another peer is not concerned.
    let _other = dial_as(&node, 3).await.unwrap();
    until("the other peer is connected", || status(&node, 3).receiving).await;
}

#[tokio::test]
async fn a_peer_that_answers_with_more_than_heartbeats_is_cut_off_and_counted() {
    let listener = bind(local()).await;
    let endpoints = BTreeMap::from([(agent(2), listener.local_addr().unwrap().to_string())]);
    let node = Transport::start(config(1, endpoints)).await.unwrap();
    let mut stream = answer(&listener, 2).await;
    framing::write(&mut stream, b"nobody asked").await.unwrap();
    is_closed(&mut stream).await;
    until("it is counted", || status(&node, 2).garbage == 1).await;
}

#[tokio::test]
async fn a_proven_peer_whose_hello_is_garbage_is_refused() {
    let node = nodes(1).await.pop().unwrap();
    let connector = tls::Identity::new(&key(2)).unwrap().dialer(&key(1).public()).unwrap();
    for (refused, garbage) in (1..).zip([&[0xff; 100][..], &[0; 4], &500u32.to_be_bytes()]) {
        let stream = TcpStream::connect(node.0.local_address()).await.unwrap();
        let mut stream = connector.connect(tls::server_name(), stream).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        is_closed(&mut stream).await;
        until("it is counted", || status(&node, 2).refused == refused).await;
    }
    assert!(!status(&node, 2).receiving);
}

#[tokio::test]
async fn bytes_that_are_no_tls_disturb_nobody() {
    let mut nodes = nodes(2).await;
    let mut raw = TcpStream::connect(nodes[0].0.local_address()).await.unwrap();
    raw.write_all(&[0xff; 1000]).await.unwrap();
    is_closed(&mut raw).await;
    nodes[1].0.send(agent(1), frame(b"undisturbed"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"undisturbed");
}

#[tokio::test]
async fn strangers_that_say_nothing_take_no_replicas_place() {
    let node = nodes(1).await.pop().unwrap();
    let started = Instant::now();
    let mut strangers = Vec::new();
    // More than there is room for, and from another address than the replica's.
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        strangers.push(socket.connect(node.0.local_address()).await.unwrap());
    }
    let _link = dial_as(&node, 2).await.expect("there is room for a replica");
    assert!(started.elapsed() < SILENCE, "the strangers had to time out first");
    is_closed(&mut strangers[0]).await;
    // Those that are left get no more time than anybody.
    is_closed(strangers.last_mut().unwrap()).await;
}

#[tokio::test]
async fn a_blamed_peer_is_cut_off_and_comes_back() {
    let mut nodes = nodes(2).await;
    nodes[1].0.send(agent(1), frame(b"bad"));
    let bad = receive(&mut nodes[0]).await;
    nodes[0].0.blame(bad.from, "a test");
    until("the connection is cut", || !status(&nodes[0], 2).receiving).await;
    assert_eq!(status(&nodes[0], 2).garbage, 1);
    // It is allowed back after the penalty, and what it says then arrives.
    until("it comes back", || status(&nodes[0], 2).receiving).await;
    nodes[1].0.send(agent(1), frame(b"good"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"good");
}
