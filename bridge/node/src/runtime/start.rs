//! Putting a node together.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread;

use quorate_pbft::{Config, Evidence, ReplicaKeys};
use quorate_protocol::{AgentId, Epoch, Group, codec};
use tokio::sync::{mpsc, oneshot, watch};

use super::announcements;
use super::driver::{self, Clock, DiskThreads, Parcel};
use super::inbound::PooledInbound;
use super::marker::SpokenMarker;
use super::records::StoreRecords;
use super::requests::{self, Requests, Waiting};
use super::verifier::PooledVerifier;
use super::{Node, NodeKeys, watches};
use crate::anchored::{AnchoringLinks, InboxView, Prover};
use crate::api::{self, NodeHandle, Submission};
use crate::config::{ConsensusConfig, NodeConfig};
use crate::core::{
    CoreEvent, CoreParts, NodeCore, Outgoing, Restored, Supply, Trust, WalContents, last_spoken, restore,
};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::evidence::HeldEvidence;
use crate::frame::MAX_FRAME_BYTES;
use crate::ledger::{Ledger, LedgerReader};
use crate::metrics::Metrics;
use crate::store::{Store, StoreWriter, Write};
use crate::transfer::{Server, ServerConfig};
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
    evidence: HeldEvidence,
}

/// The group as the caller knows it: from the contract, or from [`Node::known_group`].
#[derive(Clone, Debug)]
pub struct KnownGroup {
    /// The group.
    pub group: Group,
    /// The group of the epoch before. A node that joins needs it to believe the others how that epoch ended.
    pub previous: Option<Group>,
    /// Where the group's era begins, by the contract; nothing in the first, or while the chain does not answer.
    pub era: Option<EraStart>,
}

impl From<Group> for KnownGroup {
    fn from(group: Group) -> Self {
        Self { group, previous: None, era: None }
    }
}

