//! The progress display: a spinner on standard error while something is waited for, plain lines where standard
//! error is no terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{complain, print, terminal};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Tells a story on standard output and shows on standard error what it waits for.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    story: bool,
}

impl Progress {
    /// A display for this process. Without `story`, standard output is left to the command's data.
    pub(crate) fn new(story: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})")
                .expect("the template names only fields that there are");
            bar.set_style(style);
            bar
        });
        Self { bar, story }
    }

    /// Says what is being waited for.
    pub(crate) fn waiting(&self, what: impl Into<String>) {
        let what = terminal::line(&what.into()).into_owned();
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_message(what);
                bar.enable_steady_tick(TICK);
            }
            None => complain(&format!("  … {what}\n")),
        }
    }

    /// Takes the spinner away.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }

    /// A heading of the story.
    pub(crate) fn chapter(&self, title: &str) {
        self.tell(&format!("\n{title}"));
    }

    /// A line of the story.
    pub(crate) fn tell(&self, line: &str) {
        if !self.story {
            return;
        }
        let write = || {
            // A story whose reader went away is still lived to its end: the exit code is its result.
            let _ = print(&format!("{line}\n"));
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
