//! Where a node starts from: the store, the write-ahead log, or nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use quorate_pbft::message::MAX_MESSAGE_BYTES;
use quorate_pbft::{CommittedBatch, Config, Record, Recovered};
use quorate_protocol::{Checkpoint, Digest, Entry, EntryIndex, Epoch, Group, Handover, Sequence, codec};

use super::TakenState;
use crate::anchored::AnchoredLog;
use crate::era::EraStart;
use crate::error::NodeError;
use crate::ledger::{EndedEpoch, Ledger, Persisted, SourceError};
use crate::store::{FetchProgress, Store, Write};
use crate::wal::TailReport;

/// How many entries or batches are read from the store at once.
const CHUNK: usize = 1_024;
/// The most bytes of a stored anchor.
const MAX_ANCHOR_BYTES: usize = 4_096;

/// Whom a node believes before it knows anything: the group as the contract has it, or as the node knew it
/// last.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The group.
    pub group: Group,
    /// The group of the epoch before, which signed the handover to it; nothing in the first epoch.
    pub previous: Option<Group>,
    /// Where the era of that epoch begins, by the contract; nothing in the first, or while the chain does not answer.
    pub era: Option<EraStart>,
    /// The last epoch in which the replica's key is known to have spoken; see
    /// [`Storage::speaks_in`](super::Storage::speaks_in).
    pub spoke: Option<Epoch>,
    /// The last checkpoint that the key is known to have signed; see [`Storage::signs`](super::Storage::signs).
    pub signed: Option<Checkpoint>,
}

/// What was on disk.
pub struct Restored {
    /// The executed state, up to the last batch that the store has. Where the store has none and the group is
    /// past its first epoch, a closed stand-in.
    pub ledger: Ledger,
    /// What the consensus core must remember.
    pub recovered: Recovered,
    /// Records of epochs that the ledger is yet to come to.
    pub later: BTreeMap<Epoch, Vec<Record>>,
    /// How the epochs so far ended.
    pub handovers: BTreeMap<Epoch, Handover>,
    /// The latest group whose members are proven.
    pub proven: Group,
    /// The group that the node was started with, which may be ahead of what is proven.
    pub known: Group,
    /// The last epoch in which this replica says nothing.
    pub silent_until: Option<Epoch>,
    /// The last checkpoint that this replica's key signed.
    pub signed: Option<Checkpoint>,
    /// A fetch of the group's state that was not finished.
    pub fetch: Option<FetchProgress>,
    /// Where the era begins that the group is in; nothing in the first.
    pub era: Option<EraStart>,
    /// States at checkpoints that the store has the batches of, and was not yet told that they are stable.
    pub taken: Vec<TakenState>,
}

/// A record with the epoch that it was said in.
#[derive(Debug, Encode, Decode)]
pub(super) struct EpochRecord {
    #[n(0)]
    pub(super) epoch: Epoch,
    #[n(1)]
    pub(super) record: Record,
}

impl EpochRecord {
    /// The most bytes of an encoded record of an epoch.
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES + CommittedBatch::MAX_BYTES + 64;
}

/// What the write-ahead log held when it was opened.
#[derive(Clone, Copy, Debug)]
pub struct WalContents<'a> {
    /// The records since its last rotation.
    pub records: &'a [Vec<u8>],
    /// How its end looked.
    pub tail: TailReport,
    /// Where it lies, for errors.
    pub path: &'a Path,
}

