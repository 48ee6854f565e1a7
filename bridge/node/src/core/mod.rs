//! The logic of a node, without threads, clocks, sockets and disks.
//!
//! [`NodeCore`] owns the consensus core and the ledger: whoever drives it gives it rounds of events and the
//! time, and carries out what it wants done through its [`Storage`]. The runtime drives it on a thread of its
//! own; a simulator drives a whole group of them on one thread.
//!
//! Each round takes whatever events wait, steps the consensus core, carries out its effects, and ends by
//! handing the records and the messages of the round to the storage. That makes the records durable and only
//! then lets the messages leave, so a round costs at most one `fdatasync`, shared with the rounds that queue
//! up behind it.

mod epochs;
mod event;
mod fetching;
mod inbound;
mod inbox;
mod ledger;
mod outbox;
mod recovery;
mod round;
mod states;
mod status;
mod storage;
mod supply;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use quorate_pbft::{Config, Context, Now, Record, Replica, ReplicaKeys};
use quorate_protocol::{AgentId, Checkpoint, Epoch, Group, GroupIdentity, Handover, View};
use tokio::sync::watch;

use crate::anchored::{InboxTakenSender, StableSender};
use crate::api::{NodeStatus, Readiness};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::evidence::HeldEvidence;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::store::Store;
pub use event::{CoreEvent, CoreParts, CoreWatch};
pub use inbound::{Blame, Inbound, Unverified};
pub use outbox::{BatchesWanted, Outgoing};
pub(crate) use recovery::from_store;
pub use recovery::{Restored, Trust, WalContents, last_spoken, restore};
pub use round::MAX_ROUND;
pub use states::TakenState;
pub use storage::{Storage, Stored};
pub use supply::Supply;

use fetching::Fetching;
use inbox::InboxWatch;
use round::Round;

/// A core that waits for its store asks it again after so long, in milliseconds.
const STORE_POLL_MS: u64 = 10;

/// The logic of a node; see the module's page.
pub struct NodeCore<S> {
    config: Config,
    identity: GroupIdentity,
    keys: ReplicaKeys,
    agent: AgentId,
    /// Nothing while the node is no replica of an epoch whose state it has.
    replica: Option<Replica>,
    /// A fetch of the group's state. Until it is done, the replica takes part in nothing.
    fetching: Option<Fetching>,
    ledger: Arc<RwLock<Ledger>>,
    storage: S,
    store: Store,
    supply: Supply,
    /// Records of epochs that this node is yet to come to, from before a crash.
    later: BTreeMap<Epoch, Vec<Record>>,
    handovers: BTreeMap<Epoch, Handover>,
    /// Where the era begins that the node is in; nothing in the first.
    era: Option<EraStart>,
    /// The latest group whose members are proven; consensus may be behind it.
    proven: Group,
    /// States at checkpoints that are not stable yet, in order.
    taken: Vec<TakenState>,
    /// The group that the node was started with.
    known: Group,
    silent_until: Option<Epoch>,
    /// The last checkpoint that the key signed.
    signed: Option<Checkpoint>,
    /// When this node stops, because the group has no place for it any more, and what it says then.
    leaving: Option<(u64, NodeError)>,
    status: watch::Sender<NodeStatus>,
    stable: StableSender,
    gathered: StableSender,
    evidence: watch::Sender<Arc<HeldEvidence>>,
    context: watch::Sender<Arc<Context>>,
    proofs: watch::Sender<Arc<Vec<Handover>>>,
    inbox: InboxWatch,
    inbox_taken: InboxTakenSender,
    metrics: Metrics,
    round: Round,
}

