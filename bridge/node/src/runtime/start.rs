//! Putting a node together.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use quorate_pbft::{Config, Context, Evidence, Replica, ReplicaKeys};
use quorate_protocol::{AgentId, Group, codec};
use tokio::sync::{mpsc, oneshot, watch};

use super::core::{Clock, Core, CoreEvent, Round};
use super::inbound::Inbound;
use super::outbox::{Links, Outgoing, Parcel};
use super::records::StoreRecords;
use super::recovery::{self, Restored};
use super::supply::{Requests, Supply};
use super::verifier::PooledVerifier;
use super::{Node, NodeKeys};
use crate::anchored::AnchorReceiver;
use crate::api::{self, NodeHandle, NodeStatus, Readiness, Submission};
use crate::config::{ConsensusConfig, NodeConfig};
use crate::error::NodeError;
use crate::frame::MAX_FRAME_BYTES;
use crate::ledger::LedgerReader;
use crate::metrics::Metrics;
use crate::store::{Store, StoreWriter};
use crate::transport::{Frames, Roster, Transport, TransportConfig};
use crate::verify_pool::VerifyPool;
use crate::wal::{Wal, WalEvent, WalWriter};

/// Events that wait for the core. Beyond it, whoever brings one waits, and so do the peers.
const CORE_QUEUE: usize = 4_096;
/// Rounds that wait for the write-ahead log.
const WAL_QUEUE: usize = 256;
/// Writes that wait for the store.
const STORE_QUEUE: usize = 1_024;
/// Messages and commands whose signatures wait to be checked.
const VERIFY_QUEUE: usize = 4_096;
/// Commands whose signature is known to hold, so that it is not checked again when they come in a batch.
const REMEMBERED_COMMANDS: usize = 32_768;
/// Commands that wait between the API and the core.
const SUBMIT_QUEUE: usize = 4_096;
/// How often the links and the queues are looked at.
const GAUGES_INTERVAL: Duration = Duration::from_millis(250);

impl From<&ConsensusConfig> for Config {
    fn from(config: &ConsensusConfig) -> Self {
        Self {
            checkpoint_interval: config.checkpoint_interval,
            window: config.window,
            pipeline: config.pipeline,
            max_batch_commands: config.max_batch_commands,
            max_batch_bytes: config.max_batch_bytes,
            view_timeout_ms: config.view_timeout_ms,
            max_clock_drift_ms: config.max_clock_drift_ms,
            checkpoint_delay_ms: config.checkpoint_delay_ms,
            status_interval_ms: config.status_interval_ms,
        }
    }
}

/// What is on disk, opened and read.
struct Opened {
    wal: Wal,
    store: Store,
    writer: StoreWriter,
    restored: Restored,
    evidence: Vec<Evidence>,
}

impl Node {
    /// Starts a node of `group`, which the caller has from the contract or from [`Node::known_group`].
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] or [`NodeError::Key`] for keys that are no replica's, and whatever opening
    /// the data directory and the ports fails with.
    pub async fn start(config: &NodeConfig, keys: NodeKeys, group: Group) -> Result<Self, NodeError> {
        let context = Context { identity: group.identity, epoch: group.epoch, replicas: group.replicas() };
        check_keys(config, &keys, &context)?;
        // Ports first: a port that is taken must not leave a data directory behind.
        let listener = api::bind(&config.http).await?;
        let http = listener
            .local_addr()
            .map_err(|source| NodeError::listen("http.listen", config.http.listen, source))?;
        let agent = AgentId(keys.account.address());
        let opened = {
            let (config, group) = (config.clone(), Arc::new(group));
            tokio::task::spawn_blocking(move || open(&config, &group, agent))
                .await
                .map_err(|error| NodeError::Invariant(format!("opening the data directory: {error}")))??
        };
        let (transport, frames) = Transport::start(transport_config(config, &keys, &context)).await?;
        assemble(config, keys, context, opened, (listener, http), (transport, frames))
    }

    /// The group as a node of this data directory knew it last; nothing if it never ran. With it a node
    /// starts again while the chain cannot be reached.
    ///
    /// # Errors
    /// When the store is damaged, or open in another process.
    pub fn known_group(config: &NodeConfig) -> Result<Option<Group>, NodeError> {
        Store::open_existing(&config.store_dir())?.map_or(Ok(None), |store| store.group())
    }
}

fn check_keys(config: &NodeConfig, keys: &NodeKeys, context: &Context) -> Result<(), NodeError> {
    let agent = AgentId(keys.account.address());
    let me = context.replicas.index_of(agent).ok_or(NodeError::NotAReplica { agent })?;
    let known = context.replicas.at(me).map(|member| member.key);
    let own = keys.agent.public();
    if known != Some(own) {
        let detail = format!(
            "its public key is {own}, but the group knows {} for {agent}; set keys.agent to the keystore that \
             was registered",
            known.map_or_else(String::new, |key| key.to_string())
        );
        return Err(NodeError::Key { path: config.keys.agent.clone(), detail });
    }
    Ok(())
}

