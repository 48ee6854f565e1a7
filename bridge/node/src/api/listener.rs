//! Accepting connections: no more than allowed, and none that only sits there.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::Gauge;

/// How long a connection may do what without being cut off.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Move no byte.
    idle: Duration,
    /// Go on sending a request, counted from its first byte.
    request: Duration,
}

/// Idle for longer than any request may wait for its answer; a request is some hundred kilobytes at most.
const PATIENCE: Patience = Patience { idle: Duration::from_secs(90), request: Duration::from_secs(30) };

/// Listens, with a bound on open connections. Above it, new ones wait in the kernel's queue.
pub(super) struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    open: Gauge,
}

impl BoundedListener {
    /// Keeps at most `max` connections open at a time, and counts them in `open`.
    pub(super) fn new(listener: TcpListener, max: usize, open: Gauge) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(max)), open }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
        // Retries after errors of single connections and of the process's file limit.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Answers are small and awaited: they must not wait for more to come. Failing to say so is no harm.
        let _ = stream.set_nodelay(true);
        self.open.inc();
        let place = Place { _permit: permit, open: self.open.clone() };
        (BoundedStream::new(stream, place, PATIENCE), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that counts against the bound, and ends when it is idle or trickles for too long.
pub(super) struct BoundedStream {
    stream: TcpStream,
    patience: Patience,
    idle: Pin<Box<Sleep>>,
    /// When the first byte came that is not answered yet.
    request_began: Option<Instant>,
    _place: Place,
}

/// What a connection takes up; dropping it gives it back.
struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl BoundedStream {
    fn new(stream: TcpStream, place: Place, patience: Patience) -> Self {
        let idle = Box::pin(sleep(patience.idle));
        Self { stream, patience, idle, request_began: None, _place: place }
    }

    /// Passes on a poll's result; a pending one fails once the connection has been idle too long.
    fn unless_idle<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            let until = Instant::now() + self.patience.idle;
            self.idle.as_mut().reset(until);
            return poll;
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            let now = Instant::now();
            let began = *self.request_began.get_or_insert(now);
            if now.duration_since(began) > self.patience.request {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        self.unless_idle(cx, poll)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.request_began = None;
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_idle(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.request_began = None;
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_idle(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Who is on the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Remote {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    async fn pair(patience: Patience) -> (TcpStream, BoundedStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let place = Place { _permit: permit, open: Gauge::default() };
        (client.unwrap(), BoundedStream::new(accepted.unwrap().0, place, patience))
    }

    #[tokio::test]
    async fn a_silent_connection_ends() {
        let (_client, mut server) = pair(Patience { idle: Duration::from_millis(30), request: LONG }).await;
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_that_trickles_ends_and_one_that_is_answered_goes_on() {
        let (mut client, mut server) =
            pair(Patience { idle: LONG, request: Duration::from_millis(100) }).await;
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            server.read_u8().await.expect("each byte is answered");
            server.write_all(b"y").await.unwrap();
        }
        let error = loop {
            if let Err(error) = server.read_u8().await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        trickle.abort();
    }
}
