//! Dialling one peer, and sending to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::{HEARTBEAT, Peer, SILENCE, Shared, framing, tls};

/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait. A connection that held for as long resets the wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Keeps a connection to `peer` at `endpoint` and sends what its queue holds. Never ends.
pub(super) async fn run(shared: Arc<Shared>, peer: Arc<Peer>, endpoint: String, tls: TlsConnector) {
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        let error = link(&shared, &peer, &endpoint, &tls).await.expect_err("a link ends by an error only");
        if error.kind() == io::ErrorKind::InvalidData {
            peer.counters.garbage.add(1);
        }
        if started.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        // Once loudly, then quietly: a peer that stays away would fill the log.
        if wait == FIRST_WAIT {
            tracing::warn!(peer = %peer.agent, endpoint, %error, "no link to a replica; dialling on");
        } else {
            tracing::debug!(peer = %peer.agent, endpoint, %error, "no link to a replica; dialling on");
        }
        // Jitter keeps the nodes from dialling a restarted peer in one burst.
        sleep(wait.mul_f64(rand::random_range(0.5..1.0))).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// One connection, from dialling to its end.
async fn link(shared: &Shared, peer: &Peer, endpoint: &str, tls: &TlsConnector) -> io::Result<Never> {
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    let stream = timeout(SILENCE, TcpStream::connect(endpoint)).await.map_err(|_| slow())??;
    // Votes are small and must not wait for more to come.
    stream.set_nodelay(true)?;
    let mut stream =
        timeout(SILENCE, tls.connect(tls::server_name(), stream)).await.map_err(|_| slow())??;
    // The TLS client is done before the server has judged its key; the hello is the server's consent.
    shared.hello.exchange(&mut stream, peer.agent).await?;

    tracing::info!(peer = %peer.agent, endpoint, "linked to a replica");
    peer.counters.dials.add(1);
    let _sending = peer.counters.sending.hold();
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::select! {
        ended = hear_heartbeats(&mut reader) => ended,
        ended = send(peer, &mut writer) => ended,
    }
}

/// A value that there is none of: what it would be the result of goes on for ever.
#[derive(Debug)]
pub(super) enum Never {}

/// Writes what is queued, and heartbeats while there is nothing.
async fn send<S: AsyncWrite + Unpin>(peer: &Peer, stream: &mut S) -> io::Result<Never> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let Ok(taken) = timeout(HEARTBEAT, peer.queue.take(&mut buffer)).await else {
            framing::write_all(stream, &framing::HEARTBEAT_FRAME).await?;
            continue;
        };
        if let Err(error) = framing::write_all(stream, &buffer).await {
            peer.counters.dropped.add(taken);
            return Err(error);
        }
        peer.counters.sent_frames.add(taken);
        peer.counters.sent_bytes.add(buffer.len() as u64);
    }
}

/// Hears that the other end is alive; there is nothing else that it may say on this connection.
async fn hear_heartbeats<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Never> {
    loop {
        framing::read_length(stream, 0).await?;
    }
}
