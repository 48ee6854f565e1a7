//! Going on after a recovery: the voters replaced the replicas of a group that was dead, and its log goes on from the
//! last anchor in the next era.
//!
//! Nobody handed over to the new replicas, so there is no checkpoint of the old ones to begin with. What they begin with
//! is the state at the last anchor, which each of them makes by itself from a copy of any old node's data directory: the
//! contract has the anchored log's root, and its event the state's. Whoever has no such copy fetches the state from
//! those that do, once they have a stable checkpoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minicbor::{Decode, Encode};
use quorate_pbft::{CommittedBatch, Config};
use quorate_protocol::{AgentId, Digest, Epoch, Group, Sequence};

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::ledger::Ledger;
use crate::store::{Rewind, Store, Write};
use crate::wal::Wal;

/// How many batches are read from the store at once.
const CHUNK: usize = 256;

/// Where an era of a group begins, other than the first: behind the last anchor of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EraStart {
    /// The era's first epoch.
    #[n(0)]
    pub epoch: Epoch,
    /// The sequence of the last anchor; 0 where nothing was ever anchored.
    #[n(1)]
    pub sequence: Sequence,
    /// How many entries the anchored log has; 0 where nothing was ever anchored.
    #[n(2)]
    pub log_size: u64,
}

/// An era with what the contract says of its beginning.
#[derive(Clone, Debug)]
pub struct Era {
    /// The group with the members of the era's first epoch.
    pub group: Group,
    /// Where it begins.
    pub start: EraStart,
    /// The root of the anchored log; nothing where nothing was ever anchored.
    pub log_root: Option<Digest>,
    /// The root of the state at that anchor, from its event; nothing where the endpoint has the event no more.
    pub state_root: Option<Digest>,
}

/// What the contract says of a group that was recovered.
#[derive(Clone, Debug)]
pub struct EraPlan {
    /// The group as it was made.
    pub genesis: Group,
    /// All eras but the first, in order; the last one is to be entered.
    pub eras: Vec<Era>,
}

/// What a data directory was rebuilt to.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Where the era begins that the node is in.
    pub start: EraStart,
    /// How many entries of the old log are void.
    pub dropped_entries: u64,
    /// Whether the node says nothing in the epoch, because its key has spoken in it before.
    pub silent: bool,
}

/// Rebuilds a data directory in `config.data_dir`, which must be empty, for the replica `agent` in the last era of
/// `plan`, from the one in `from`, of whichever old node. Nothing in `from` is changed but what opening a database does.
/// `spoke` is the last epoch in which the replica's key is known to have spoken.
///
/// Sound whoever `from` is of: log and state must have the roots that were anchored.
///
/// # Errors
/// [`NodeError::DataInTheWay`], [`NodeError::DataForeign`], [`NodeError::DataInUse`]; [`NodeError::NotRecoverable`] when
/// the directory lacks the last anchor, or contradicts it.
pub(crate) fn rebuild(
    config: &NodeConfig,
    agent: AgentId,
    from: &Path,
    plan: &EraPlan,
    spoke: Option<Epoch>,
) -> Result<Recovered, NodeError> {
    let target = &config.data_dir;
    let era = plan.eras.last().ok_or_else(|| NodeError::Invariant("a plan without an era".into()))?;
    if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(NodeError::DataInTheWay { dir: target.clone() });
    }
    let building = unfinished(target);
    if building.exists() {
        fs::remove_dir_all(&building).map_err(NodeError::storage("remove", &building))?;
    }
    let at = |dir: &Path| NodeConfig { data_dir: dir.into(), ..config.clone() };
    let store_dir = at(&building).store_dir();
    copy_store(&at(from).store_dir(), &store_dir)?;
    let store = Store::adopt(&store_dir, &plan.genesis.identity, agent)?;
    let old_size = store.log_size()?;
    let unfit = |detail: String| NodeError::NotRecoverable { dir: from.into(), detail };
    let mut ledger = replay(&Config::from(&config.consensus), &store, plan).map_err(|error| match error {
        ReplayError::Node(error) => error,
        ReplayError::Unfit(detail) => unfit(detail),
    })?;
    ledger.begin_era(&era.group, era.start.log_size);
    let pairs = ledger.state().pairs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let log_size = ledger.head().size;
    let (start, group, ended) = (era.start, era.group.clone(), ledger.ended().to_vec());
    store.rewind(&Rewind { sequence: start.sequence, log_size, pairs, group, era: start, ended })?;
    let silent = spoke.filter(|spoke| *spoke >= start.epoch);
    if let Some(epoch) = silent {
        store.commit(vec![Write::SilentUntil(epoch)])?;
    }
    drop(store);
    // One that is missing would stand for words that are forgotten.
    drop(Wal::open(&at(&building).wal_dir())?);
    if target.exists() {
        fs::remove_dir(target).map_err(NodeError::storage("replace", target))?;
    }
    fs::rename(&building, target).map_err(NodeError::storage("move the rebuilt data to", target))?;
    Ok(Recovered { start, dropped_entries: old_size.saturating_sub(log_size), silent: silent.is_some() })
}

fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    target.with_file_name(name)
}

/// Copies the database of a store that nobody has open.
fn copy_store(from: &Path, to: &Path) -> Result<(), NodeError> {
    let missing =
        || NodeError::NotRecoverable { dir: from.into(), detail: "it holds no node's store".into() };
    drop(Store::open_existing(from)?.ok_or_else(missing)?);
    fs::create_dir_all(to).map_err(NodeError::storage("create", to))?;
    for entry in fs::read_dir(from).map_err(NodeError::storage("read", from))? {
        let entry = entry.map_err(NodeError::storage("read", from))?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).map_err(NodeError::storage("write to", &target))?;
    }
    Ok(())
}

enum ReplayError {
    Node(NodeError),
    /// What is wrong with the directory.
    Unfit(String),
}

impl From<NodeError> for ReplayError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::DataCorrupt { detail, .. } => Self::Unfit(detail),
            error => Self::Node(error),
        }
    }
}

/// The ledger at the last anchor: from the store's state, if that is not beyond it, else from the genesis.
fn replay(config: &Config, store: &Store, plan: &EraPlan) -> Result<Ledger, ReplayError> {
    let Some((era, before)) = plan.eras.split_last() else {
        return Err(NodeError::Invariant("a plan without an era".into()).into());
    };
    let group = store.group()?.ok_or_else(|| ReplayError::Unfit("it holds no group".into()))?;
    let (found, over) = (group.epoch.era(), era.start.epoch.era() - 1);
    if found != over {
        return Err(ReplayError::Unfit(match found > over {
            true => "it is of the new era already: a node whose data directory is empty fetches the state from that node".into(),
            false => format!("it is of era {found}, and the anchor is of era {over}"),
        }));
    }
    let mut ledger = match store.state()?.filter(|(sequence, _)| *sequence <= era.start.sequence) {
        Some((sequence, pairs)) => {
            let mut ledger = crate::core::from_store(&Arc::new(group), store, sequence, pairs)?;
            ledger.adopt_group();
            ledger.recall_ended(store.ended()?);
            ledger
        }
        None if era.start.sequence == Sequence(0) || store.has_batch(Sequence(1))? => {
            let (mut ledger, _) = Ledger::genesis(Arc::new(plan.genesis.clone()));
            for earlier in before {
                execute_up_to(config, store, &mut ledger, earlier)?;
                ledger.begin_era(&earlier.group, earlier.start.log_size);
            }
            ledger
        }
        None => {
            return Err(ReplayError::Unfit(format!(
                "its state is beyond the last anchor, of sequence {}, and it has not the batches from the beginning, because it \
                 was fetched from other nodes",
                era.start.sequence
            )));
        }
    };
    execute_up_to(config, store, &mut ledger, era)?;
    Ok(ledger)
}

/// Executes the stored batches up to where `era` begins, and holds what comes of it against what was anchored there.
fn execute_up_to(config: &Config, store: &Store, ledger: &mut Ledger, era: &Era) -> Result<(), ReplayError> {
    let last = era.start.sequence;
    while ledger.last_executed() < last {
        let from = ledger.last_executed().next();
        let batches = store.batches(from, CHUNK, CommittedBatch::MAX_BYTES)?;
        if batches.is_empty() {
            return Err(ReplayError::Unfit(format!(
                "it ends at sequence {}, and the last anchor is of sequence {last}",
                ledger.last_executed()
            )));
        }
        for (sequence, bytes) in batches.into_iter().take_while(|(sequence, _)| *sequence <= last) {
            let broken = |detail: String| ReplayError::Unfit(format!("batch {sequence}: {detail}"));
            let committed = CommittedBatch::decode(&bytes).map_err(|error| broken(error.to_string()))?;
            let batch = &committed.batch;
            let checkpoint = config.takes_checkpoint(committed.sequence, batch);
            ledger
                .execute(committed.sequence, batch.timestamp, &batch.commands, checkpoint)
                .map_err(|error| broken(error.to_string()))?;
            if ledger.epoch_is_over() {
                ledger.enter_epoch();
            }
        }
    }
    let Some(root) = era.log_root else { return Ok(()) };
    let head = ledger.head();
    if (head.size, head.root) != (era.start.log_size, root) {
        return Err(ReplayError::Unfit(format!(
            "at sequence {last} its log has {} entries and the root {}, and what was anchored has {} and {root}",
            head.size, head.root, era.start.log_size
        )));
    }
    let state_root = ledger.summary().state_root;
    if era.state_root.is_some_and(|anchored| anchored != state_root) {
        return Err(ReplayError::Unfit(format!(
            "at sequence {last} its state is not the one that was anchored, though its log is"
        )));
    }
    Ok(())
}
