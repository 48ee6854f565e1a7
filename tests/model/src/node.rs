//! A correct replica: the real core, and what it has said and done so far.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, RwLock};

use quorate_pbft::{Effect, Event, Executed, Message, Now, Recovered, Replica};
use quorate_protocol::{Digest, ReplicaIndex, Sequence, Verified, View};

use crate::claim::{About, Claim, MessageId, Messages};
use crate::delivery::Grain;
use crate::model::Group;

/// Longer than any time-out: whatever can end has ended after it.
const LONG_MS: u64 = 1_000;

/// What happens to a correct replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// A message arrives, for the first time or again.
    Message(MessageId),
    /// So much time passes that its patience ends.
    TimeOut,
}

/// A correct replica at one point of its life. It never changes: what happens to it leads to another.
pub struct Node {
    /// Its position.
    pub index: ReplicaIndex,
    /// Everything that it said. The network loses nothing for good and delivers anything at any time, so this
    /// is also what is under way from it.
    pub said: Messages,
    /// What of that is commits.
    commits: Vec<About>,
    /// What it executed, in order.
    pub executed: Vec<About>,
    /// Against whom it holds evidence.
    pub accused: BTreeSet<ReplicaIndex>,
    /// What it did that no correct replica does.
    pub fault: Option<&'static str>,
    replica: Replica,
    elapsed_ms: u64,
    key: Digest,
    /// Where each happening leads; nothing where it changes nothing.
    next: RwLock<HashMap<Happening, Option<Arc<Node>>>>,
}

impl Node {
    /// A replica that has heard of all others and has the command from its client.
    pub(crate) fn start(group: &Group, index: ReplicaIndex) -> Self {
        let setting = &group.setting;
        let now = Now { elapsed_ms: 0, wall: setting.wall(index) };
        let keys = setting.keys[usize::from(index.0)].clone();
        let config = setting.config.clone();
        let replica = Replica::new(config, setting.context.clone(), keys, Recovered::default(), now);
        let mut node = Self {
            index,
            said: Messages::default(),
            commits: Vec::new(),
            executed: Vec::new(),
            accused: BTreeSet::new(),
            fault: None,
            replica,
            elapsed_ms: 0,
            key: Digest::default(),
            next: RwLock::default(),
        };
        let status = quorate_pbft::message::Status {
            view: View(0),
            active: true,
            stable: Sequence(0),
            last_executed: Sequence(0),
        };
        for from in setting.replicas() {
            // A status is unsigned: there is nothing to check.
            let message = Verified::vouch(Message::Status(status));
            node.step(group, Event::Message { from, message });
        }
        // The command was signed here.
        node.step(group, Event::Commands(vec![Verified::vouch(setting.command.clone())]));
        node.key = node.fingerprint(group);
        node
    }

    /// The view that the replica is in, or asks for.
    pub fn view(&self) -> View {
        self.replica.view()
    }

    /// Where `happening` leads; nothing if it changes nothing.
    pub(crate) fn after(&self, group: &Group, happening: Happening) -> Option<Arc<Node>> {
        if let Some(known) = self.next.read().expect("no panic while writing").get(&happening) {
            return known.clone();
        }
        let mut node = Self {
            index: self.index,
            said: self.said,
            commits: self.commits.clone(),
            executed: self.executed.clone(),
            accused: self.accused.clone(),
            fault: self.fault,
            replica: self.replica.clone(),
            elapsed_ms: self.elapsed_ms,
            key: self.key,
            next: RwLock::default(),
        };
        match happening {
            Happening::Message(id) => {
                let entry = group.book.entry(id);
                // Whoever entered it in the book checked it.
                let message = Verified::vouch(entry.message);
                node.step(group, Event::Message { from: entry.from, message });
            }
            Happening::TimeOut => {
                node.elapsed_ms += LONG_MS;
                node.step(group, Event::Tick);
            }
        }
        node.key = node.fingerprint(group);
        let next = (node.key != self.key).then(|| group.intern(node));
        self.next.write().expect("no panic while writing").insert(happening, next.clone());
        next
    }

    /// Where the arrival of all these leads; nothing if it changes nothing.
    pub(crate) fn after_all(&self, group: &Group, messages: &[MessageId]) -> Option<Arc<Node>> {
        let mut reached: Option<Arc<Node>> = None;
        for &id in messages {
            let from = reached.as_deref().unwrap_or(self);
            if let Some(next) = from.after(group, Happening::Message(id)) {
                reached = Some(next);
            }
        }
        reached
    }

    /// Whether it said that it commits this.
    pub(crate) fn has_committed(&self, about: About) -> bool {
        self.commits.contains(&about)
    }

    /// Whether it executed a batch at `sequence`.
    pub(crate) fn has_executed(&self, sequence: Sequence) -> bool {
        self.executed.iter().any(|done| done.sequence == sequence)
    }

