//! The task that looks at the chain again and again, and does what the core says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use quorate_node::anchored::{AnchoredLog, AnchoringLinks, Evidence, InboxView};
use quorate_node::metrics::AnchorCosts;
use quorate_protocol::{AccountKey, B256, Group};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::backoff;
use super::blocks::BlockRef;
use super::chain::{Chain, Look, group_of_contract};
use super::inbox::InboxWatcher;
use crate::core::{Action, AnchorState, Anchorer, Cost, Event, Report, StableState};
use crate::error::AnchorError;
use crate::settings::Settings;

/// How often the transaction of a new anchor is searched for before the node is told without it.
const MAX_SEARCHES: u32 = 8;

/// What an operator can know of a running service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnchorStatus {
    /// The latest anchor at the chain's head.
    pub anchor: AnchorState,
    /// The group's inbox at the final block.
    pub inbox: InboxStatus,
    /// How many different transactions were sent, replacements included.
    pub sent: u64,
    /// How many checkpoints were anchored by one of them.
    pub anchored: u64,
    /// How many replicas were convicted by one of them.
    pub convicted: u64,
    /// What the last anchor cost.
    pub cost: Option<Cost>,
    /// How many looks at the chain failed since the last that succeeded.
    pub failures: u32,
}

/// How many messages the group's inbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxStatus {
    /// Ever enqueued.
    pub length: u64,
    /// Of them, those that the last anchor took in.
    pub taken: u64,
}

/// An anchoring service that has found its chain and contract.
#[derive(Debug)]
pub struct AnchorService {
    settings: Settings,
    chain: Chain,
    core: Anchorer,
    costs: AnchorCosts,
}

impl AnchorService {
    /// Prepares to anchor for `group` over the endpoint at `rpc_url`, paid and signed for by the account of `key`. The
    /// contract may have the group in another epoch; its members of that are read from there.
    ///
    /// # Errors
    /// A setting is out of bounds, the address is no URL, the endpoint does not answer, or it serves another chain or
    /// no contract where the group's should be, knows no final block as the settings have it, or no oracle for the fee
    /// for data on L1.
    pub async fn connect(
        rpc_url: &str,
        settings: Settings,
        group: Group,
        key: AccountKey,
    ) -> Result<Self, AnchorError> {
        settings.check()?;
        let chain = Chain::new(rpc_url, &settings, &group.identity, key.address())?;
        chain.check().await?;
        let on_chain = group_of_contract(rpc_url, &settings, &group.identity).await?;
        let others = on_chain.into_iter().filter(|other| other.epoch != group.epoch).collect();
        let core = Anchorer::new(settings.clone(), group, others, key);
        Ok(Self { core, settings, chain, costs: AnchorCosts::default() })
    }

    /// Counts what anchors and reports cost in `costs` as well.
    pub fn count_in(self, costs: AnchorCosts) -> Self {
        Self { costs, ..self }
    }

    /// Starts the service as a task of its own. It tells the node of each anchor that the chain has, whoever submitted it,
    /// and of what the final block has of the group's inbox. All `links` only carry the newest value, so that neither side
    /// ever waits for the other.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    pub fn spawn(self, links: AnchoringLinks) -> AnchorHandle {
        let (stop, stopped) = oneshot::channel();
        let (publish, status) = watch::channel(AnchorStatus::default());
        let task = Task {
            settings: self.settings,
            inbox: Inbox::new(self.chain.inbox_watcher()),
            chain: self.chain,
            core: self.core,
            costs: self.costs,
            links,
            publish,
            started: Instant::now(),
            sent: None,
            searches: 0,
        };
        let task = tokio::spawn(async move {
            // Being cut off at any point is safe: what was sent is found on the chain after the next start.
            tokio::select! {
                () = task.run() => {}
                _ = stopped => {}
            }
        });
        AnchorHandle { stop, task, status }
    }
}

/// A running service. Dropping it stops the service.
#[derive(Debug)]
pub struct AnchorHandle {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    status: watch::Receiver<AnchorStatus>,
}

impl AnchorHandle {
    /// What the service has seen and done so far.
    pub fn status(&self) -> AnchorStatus {
        *self.status.borrow()
    }

    /// Stops the service and waits until it has stopped, for no longer than a task switch takes. Transactions on
    /// their way stay on their way.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the anchoring service had failed");
        }
    }
}

/// The watch on the group's inbox.
struct Inbox {
    watcher: InboxWatcher,
    /// Whether the chain was reorganised since the last look.
    reorganised: bool,
    /// The block at which everything was found, from the message on that the node lacked first.
    known: Option<(BlockRef, u64)>,
    /// How many looks failed since the last that succeeded.
    failures: u32,
}

