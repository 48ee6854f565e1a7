//! One replica. Each file below holds the handlers of one part of the protocol.

mod catch_up;
mod checkpoints;
mod execution;
mod fingerprint;
mod new_view;
mod normal_case;
mod recovery;
mod signing;
mod timers;
mod view_change;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::InboxOperation;
use quorate_protocol::{
    AccountKey, AccountSignature, AgentId, AgentKey, Checkpoint, CheckpointCertificate, ReplicaIndex,
    Sequence, SignedCheckpoint, SignedCommand, TimestampMs, Verified, View,
};

use crate::batch::CommittedBatch;
use crate::config::{Config, Context};
use crate::event::{Effect, Event, Now, StateSummary};
use crate::evidence::Evidence;
use crate::message::{Forward, MAX_FORWARD, Message, NewView, ViewChange};
use crate::pool::{Offer, Pool};
use crate::record::Recovered;
use crate::slot::Slot;

use catch_up::Peer;
pub(crate) use new_view::reproposals;
pub use words::Words;

/// How many contradictory votes of one replica are reported; more of the same says nothing new, and must not
/// crowd out what there is against another. Checkpoints are counted apart ([`Words`]): votes convict nobody, so
/// a replica that contradicts itself in them must not come to be free to do so in what the contract anchors.
const MAX_VOTE_EVIDENCE: usize = 16;

/// A command that waits for this part of the time-out is told to every replica. Early, because only then do
/// the others begin to wait: the group gives up its primary that much later than the first replica does. Not
/// at once, because a primary that works takes a command up within milliseconds.
const SPREAD_SHARE: u64 = 8;

/// What a replica signs with.
#[derive(Clone, Debug)]
pub struct ReplicaKeys {
    /// Votes and view changes.
    pub agent: AgentKey,
    /// Checkpoints.
    pub account: AccountKey,
}

/// Whether a view is open at a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// The replica takes part in the view.
    Active,
    /// The replica asked for the view and takes part in none.
    Changing,
}

/// A replica of one group in one epoch.
///
/// A clone goes its own way from the same state. It is for simulators and model checkers: two replicas that run
/// with one key contradict each other.
#[derive(Clone, Debug)]
pub struct Replica {
    config: Config,
    context: Context,
    keys: ReplicaKeys,
    me: ReplicaIndex,

    view: View,
    state: ViewState,
    /// The NEW-VIEW that opened `view`; nothing in view 0.
    new_view: Option<NewView>,
    /// The latest VIEW-CHANGE of each replica, this one's included.
    view_changes: BTreeMap<ReplicaIndex, ViewChange>,

    /// Sequences above the stable checkpoint.
    slots: BTreeMap<Sequence, Slot>,
    /// The next sequence that this replica proposes for as the primary.
    next_sequence: Sequence,
    last_executed: Sequence,
    /// Whether [`Effect::Execute`] is under way: the next batch waits for its outcome, which may end the epoch.
    executing: bool,
    /// Committed batches that others supplied, to be executed in turn.
    supplied: BTreeMap<Sequence, CommittedBatch>,
    pool: Pool,
    /// Since when a change of members waits for the next checkpoint.
    change_pending_since_ms: Option<u64>,
    /// Whether the epoch's last batch is executed.
    ended: bool,
    /// Whether [`Effect::EpochEnded`] was given.
    handed_over: bool,
    /// The state at the epoch's end, found at the start and not said yet.
    unsaid_end: Option<StateSummary>,
    /// Whether this replica signs nothing in this epoch; see [`Recovered::silent`].
    silent: bool,