fn open(config: &NodeConfig, group: &Arc<Group>, agent: AgentId) -> Result<Opened, NodeError> {
    let wal_dir = config.wal_dir();
    let (wal, records, tail) = Wal::open(&wal_dir)?;
    let store = Store::open(&config.store_dir(), &group.identity, agent)?;
    if tail.created && store.last_sequence()?.is_some() {
        // Without its log this replica cannot know what it said, and could say the opposite.
        let detail = "it is missing, although the store beside it is not; restore it from where it was moved, \
                      or leave this replica off: without the log it could contradict what it said before";
        return Err(NodeError::DataCorrupt { path: wal_dir, detail: detail.into() });
    }
    if !tail.created && !tail.is_clean() {
        tracing::warn!(?tail, "the end of the write-ahead log was torn, as a crash leaves it, and is cut");
    }
    let writer = StoreWriter::start(store.clone(), STORE_QUEUE)?;
    let restored = recovery::restore(group, &store, &writer, &records, &wal_dir)?;
    let evidence = store
        .evidence()?
        .iter()
        .map(|bytes| codec::decode(bytes, Evidence::MAX_BYTES))
        .collect::<Result<_, _>>()
        .map_err(|error| store.corrupt(format!("stored evidence: {error}")))?;
    tracing::info!(
        last_executed = %restored.recovered.last_executed,
        log_size = restored.ledger.head().size,
        records = records.len(),
        "the data directory is read"
    );
    Ok(Opened { wal, store, writer, restored, evidence })
}

fn transport_config(config: &NodeConfig, keys: &NodeKeys, context: &Context) -> TransportConfig {
    let endpoints: BTreeMap<AgentId, String> =
        config.peers.replicas.iter().map(|peer| (peer.agent, peer.endpoint.clone())).collect();
    TransportConfig {
        identity: context.identity,
        roster: Roster::of(context.epoch, &context.replicas),
        me: AgentId(keys.account.address()),
        key: keys.agent.clone(),
        listen: config.peers.listen,
        endpoints,
        max_frame_bytes: MAX_FRAME_BYTES,
    }
}

fn assemble(
    config: &NodeConfig,
    keys: NodeKeys,
    context: Context,
    opened: Opened,
    (listener, http): (tokio::net::TcpListener, std::net::SocketAddr),
    (transport, frames): (Transport, Frames),
) -> Result<Node, NodeError> {
    let Opened { wal, store, writer, restored, evidence } = opened;
    let metrics = Metrics::new();
    metrics.evidence.set(evidence.len() as u64);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = VerifyPool::start(threads, VERIFY_QUEUE, REMEMBERED_COMMANDS)?;
    let (core_sender, events) = sync_channel(CORE_QUEUE);
    let clock = Clock::start();

    let stable = restored.recovered.stable.clone();
    let replica_keys = ReplicaKeys { agent: keys.agent.clone(), account: keys.account.clone() };
    let consensus = Config::from(&config.consensus);
    let replica = Replica::new(consensus, context.clone(), replica_keys, restored.recovered, clock.now());
    let ledger = Arc::new(RwLock::new(restored.ledger));
    let reader = LedgerReader::new(Arc::clone(&ledger), Arc::new(StoreRecords(store.clone())));

    let supply = Supply::new(store);
    let links = Links { transport: transport.clone(), replicas: context.replicas.clone() };
    let requests = start_supply(supply.clone(), links.clone())?;
    let wal = start_wal(wal, &core_sender, requests, &links, &metrics)?;
    let first_status =
        NodeStatus { view: replica.view(), readiness: Readiness::NotReady("the node starts".into()) };
    let (status, status_receiver) = watch::channel(first_status);
    let (stable_sender, stable_receiver) = watch::channel(stable);
    let (evidence_sender, evidence_receiver) = watch::channel(Arc::new(evidence));
    let (anchors, anchor_receiver) = watch::channel(None);
    let core = Core {
        replica,
        ledger: Arc::clone(&ledger),
        wal,
        store_status: writer.status(),
        store: writer,
        supply,
        clock,
        identity: context.identity,
        agent: AgentId(keys.account.address()),
        key: keys.agent,
        status,
        stable: stable_sender,
        evidence: evidence_sender,
        metrics: metrics.clone(),
        quorum: context.replicas.quorum(),
        certificate_interval_ms: config.consensus.status_interval_ms,
        refused_interval_ms: config.consensus.view_timeout_ms / 3,
        round: Round::default(),
    };
    let stopped = start_core(core, events)?;

    let inbound = Inbound {
        context: Arc::new(context),
        ledger,
        pool: pool.clone(),
        core: core_sender.clone(),
        transport: transport.clone(),
    };
    start_inbound(inbound, frames)?;
    let (submit, submissions) = mpsc::channel(SUBMIT_QUEUE);
    start_submissions(core_sender.clone(), submissions)?;

    let handle = NodeHandle {
        ledger: reader.clone(),
        verifier: Arc::new(PooledVerifier(pool.clone())),
        submit,
        status: status_receiver,
        stable: stable_receiver.clone(),
        evidence: evidence_receiver,
        metrics: metrics.clone(),
    };
    let (close_api, closed) = oneshot::channel();
    let http_config = config.http.clone();
    let api = tokio::spawn(async move {
        // An error means that the node was dropped: that closes the API too.
        let signal = async { drop(closed.await) };
        api::serve(listener, &http_config, handle, signal).await;
    });
    let tasks = vec![
        tokio::spawn(watch_anchors(core_sender.clone(), anchor_receiver)),
        tokio::spawn(watch_gauges(transport.clone(), pool.clone(), metrics.clone())),
    ];
    Ok(Node {
        core: core_sender,
        stopped: Some(stopped),
        api: Some((close_api, api)),
        tasks,
        transport,
        http,
        stable: stable_receiver,
        anchors,
        ledger: reader,
        metrics,
    })
}

