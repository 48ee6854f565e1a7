//! What a checker says when something must not be.

use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which checker saw it.
    pub checker: &'static str,
    /// What it saw.
    pub detail: String,
}

impl Violation {
    /// A violation that `checker` saw.
    pub fn new(checker: &'static str, detail: impl Into<String>) -> Self {
        Self { checker, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.detail)
    }
}

/// What a checker returns.
pub type Verdict = Result<(), Violation>;