/// Brings the ledger to the last batch that the store has, and collects what the core must remember. A new
/// store gets the genesis through `write`.
///
/// A replica whose write-ahead log is missing although it spoke is silent from here on: it could contradict
/// what it said.
///
/// # Errors
/// When the store and the write-ahead log contradict themselves or each other.
pub fn restore(
    config: &Config,
    trust: &Trust,
    store: &Store,
    wal: WalContents<'_>,
    mut write: impl FnMut(Write) -> Result<(), NodeError>,
) -> Result<Restored, NodeError> {
    let spoke = last_spoken(store, trust)?;
    if let Some(epoch) = spoke.filter(|_| wal.tail.created) {
        tracing::warn!(%epoch, "the write-ahead log is missing: this replica says nothing in this epoch");
        write(Write::SilentUntil(epoch))?;
    }
    if !wal.tail.created && !wal.tail.is_clean() {
        tracing::warn!(tail = ?wal.tail, "the end of the write-ahead log was torn, as a crash leaves it, and is cut");
    }
    let silent_until = store.silent_until()?.max(spoke.filter(|_| wal.tail.created));
    let mut handovers: BTreeMap<Epoch, Handover> =
        store.handovers()?.into_iter().map(|handover| (handover.from(), handover)).collect();
    let stored_era = store.era()?;
    let era = trust.era.or(stored_era);
    if let Some(era) = era.filter(|era| Some(*era) != stored_era) {
        write(Write::Era(era))?;
    }
    let known = store.group()?.unwrap_or_else(|| trust.group.clone());
    let mut later = records_by_epoch(wal)?;
    let signed = last_signed(trust, &later);
    let mut taken = Vec::new();
    let mut ledger = match store.state()? {
        None if trust.group.epoch == Epoch(0) => genesis(&Arc::new(trust.group.clone()), &mut write)?,
        None => Ledger::stand_in(Arc::new(trust.group.clone())),
        Some((sequence, pairs)) => {
            let known = Arc::new(known);
            let whole = from_store(&known, store, sequence, pairs).and_then(|mut ledger| {
                // The note of the epoch that consensus is in may be behind the state and the batches after it.
                enter_proven_epoch(&mut ledger, &handovers);
                signed.iter().for_each(|signed| ledger.note_signed(signed));
                taken = execute_again(config, store, &mut ledger)?;
                Ok(ledger)
            });
            whole.or_else(|error| fetch_instead(error, known))?
        }
    };
    if !ledger.is_closed() && store.last_sequence()?.is_some() && store.group()?.is_none() {
        adopt_fetched(store, &mut ledger, &mut handovers, &mut write)?;
    }
    enter_proven_epoch(&mut ledger, &handovers);
    recall_ended(&mut ledger, store, trust, &handovers)?;
    signed.iter().for_each(|signed| ledger.note_signed(signed));
    if let Some((_, bytes)) = store.latest_anchor()? {
        let anchored: AnchoredLog = codec::decode(&bytes, MAX_ANCHOR_BYTES)
            .map_err(|error| corrupt(wal.path, format!("a stored anchor: {error}")))?;
        ledger.anchor(anchored);
    }
    let epoch = ledger.group().epoch;
    // Without a state there is no replica yet: what it said waits for the state.
    let records = if ledger.is_closed() { None } else { later.remove(&epoch) }.unwrap_or_default();
    later = later.split_off(&epoch);
    let root = match &trust.previous {
        Some(previous) if store.group()?.is_none() => previous.clone(),
        _ => Group::clone(ledger.group()),
    };
    let proven = Handover::follow(&root, handovers.values())
        .map_err(|error| store.corrupt(format!("a stored handover: {error}")))?;
    let recovered = Recovered {
        records,
        stable: store.stable_checkpoint()?,
        silent: silent_until.is_some_and(|until| epoch <= until),
        taken: taken.iter().map(|taken| (taken.sequence, taken.summary)).collect(),
        ..standing(&mut ledger)
    };
    let fetch = store.fetch_progress()?;
    let known = trust.group.clone();
    Ok(Restored {
        ledger,
        recovered,
        later,
        handovers,
        proven,
        known,
        silent_until,
        signed,
        fetch,
        era,
        taken,
    })
}

/// Enters the epoch that the state is of, if it is proven how the one before ended.
fn enter_proven_epoch(ledger: &mut Ledger, handovers: &BTreeMap<Epoch, Handover>) {
    let ended = ledger.state().group().epoch.before();
    if ledger.epoch_is_over() && ended.is_some_and(|ended| handovers.contains_key(&ended)) {
        ledger.enter_epoch();
    }
}

