//! Signals that ask the process to end.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when SIGINT (Ctrl-C), SIGTERM or SIGHUP arrives.
///
/// # Panics
/// When the process may not install signal handlers, which every Unix allows.
pub(crate) async fn end_asked_for() {
    let listen = |kind| signal(kind).expect("a process may listen to its own signals");
    let mut interrupt = listen(SignalKind::interrupt());
    let mut terminate = listen(SignalKind::terminate());
    let mut hang_up = listen(SignalKind::hangup());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}
