//! Accepting the peers' connections, and receiving from them.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::dial::Never;
use super::{HEARTBEAT, Peer, PeerFrame, SILENCE, Shared, framing, tls};

/// The most connections whose key is not proved yet. What comes beyond is closed at once.
const MAX_HANDSHAKES: usize = 256;
/// The rest after the system refuses another connection, such as for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long a peer that sent garbage stays out.
const PENALTY: Duration = Duration::from_secs(3);

/// The one connection that a peer may have to this node.
#[derive(Debug, Default)]
pub(super) struct Incoming(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// Dropping it ends the connection.
    current: Option<oneshot::Sender<Never>>,
    barred_until: Option<Instant>,
}

const NOT_POISONED: &str = "nothing panics while it holds the slot";

impl Incoming {
    /// Ends the connection and refuses others for [`PENALTY`].
    pub(super) fn bar(&self) {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        *slot = Slot { current: None, barred_until: Some(Instant::now() + PENALTY) };
    }

    /// Makes room for a new connection by ending the one before, which is half-open if the peer is correct.
    /// The receiver errs when the new one must end in turn. Nothing for a peer that is barred.
    fn admit(&self) -> Option<oneshot::Receiver<Never>> {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        if slot.barred_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let (current, ended) = oneshot::channel();
        slot.current = Some(current);
        Some(ended)
    }
}

/// Accepts connections for ever. Dropping the future ends them all.
pub(super) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: TlsAcceptor,
    frames: mpsc::Sender<PeerFrame>,
) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a replica's connection; raise the limit of open files");
                sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Ok(handshake) = handshakes.clone().try_acquire_owned() else { continue };
        let (shared, tls, frames) = (shared.clone(), tls.clone(), frames.clone());
        links.spawn(async move {
            let greeted = greet(&shared, stream, &tls).await;
            drop(handshake);
            match greeted {
                Ok((peer, stream)) => serve(&shared, &peer, stream, &frames).await,
                Err(error) => tracing::info!(%address, %error, "refused a connection to the peer port"),
            }
        });
    }
}

/// Lets the other end prove its key and say hello.
async fn greet(
    shared: &Shared,
    stream: TcpStream,
    tls: &TlsAcceptor,
) -> io::Result<(Arc<Peer>, TlsStream<TcpStream>)> {
    stream.set_nodelay(true)?;
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long");
    let mut stream = timeout(SILENCE, tls.accept(stream)).await.map_err(|_| slow())??;
    // The verifier lets only the replicas' keys through, this node's own not among them.
    let peer = tls::proven_key(stream.get_ref().1.peer_certificates())
        .and_then(|key| shared.replicas.index_of_key(&key))
        .and_then(|index| shared.peers.get(usize::from(index.0))?.clone())
        .ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "the key is no replica's"))?;
    if let Err(error) = shared.hello.exchange(&mut stream, peer.agent).await {
        peer.counters.refused.add(1);
        tracing::warn!(peer = %peer.agent, %error, "refused the connection of a replica");
        return Err(error);
    }
    Ok((peer, stream))
}

/// Receives until the connection ends or is replaced.
async fn serve(shared: &Shared, peer: &Peer, stream: TlsStream<TcpStream>, frames: &mpsc::Sender<PeerFrame>) {
    let Some(ended) = peer.incoming.admit() else {
        peer.counters.refused.add(1);
        return;
    };
    let _receiving = peer.counters.receiving.hold();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let result = tokio::select! {
        ended = receive(shared, peer, &mut reader, frames) => ended,
        ended = send_heartbeats(&mut writer) => ended,
        _ = ended => return,
    };
    let error = result.expect_err("a link ends by an error only");
    if error.kind() == io::ErrorKind::InvalidData {
        tracing::warn!(peer = %peer.agent, %error, "a replica sent garbage; its connection is cut");
        peer.counters.garbage.add(1);
        peer.incoming.bar();
    } else {
        tracing::debug!(peer = %peer.agent, %error, "the connection of a replica ended");
    }
}

/// Reads frames within the peer's budget.
async fn receive<S: AsyncRead + Unpin>(
    shared: &Shared,
    peer: &Peer,
    stream: &mut S,
    frames: &mpsc::Sender<PeerFrame>,
) -> io::Result<Never> {
    loop {
        let length = framing::read_length(stream, shared.max_frame_bytes).await?;
        if length == 0 {
            continue;
        }
        // Taken before the content is read, so that a peer's unread frames stay in its own socket.
        let budget = peer.budget.clone().acquire_many_owned(shared.share(length)).await;
        let budget = budget.expect("the budget is never closed");
        let bytes = framing::read_content(stream, length).await?;
        peer.counters.received_frames.add(1);
        peer.counters.received_bytes.add(length as u64);
        let frame = PeerFrame { from: peer.index, bytes, _budget: budget };
        if frames.send(frame).await.is_err() {
            return Err(io::Error::other("the node stops"));
        }
    }
}

/// Shows the other end, which only sends, that this one is alive.
async fn send_heartbeats<S: AsyncWrite + Unpin>(stream: &mut S) -> io::Result<Never> {
    loop {
        framing::write_all(stream, &framing::HEARTBEAT_FRAME).await?;
        sleep(HEARTBEAT).await;
    }
}
