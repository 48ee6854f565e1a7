//! Signals that ask the process to end.

use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on, and resolves when SIGINT (Ctrl-C), SIGTERM or SIGHUP arrives.
///
/// Call it before anything is started that must be stopped: until then a signal ends the process at once.
///
/// # Panics
/// Outside a tokio runtime, and when the process may not install signal handlers, which every Unix allows.
pub(crate) fn end_asked_for() -> impl Future<Output = ()> {
    let listen = |kind| signal(kind).expect("a process may listen to its own signals");
    let mut interrupt = listen(SignalKind::interrupt());
    let mut terminate = listen(SignalKind::terminate());
    let mut hang_up = listen(SignalKind::hangup());
    async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