/// Which epoch ended where the ledger's began: the ledger knows if it executed that just now, else the store, else whoever
/// started the node.
fn recall_ended(
    ledger: &mut Ledger,
    store: &Store,
    trust: &Trust,
    handovers: &BTreeMap<Epoch, Handover>,
) -> Result<(), NodeError> {
    let epoch = ledger.group().epoch;
    if EndedEpoch::are_before(ledger.ended(), epoch) {
        return Ok(());
    }
    let end = |group: &Group| Some(handovers.get(&group.epoch)?.certificate.checkpoint.log_size);
    let told = trust.previous.iter().filter_map(|group| Some((group.clone(), end(group)?)));
    ledger.recall_ended(told.map(|(group, log_size)| EndedEpoch { group, log_size }).collect());
    ledger.recall_ended(store.ended()?);
    Ok(())
}

/// A state or a log that does not fit what a quorum signed is of no use, and not the end either: the others have
/// it. What this replica said is not lost with it.
fn fetch_instead(error: NodeError, group: Arc<Group>) -> Result<Ledger, NodeError> {
    match error {
        NodeError::DataCorrupt { .. } => {
            tracing::error!(%error, "what this node stored is broken; it fetches the group's state anew");
            Ok(Ledger::stand_in(group))
        }
        error => Err(error),
    }
}

/// What the state says to a consensus core that starts from it.
pub(super) fn standing(ledger: &mut Ledger) -> Recovered {
    let ended = ledger.epoch_is_over().then(|| ledger.summary());
    Recovered {
        last_executed: ledger.last_executed(),
        next_due: ledger.state().next_due(),
        change_pending: ledger.state().change_pending(),
        ended,
        ..Recovered::default()
    }
}

/// The last epoch in which this replica has spoken, as far as its store and its key's marker tell.
///
/// # Errors
/// When the store fails.
pub fn last_spoken(store: &Store, trust: &Trust) -> Result<Option<Epoch>, NodeError> {
    let here = match store.last_sequence()? {
        Some(_) => store.group()?.map(|group| group.epoch),
        None => None,
    };
    Ok(here.max(trust.spoke))
}

/// The last checkpoint that the key signed, as far as its marker and the write-ahead log tell.
fn last_signed(trust: &Trust, records: &BTreeMap<Epoch, Vec<Record>>) -> Option<Checkpoint> {
    let recorded = records.values().flatten().filter_map(|record| match record {
        Record::Checkpoint(signed) => Some(&signed.checkpoint),
        _ => None,
    });
    let all = trust.signed.iter().chain(recorded);
    all.max_by_key(|signed| (signed.era(), signed.sequence)).cloned()
}

fn records_by_epoch(wal: WalContents<'_>) -> Result<BTreeMap<Epoch, Vec<Record>>, NodeError> {
    let mut by_epoch: BTreeMap<Epoch, Vec<Record>> = BTreeMap::new();
    for bytes in wal.records {
        let EpochRecord { epoch, record } = codec::decode(bytes, EpochRecord::MAX_BYTES)
            .map_err(|error| corrupt(wal.path, format!("a record: {error}")))?;
        by_epoch.entry(epoch).or_default().push(record);
    }
    Ok(by_epoch)
}

/// The ledger as an installed fetch left it in the store.
///
/// # Errors
/// When the store fails or contradicts itself.
pub(super) fn installed(store: &Store, group: &Arc<Group>) -> Result<Ledger, NodeError> {
    let Some((sequence, pairs)) = store.state()? else {
        return Err(store.corrupt("a fetch was installed, and no state is there".into()));
    };
    from_store(group, store, sequence, pairs)
}

fn corrupt(path: &Path, detail: String) -> NodeError {
    NodeError::DataCorrupt { path: path.into(), detail }
}

