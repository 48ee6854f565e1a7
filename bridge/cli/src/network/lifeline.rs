//! The child's side of supervision: standard input is a line to the parent, and its end means that the parent
//! is gone or lets go.

use std::io::Read as _;

use tokio::sync::oneshot;

/// Resolves when standard input ends. What arrives before that is thrown away.
pub(crate) fn standard_input_closed() -> oneshot::Receiver<()> {
    let (closed, watch) = oneshot::channel();
    // A thread of its own rather than tokio's stdin: that one would hold up the end of the runtime until the
    // next byte arrives. This thread ends with the process.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 256];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody may be waiting any more.
        let _ = closed.send(());
    });
    watch
}
