//! Accepting the peers' connections, and receiving from them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::dial::Never;
use super::handshakes::Handshakes;
use super::peer::{Peer, PeerFrame};
use super::{HEARTBEAT, SILENCE, Shared, framing, tls};

/// The rest after the system refuses another connection, such as for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Accepts connections for ever. Dropping the future ends them all.
pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener, frames: mpsc::Sender<PeerFrame>) {
    let handshakes = Arc::new(Handshakes::default());
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
        let mut handshake = handshakes.begin(address.ip());
        let (shared, handshakes, frames) = (shared.clone(), handshakes.clone(), frames.clone());
        links.spawn(async move {
            let greeted = tokio::select! {
                greeted = greet(&shared, stream) => greeted,
                _ = &mut handshake.given_way => Err(io::Error::other("it gave way to other handshakes")),
            };
            drop(handshake);
            match greeted {
                Ok((peer, stream)) => serve(&shared, &peer, stream, &frames).await,
                Err(error) => {
                    if let Some(refused) = handshakes.count_refused() {
                        tracing::info!(%address, %error, refused, "refused a connection to the peer port");
                    }
                }
            }
        });
    }
}

/// Lets the other end prove its key and say hello.
async fn greet(shared: &Shared, stream: TcpStream) -> io::Result<(Arc<Peer>, TlsStream<TcpStream>)> {
    stream.set_nodelay(true)?;
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long");
    let tls = shared.current().acceptor.clone();
    let mut stream = timeout(SILENCE, tls.accept(stream)).await.map_err(|_| slow())??;
    // The verifier lets only the peers' keys through. The roster may have changed since, so ask it again.
    let peer = tls::proven_key(stream.get_ref().1.peer_certificates())
        .and_then(|key| shared.current().peer_with(&key))
        .ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "the key is no replica's"))?;
    if let Err(error) = shared.greet(&mut stream, &peer).await {
        peer.counters.refused.add(1);
        tracing::warn!(peer = %peer.agent, %error, "refused the connection of a replica");
        return Err(error);
    }
    Ok((peer, stream))
}

/// Receives until the connection ends or is replaced.
async fn serve(
    shared: &Shared,
    peer: &Arc<Peer>,
    stream: TlsStream<TcpStream>,
    frames: &mpsc::Sender<PeerFrame>,
) {
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
    peer: &Arc<Peer>,
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
        let frame = PeerFrame { from: peer.agent, bytes, peer: peer.clone(), _budget: budget };
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
