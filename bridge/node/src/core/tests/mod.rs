//! What the core hands to its storage: at checkpoints, at the borders of an epoch, and of the contract's inbox.

mod inbox;
mod signing;

use std::path::Path;
use std::sync::Arc;

use quorate_pbft::{Batch, CommittedBatch, Config, Effect, Now, Record, ReplicaKeys};
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentKey, Checkpoint, CheckpointCertificate, Choice, Digest, Epoch, MembersChange, Sequence,
    SignedCheckpoint, SignedCommand, View, codec,
};

use super::recovery::EpochRecord;
use super::{CoreParts, NodeCore, Outgoing, Storage, Stored, Supply, Trust, WalContents, restore};
use crate::error::NodeError;
use crate::evidence::HeldEvidence;
use crate::frame::Frame;
use crate::ledger::Ledger;
use crate::ledger::fixture::{Fixture, START};
use crate::metrics::Metrics;
use crate::store::{Store, Write};
use crate::wal::TailReport;

const NOW: Now = Now { elapsed_ms: 0, wall: START };

/// A storage that is as fast as it can be, and remembers what it was given.
struct Memory {
    store: Store,
    log: Vec<Vec<u8>>,
    sent: Vec<Outgoing>,
    /// What lies beside the key, with all that it replaced.
    signed: Vec<Checkpoint>,
}

impl Storage for Memory {
    fn persist(&mut self, records: Vec<Vec<u8>>, outgoing: Vec<Outgoing>) -> Result<(), NodeError> {
        self.log.extend(records);
        self.sent.extend(outgoing);
        Ok(())
    }

    fn rotate(&mut self, records: Vec<Vec<u8>>) -> Result<(), NodeError> {
        self.log = records;
        Ok(())
    }

    fn write(&mut self, write: Write) -> Result<(), NodeError> {
        self.store.commit(vec![write])
    }

    fn stored(&mut self) -> Result<Stored, NodeError> {
        Ok(Stored { sequence: self.store.last_sequence()?, fetch_steps: 0 })
    }

    fn speaks_in(&mut self, _epoch: Epoch) -> Result<(), NodeError> {
        Ok(())
    }

    fn signs(&mut self, checkpoint: &Checkpoint) -> Result<(), NodeError> {
        self.signed.push(checkpoint.clone());
        Ok(())
    }
}

/// The core of the first member, whose write-ahead log holds `records`.
fn core(fixture: &Fixture, records: Vec<Vec<u8>>) -> NodeCore<Memory> {
    core_on(fixture, Store::in_memory(), records)
}

fn core_on(fixture: &Fixture, store: Store, records: Vec<Vec<u8>>) -> NodeCore<Memory> {
    core_of(fixture, 0, store, records)
}

fn core_of(fixture: &Fixture, member: usize, store: Store, records: Vec<Vec<u8>>) -> NodeCore<Memory> {
    core_knowing(fixture, member, store, records, None)
}

/// A core whose key is known to have signed this.
fn core_knowing(
    fixture: &Fixture,
    member: usize,
    store: Store,
    records: Vec<Vec<u8>>,
    signed: Option<Checkpoint>,
) -> NodeCore<Memory> {
    let trust = Trust { group: (*fixture.group).clone(), previous: None, era: None, spoke: None, signed };
    let wal = WalContents { records: &records, tail: TailReport::default(), path: Path::new("memory") };
    let write = |write| store.commit(vec![write]);
    let restored = restore(&Config::default(), &trust, &store, wal, write).unwrap();
    let (account, agent) = fixture.keys[member].clone();
    let parts = CoreParts {
        config: Config::default(),
        keys: ReplicaKeys { agent, account },
        restored,
        evidence: HeldEvidence::default(),
        storage: Memory { store: store.clone(), log: records, sent: Vec::new(), signed: Vec::new() },
        supply: Supply::new(store.clone()),
        store,
        metrics: Metrics::new(),
    };
    NodeCore::new(parts, NOW).unwrap()
}

fn checkpoint(fixture: &Fixture, epoch: Epoch) -> Checkpoint {
    Checkpoint {
        group: fixture.group.identity.group,
        epoch,
        sequence: Sequence(8),
        log_size: 9,
        log_root: Digest::default(),
        state_root: Digest::default(),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    }
}

#[test]
fn a_log_that_is_cut_keeps_what_was_said_in_later_epochs() {
    let fixture = Fixture::new();
    let later = checkpoint(&fixture, Epoch(1));
    let said = SignedCheckpoint::sign(&fixture.group.identity, later, &fixture.keys[0].0);
    let said = codec::encode(&EpochRecord { epoch: Epoch(1), record: Record::Checkpoint(said) });
    let mut core = core(&fixture, vec![said.clone()]);
    core.round.cut_below = Some(Sequence(0));
    core.take_round(NOW, []).unwrap();
    assert_eq!(core.round.cut_below, None, "the log was cut");
    assert!(core.storage.log.contains(&said), "another crash makes the replica forget what it said");
}

/// A batch of no commands that takes a checkpoint, as if a quorum had committed it.
fn checkpoint_batch(sequence: u64) -> CommittedBatch {
    let batch = Batch { timestamp: START.plus(sequence), commands: Vec::new(), checkpoint: true };
    CommittedBatch { view: View(0), sequence: Sequence(sequence), batch, commits: Vec::new() }
}

