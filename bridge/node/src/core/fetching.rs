//! Fetching the group's state: for a node that joins, that is behind what anybody supplies, or whose own
//! state is not the group's.

use std::sync::Arc;

use quorate_pbft::{Context, Now, Recovered, Replica};
use quorate_protocol::{AgentId, CheckpointCertificate, Group, Handover, Sequence};

use super::{NodeCore, Outgoing, Storage};
use crate::error::NodeError;
use crate::frame::Frame;
use crate::ledger::EndedEpoch;
use crate::store::{FetchProgress, FetchWrite, Frontier, Write};
use crate::transfer::message::StateWanted;
use crate::transfer::{Effect, Event, Fetch, FetchConfig, Progress, TransferMessage};

/// No checkpoint has this sequence: who is asked for it names the latest that it has.
const WHATEVER_IS_THERE: Sequence = Sequence(u64::MAX);
/// The least time between two fetches because of a state that is not the group's, in milliseconds. A program
/// that computes another state than the others computes it again.
const REFETCH_PAUSE_MS: u64 = 60_000;

/// A fetch under way.
pub(super) struct Fetching {
    /// Nothing while no target is known.
    fetch: Option<Fetch>,
    /// Whether what the own log has stays.
    keep_log: bool,
    /// When the peers are asked for a target again.
    ask_at_ms: u64,
    /// Steps that are written, and those of them that were reported as durable.
    written: u64,
    reported: u64,
    /// [`super::Stored::fetch_steps`] when the fetch began.
    before: Option<u64>,
    progress: Progress,
}

impl Fetching {
    fn new(keep_log: bool) -> Self {
        let progress = Progress { buckets: 0, entries: 0, of_entries: 0 };
        Self { fetch: None, keep_log, ask_at_ms: 0, written: 0, reported: 0, before: None, progress }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    pub(super) fn next_deadline_ms(&self) -> u64 {
        match &self.fetch {
            Some(fetch) => fetch.next_deadline_ms().unwrap_or(u64::MAX),
            None => self.ask_at_ms,
        }
    }

    pub(super) fn describe(&self) -> String {
        let Progress { buckets, entries, of_entries } = self.progress;
        match &self.fetch {
            None => "looking for a peer that has the group's state".into(),
            Some(fetch) => format!(
                "fetching the state of checkpoint {}: {buckets} of {} buckets, {entries} of {of_entries} entries",
                fetch.target().checkpoint.sequence,
                quorate_services::STATE_BUCKETS
            ),
        }
    }
}

impl<S: Storage> NodeCore<S> {
    /// Begins to fetch the state of `target`, whose certificate is verified, or of whatever the peers have.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn fetch_state(
        &mut self,
        now: Now,
        target: Option<CheckpointCertificate>,
        keep_log: bool,
    ) -> Result<(), NodeError> {
        if self.fetching.is_some() {
            return Ok(());
        }
        tracing::warn!(keep_log, "fetching the group's state from the other replicas");
        self.fetching = Some(Fetching::new(keep_log));
        // Where later epochs are proven, nobody keeps the state of this one's last checkpoint.
        let epoch = self.proven.epoch;
        match target.filter(|target| target.checkpoint.epoch == epoch) {
            Some(target) => self.aim_at(now, target),
            None => Ok(()),
        }
    }

    /// Goes on with a fetch that a crash interrupted.
    ///
    /// # Errors
    /// When what is on disk cannot have come from this program.
    pub(super) fn resume_fetch(&mut self, progress: FetchProgress) -> Result<(), NodeError> {
        let mut fetching = Fetching::new(progress.kept > 0);
        let fetch = Fetch::resume(self.identity, progress, self.sources(), FetchConfig::default())
            .map_err(|error| self.store.corrupt(error.to_string()))?;
        fetching.fetch = Some(fetch);
        self.fetching = Some(fetching);
        Ok(())
    }

    /// Whom to fetch from: the replicas of the latest epoch that is proven, and of this node's own.
    fn sources(&self) -> Vec<AgentId> {
        let context = self.context.borrow();
        let (proven, current) = (self.proven.replicas(), &context.replicas);
        let all = proven.iter().chain(current.iter()).map(|(_, member)| member.agent);
        all.filter(|agent| *agent != self.agent).collect()
    }

    /// Begins anew with `target`, keeping what the own log or an earlier target has of it.
    fn aim_at(&mut self, now: Now, target: CheckpointCertificate) -> Result<(), NodeError> {
        let sources = self.sources();
        let Some(fetching) = &mut self.fetching else { return Ok(()) };
        let size = target.checkpoint.log_size;
        let kept = match &fetching.fetch {
            Some(earlier) if earlier.kept().1.size() <= size => Some(earlier.kept()),
            Some(_) => None,
            None if fetching.keep_log => {
                let ours = self.store.log_size()?.min(size);
                self.store.frontier(ours)?.map(|frontier| (ours, frontier))
            }
            None => None,
        };
        let anew = || (0, Frontier::new());
        let begin =
            |kept| Fetch::begin(self.identity, target.clone(), kept, sources.clone(), FetchConfig::default());
        let fetch = begin(kept.unwrap_or_else(anew)).or_else(|_| begin(anew()));
        fetching.fetch = Some(fetch.expect("a fetch that keeps nothing contradicts nothing"));
        self.step_fetch(now, Event::Tick)
    }

