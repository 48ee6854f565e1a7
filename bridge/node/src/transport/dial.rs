//! Dialling one peer, and sending to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::peer::Peer;
use super::{HEARTBEAT, SILENCE, Shared, framing, tls};

/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait. A connection that held for as long resets the wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How long to wait before dialling again.
#[derive(Debug)]
struct Backoff {
    /// The bound of the next wait.
    bound: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self { bound: FIRST_WAIT }
    }

    /// Whether the last connection held, so that its end is news.
    fn is_at_start(&self) -> bool {
        self.bound == FIRST_WAIT
    }

    /// Notes how long the last link held. An end that does not answer takes its time too, but holds none.
    fn held(&mut self, elapsed: Duration) {
        if elapsed > LONGEST_WAIT {
            *self = Self::new();
        }
    }

    /// The next wait. The bound doubles; jitter keeps the nodes from dialling a restarted peer in one burst.
    fn wait(&mut self) -> Duration {
        let wait = self.bound.mul_f64(rand::random_range(0.5..1.0));
        self.bound = (self.bound * 2).min(LONGEST_WAIT);
        wait
    }
}

/// Keeps a connection to `peer` at `endpoint` and sends what its queue holds. Never ends.
pub(super) async fn run(shared: Arc<Shared>, peer: Arc<Peer>, endpoint: String, tls: TlsConnector) {
    let mut backoff = Backoff::new();
    loop {
        let mut linked = None;
        let ended = link(&shared, &peer, &endpoint, &tls, &mut linked).await;
        let error = ended.expect_err("a link ends by an error only");
        if error.kind() == io::ErrorKind::InvalidData {
            peer.counters.garbage.add(1);
        }
        backoff.held(linked.map(|since| since.elapsed()).unwrap_or_default());
        // Once loudly, then quietly: a peer that stays away would fill the log.
        if backoff.is_at_start() {
            tracing::warn!(peer = %peer.agent, endpoint, %error, "no link to a replica; dialling on");
        } else {
            tracing::debug!(peer = %peer.agent, endpoint, %error, "no link to a replica; dialling on");
        }
        sleep(backoff.wait()).await;
    }
}

/// One connection, from dialling to its end. Sets `linked` to when both ends had said hello.
async fn link(
    shared: &Shared,
    peer: &Peer,
    endpoint: &str,
    tls: &TlsConnector,
    linked: &mut Option<Instant>,
) -> io::Result<Never> {
    let slow = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    let stream = timeout(SILENCE, TcpStream::connect(endpoint)).await.map_err(|_| slow())??;
    // Votes are small and must not wait for more to come.
    stream.set_nodelay(true)?;
    let mut stream =
        timeout(SILENCE, tls.connect(tls::server_name(), stream)).await.map_err(|_| slow())??;
    // The TLS client is done before the server has judged its key; the hello is the server's consent.
    shared.greet(&mut stream, peer).await?;

    tracing::info!(peer = %peer.agent, endpoint, "linked to a replica");
    *linked = Some(Instant::now());
    peer.counters.dials.add(1);
    let _sending = peer.counters.sending.hold();
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::select! {
        ended = hear_heartbeats(&mut reader) => ended,
        ended = send(shared, peer, &mut writer) => ended,
    }
}

/// A value that there is none of: what it would be the result of goes on for ever.
#[derive(Debug)]
pub(super) enum Never {}

/// Writes what is queued, and heartbeats while there is nothing.
async fn send<S: AsyncWrite + Unpin>(shared: &Shared, peer: &Peer, stream: &mut S) -> io::Result<Never> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let Ok(taken) = timeout(HEARTBEAT, peer.queue.take(&mut buffer)).await else {
            framing::write_all(stream, &framing::HEARTBEAT_FRAME).await?;
            continue;
        };
        if let Err(error) = framing::write_all(stream, &buffer).await {
            shared.count_dropped(peer, taken);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_with_jitter_and_start_over_after_a_link_that_held() {
        let mut backoff = Backoff::new();
        let mut bound = FIRST_WAIT;
        for _ in 0..12 {
            let wait = backoff.wait();
            assert!(wait >= bound / 2 && wait <= bound, "{wait:?} is not within the half of {bound:?}");
            bound = (bound * 2).min(LONGEST_WAIT);
        }
        let waits: Vec<_> = (0..20).map(|_| backoff.wait()).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter");

        backoff.held(LONGEST_WAIT / 2);
        assert!(!backoff.is_at_start(), "a link that broke at once is no reason to dial faster");
        backoff.held(LONGEST_WAIT * 2);
        assert!(backoff.is_at_start() && backoff.wait() <= FIRST_WAIT);
    }
}