    fn step(&mut self, group: &Group, event: Event) {
        let now = Now { elapsed_ms: self.elapsed_ms, wall: group.setting.wall(self.index) };
        let effects = self.replica.step(now, event);
        for effect in effects {
            match effect {
                Effect::Send { message, .. } | Effect::Broadcast(message) => self.say(group, message),
                Effect::Execute { committed, .. } => {
                    let voters: BTreeSet<_> = committed.commits.iter().map(|vote| vote.replica).collect();
                    if voters.len() < group.setting.context.replicas.quorum() {
                        self.fault = Some("executes without a quorum of commits");
                    }
                    let digest = committed.batch.digest(&group.setting.context);
                    let (view, sequence) = (committed.view, committed.sequence);
                    self.executed.push(About { view, sequence, digest });
                    let executed =
                        Executed { sequence, entries: 1, next_due: None, state: None, change_pending: false };
                    self.step(group, Event::Executed(executed));
                }
                Effect::Evidence(evidence) => {
                    if evidence.replica() != group.faulty {
                        self.fault = Some("accuses a correct replica");
                    }
                    self.accused.insert(evidence.replica());
                }
                Effect::Diverged { .. } => self.fault = Some("diverges"),
                Effect::EpochEnded(_) => self.fault = Some("ends an epoch that nothing ends"),
                Effect::FetchState(_) => self.fault = Some("fetches the state of no checkpoint"),
                Effect::Withheld { .. } => self.fault = Some("withholds a checkpoint that nobody takes"),
                Effect::Persist(_)
                | Effect::Stable(_)
                | Effect::Gathered(_)
                | Effect::SupplyBatches { .. }
                | Effect::ViewChanged { .. } => {}
            }
        }
    }

    fn say(&mut self, group: &Group, message: Message) {
        let Some(claim) = Claim::of(&message, &group.setting) else { return };
        if let Claim::BatchReply(_) = claim {
            return;
        }
        // A correct replica's pre-prepare may come from another that confronts it with its own.
        let own = claim.sender(&group.setting, group.faulty) == self.index;
        let Some(id) = group.enter(claim.clone(), || message) else {
            self.fault = Some("says what its peers refuse");
            return;
        };
        if own && self.said.insert(id) {
            if let Claim::Commit(_, about) = claim {
                self.commits.push(about);
            }
            self.fault = self.fault.or_else(|| self.contradiction(group, &claim));
        }
    }

    /// What in `claim`, which the replica just said, contradicts what it said before.
    fn contradiction(&self, group: &Group, claim: &Claim) -> Option<&'static str> {
        let earlier = group.book.claims(&self.said);
        earlier.iter().filter(|earlier| *earlier != claim).find_map(|earlier| contradicts(earlier, claim))
    }

    fn fingerprint(&self, group: &Group) -> Digest {
        let mut bytes = Bytes::default();
        let evidence = group.bounds.grain == Grain::Message;
        self.replica.fingerprint(evidence, &mut bytes);
        let accused = evidence.then_some(&self.accused);
        (self.index, self.said, &self.executed, accused, self.fault).hash(&mut bytes);
        Digest::of(&[&bytes.0])
    }

    pub(crate) fn key(&self) -> Digest {
        self.key
    }
}

/// What makes `later` a contradiction to `earlier`, both said by one replica in this order.
fn contradicts(earlier: &Claim, later: &Claim) -> Option<&'static str> {
    use Claim::{BatchReply, Commit, NewView, PrePrepare, Prepare, ViewChange};
    let differ = |one: &About, other: &About| {
        (one.view, one.sequence) == (other.view, other.sequence) && one.digest != other.digest
    };
    match (earlier, later) {
        (PrePrepare(one), PrePrepare(other))
        | (Prepare(_, one), Prepare(_, other))
        | (Commit(_, one), Commit(_, other))
        | (Prepare(_, one), Commit(_, other))
            if differ(one, other) =>
        {
            return Some("says two things about one sequence in one view");
        }
        (NewView(one, _), NewView(other, _)) | (ViewChange(_, one, _), ViewChange(_, other, _))
            if one == other =>
        {
            return Some("says two things about one view");
        }
        (Commit(_, committed), ViewChange(_, _, prepared)) => {
            let shown = prepared.iter().find(|shown| shown.sequence == committed.sequence);
            let keeps = shown.is_some_and(|shown| shown.view > committed.view || shown == committed);
            if !keeps {
                return Some("keeps back a batch that it committed");
            }
        }
        _ => {}
    }
    let view = |claim: &Claim| match claim {
        PrePrepare(about) | Prepare(_, about) | Commit(_, about) => Some(about.view),
        ViewChange(_, view, _) | NewView(view, _) => Some(*view),
        BatchReply(_) => None,
    };
    (view(later) < view(earlier)).then_some("speaks in a view that it has left")
}

/// Keeps what it is fed.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Hash for Node {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let half: [u8; 8] = self.key.as_bytes()[..8].try_into().expect("a digest has 32 bytes");
        hasher.write_u64(u64::from_le_bytes(half));
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} in view {} {:?}", self.index, self.view(), self.replica.view_state())?;
        for done in &self.executed {
            write!(f, ", executed {} at {} in view {}", done.digest, done.sequence, done.view)?;
        }
        Ok(())
    }
}
