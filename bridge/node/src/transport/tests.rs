//! Real sockets on the loopback interface. Waiting is for a condition, with a bound.

use std::io;

use quorate_protocol::group::FLAG_REPLICA;
use quorate_protocol::{Group, GroupId, Member, Policy};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::*;

const MAX_FRAME: usize = 256 * 1024;
const BOUND: Duration = Duration::from_secs(20);

fn key(seed: u8) -> AgentKey {
    AgentKey::from_secret(&[seed; 32])
}

fn group(group: u8) -> Group {
    let member = |seed: u8| Member {
        agent: AgentId::from([seed; 20]),
        key: key(seed).public(),
        weight: 0,
        flags: FLAG_REPLICA,
    };
    Group {
        identity: GroupIdentity {
            chain_id: 31337,
            contract: AgentId::from([0xc0; 20]),
            group: GroupId::from([group; 32]),
        },
        epoch: Epoch(0),
        // The replica with index i has the key with seed i + 1.
        members: (1..=4).map(member).collect(),
        policy: Policy { threshold: 1, voting_period_s: 1, timelock_s: 0 },
    }
}

fn config(me: u16, endpoints: BTreeMap<AgentId, String>) -> TransportConfig {
    let group = group(7);
    TransportConfig {
        identity: group.identity,
        epoch: group.epoch,
        replicas: group.replicas(),
        me: ReplicaIndex(me),
        key: key(u8::try_from(me).unwrap() + 1),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        endpoints,
        max_frame_bytes: MAX_FRAME,
    }
}

type Node = (Transport, mpsc::Receiver<PeerFrame>);