/// A crash came between a fetch that was installed and the note of the epoch that its state is of: the state
/// says it itself, and the checkpoint beside it is the proof where an epoch began with it.
fn adopt_fetched(
    store: &Store,
    ledger: &mut Ledger,
    handovers: &mut BTreeMap<Epoch, Handover>,
    mut write: impl FnMut(Write) -> Result<(), NodeError>,
) -> Result<(), NodeError> {
    ledger.adopt_group();
    let group = Group::clone(ledger.group());
    let ends = |checkpoint: &Checkpoint| checkpoint.next_members_hash != Digest::default();
    match store.stable_checkpoint()?.filter(|stable| ends(&stable.checkpoint)) {
        Some(certificate) if Some(certificate.checkpoint.epoch) == group.epoch.before() => {
            let mandate = ledger.state().mandate().cloned();
            let handover = Handover { certificate, members: group.members.clone(), mandate };
            handovers.insert(handover.from(), handover.clone());
            write(Write::Handover { handover: Box::new(handover), group: Some(group) })
        }
        _ => write(Write::Group(group)),
    }
}

/// A group's first start at this node.
fn genesis(
    group: &Arc<Group>,
    mut write: impl FnMut(Write) -> Result<(), NodeError>,
) -> Result<Ledger, NodeError> {
    let (mut ledger, record) = Ledger::genesis(Arc::clone(group));
    write(Write::Group(Group::clone(group)))?;
    write(Write::Executed {
        sequence: Sequence(0),
        batch: Vec::new(),
        records: vec![Arc::unwrap_or_clone(record)],
    })?;
    write(Write::State { sequence: Sequence(0), changes: ledger.take_changes() })?;
    Ok(ledger)
}

/// The ledger as the store has it: of the state at `sequence`.
///
/// # Errors
/// When the store fails or contradicts itself.
pub(crate) fn from_store(
    group: &Arc<Group>,
    store: &Store,
    sequence: Sequence,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
) -> Result<Ledger, NodeError> {
    let checkpoint = store
        .stable_checkpoint()?
        .map(|certificate| certificate.checkpoint)
        .filter(|checkpoint| checkpoint.sequence == sequence);
    let persisted = Persisted { pairs, entries: entries(store), sequence, checkpoint };
    Ledger::restore(Arc::clone(group), persisted).map_err(|error| store.corrupt(error.to_string()))
}

/// All stored entries in order, read in chunks.
fn entries(store: &Store) -> impl Iterator<Item = Result<Entry, SourceError>> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let chunk = store.entries(EntryIndex(next), CHUNK);
        let chunk = match chunk {
            Ok(records) if records.is_empty() => return None,
            Ok(records) => {
                next += records.len() as u64;
                records.into_iter().map(|record| Ok(record.entry)).collect::<Vec<_>>()
            }
            Err(error) => vec![Err(SourceError::from(error))],
        };
        Some(chunk)
    })
    .flatten()
}

/// Executes the stored batches that follow the ledger's state. Their entries are in the store already. Returns the
/// states at their checkpoints.
fn execute_again(config: &Config, store: &Store, ledger: &mut Ledger) -> Result<Vec<TakenState>, NodeError> {
    let mut states = Vec::new();
    loop {
        let from = ledger.last_executed().next();
        let batches = store.batches(from, CHUNK, CommittedBatch::MAX_BYTES)?;
        if batches.is_empty() {
            return Ok(states);
        }
        for (sequence, bytes) in batches {
            let contradiction = |detail: String| store.corrupt(format!("batch {sequence}: {detail}"));
            let committed =
                CommittedBatch::decode(&bytes).map_err(|error| contradiction(error.to_string()))?;
            let batch = &committed.batch;
            let checkpoint = config.takes_checkpoint(committed.sequence, batch);
            ledger
                .execute(committed.sequence, batch.timestamp, &batch.commands, checkpoint)
                .map_err(|error| contradiction(error.to_string()))?;
            if checkpoint {
                let (summary, changes) = (ledger.summary(), ledger.take_changes());
                states.push(TakenState { sequence: committed.sequence, summary, changes });
            }
        }
    }
}