    stable: Option<CheckpointCertificate>,
    /// Every valid signature that is known on the stable checkpoint.
    gathered: BTreeMap<AgentId, AccountSignature>,
    /// The last checkpoint that this replica's key signed.
    signed: Option<Checkpoint>,
    /// Whether nothing may be signed because it would contradict that.
    withholding: bool,
    /// What the others signed.
    words: Words,
    /// Checkpoints above the stable one, by sequence and signer, this replica's own included.
    checkpoints: BTreeMap<Sequence, BTreeMap<ReplicaIndex, SignedCheckpoint>>,
    /// The states of checkpoints that are taken and not signed: a crash could still take them.
    unsigned: BTreeMap<Sequence, StateSummary>,
    /// Since when entries wait for a checkpoint.
    unsettled_since_ms: Option<u64>,

    peers: BTreeMap<ReplicaIndex, Peer>,
    /// When the last request for committed batches left.
    catch_up_sent_ms: Option<u64>,
    /// To whom.
    catch_up_asked: Option<ReplicaIndex>,
    /// Whether to ask for what follows when the supplied batches are executed.
    asks_on: bool,
    /// How many requests left since a supplied batch was executed last.
    unsupplied: usize,
    status_due_ms: u64,
    /// The last sequence executed when the last status was sent.
    executed_at_status: Sequence,

    /// How often the time-out is doubled: once for each view that failed, less what progress took back.
    doublings: u32,
    /// What the batches executed since then count towards the next halving.
    batches_in_time: u32,
    /// When the wait for the NEW-VIEW of the view that is asked for ends.
    new_view_deadline_ms: Option<u64>,
    next_due: Option<TimestampMs>,
    /// Since when work is due and no batch brought it.
    overdue_since_ms: Option<u64>,
    /// No wait began before this: when the view was entered, or when this replica was last behind or out of
    /// touch.
    waits_from_ms: u64,
    /// When this replica was last out of touch.
    in_touch_from_ms: u64,

    /// The contradictory votes that were reported.
    reported_votes: BTreeSet<(ReplicaIndex, Sequence, View)>,
    effects: Vec<Effect>,
}

impl Replica {
    /// A replica that starts from `recovered`, at `now`.
    ///
    /// # Panics
    /// When `keys` are no replica's of `context`, or `config` has problems: the caller checks both first.
    pub fn new(config: Config, context: Context, keys: ReplicaKeys, recovered: Recovered, now: Now) -> Self {
        assert_eq!(config.problems(), Vec::<String>::new(), "the configuration is checked before");
        let me = context.replicas.index_of_key(&keys.agent.public()).expect("the keys are a replica's");
        let replicas = context.replicas.len();
        let mut replica = Self {
            config,
            context,
            keys,
            me,
            view: View(0),
            state: ViewState::Active,
            new_view: None,
            view_changes: BTreeMap::new(),
            slots: BTreeMap::new(),
            next_sequence: Sequence(1),
            last_executed: recovered.last_executed,
            executing: false,
            supplied: BTreeMap::new(),
            pool: Pool::new(replicas),
            change_pending_since_ms: recovered.change_pending.then_some(now.elapsed_ms),
            ended: recovered.ended.is_some(),
            handed_over: false,
            unsaid_end: recovered.ended,
            silent: recovered.silent,
            stable: None,
            gathered: BTreeMap::new(),
            signed: recovered.signed.clone(),
            withholding: false,
            words: Words::default(),
            checkpoints: BTreeMap::new(),
            unsigned: BTreeMap::new(),
            unsettled_since_ms: None,
            peers: BTreeMap::new(),
            catch_up_sent_ms: None,
            catch_up_asked: None,
            asks_on: false,
            unsupplied: 0,
            status_due_ms: now.elapsed_ms,
            executed_at_status: recovered.last_executed,
            doublings: 0,
            batches_in_time: 0,
            new_view_deadline_ms: None,
            next_due: recovered.next_due,
            overdue_since_ms: None,
            waits_from_ms: now.elapsed_ms,
            in_touch_from_ms: now.elapsed_ms,
            reported_votes: BTreeSet::new(),
            effects: Vec::new(),
        };
        replica.recover(recovered, now);
        replica
    }