async fn bind(address: SocketAddr) -> TcpListener {
    let started = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(started.elapsed() < BOUND, "{error}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Nodes 0 to `n - 1` of the group, each knowing where all of them listen.
async fn nodes(n: u16) -> Vec<Node> {
    let mut listeners = Vec::new();
    let mut endpoints = BTreeMap::new();
    for index in 0..n {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let agent = AgentId::from([u8::try_from(index).unwrap() + 1; 20]);
        endpoints.insert(agent, listener.local_addr().unwrap().to_string());
        listeners.push(listener);
    }
    let start = |(me, listener)| Transport::start_on(listener, config(me, endpoints.clone())).unwrap();
    (0..n).zip(listeners).map(start).collect()
}

async fn receive(node: &mut Node) -> PeerFrame {
    timeout(BOUND, node.1.recv()).await.expect("a frame comes").expect("the transport runs")
}

fn status(node: &Node, of: u16) -> PeerStatus {
    node.0.peers().into_iter().find(|peer| peer.replica.0 == of).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < BOUND, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn frame(content: &[u8]) -> Arc<[u8]> {
    content.into()
}

/// Dials `node` as somebody with `secret` who expects `expected` there, and says `hello`.
async fn dial(
    node: &Node,
    secret: &AgentKey,
    expected: &PublicKey,
    hello: &Hello,
) -> io::Result<TlsStream<TcpStream>> {
    let connector = tls::Identity::new(secret).unwrap().dialer(expected).unwrap();
    let stream = TcpStream::connect(node.0.local_address()).await?;
    let mut stream = connector.connect(tls::server_name(), stream).await?;
    hello.exchange(&mut stream, AgentId::from([1; 20])).await?;
    Ok(stream)
}

fn hello(seed: u8) -> Hello {
    Hello::new(group(7).identity, Epoch(0), AgentId::from([seed; 20]))
}

/// The other end has closed the connection, or does so now.
async fn is_closed(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    // Heartbeats may come first. Both an orderly end and a reset will do.
    let _ = timeout(BOUND, stream.read_to_end(&mut rest)).await.expect("the connection ends");
}

#[tokio::test]
async fn frames_arrive_in_order_under_their_sender() {
    let mut nodes = nodes(3).await;
    for i in 0..100u8 {
        nodes[0].0.send(ReplicaIndex(1), frame(&[i; 100]));
    }
    for i in 0..100u8 {
        let received = receive(&mut nodes[1]).await;
        assert_eq!((received.from, received.bytes), (ReplicaIndex(0), vec![i; 100]));
    }
    let largest = vec![5; MAX_FRAME];
    nodes[2].0.broadcast(frame(&largest));
    for at in [0, 1] {
        let received = receive(&mut nodes[at]).await;
        assert_eq!(received.from, ReplicaIndex(2));
        assert!(received.bytes == largest);
    }
    // Neither to itself, nor to an index that nobody has, nor empty or too long.
    nodes[0].0.send(ReplicaIndex(0), frame(b"self"));
    nodes[0].0.send(ReplicaIndex(99), frame(b"nobody"));
    nodes[0].0.send(ReplicaIndex(1), frame(b""));
    nodes[0].0.send(ReplicaIndex(1), frame(&vec![0; MAX_FRAME + 1]));
    nodes[0].0.send(ReplicaIndex(1), frame(b"last"));
    assert_eq!(receive(&mut nodes[1]).await.bytes, b"last");
    assert_eq!(status(&nodes[0], 1).dropped_frames, 2);
}

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
async fn a_hello_of_another_group_epoch_or_account_is_refused_by_both() {
    let node = nodes(1).await.pop().unwrap();
    let server = key(1).public();
    let wrong = [
        (Hello::new(group(8).identity, Epoch(0), AgentId::from([2; 20])), "group"),
        (Hello::new(group(7).identity, Epoch(3), AgentId::from([2; 20])), "epoch"),
    ];
    for (refused, (hello, cause)) in (1..).zip(wrong) {
        let error = dial(&node, &key(2), &server, &hello).await.expect_err(cause);
        assert!(error.to_string().contains(cause), "{error}");
        until("the node refuses it too", || status(&node, 1).refused == refused).await;
    }
    // The server's hello suits this one; what tells is that the connection ends.
    let mut liar = dial(&node, &key(2), &server, &hello(3)).await.unwrap();
    is_closed(&mut liar).await;
    until("the node refuses it", || status(&node, 1).refused == 3).await;
    assert!(!status(&node, 1).receiving);
}

#[tokio::test]
async fn an_oversize_frame_ends_the_connection_and_keeps_the_peer_out_for_a_while() {
    let node = nodes(1).await.pop().unwrap();
    let server = key(1).public();
    let mut stream = dial(&node, &key(2), &server, &hello(2)).await.unwrap();
    let too_long = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
    framing::write_all(&mut stream, &too_long).await.unwrap();
    is_closed(&mut stream).await;
    until("it is counted", || status(&node, 1).garbage == 1).await;

    let mut again = dial(&node, &key(2), &server, &hello(2)).await.unwrap();
    is_closed(&mut again).await;
    assert_eq!(status(&node, 1).refused, 1);

    // Another peer is not concerned.
    let _other = dial(&node, &key(3), &server, &hello(3)).await.unwrap();
    until("the other peer is connected", || status(&node, 2).receiving).await;
}

#[tokio::test]
async fn bytes_that_are_no_tls_disturb_nobody() {
    use tokio::io::AsyncWriteExt as _;
    let mut nodes = nodes(2).await;
    let mut raw = TcpStream::connect(nodes[0].0.local_address()).await.unwrap();
    raw.write_all(&[0xff; 1000]).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(BOUND, raw.read_to_end(&mut rest)).await.expect("the connection ends");
    nodes[1].0.send(ReplicaIndex(0), frame(b"undisturbed"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"undisturbed");
}

#[tokio::test]
async fn a_blamed_peer_is_cut_off_and_comes_back() {
    let mut nodes = nodes(2).await;
    nodes[1].0.send(ReplicaIndex(0), frame(b"bad"));
    let bad = receive(&mut nodes[0]).await;
    nodes[0].0.blame(bad.from, "a test");
    until("the connection is cut", || !status(&nodes[0], 1).receiving).await;
    assert_eq!(status(&nodes[0], 1).garbage, 1);
    // It is allowed back after the penalty, and what it says then arrives.
    until("it comes back", || status(&nodes[0], 1).receiving).await;
    nodes[1].0.send(ReplicaIndex(0), frame(b"good"));
    assert_eq!(receive(&mut nodes[0]).await.bytes, b"good");
}

#[tokio::test]
async fn a_dead_peer_costs_its_queue_and_stalls_nobody() {
    // Takes connections into its backlog and never answers.
    let dead = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let endpoints = BTreeMap::from([
        (AgentId::from([2; 20]), listener.local_addr().unwrap().to_string()),
        (AgentId::from([3; 20]), dead.local_addr().unwrap().to_string()),
    ]);
    let (sender, _frames) = Transport::start(config(0, endpoints)).await.unwrap();
    let mut alive = Transport::start_on(listener, config(1, BTreeMap::new())).unwrap();
    let content = vec![1; MAX_FRAME / 4];
    for _ in 0..100 {
        sender.broadcast(frame(&content));
        assert_eq!(receive(&mut alive).await.bytes.len(), content.len());
    }
    let peers = sender.peers();
    let dropped = |index: u16| peers.iter().find(|peer| peer.replica.0 == index).unwrap().dropped_frames;
    assert_eq!(dropped(1), 0);
    assert_eq!(dropped(2), 100 - 8, "twice the largest frame is kept");
}

#[tokio::test]
async fn a_flood_fills_its_own_budget_alone() {
    let mut nodes = nodes(3).await;
    let budget = u64::from(FRAMES_PER_BUDGET);
    for _ in 0..budget * 3 {
        nodes[1].0.send(ReplicaIndex(0), frame(b"flood"));
    }
    let mut kept = Vec::new();
    for _ in 0..budget {
        kept.push(receive(&mut nodes[0]).await);
    }
    assert!(kept.iter().all(|frame| frame.from == ReplicaIndex(1)));
    nodes[2].0.send(ReplicaIndex(0), frame(b"heard"));
    let next = receive(&mut nodes[0]).await;
    assert_eq!((next.from, next.bytes.as_slice()), (ReplicaIndex(2), b"heard".as_slice()));
    assert_eq!(status(&nodes[0], 1).received_frames, budget);

    // Whoever is read goes on.
    kept.clear();
    assert_eq!(receive(&mut nodes[0]).await.from, ReplicaIndex(1));
}

#[tokio::test]
async fn a_restarted_peer_is_found_again() {
    let mut nodes = nodes(2).await;
    nodes[0].0.send(ReplicaIndex(1), frame(b"first"));
    assert_eq!(receive(&mut nodes[1]).await.bytes, b"first");

    let (old, frames) = nodes.pop().unwrap();
    let address = old.local_address();
    drop((old, frames));
    until("the loss is noticed", || !status(&nodes[0], 1).sending).await;
    nodes[0].0.send(ReplicaIndex(1), frame(b"kept for its return"));
    let mut again = Transport::start_on(bind(address).await, config(1, BTreeMap::new())).unwrap();
    assert_eq!(receive(&mut again).await.bytes, b"kept for its return");
    assert_eq!(status(&nodes[0], 1).dials, 2);
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_dialled_again() {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let endpoints = BTreeMap::from([(AgentId::from([2; 20]), listener.local_addr().unwrap().to_string())]);
    let node = Transport::start(config(0, endpoints)).await.unwrap();
    let acceptor = tls::Identity::new(&key(2)).unwrap().acceptor([key(1).public()].into_iter()).unwrap();
    let mut mute = Vec::new();
    for dials in 1..=2 {
        let (stream, _) = timeout(BOUND, listener.accept()).await.expect("it is dialled").unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        hello(2).exchange(&mut stream, AgentId::from([1; 20])).await.unwrap();
        until("the link stands", || status(&node, 1).dials == dials).await;
        // The connection stays open, but nothing more is said on it.
        mute.push(stream);
    }
}

#[tokio::test]
async fn a_link_with_nothing_to_say_stays() {
    let nodes = nodes(2).await;
    let linked = |at: usize, of: u16| {
        let status = status(&nodes[at], of);
        status.sending && status.receiving
    };
    until("both ends are linked", || linked(0, 1) && linked(1, 0)).await;
    let dials = [status(&nodes[0], 1).dials, status(&nodes[1], 0).dials];
    // Without heartbeats, either end would give the other up in this time.
    let silent_since = Instant::now();
    until("time passes", || silent_since.elapsed() > SILENCE + HEARTBEAT).await;
    assert_eq!([status(&nodes[0], 1).dials, status(&nodes[1], 0).dials], dials);
    assert!(linked(0, 1) && linked(1, 0));
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let address = taken.local_addr().unwrap();
    let config = TransportConfig { listen: address, ..config(0, BTreeMap::new()) };
    let error = Transport::start(config).await.expect_err("the port is taken");
    assert!(matches!(error, NodeError::PortTaken { key: "peers.listen", .. }), "{error}");
}
