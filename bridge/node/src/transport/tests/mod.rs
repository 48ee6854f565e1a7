//! Real sockets on the loopback interface. Waiting is for a condition, with a bound.

mod links;
mod refused;
mod rosters;
mod slow;

use std::io;

use quorate_protocol::GroupId;
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

fn agent(seed: u8) -> AgentId {
    AgentId::from([seed; 20])
}

fn identity(group: u8) -> GroupIdentity {
    GroupIdentity { chain_id: 31337, contract: agent(0xc0), group: GroupId::from([group; 32]) }
}

/// The replicas with these seeds.
fn roster(epoch: u64, seeds: impl IntoIterator<Item = u8>) -> Roster {
    let replicas = seeds.into_iter().map(|seed| (agent(seed), key(seed).public())).collect();
    Roster { epoch: Epoch(epoch), replicas }
}

/// Of the replica with seed `me`, among four.
fn config(me: u8, endpoints: BTreeMap<AgentId, String>) -> TransportConfig {
    TransportConfig {
        identity: identity(7),
        roster: roster(0, 1..=4),
        me: agent(me),
        key: key(me),
        listen: local(),
        endpoints,
        max_frame_bytes: MAX_FRAME,
    }
}

type Node = (Transport, Frames);

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

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

/// Listeners for the seeds 1 to `n`, and where they are.
async fn listeners(n: u8) -> (Vec<TcpListener>, BTreeMap<AgentId, String>) {
    let mut listeners = Vec::new();
    let mut endpoints = BTreeMap::new();
    for seed in 1..=n {
        let listener = bind(local()).await;
        endpoints.insert(agent(seed), listener.local_addr().unwrap().to_string());
        listeners.push(listener);
    }
    (listeners, endpoints)
}

/// The nodes with seeds 1 to `n`, each knowing where all of them listen.
async fn nodes(n: u8) -> Vec<Node> {
    let (listeners, endpoints) = listeners(n).await;
    let start = |(me, listener)| Transport::start_on(listener, config(me, endpoints.clone())).unwrap();
    (1..).zip(listeners).map(start).collect()
}

async fn receive(node: &mut Node) -> PeerFrame {
    timeout(BOUND, node.1.recv()).await.expect("a frame comes").expect("the transport runs")
}

fn status(node: &Node, of: u8) -> PeerStatus {
    node.0.peers().into_iter().find(|peer| peer.agent == agent(of)).unwrap()
}

/// Whether `node` has both its links with the peer.
fn linked(node: &Node, of: u8) -> bool {
    let status = status(node, of);
    status.sending && status.receiving
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

fn hello(seed: u8) -> Hello {
    Hello::new(identity(7), Epoch(0), agent(seed))
}

/// Dials the node with seed 1 as somebody with `secret` who expects `expected` there, and says `hello`.
async fn dial(
    node: &Node,
    secret: &AgentKey,
    expected: &PublicKey,
    hello: &Hello,
) -> io::Result<TlsStream<TcpStream>> {
    let connector = tls::Identity::new(secret).unwrap().dialer(expected).unwrap();
    let stream = TcpStream::connect(node.0.local_address()).await?;
    let mut stream = connector.connect(tls::server_name(), stream).await?;
    hello.exchange(&mut stream, agent(1)).await?;
    Ok(stream)
}

/// Dials the node with seed 1 as the replica with `seed` should.
async fn dial_as(node: &Node, seed: u8) -> io::Result<TlsStream<TcpStream>> {
    dial(node, &key(seed), &key(1).public(), &hello(seed)).await
}

/// Waits to be dialled by the node with seed 1, as the replica with `seed`, and says hello.
async fn answer(listener: &TcpListener, seed: u8) -> tokio_rustls::server::TlsStream<TcpStream> {
    let acceptor = tls::Identity::new(&key(seed)).unwrap().acceptor([key(1).public()].into_iter()).unwrap();
    let (stream, _) = timeout(BOUND, listener.accept()).await.expect("it is dialled").unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    hello(seed).exchange(&mut stream, agent(1)).await.unwrap();
    stream
}

/// The other end has closed the connection, or does so within the bound.
async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // Heartbeats may come first. Both an orderly end and a reset will do.
    let _ = timeout(BOUND, stream.read_to_end(&mut rest)).await.expect("the connection ends");
}