impl Node {
    /// Starts a node of a group.
    ///
    /// A node that has no data and joins after the first epoch, or that is far behind, fetches the group's
    /// state from the other replicas before it takes part.
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] or [`NodeError::OtherKey`] for keys that are no replica's, and whatever
    /// opening the data directory and the ports fails with.
    pub async fn start(
        config: &NodeConfig,
        keys: NodeKeys,
        known: impl Into<KnownGroup>,
    ) -> Result<Self, NodeError> {
        let KnownGroup { group, previous, era } = known.into();
        refuse_older_era(config, group.epoch).await?;
        check_keys(&keys, &group)?;
        let marker =
            keys.agent_keystore.as_deref().map(|path| SpokenMarker::beside(path, &group.identity.group));
        // Ports first: a port that is taken must not leave a data directory behind.
        let listeners = api::bind(&config.http).await?;
        let http = listeners
            .address()
            .map_err(|source| NodeError::listen("http.listen", config.http.listen, source))?;
        let agent = AgentId(keys.account.address());
        let opened = {
            let (config, marker) = (config.clone(), marker.clone());
            let known = KnownGroup { group: group.clone(), previous, era };
            tokio::task::spawn_blocking(move || open(&config, known, agent, marker.as_ref()))
                .await
                .map_err(|error| NodeError::Invariant(format!("opening the data directory: {error}")))??
        };
        let (transport, frames) = Transport::start(transport_config(config, &keys, &group)).await?;
        assemble(config, keys, marker, opened, (listeners, http), (transport, frames))
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

/// What a data directory of an era that is over holds cannot go on: the chain has gone another way behind its last anchor.
///
/// # Errors
/// [`NodeError::Recovered`], or when the store cannot be read.
async fn refuse_older_era(config: &NodeConfig, contract: Epoch) -> Result<(), NodeError> {
    if contract.era() == 0 {
        return Ok(());
    }
    let config = config.clone();
    let stored = tokio::task::spawn_blocking(move || Node::known_group(&config)).await;
    let stored = stored.map_err(|error| NodeError::Invariant(format!("reading the store: {error}")))??;
    match stored.filter(|stored| stored.epoch.era() < contract.era()) {
        Some(Group { epoch, .. }) => Err(NodeError::Recovered { epoch, contract }),
        None => Ok(()),
    }
}

pub(crate) fn check_keys(keys: &NodeKeys, group: &Group) -> Result<(), NodeError> {
    let agent = AgentId(keys.account.address());
    let replicas = group.replicas();
    let me = replicas.index_of(agent).ok_or(NodeError::NotAReplica { agent })?;
    let own = keys.agent.public();
    match replicas.at(me).map(|member| member.key).filter(|known| *known != own) {
        Some(known) => Err(NodeError::OtherKey { agent, epoch: group.epoch, own, known }),
        None => Ok(()),
    }
}

fn open(
    config: &NodeConfig,
    KnownGroup { group, previous, era }: KnownGroup,
    agent: AgentId,
    marker: Option<&SpokenMarker>,
) -> Result<Opened, NodeError> {
    let wal_dir = config.wal_dir();
    let store = Store::open(&config.store_dir(), &group.identity, agent)?;
    let spoken = marker.map(SpokenMarker::read).transpose()?.unwrap_or_default();
    let trust = Trust { group, previous, era, spoke: spoken.epoch, signed: spoken.signed };
    if let Some(epoch) = last_spoken(&store, &trust)?.filter(|_| !wal_dir.exists()) {
        // Before there is a write-ahead log again: a crash in between must not make the loss forgotten.
        store.commit(vec![Write::SilentUntil(epoch)])?;
    }
    let (wal, records, tail) = Wal::open(&wal_dir)?;
    let writer = StoreWriter::start(store.clone(), STORE_QUEUE)?;
    let contents = WalContents { records: &records, tail, path: &wal_dir };
    let consensus = Config::from(&config.consensus);
    let restored = restore(&consensus, &trust, &store, contents, |write| writer.write(write))?;
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

fn transport_config(config: &NodeConfig, keys: &NodeKeys, group: &Group) -> TransportConfig {
    let endpoints: BTreeMap<AgentId, String> =
        config.peers.replicas.iter().map(|peer| (peer.agent, peer.endpoint.clone())).collect();
    TransportConfig {
        identity: group.identity,
        roster: Roster::of(group.epoch, &group.replicas()),
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
    marker: Option<SpokenMarker>,
    opened: Opened,
    (listeners, http): (api::Listeners, std::net::SocketAddr),
    (transport, frames): (Transport, Frames),
) -> Result<Node, NodeError> {
    let Opened { wal, store, writer, restored, evidence } = opened;
    let metrics = Metrics::new();
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = VerifyPool::start(threads, VERIFY_QUEUE, REMEMBERED_COMMANDS)?;
    let (core_sender, events) = sync_channel(CORE_QUEUE);
    let clock = Clock::start();

    let supply = Supply::new(store.clone());
    let (requests, woken) = Requests::new();
    let waiting = requests.waiting();
    let wal = start_wal(wal, &core_sender, requests, &transport, &metrics)?;
    let parts = CoreParts {
        config: Config::from(&config.consensus),
        keys: ReplicaKeys { agent: keys.agent, account: keys.account },
        restored,
        evidence,
        storage: DiskThreads::new(wal, writer, marker),
        store: store.clone(),
        supply: supply.clone(),
        metrics: metrics.clone(),
    };
    let core = NodeCore::new(parts, clock.now())?;
    let ledger = Arc::clone(core.ledger());
    let reader = LedgerReader::new(Arc::clone(&ledger), Arc::new(StoreRecords(store.clone())));
    let watched = core.watch();
    let inbound = core.inbound();
    let supply = start_supply(
        supply,
        Server::new(store, ServerConfig::default()),
        ledger,
        waiting,
        woken,
        &transport,
    )?;
    let (anchors, anchor_receiver) = watch::channel(None);
    let (inbox, inbox_receiver) = watch::channel(InboxView::default());
    let (contract_epoch, contract_receiver) = watch::channel(None);
    let stopped = start_core(core, clock, events)?;

    let inbound = PooledInbound {
        inbound,
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
        status: watched.status,
        stable: watched.stable.clone(),
        gathered: watched.gathered.clone(),
        inbox: inbox_receiver.clone(),
        evidence: watched.evidence.clone(),
        handovers: watched.handovers.clone(),
        metrics: metrics.clone(),
    };
    let (close_api, closed) = oneshot::channel();
    let http_config = config.http.clone();
    let api = tokio::spawn(async move {
        // An error means that the node was dropped: that closes the API too.
        let signal = async { drop(closed.await) };
        api::serve(listeners, &http_config, handle, signal).await;
    });
    let tasks = vec![
        tokio::spawn(watches::watch_anchors(core_sender.clone(), anchor_receiver)),
        tokio::spawn(announcements::announce(reader.clone(), inbox_receiver.clone(), metrics.clone())),
        tokio::spawn(watches::watch_inbox(core_sender.clone(), inbox_receiver)),
        tokio::spawn(watches::watch_contract(core_sender.clone(), contract_receiver)),
        tokio::spawn(watches::watch_gauges(transport.clone(), pool.clone(), metrics.clone())),
        tokio::spawn(watches::watch_epochs(transport.clone(), watched.context)),
    ];
    let links = AnchoringLinks {
        stable: watched.stable,
        gathered: watched.gathered,
        handovers: watched.handovers,
        evidence: watched.evidence,
        inbox_taken: watched.inbox_taken,
        prover: Prover(Arc::new(reader.clone())),
        anchored: anchors,
        inbox,
        contract_epoch,
    };
    Ok(Node {
        core: core_sender,
        stopped: Some(stopped),
        api: Some((close_api, api)),
        tasks,
        supply: Some(supply),
        transport,
        http,
        links,
        ledger: reader,
        metrics,
    })
}

/// Starts a thread of the node.
fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, NodeError> {
    thread::Builder::new().name(name.into()).spawn(work).map_err(|source| NodeError::Thread { name, source })
}

fn start_core(
    core: NodeCore<DiskThreads>,
    clock: Clock,
    events: Receiver<CoreEvent>,
) -> Result<oneshot::Receiver<Result<(), NodeError>>, NodeError> {
    let (done, stopped) = oneshot::channel();
    spawn("quorate-core", move || {
        let result = driver::run(core, clock, &events);
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
    transport: &Transport,
    metrics: &Metrics,
) -> Result<WalWriter<Parcel>, NodeError> {
    let (core, transport, metrics) = (core.clone(), transport.clone(), metrics.clone());
    WalWriter::start(wal, WAL_QUEUE, move |event: WalEvent<Parcel>| match event {
        WalEvent::Durable(parcel) => {
            if let Some(since) = parcel.durable_since {
                metrics.observe_wal_fsync(since.elapsed());
            }
            for outgoing in parcel.outgoing {
                match outgoing {
                    Outgoing::To(to, bytes) => transport.send(to, bytes),
                    Outgoing::All(bytes) => transport.broadcast(bytes),
                    Outgoing::Batches { to, wanted } => requests.add(to, wanted),
                    Outgoing::Transfer { to, request } => requests.add_transfer(to, request),
                    Outgoing::Blame { peer, reason } => transport.blame(peer, &reason),
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

fn start_supply(
    supply: Supply,
    mut server: Server,
    ledger: Arc<RwLock<Ledger>>,
    waiting: Waiting,
    woken: Receiver<()>,
    transport: &Transport,
) -> Result<thread::JoinHandle<()>, NodeError> {
    let transport = transport.clone();
    spawn("quorate-supply", move || {
        let send = |to, bytes| transport.send(to, bytes);
        requests::serve(&supply, &mut server, &ledger, &waiting, &woken, send);
    })
}

fn start_inbound(inbound: PooledInbound, mut frames: Frames) -> Result<(), NodeError> {
    spawn("quorate-inbound", move || {
        while let Some(frame) = frames.blocking_recv() {
            inbound.take(frame.from, &frame.bytes);
        }
    })
    .map(drop)
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
    .map(drop)
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