    /// Takes one step. The effects are to be carried out in order.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        if let Some(state) = self.unsaid_end.take() {
            self.sign_checkpoint(now, self.last_executed, state);
            self.hand_over();
        }
        match event {
            Event::Message { from, message } => self.on_message(now, from, message),
            Event::Commands(commands) => {
                let commands = commands.into_iter().map(Verified::into_inner);
                self.take_in(now, self.me, commands);
            }
            Event::Executed(executed) => self.on_executed(now, executed),
            Event::Stored(sequence) => self.on_stored(now, sequence),
            Event::Tick => {}
        }
        self.on_time(now);
        self.propose(now);
        std::mem::take(&mut self.effects)
    }

    fn on_message(&mut self, now: Now, from: ReplicaIndex, message: Verified<Message>) {
        if from == self.me {
            return;
        }
        self.peers.entry(from).or_default().heard_ms = Some(now.elapsed_ms);
        match message.into_inner() {
            Message::PrePrepare(pre_prepare) => self.on_pre_prepare(now, pre_prepare),
            Message::Prepare(vote) => self.on_prepare(now, vote),
            Message::Commit(vote) => self.on_commit(now, vote),
            Message::Checkpoint(signed) => self.on_checkpoint(now, from, signed),
            Message::Stable(certificate) => self.on_stable(now, certificate),
            Message::ViewChange(view_change) => self.on_view_change(now, view_change),
            Message::NewView(new_view) => self.on_new_view(now, new_view),
            Message::Status(status) => self.on_status(now, from, status),
            Message::CatchUpRequest(request) => {
                self.effects.push(Effect::SupplyBatches { to: from, from: request.from });
            }
            Message::CatchUp(catch_up) => self.on_catch_up(now, catch_up),
            Message::BatchRequest(request) => self.on_batch_request(from, request),
            Message::BatchReply(batch) => self.on_batch_reply(now, batch),
            Message::Forward(forward) => self.take_in(now, from, forward.commands.into_iter()),
        }
    }

    /// Commands from clients or from other replicas: the primary queues them; a backup watches what becomes
    /// of them, and hands on what its own clients gave it. What came from another replica was told to
    /// everybody or to the primary already, and is spread again if it waits for long.
    fn take_in(&mut self, now: Now, source: ReplicaIndex, commands: impl Iterator<Item = SignedCommand>) {
        let spread_at_ms = now.elapsed_ms.saturating_add(self.timeout_ms() / SPREAD_SHARE);
        let new: Vec<SignedCommand> = commands
            .filter(|command| !is_censored(command, source == self.me))
            .filter(|command| self.pool.offer(command, source, now.elapsed_ms, spread_at_ms) == Offer::Added)
            .collect();
        if source != self.me {
            return;
        }
        for chunk in new.chunks(MAX_FORWARD) {
            let forward = Message::Forward(Forward { commands: chunk.to_vec() });
            match self.state {
                ViewState::Active if self.is_primary() && !self.silent => {}
                ViewState::Active if !self.is_primary() => self.send(self.primary(), forward),
                // Whoever is cut off from the view that is open elsewhere does not know its primary, and a
                // primary that may not speak is none.
                ViewState::Active | ViewState::Changing => self.broadcast(forward),
            }
        }
    }

    /// Hands all commands that wait to the primary of the current view.
    fn forward_queued(&mut self) {
        if !self.is_primary() {
            let commands = self.pool.queued(MAX_FORWARD);
            if !commands.is_empty() {
                self.send(self.primary(), Message::Forward(Forward { commands }));
            }
        }
    }

    fn send(&mut self, to: ReplicaIndex, message: Message) {
        debug_assert_ne!(to, self.me, "a replica does not send to itself");
        self.effects.push(Effect::Send { to, message });
    }

    fn broadcast(&mut self, message: Message) {
        self.effects.push(Effect::Broadcast(message));
    }

    /// Tells of contradictory votes, unless there are many of the replica already.
    fn tell_of_votes(&mut self, evidence: Evidence, sequence: Sequence, view: View) {
        let accused = evidence.replica();
        let against = self.reported_votes.iter().filter(|(of, _, _)| *of == accused).count();
        if against < MAX_VOTE_EVIDENCE && self.reported_votes.insert((accused, sequence, view)) {
            self.tell_of(evidence);
        }
    }

    fn tell_of(&mut self, evidence: Evidence) {
        if !faults::is_on(Fault::EvidenceDropped) {
            self.effects.push(Effect::Evidence(evidence));
        }
    }

    fn quorum(&self) -> usize {
        self.context.replicas.quorum()
    }

    /// The sequence of the stable checkpoint: the low watermark h.
    fn low(&self) -> Sequence {
        self.stable.as_ref().map_or(self.context.base, |stable| stable.checkpoint.sequence)
    }

    /// The high watermark H = h + L, or the end of the epoch once it is known.
    fn high(&self) -> Sequence {
        let over = self.ended && !faults::is_on(Fault::EpochEndPassed);
        if over { self.last_executed } else { Sequence(self.low().0 + self.config.window) }
    }

    fn within_watermarks(&self, sequence: Sequence) -> bool {
        let below_high = sequence <= self.high() || faults::is_on(Fault::HighWatermarkIgnored);
        sequence > self.low() && below_high
    }

    /// This replica's account.
    fn account(&self) -> AgentId {
        self.context.replicas.at(self.me).expect("it is one of them").agent
    }

    /// This replica's position in the epoch.
    pub fn index(&self) -> ReplicaIndex {
        self.me
    }

    /// The view that the replica is in, or asks for.
    pub fn view(&self) -> View {
        self.view
    }

    /// The primary of that view.
    pub fn primary(&self) -> ReplicaIndex {
        self.view.primary(self.context.replicas.len())
    }

    /// Whether that view is open.
    pub fn view_state(&self) -> ViewState {
        self.state
    }

    /// Whether the replica is the primary of its view.
    pub fn is_primary(&self) -> bool {
        self.primary() == self.me
    }

    /// The last sequence executed.
    pub fn last_executed(&self) -> Sequence {
        self.last_executed
    }

    /// The latest stable checkpoint.
    pub fn stable_checkpoint(&self) -> Option<&CheckpointCertificate> {
        self.stable.as_ref()
    }

    /// Forgets the waiting commands that `keep` refuses, because the state has come to refuse them: their
    /// nonce was used, they expired, their agent has another key. A caller that keeps such commands from the
    /// core must also take back those that it let in earlier, on every replica, at least once in every
    /// [`Config::view_timeout_ms`]: a replica goes on waiting for what the primary will never order, and in
    /// the end gives up one view after another. A client could bring that about with two commands of one
    /// nonce.
    pub fn retain_commands(&mut self, now: Now, keep: impl Fn(&SignedCommand) -> bool) {
        self.pool.retain(now.elapsed_ms, keep);
    }

    /// What the replica of the next epoch takes over: the commands that wait, in order of arrival, and what the
    /// others signed.
    pub fn into_successor(self) -> (Vec<SignedCommand>, Words) {
        (self.pool.into_commands(), self.words)
    }

    /// The replicas that it takes part with, and since when.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the replica signs nothing in this epoch; see [`Recovered::silent`].
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether the epoch's last batch is executed.
    pub fn epoch_is_over(&self) -> bool {
        self.ended
    }

    /// How many commands wait to be executed.
    pub fn pending_commands(&self) -> usize {
        self.pool.len()
    }
}

/// Whether a replica that censors the inbox, as [`Fault::InboxCensored`] has it, keeps this command out.
fn is_censored(command: &SignedCommand, own: bool) -> bool {
    let censors = faults::is_on(Fault::InboxCensored) || (faults::is_on(Fault::InboxInvented) && !own);
    let operations = &command.command().operations;
    censors && operations.iter().any(|operation| operation.service == InboxOperation::SERVICE)
}