/// Starts a thread of the node.
fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), NodeError> {
    let started = thread::Builder::new().name(name.into()).spawn(work);
    started.map(drop).map_err(|source| NodeError::Thread { name, source })
}

fn start_core(
    core: Core,
    events: Receiver<CoreEvent>,
) -> Result<oneshot::Receiver<Result<(), NodeError>>, NodeError> {
    let (done, stopped) = oneshot::channel();
    spawn("quorate-core", move || {
        let result = core.run(&events);
        if let Err(error) = &result {
            tracing::error!(%error, "the node stops");
        }
        // Nobody waits for a node that was dropped.
        let _ = done.send(result);
    })?;
    Ok(stopped)
}

/// Messages leave from the write-ahead log's thread, once the records before them are durable.
fn start_wal(
    wal: Wal,
    core: &SyncSender<CoreEvent>,
    requests: Requests,
    links: &Links,
    metrics: &Metrics,
) -> Result<WalWriter<Parcel>, NodeError> {
    let (core, links, metrics) = (core.clone(), links.clone(), metrics.clone());
    WalWriter::start(wal, WAL_QUEUE, move |event: WalEvent<Parcel>| match event {
        WalEvent::Durable(parcel) => {
            if let Some(since) = parcel.durable_since {
                metrics.observe_wal_fsync(since.elapsed());
            }
            for outgoing in parcel.outgoing {
                match outgoing {
                    Outgoing::To(to, bytes) => links.send(to, bytes),
                    Outgoing::All(bytes) => links.transport.broadcast(bytes),
                    Outgoing::Batches { to, from } => requests.add(to, from),
                }
            }
        }
        WalEvent::Failed(error) => {
            tracing::error!(%error, "the write-ahead log failed");
            // If the queue is full, the core learns of it when it next writes.
            let _ = core.try_send(CoreEvent::Failed(error));
        }
    })
}

fn start_supply(supply: Supply, links: Links) -> Result<Requests, NodeError> {
    let (requests, woken) = Requests::new();
    let waiting = requests.waiting();
    spawn("quorate-supply", move || {
        supply.serve(&waiting, &woken, |to, bytes| links.send(to, bytes));
    })?;
    Ok(requests)
}

fn start_inbound(inbound: Inbound, mut frames: Frames) -> Result<(), NodeError> {
    spawn("quorate-inbound", move || {
        while let Some(frame) = frames.blocking_recv() {
            inbound.take(frame.from, &frame.bytes);
        }
    })
}

fn start_submissions(
    core: SyncSender<CoreEvent>,
    mut submissions: mpsc::Receiver<Submission>,
) -> Result<(), NodeError> {
    const AT_ONCE: usize = 512;
    spawn("quorate-submit", move || {
        let mut waiting = Vec::with_capacity(AT_ONCE);
        while submissions.blocking_recv_many(&mut waiting, AT_ONCE) > 0 {
            let commands = waiting.drain(..).map(|submission| submission.command).collect();
            if core.send(CoreEvent::Commands(commands)).is_err() {
                return;
            }
        }
    })
}

async fn watch_anchors(core: SyncSender<CoreEvent>, mut anchors: AnchorReceiver) {
    while anchors.changed().await.is_ok() {
        let Some(anchored) = *anchors.borrow_and_update() else { continue };
        let core = core.clone();
        let tell = move || core.send(CoreEvent::Anchored(anchored)).is_ok();
        if !tokio::task::spawn_blocking(tell).await.unwrap_or(false) {
            return;
        }
    }
}

/// Keeps the gauges up to date that nobody else sets.
async fn watch_gauges(transport: Transport, pool: VerifyPool, metrics: Metrics) {
    let mut dropped = 0;
    loop {
        let peers = transport.peers();
        let connected = peers.iter().filter(|peer| peer.sending && peer.receiving).count();
        metrics.peers_connected.set(connected as u64);
        let now = transport.dropped_frames();
        metrics.frames_dropped.inc_by(now - dropped);
        metrics.verify_queue.set(pool.waiting() as u64);
        dropped = now;
        tokio::time::sleep(GAUGES_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_one_that_the_core_takes() {
        let config = Config::from(&ConsensusConfig::default());
        assert_eq!(config, Config::default());
        assert_eq!(config.problems(), Vec::<String>::new());
    }
}
