//! What happened, in order: its hash shows that a run was repeated exactly, its end shows how a violation
//! came about.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

/// How many lines are kept for the report of a violation.
const KEPT: usize = 400;

/// The trace of a run.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: Sha256,
    kept: VecDeque<String>,
    lines: u64,
    /// Whether each line is printed as it happens.
    pub prints: bool,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: Sha256::new(), kept: VecDeque::with_capacity(KEPT), lines: 0, prints: false }
    }
}

impl Trace {
    /// Adds a line.
    pub fn note(&mut self, now_ms: u64, line: fmt::Arguments<'_>) {
        let mut text = if self.kept.len() == KEPT { self.kept.pop_front() } else { None }.unwrap_or_default();
        text.clear();
        write!(text, "{:>4}.{:03} {line}", now_ms / 1_000, now_ms % 1_000)
            .expect("writing into memory cannot fail");
        self.hash.update(text.as_bytes());
        self.hash.update(b"\n");
        self.lines += 1;
        if self.prints {
            println!("{text}");
        }
        self.kept.push_back(text);
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// SHA-256 over all lines, in hex.
    pub fn hash(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The last lines.
    pub fn tail(&self, lines: usize) -> impl Iterator<Item = &str> {
        self.kept.iter().skip(self.kept.len().saturating_sub(lines)).map(String::as_str)
    }
}
