//! Who the peers are, and what changes when others take their place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_protocol::{AgentId, Epoch, PublicKey, ReplicaSet};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::peer::Peer;

/// The replicas of an epoch and the keys that they prove on their links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The epoch that `replicas` holds for.
    pub epoch: Epoch,
    /// The replicas with the keys that they prove. This node's own may be among them; it makes no peer. A replica
    /// that changes its key has two for a while, and a link under each: whoever still has the old one has to
    /// learn that it counts no more.
    pub replicas: BTreeSet<(AgentId, PublicKey)>,
}

impl Roster {
    /// The replicas of `epoch`, which are `replicas`.
    pub fn of(epoch: Epoch, replicas: &ReplicaSet) -> Self {
        let replicas = replicas.iter().map(|(_, member)| (member.agent, member.key)).collect();
        Self { epoch, replicas }
    }
}

/// The peers by the roster that holds now.
pub(super) struct Current {
    pub(super) epoch: Epoch,
    /// Lets exactly the peers' keys in.
    pub(super) acceptor: TlsAcceptor,
    pub(super) peers: BTreeMap<(AgentId, PublicKey), Linked>,
}

/// A peer, and the task that sends to it.
pub(super) struct Linked {
    pub(super) peer: Arc<Peer>,
    /// Nothing while no endpoint of it is known.
    pub(super) dialling: Option<AbortHandle>,
}

impl Current {
    /// The peer that proved `key`.
    pub(super) fn peer_with(&self, key: &PublicKey) -> Option<Arc<Peer>> {
        self.peers().find(|peer| peer.key == *key).cloned()
    }

    /// All peers, in ascending order of their accounts.
    pub(super) fn peers(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.peers.values().map(|linked| &linked.peer)
    }

    /// The links of `agent`, one for each key that it has.
    pub(super) fn peers_of(&self, agent: AgentId) -> impl Iterator<Item = &Arc<Peer>> {
        self.peers().filter(move |peer| peer.agent == agent)
    }
}

impl Linked {
    /// Cuts the peer off: nothing is sent to it, received from it, or handed on that came from it.
    pub(super) fn retire(&self) {
        self.peer.retire();
        if let Some(dialling) = &self.dialling {
            dialling.abort();
        }
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("epoch", &self.epoch)
            .field("peers", &self.peers.keys())
            .finish_non_exhaustive()
    }
}
