//! Whom to ask, and what is known against whom.

use quorate_protocol::{AgentId, CheckpointCertificate, Sequence};

use super::verify::ChunkError;

/// The two things that a fetch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    State,
    Log,
}

impl Part {
    /// The state first: servers keep it for a while only, and the log for ever.
    pub(super) const ALL: [Self; 2] = [Self::State, Self::Log];
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) part: Part,
    pub(super) since_ms: u64,
    deadline_ms: u64,
}

#[derive(Debug)]
struct Peer {
    id: AgentId,
    asked: Option<Asked>,
    /// It lied, and is asked nothing more.
    excluded: bool,
    /// It let a request time out.
    silent: bool,
    /// It does not have the [`Part`].
    lacks: [bool; 2],
    /// Its log is not that which this node's own log begins; one of the two is wrong.
    suspected: Option<ChunkError>,
    /// A later checkpoint that it says it has.
    newer: Option<CheckpointCertificate>,
}

impl Peer {
    fn is_usable(&self, part: Part) -> bool {
        let doubted = part == Part::Log && self.suspected.is_some();
        !(self.excluded || self.silent || doubted || self.lacks[part as usize])
    }
}

/// The peers of a fetch.
#[derive(Debug)]
pub(super) struct Peers {
    peers: Vec<Peer>,
    /// Who answered last: its snapshot is held already.
    favourites: [Option<AgentId>; 2],
    /// Where the search for another starts.
    next: usize,
}

impl Peers {
    pub(super) fn new(mut ids: Vec<AgentId>) -> Self {
        ids.sort();
        ids.dedup();
        let peer = |id| Peer {
            id,
            asked: None,
            excluded: false,
            silent: false,
            lacks: [false; 2],
            suspected: None,
            newer: None,
        };
        Self { peers: ids.into_iter().map(peer).collect(), favourites: [None; 2], next: 0 }
    }

    /// What `id` is being asked.
    pub(super) fn asked(&self, id: AgentId) -> Option<Asked> {
        self.peers.iter().find(|peer| peer.id == id)?.asked
    }

    pub(super) fn is_asked(&self, part: Part) -> bool {
        self.peers.iter().any(|peer| peer.asked.is_some_and(|asked| asked.part == part))
    }

    /// A usable peer that is not being asked anything.
    pub(super) fn choose(&self, part: Part) -> Option<AgentId> {
        let free = |peer: &&Peer| peer.asked.is_none() && peer.is_usable(part);
        let favourite = self.favourites[part as usize];
        let (before, after) = self.peers.split_at(self.next);
        self.peers
            .iter()
            .filter(|peer| Some(peer.id) == favourite)
            .chain(after)
            .chain(before)
            .find(free)
            .map(|peer| peer.id)
    }

    /// Whether nobody is left to ask for `part`, not even once they have answered something else.
    pub(super) fn is_hopeless(&self, part: Part) -> bool {
        !self.peers.iter().any(|peer| peer.is_usable(part))
    }

    pub(super) fn ask(&mut self, id: AgentId, part: Part, since_ms: u64, deadline_ms: u64) {
        if let Some(peer) = self.find(id) {
            peer.asked = Some(Asked { part, since_ms, deadline_ms });
        }
    }

    /// The peer answered; a slow one is not asked first the next time.
    pub(super) fn answered(&mut self, id: AgentId, part: Part, slow: bool) {
        if let Some(peer) = self.find(id) {
            peer.asked = None;
        }
        self.favourites[part as usize] = (!slow).then_some(id);
        if slow {
            self.pass_over(id);
        }
    }

    /// Gives up the requests whose time is over, and says whether there were any.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let mut late = Vec::new();
        for peer in &mut self.peers {
            if peer.asked.is_some_and(|asked| asked.deadline_ms <= now_ms) {
                peer.asked = None;
                peer.silent = true;
                late.push(peer.id);
            }
        }
        late.iter().for_each(|id| self.pass_over(*id));
        !late.is_empty()
    }

    /// The peer does not have `part`, but perhaps a `newer` checkpoint.
    pub(super) fn lacks(&mut self, id: AgentId, part: Part, newer: Option<CheckpointCertificate>) {
        if let Some(peer) = self.find(id) {
            peer.asked = None;
            peer.lacks[part as usize] = true;
            peer.newer = newer;
        }
        self.pass_over(id);
    }

    /// The peer lied.
    pub(super) fn exclude(&mut self, id: AgentId) {
        if let Some(peer) = self.find(id) {
            peer.asked = None;
            peer.excluded = true;
            peer.newer = None;
        }
        self.pass_over(id);
    }

    /// The peer lied, or this node's log is wrong.
    pub(super) fn suspect(&mut self, id: AgentId, reason: ChunkError) {
        if let Some(peer) = self.find(id) {
            peer.asked = None;
            peer.suspected = Some(reason);
        }
        self.pass_over(id);
    }

    /// Whether more than half of the peers contradict this node's log. Of 3f peers these are more than f, so
    /// one of them is correct; and the 2f correct ones are that many.
    pub(super) fn contradict(&self) -> bool {
        2 * self.peers.iter().filter(|peer| peer.suspected.is_some()).count() > self.peers.len()
    }

    /// Excludes those who are suspected, with the reasons: this node's log turned out to be right.
    pub(super) fn convict(&mut self) -> Vec<(AgentId, ChunkError)> {
        let suspected = |peer: &mut Peer| Some((peer.id, peer.suspected.take()?));
        let convicted: Vec<_> = self.peers.iter_mut().filter_map(suspected).collect();
        for (id, _) in &convicted {
            self.exclude(*id);
        }
        convicted
    }

    /// Gives everybody but those who lied another chance with `part`.
    pub(super) fn forgive(&mut self, part: Part) {
        for peer in &mut self.peers {
            peer.silent = false;
            peer.lacks[part as usize] = false;
            if part == Part::Log {
                peer.suspected = None;
            }
        }
    }

    /// The checkpoints beyond `target` that peers say they have, the latest first.
    pub(super) fn newer(&self, target: Sequence) -> Vec<(AgentId, CheckpointCertificate)> {
        let mut newer: Vec<_> = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer.id, peer.newer.clone()?)))
            .filter(|(_, certificate)| certificate.checkpoint.sequence > target)
            .collect();
        newer.sort_by_key(|(_, certificate)| std::cmp::Reverse(certificate.checkpoint.sequence));
        newer
    }

    /// When the first request under way times out.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.peers.iter().filter_map(|peer| peer.asked).map(|asked| asked.deadline_ms).min()
    }

    fn pass_over(&mut self, id: AgentId) {
        self.favourites.iter_mut().filter(|favourite| **favourite == Some(id)).for_each(|it| *it = None);
        if let Some(at) = self.peers.iter().position(|peer| peer.id == id) {
            self.next = (at + 1) % self.peers.len();
        }
    }

    fn find(&mut self, id: AgentId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }
}