    /// Looks for a target while there is none, and lets time pass for the fetch.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn tick_fetch(&mut self, now: Now) -> Result<(), NodeError> {
        let Some(fetching) = &mut self.fetching else { return Ok(()) };
        if fetching.fetch.is_some() {
            return self.step_fetch(now, Event::Tick);
        }
        if now.elapsed_ms >= fetching.ask_at_ms {
            fetching.ask_at_ms = now.elapsed_ms + self.config.status_interval_ms.max(100);
            let wanted = StateWanted { sequence: WHATEVER_IS_THERE, from: 0 };
            self.say(None, &Frame::HandoversWanted(self.proven.epoch));
            self.say(None, &Frame::Transfer(TransferMessage::StateWanted(wanted)));
        }
        Ok(())
    }

    /// Takes a message of a transfer: a request is answered elsewhere, an answer is the fetch's.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn take_transfer(
        &mut self,
        now: Now,
        from: AgentId,
        message: TransferMessage,
    ) -> Result<(), NodeError> {
        match message {
            TransferMessage::StateWanted(_) | TransferMessage::LogWanted(_) => {
                self.round.outgoing.push(Outgoing::Transfer { to: from, request: message });
                Ok(())
            }
            TransferMessage::Unavailable(answer) if answer.sequence == WHATEVER_IS_THERE => {
                match answer.latest.filter(|latest| self.is_aimless() && self.is_wanted(latest)) {
                    Some(latest) => self.aim_at(now, *latest),
                    None => Ok(()),
                }
            }
            answer => self.step_fetch(now, Event::Message { from, message: answer }),
        }
    }

    /// Whether a fetch looks for what it could fetch.
    pub(super) fn is_aimless(&self) -> bool {
        self.fetching.as_ref().is_some_and(|fetching| fetching.fetch.is_none())
    }

    /// There is nothing to be fetched after all, and nothing was yet.
    pub(super) fn stop_fetching(&mut self) {
        assert!(self.is_aimless(), "what was fetched in part lies in the store");
        self.fetching = None;
    }

    /// Whether the checkpoint is one of the group's, by what is proven, and brings this node forward.
    fn is_wanted(&self, certificate: &CheckpointCertificate) -> bool {
        let checkpoint = &certificate.checkpoint;
        let Some(fetching) = &self.fetching else { return false };
        let ahead = {
            let ledger = self.ledger.read().expect(super::NOT_POISONED);
            ledger.is_closed() || checkpoint.sequence > ledger.last_executed()
        };
        let of_group = checkpoint.group == self.identity.group;
        (ahead || !fetching.keep_log) && of_group && self.is_proven(certificate)
    }

    fn is_proven(&self, certificate: &CheckpointCertificate) -> bool {
        let checkpoint = &certificate.checkpoint;
        if checkpoint.epoch == self.proven.epoch {
            return certificate.verify(&self.identity, &self.proven.replicas()).is_ok();
        }
        let handover = self.handovers.get(&checkpoint.epoch);
        handover.is_some_and(|handover| handover.certificate.checkpoint == *checkpoint)
    }

    /// Tells the fetch which of its steps have become durable.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn note_stored(&mut self, now: Now, steps: u64) -> Result<(), NodeError> {
        loop {
            let Some(fetching) = &mut self.fetching else { return Ok(()) };
            let before = *fetching.before.get_or_insert(steps);
            if fetching.reported >= fetching.written || steps - before <= fetching.reported {
                return Ok(());
            }
            fetching.reported += 1;
            self.step_fetch(now, Event::Stored)?;
        }
    }

    fn step_fetch(&mut self, now: Now, event: Event) -> Result<(), NodeError> {
        let Some(fetch) = self.fetching.as_mut().and_then(|fetching| fetching.fetch.as_mut()) else {
            return Ok(());
        };
        for effect in fetch.step(now.elapsed_ms, event) {
            match effect {
                Effect::Send { to, message } => self.say(Some(to), &Frame::Transfer(message)),
                Effect::Store(write) => self.write_fetched(write)?,
                Effect::Progress(progress) => {
                    if let Some(fetching) = &mut self.fetching {
                        fetching.progress = progress;
                    }
                }
                Effect::Blame { peer, reason } => {
                    tracing::warn!(%peer, %reason, "a peer lied about the group's state");
                    self.round.outgoing.push(Outgoing::Blame { peer, reason: reason.to_string() });
                }
                Effect::Retarget(newer) => return self.retarget(now, newer),
                Effect::LogContradicts => {
                    tracing::error!("the own log is not the beginning of the group's; all of it is fetched");
                    return self.fetch_without_log(now);
                }
                Effect::Stalled => tracing::debug!("nobody has what is still to be fetched"),
                Effect::Done => return self.start_anew(now),
            }
        }
        Ok(())
    }

    fn write_fetched(&mut self, write: FetchWrite) -> Result<(), NodeError> {
        if self.fetching.as_ref().is_some_and(|fetching| fetching.before.is_none()) {
            let steps = self.storage.stored()?.fetch_steps;
            self.fetching.iter_mut().for_each(|fetching| fetching.before = Some(steps));
        }
        self.fetching.iter_mut().for_each(|fetching| fetching.written += 1);
        self.storage.write(Write::Fetch(write))
    }

    /// The peers have moved on: takes the latest checkpoint that is the group's.
    fn retarget(&mut self, now: Now, newer: Vec<(AgentId, CheckpointCertificate)>) -> Result<(), NodeError> {
        for (peer, certificate) in newer {
            if self.is_proven(&certificate) {
                return self.aim_at(now, certificate);
            }
            // Of an epoch that is not proven yet, it may be sound: the peer is to say how the epochs ended.
            if certificate.checkpoint.epoch > self.proven.epoch {
                self.ask_for_handovers(now, peer);
            } else if let Some(fetch) = self.fetching.as_mut().and_then(|fetching| fetching.fetch.as_mut()) {
                fetch.exclude(peer);
            }
        }
        Ok(())
    }

    fn fetch_without_log(&mut self, now: Now) -> Result<(), NodeError> {
        let target = self.fetching.as_mut().and_then(|fetching| {
            fetching.keep_log = false;
            fetching.fetch.take()
        });
        match target.map(|fetch| fetch.target().clone()) {
            Some(target) => self.aim_at(now, target),
            None => Ok(()),
        }
    }

    /// What was fetched is in the store: starts from it as after a restart.
    fn start_anew(&mut self, now: Now) -> Result<(), NodeError> {
        let Some(fetch) = self.fetching.take().and_then(|fetching| fetching.fetch) else { return Ok(()) };
        let target = fetch.target().clone();
        let trusted = Arc::new(self.proven.clone());
        let mut ledger = super::recovery::installed(&self.store, &trusted)?;
        let group = ledger.state().group().clone();
        ledger.adopt_group();
        if target.checkpoint.next_members_hash != Default::default() {
            let (ended, log_size) = (self.proven.clone(), target.checkpoint.log_size);
            ledger.recall_ended(vec![EndedEpoch { group: ended, log_size }]);
            let mandate = ledger.state().mandate().cloned();
            let handover = Handover { certificate: target.clone(), members: group.members.clone(), mandate };
            self.keep_handover(handover, Some(group.clone()))?;
        } else {
            self.storage.write(Write::Group(group.clone()))?;
        }
        if group.epoch > self.proven.epoch {
            self.proven = group.clone();
        }
        tracing::info!(
            sequence = %target.checkpoint.sequence, epoch = %group.epoch, entries = ledger.head().size,
            "the group's state is fetched"
        );
        self.signed.iter().for_each(|signed| ledger.note_signed(signed));
        let standing = super::recovery::standing(&mut ledger);
        self.write_ledger().replace_with(ledger);
        self.taken.clear();
        self.supply.restart();
        self.stable.send_replace(Some(target.clone()));
        self.gathered.send_replace(Some(target.clone()));
        self.rejoin(now, &group, Recovered { stable: Some(target), ..standing })
    }

    fn rejoin(&mut self, now: Now, group: &Group, recovered: Recovered) -> Result<(), NodeError> {
        if let Err(gone) = self.place_in(group) {
            // The key is of an epoch after that of the state, or of none.
            let latest = self.latest();
            if latest.epoch <= group.epoch || self.place_in(latest).is_err() {
                return Err(gone);
            }
            self.replica = None;
            self.context.send_replace(Arc::new(Context::of(group, self.base_of(group))));
            return self.fetch_state(now, None, true);
        }
        let same_epoch = |replica: &&Replica| replica.context().epoch == group.epoch;
        let records = match self.replica.as_ref().filter(same_epoch) {
            Some(replica) => replica.durable_records(),
            None => self.later.remove(&group.epoch).unwrap_or_default(),
        };
        self.start_replica(now, Recovered { records, ..recovered })?;
        self.round.refetch_due_ms = now.elapsed_ms.saturating_add(REFETCH_PAUSE_MS);
        self.attest_head();
        Ok(())
    }

    /// A ledger that contradicts a quorum is replaced by the group's.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn mend_divergence(&mut self, now: Now) -> Result<(), NodeError> {
        let diverged = self.ledger.read().expect(super::NOT_POISONED).divergence().is_some();
        if diverged && self.fetching.is_none() && now.elapsed_ms >= self.round.refetch_due_ms {
            return self.fetch_state(now, None, false);
        }
        Ok(())
    }
}