impl<S: Storage> NodeCore<S> {
    /// A core that continues from what was on disk. It says nothing before [`Self::begin`].
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] or [`NodeError::OtherKey`] when the keys are no replica's of the epoch that
    /// the node is in, nor of the latest one that it knows of.
    pub fn new(parts: CoreParts<S>, now: Now) -> Result<Self, NodeError> {
        let CoreParts { config, keys, restored, evidence, storage, store, supply, metrics } = parts;
        let Restored {
            ledger,
            recovered,
            later,
            handovers,
            proven,
            known,
            silent_until,
            signed,
            fetch,
            taken,
            era,
        } = restored;
        metrics.evidence.set(evidence.len() as u64);
        let (group, closed) = (Arc::clone(ledger.group()), ledger.is_closed());
        let proofs: Vec<Handover> = handovers.values().cloned().collect();
        let mut core = Self {
            identity: group.identity,
            agent: AgentId(keys.account.address()),
            status: watch::Sender::new(NodeStatus {
                view: View(0),
                readiness: Readiness::NotReady("the node starts".into()),
            }),
            stable: watch::Sender::new(recovered.stable.clone()),
            gathered: watch::Sender::new(recovered.stable.clone()),
            evidence: watch::Sender::new(Arc::new(evidence)),
            context: watch::Sender::new(Arc::new(Context::of(
                &group,
                epochs::base_of(&handovers, era.as_ref(), &group),
            ))),
            proofs: watch::Sender::new(Arc::new(proofs)),
            ledger: Arc::new(RwLock::new(ledger)),
            replica: None,
            fetching: None,
            config,
            keys,
            storage,
            store,
            supply,
            later,
            handovers,
            era,
            proven,
            taken,
            known,
            silent_until,
            signed,
            leaving: None,
            inbox: InboxWatch::default(),
            inbox_taken: watch::Sender::new(0),
            metrics,
            round: Round::default(),
        };
        let takes_part = core.place_in(&group).is_ok();
        if takes_part && !closed {
            core.start_replica(now, recovered)?;
        }
        if let Some(progress) = fetch {
            core.resume_fetch(progress)?;
        } else if closed || !takes_part {
            if !closed {
                // A key of a later epoch than the stored one has its place there, proven here or not yet.
                core.place_in(core.latest())?;
            }
            core.fetch_state(now, None, !closed)?;
        }
        Ok(core)
    }

    /// What the core publishes.
    pub fn watch(&self) -> CoreWatch {
        CoreWatch {
            status: self.status.subscribe(),
            stable: self.stable.subscribe(),
            gathered: self.gathered.subscribe(),
            evidence: self.evidence.subscribe(),
            context: self.context.subscribe(),
            handovers: self.proofs.subscribe(),
            inbox_taken: self.inbox_taken.subscribe(),
        }
    }

    /// Turns frames of peers into events, in whatever epoch the core is.
    pub fn inbound(&self) -> Inbound {
        Inbound::new(self.context.subscribe(), Arc::clone(&self.ledger))
    }

    /// The executed state. Only the core changes it.
    pub fn ledger(&self) -> &Arc<RwLock<Ledger>> {
        &self.ledger
    }

    /// The consensus core, to look at; nothing while the node takes part in no epoch.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref().filter(|_| self.fetching.is_none())
    }

    /// How far the fetch of the group's state is, if there is one.
    pub fn fetch_progress(&self) -> Option<crate::transfer::Progress> {
        self.fetching.as_ref().map(|fetching| fetching.progress())
    }

    /// The storage.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// When the core wants a round even if nothing happens, as [`Now::elapsed_ms`]; the past means at once.
    pub fn next_deadline_ms(&self, now: Now) -> u64 {
        let replica = self.replica().map(|replica| replica.next_deadline_ms(now));
        let fetching = self.fetching.as_ref().map(Fetching::next_deadline_ms);
        let leaving = self.leaving.as_ref().map(|(at_ms, _)| *at_ms);
        let awaits = self.replica().and_then(Replica::awaits_storage);
        let stored = awaits.map(|_| now.elapsed_ms.saturating_add(STORE_POLL_MS));
        let inbox = self.inbox.next_deadline_ms();
        let wanted = replica.into_iter().chain(fetching).chain(leaving).chain(stored).chain(inbox);
        wanted.min().unwrap_or(u64::MAX)
    }
}

/// A panic while executing leaves a state that nothing may be promised on.
pub(crate) const NOT_POISONED: &str = "nothing panics while it holds the ledger";