impl Inbox {
    fn new(watcher: InboxWatcher) -> Self {
        Self { watcher, reorganised: false, known: None, failures: 0 }
    }

    fn failed(&mut self, error: &AnchorError) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(%error, "the inbox cannot be read any further; trying again");
        }
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("the inbox can be read again");
        }
    }
}

struct Task {
    settings: Settings,
    chain: Chain,
    core: Anchorer,
    costs: AnchorCosts,
    inbox: Inbox,
    links: AnchoringLinks,
    publish: watch::Sender<AnchorStatus>,
    started: Instant,
    sent: Option<B256>,
    searches: u32,
}

impl Task {
    async fn run(mut self) {
        // Published before it is looked at for the first time, or not at all.
        self.links.stable.mark_changed();
        self.links.evidence.mark_changed();
        let mut failures: u32 = 0;
        loop {
            let pause_ms = match self.look(failures > 0).await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(failures, "the RPC endpoint answers again");
                    }
                    failures = 0;
                    self.settings.poll_ms
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let pause_ms =
                        backoff::pause_ms(self.settings.poll_ms, failures, rand::random_range(0.0..=1.0));
                    tracing::warn!(%error, failures, pause_ms, "anchoring waits for the RPC endpoint");
                    pause_ms
                }
            };
            self.publish.send_modify(|status| status.failures = failures);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    /// Looks at the chain once, and does what comes of it. After an outage the endpoint may be another one, so chain
    /// and contract are checked again.
    async fn look(&mut self, check: bool) -> Result<(), AnchorError> {
        if check {
            self.chain.check().await?;
        }
        let news = |changed: Result<bool, _>| changed.unwrap_or(false);
        let told = [self.links.stable.has_changed(), self.links.gathered.has_changed()];
        if told.into_iter().any(news) || news(self.links.handovers.has_changed()) {
            let handovers = self.links.handovers.borrow_and_update().clone();
            let certificate = self.links.stable.borrow_and_update().clone();
            let gathered = self.links.gathered.borrow_and_update().clone();
            if let Some(certificate) = certificate {
                // Signatures that come after the quorum may count where some of the quorum do not.
                let certificate = gathered
                    .filter(|gathered| gathered.checkpoint == certificate.checkpoint)
                    .unwrap_or(certificate);
                let actions = self.step(Event::Stable(StableState { certificate, handovers }));
                self.perform(actions, None).await?;
            }
        }
        if news(self.links.evidence.has_changed()) {
            let evidence = self.links.evidence.borrow_and_update().clone();
            let contradictions = evidence.iter().filter_map(|evidence| match evidence {
                Evidence::Checkpoints { first, second, .. } => Some(((**first).clone(), (**second).clone())),
                Evidence::Votes { .. } => None,
            });
            let actions = self.step(Event::Evidence(contradictions.collect()));
            self.perform(actions, None).await?;
        }
        let look = self.chain.look().await?;
        self.publish.send_modify(|status| status.anchor = look.view.anchor);
        // Before anything else: in a later era, nothing of what this node has is to be anchored.
        self.look_at_era(&look).await?;
        let actions = self.step(Event::Chain(look.view));
        let performed = self.perform(actions, Some(&look)).await;
        // Also when nothing can be submitted, or nothing should be: every replica says what it sees.
        self.look_at_inbox(&look).await;
        performed
    }

    /// Tells the node of an era that began on-chain. Within the first, the head says enough.
    async fn look_at_era(&mut self, look: &Look) -> Result<(), AnchorError> {
        if look.view.epoch.era() == 0 {
            return Ok(());
        }
        let epoch = self.chain.final_epoch(look).await?;
        self.links.contract_epoch.send_if_modified(|told| std::mem::replace(told, epoch) != epoch);
        Ok(())
    }

    /// Tells the node what the final block has of the inbox, from where the node lacks it. What goes wrong here holds up no
    /// anchor: it is tried again at the next look.
    async fn look_at_inbox(&mut self, look: &Look) {
        self.inbox.reorganised |= look.view.dropped.is_some();
        let Some(block) = look.final_block else { return };
        let from = *self.links.inbox_taken.borrow();
        if self.inbox.known == Some((block, from)) && !self.inbox.reorganised {
            return;
        }
        let reorganised = std::mem::take(&mut self.inbox.reorganised);
        let seen = match self.inbox.watcher.look(block, reorganised, from).await {
            Ok(seen) => seen,
            Err(error) => {
                self.inbox.known = None;
                return self.inbox.failed(&error);
            }
        };
        match &seen.trouble {
            Some(trouble) => self.inbox.failed(trouble),
            None => self.inbox.succeeded(),
        }
        let status = InboxStatus { length: seen.length, taken: seen.taken };
        self.publish.send_modify(|shown| shown.inbox = status);
        let view = InboxView { first: from, messages: Arc::new(seen.messages) };
        // While messages are searched for, the same block has more to tell.
        self.inbox.known = (view.end() >= seen.length).then_some((block, from));
        self.links.inbox.send_if_modified(|told| {
            let news = *told != view;
            if news {
                let (length, first, found) = (seen.length, view.first, view.messages.len());
                if found > 0 {
                    tracing::info!(length, first, found, "the inbox has messages that the log lacks");
                }
                *told = view;
            }
            news
        });
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.core.step(now_ms, event)
    }

    /// Does what the core wants, and tells it what came of it, until it wants nothing more.
    async fn perform(&mut self, actions: Vec<Action>, look: Option<&Look>) -> Result<(), AnchorError> {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            let event = match action {
                Action::Report(report) => {
                    self.tell(&report);
                    continue;
                }
                Action::Inspect(inspection) => {
                    let look = look.expect("the core inspects the account only after a look at the chain");
                    Event::Account(self.chain.inspect(look, &inspection, &self.links.prover).await?)
                }
                Action::Broadcast(transaction) => {
                    if self.sent.replace(transaction.hash) != Some(transaction.hash) {
                        self.publish.send_modify(|status| status.sent += 1);
                    }
                    let what = if transaction.accuses { "a report on a replica" } else { "an anchor" };
                    tracing::info!(
                        sequence = %transaction.sequence,
                        nonce = transaction.nonce,
                        hash = %transaction.hash,
                        gas_limit = transaction.gas_limit,
                        max_fee_wei = transaction.fees.max_fee,
                        tip_wei = transaction.fees.tip,
                        l1_data_fee_wei = transaction.data_fee,
                        "sending {what}"
                    );
                    let outcome = self.chain.broadcast(&transaction).await;
                    Event::Broadcast { hash: transaction.hash, outcome }
                }
                Action::Announce(anchor) => {
                    let look = look.expect("the core announces only what a look at the chain has shown");
                    if !self.announce(look, &anchor).await? {
                        continue;
                    }
                    Event::Announced(anchor)
                }
            };
            queue.extend(self.step(event));
        }
        Ok(())
    }

    /// Tells the node of an anchor. False when that has to wait until the endpoint finds its transaction; after some
    /// looks the node is told without it, because it is the root that matters. That the chain lost an anchor is told at
    /// once.
    async fn announce(&mut self, look: &Look, anchor: &AnchorState) -> Result<bool, AnchorError> {
        let told = *self.links.anchored.borrow();
        if told.is_some_and(|told| told.size > anchor.log_size || told.sequence > anchor.sequence) {
            tracing::warn!(sequence = %anchor.sequence, "the chain lost an anchor; its last one is of this sequence");
            self.links.anchored.send_replace(None);
        }
        if *anchor == AnchorState::default() {
            self.links.anchored.send_replace(None);
            return Ok(true);
        }
        let place = self.chain.locate(look, anchor).await?;
        // Endpoints show a new state before they can find its events. The core asks again at the next look.
        if place.is_none() && self.searches < MAX_SEARCHES {
            self.searches += 1;
            return Ok(false);
        }
        self.searches = 0;
        tracing::info!(sequence = %anchor.sequence, size = anchor.log_size, root = %anchor.log_root, "anchored");
        let log = AnchoredLog {
            size: anchor.log_size,
            root: anchor.log_root,
            sequence: anchor.sequence,
            tx_hash: place.map_or(B256::ZERO, |place| place.tx_hash),
            block: place.map_or(0, |place| place.block),
        };
        self.links.anchored.send_replace(Some(log));
        Ok(true)
    }

    fn tell(&self, report: &Report) {
        if let Report::Anchored { cost, .. } = report {
            self.costs.count(cost.execution, cost.data);
            self.publish.send_modify(|status| {
                status.anchored += 1;
                status.cost = Some(*cost);
            });
        }
        if let Report::Convicted { cost, .. } = report {
            self.costs.count_conviction(cost.total());
            self.publish.send_modify(|status| status.convicted += 1);
        }
        if report.is_ordinary() {
            tracing::info!("{report}");
        } else {
            tracing::warn!("{report}");
        }
    }
}