#[test]
fn the_store_keeps_the_state_of_the_last_stable_checkpoint() {
    let fixture = Fixture::new();
    let mut core = core(&fixture, Vec::new());
    let stored = |core: &NodeCore<Memory>| core.store.state().unwrap().unwrap().0;
    let mut states = Vec::new();
    for sequence in 1..=3 {
        let executed = core.execute(checkpoint_batch(sequence), true).unwrap().unwrap();
        states.push(executed.state.unwrap());
    }
    assert_eq!(stored(&core), Sequence(0), "none of the three is stable");
    let certificate = |sequence: u64| {
        let state = states[sequence as usize - 1];
        let checkpoint = Checkpoint {
            sequence: Sequence(sequence),
            log_size: state.log_size,
            log_root: state.log_root,
            state_root: state.state_root,
            inbox_count: state.inbox_count,
            inbox_hash: state.inbox_hash,
            ..checkpoint(&fixture, Epoch(0))
        };
        CheckpointCertificate { checkpoint, signatures: Vec::new() }
    };
    core.carry_out(Effect::Stable(certificate(2))).unwrap();
    assert_eq!(stored(&core), Sequence(2));
    let snapshot = core.store.snapshot().unwrap().unwrap();
    assert_eq!(snapshot.certificate(), Some(&certificate(2)), "which it can give to others");
    assert_eq!(snapshot.tree().unwrap().root(), states[1].state_root);

    // A checkpoint that contradicts this replica's state is no reason to store that.
    let mut other = certificate(3);
    other.checkpoint.state_root = Digest::from([9; 32]);
    core.carry_out(Effect::Stable(other)).unwrap();
    assert_eq!(stored(&core), Sequence(2));
    assert!(core.write_ledger().divergence().is_some());
}

#[test]
fn a_state_that_became_stable_before_a_crash_is_stored_after_it() {
    let fixture = Fixture::new();
    let first = core(&fixture, Vec::new());
    let store = first.store.clone();
    drop(first);
    let batch = checkpoint_batch(1).encode();
    let certificate = {
        let mut checkpoint = checkpoint(&fixture, Epoch(0));
        let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
        ledger.execute(Sequence(1), START.plus(1), &[], true).unwrap();
        let state = ledger.summary();
        (checkpoint.sequence, checkpoint.log_size) = (Sequence(1), state.log_size);
        (checkpoint.log_root, checkpoint.state_root) = (state.log_root, state.state_root);
        CheckpointCertificate { checkpoint, signatures: Vec::new() }
    };
    let executed = Write::Executed { sequence: Sequence(1), batch, records: Vec::new() };
    store.commit(vec![executed, Write::Stable(certificate)]).unwrap();
    let mut again = core_on(&fixture, store, Vec::new());
    again.begin(NOW).unwrap();
    assert_eq!(again.store.state().unwrap().unwrap().0, Sequence(1));
}

/// Commands that give the first member another key.
fn change_key(fixture: &Fixture) -> Vec<SignedCommand> {
    let mut members = fixture.group.members.clone();
    members[0].key = AgentKey::from_secret(&[99; 32]).public();
    let calls = vec![MembersChange { epoch: Epoch(0), members }.call(&fixture.group.identity)];
    let group = &fixture.group.identity.group;
    let proposal = proposal_id(group, fixture.agent(1), 0, 0, &calls, "change");
    let propose = Propose { salt: 0, description: "change".into(), calls, class: 0 };
    let mut commands = vec![fixture.sign(1, 0, ProposalsOperation::Propose(propose))];
    let vote = || ProposalsOperation::Vote(Vote { proposal, choice: Choice::For, signature: None });
    commands.extend((1..4).map(|voter| fixture.sign(voter, 1, vote())));
    commands
}

#[test]
fn a_replica_that_is_gone_says_all_and_repeats_it_before_it_stops() {
    let fixture = Fixture::new();
    let mut core = core(&fixture, Vec::new());
    core.write_ledger().execute(Sequence(1), START, &change_key(&fixture), true).unwrap();
    assert!(core.write_ledger().epoch_is_over());
    let signature = Outgoing::All(Arc::from([7]));
    core.round.outgoing.push(signature);
    core.round.records.push(vec![8]);
    let last = CheckpointCertificate { checkpoint: checkpoint(&fixture, Epoch(0)), signatures: Vec::new() };
    core.enter_next_epoch(NOW, last.clone()).unwrap();
    let at = |elapsed_ms| Now { elapsed_ms, ..NOW };
    assert!(core.take_round(at(4_999), []).unwrap(), "it stays a while to repeat what it said");
    let gone = core.take_round(at(5_000), []).unwrap_err();
    assert!(matches!(gone, NodeError::OtherKey { .. }), "{gone}");
    assert_eq!(core.storage.log, [[8]]);
    let sent: Vec<_> = core
        .storage
        .sent
        .iter()
        .filter_map(|outgoing| match outgoing {
            Outgoing::All(bytes) => Some(&**bytes),
            _ => None,
        })
        .collect();
    assert_eq!(sent[0], [7], "its signature on the last checkpoint, which the others may need");
    let handed_over = |bytes: &[u8]| match Frame::decode(bytes) {
        Ok(Frame::Handovers(handovers)) => handovers.iter().any(|handover| handover.certificate == last),
        _ => false,
    };
    assert!(sent[1..].iter().any(|bytes| handed_over(bytes)), "and that it is stable");
}

#[test]
fn whoever_asks_for_handovers_of_an_epoch_that_cannot_be_is_told_nothing() {
    let fixture = Fixture::new();
    let mut core = core(&fixture, Vec::new());
    for epoch in [Epoch::of(1, 0), Epoch(u64::MAX)] {
        let wanted = super::CoreEvent::HandoversWanted { from: fixture.agent(1), epoch };
        assert!(core.take_round(NOW, [wanted]).unwrap());
    }
}
