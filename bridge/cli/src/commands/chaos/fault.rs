//! The faults that a run injects.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A kind of fault. At most one node is faulty at a time, but for [`Kind::KillAll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// kill -9 of a node, which is started again later.
    Kill,
    /// kill -9 of all nodes at once, which are started again at once.
    KillAll,
    /// A node stops for a while without knowing (SIGSTOP, SIGCONT).
    Pause,
    /// A node reaches nobody, and nobody reaches it.
    Isolate,
    /// No replica of one half reaches one of the other, so that neither half has a quorum.
    Halves,
    /// No other replica hears a node, but it hears them.
    Mute,
    /// A node's link comes and goes.
    Flap,
    /// A node's link loses, delays, doubles and reorders packets.
    Lossy,
    /// A node's link is too narrow for what it has to say.
    Narrow,
    /// The chain is away for a while.
    ChainDown,
    /// The last blocks of the chain are replaced by others.
    Reorg,
    /// A node is killed and loses everything that it remembers; then the members are renewed, so that it may speak
    /// again.
    Wipe,
}

impl Kind {
    /// Every kind, with its name and what it does in few words.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 12] = [
        (Self::Kill, "kill", "kill -9"),
        (Self::KillAll, "kill-all", "kill -9 of all nodes"),
        (Self::Pause, "pause", "stopped (SIGSTOP)"),
        (Self::Isolate, "isolate", "cut off from everybody"),
        (Self::Halves, "halves", "two nodes here, two there"),
        (Self::Mute, "mute", "hears its peers, is not heard"),
        (Self::Flap, "flap", "link comes and goes"),
        (Self::Lossy, "lossy", "link loses and reorders packets"),
        (Self::Narrow, "narrow", "link of 192 kbit/s"),
        (Self::ChainDown, "chain-down", "chain away"),
        (Self::Reorg, "reorg", "chain reorganised"),
        (Self::Wipe, "wipe", "data directory lost"),
    ];

    /// The name, as `--faults` takes it.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// The fault in few words.
    pub(crate) fn words(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        *Self::ALL.iter().find(|row| row.0 == self).expect("every kind has its row")
    }

    /// Whether the nodes must be in network namespaces.
    pub(crate) fn needs_fabric(self) -> bool {
        matches!(self, Self::Isolate | Self::Halves | Self::Mute | Self::Flap | Self::Lossy | Self::Narrow)
    }

    /// Whether nothing can commit before it is healed. Then recovery is measured from there.
    pub(crate) fn stops_the_group(self) -> bool {
        matches!(self, Self::KillAll | Self::Halves)
    }

    /// Whether it befalls the chain instead of a node.
    pub(crate) fn befalls_the_chain(self) -> bool {
        matches!(self, Self::ChainDown | Self::Reorg)
    }

    /// Whether it befalls one node rather than all or none.
    pub(crate) fn has_target(self) -> bool {
        !self.befalls_the_chain() && !matches!(self, Self::KillAll)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|row| row.1 == text.trim());
        let names = || Self::ALL.map(|row| row.1).join(", ");
        found.map(|row| row.0).ok_or_else(|| format!("{text:?} is none of {}", names()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name() {
        for (kind, name, _) in Kind::ALL {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
        assert!("flood".parse::<Kind>().unwrap_err().contains("kill-all"));
    }
}
