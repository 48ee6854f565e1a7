//! A real ledger's state: whoever fetched it goes on as if it had executed everything itself.

use std::sync::{Arc, RwLock};

use quorate_protocol::{Checkpoint, CheckpointCertificate, Digest, EntryIndex, Epoch, Sequence};

use super::world::{peer, run_with};
use crate::ledger::fixture::{Fixture, MemorySource, execute};
use crate::ledger::{Ledger, LedgerReader, Persisted};
use crate::store::fixture::identity;
use crate::store::{Frontier, Store, Write};
use crate::transfer::{Event, Fetch, FetchConfig, LogProofs, Server, ServerConfig};

/// A ledger with the store behind it.
struct Node {
    ledger: Ledger,
    store: Store,
}

impl Node {
    fn execute(&mut self, fixture: &Fixture, nonce: u64) {
        let batch = execute(&mut self.ledger, &[fixture.command(0, nonce), fixture.command(1, nonce)]);
        let sequence = self.ledger.last_executed();
        let records = batch.records.into_iter().map(Arc::unwrap_or_clone).collect();
        self.store.commit(vec![Write::Executed { sequence, batch: vec![1], records }]).unwrap();
    }

    fn checkpoint(&mut self) -> CheckpointCertificate {
        let (sequence, changes) = (self.ledger.last_executed(), self.ledger.take_changes());
        let summary = self.ledger.summary();
        let checkpoint = Checkpoint {
            group: identity().group,
            epoch: Epoch(0),
            sequence,
            log_size: summary.log_size,
            log_root: summary.log_root,
            state_root: summary.state_root,
            inbox_count: summary.inbox_count,
            inbox_hash: summary.inbox_hash,
            next_members_hash: Digest::default(),
        };
        let certificate = CheckpointCertificate { checkpoint, signatures: vec![] };
        let writes = vec![Write::State { sequence, changes }, Write::Stable(certificate.clone())];
        self.store.commit(writes).unwrap();
        certificate
    }
}

#[test]
fn a_ledger_restored_from_a_fetched_state_goes_on_with_the_others() {
    let fixture = Fixture::new();
    let (ledger, genesis) = Ledger::genesis(Arc::clone(&fixture.group));
    let mut node = Node { ledger, store: Store::in_memory() };
    let records = vec![Arc::unwrap_or_clone(genesis)];
    node.store.commit(vec![Write::Executed { sequence: Sequence(0), batch: vec![], records }]).unwrap();
    (1..20).for_each(|nonce| node.execute(&fixture, nonce));
    let target = node.checkpoint();
    (20..23).for_each(|nonce| node.execute(&fixture, nonce));

    let store = Store::in_memory();
    let (log, config) = ((0, Frontier::new()), FetchConfig::default());
    let mut fetch = Fetch::begin(identity(), target.clone(), log, vec![peer(1)], config).unwrap();
    let mut server = Server::new(node.store.clone(), ServerConfig::default());
    let ledger = Arc::new(RwLock::new(node.ledger));
    let reader = LedgerReader::new(Arc::clone(&ledger), Arc::new(MemorySource::default()));
    let ran = run_with(
        &mut fetch,
        &store,
        |now_ms, _, request| server.answer(now_ms, request, &reader).unwrap(),
        usize::MAX,
    );
    assert!(ran.done, "{ran:?}");

    let (sequence, pairs) = store.state().unwrap().unwrap();
    let records = store.entries(EntryIndex(0), 1_000).unwrap();
    let entries = records.into_iter().map(|record| Ok(record.entry));
    let checkpoint = Some(target.checkpoint);
    let persisted = Persisted { pairs, entries, sequence, checkpoint };
    let mut fetched = Ledger::restore(Arc::clone(&fixture.group), persisted).unwrap();
    for nonce in 20..23 {
        execute(&mut fetched, &[fixture.command(0, nonce), fixture.command(1, nonce)]);
    }
    assert_eq!(fetched.summary(), ledger.write().unwrap().summary());
    let twice = execute(&mut fetched, &[fixture.command(0, 5)]);
    assert!(twice.records.is_empty(), "the reply table came along");
    assert_eq!(fetch.step(0, Event::Tick), [], "what is done is done");
    assert_eq!(reader.consistency(1, u64::MAX), None);
}
