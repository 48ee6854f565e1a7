//! A group of four with its keys, and a ledger of it, for tests.

use std::sync::{Arc, Mutex, RwLock};

use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Class, Command, Digest, EntryIndex, EntryRecord, Epoch, Group, GroupId,
    GroupIdentity, LogHead, Member, Nonce, Operation, SignedCommand, Terms, TimestampMs, Verified,
};

use super::{ExecutedBatch, Ledger, LedgerReader, RecordSource, SignedHead, SourceError};

/// The batch time of the first batch; each later one is a second after the one before.
pub(crate) const START: TimestampMs = TimestampMs(1_700_000_000_000);

/// A group of four members, all voters and replicas.
pub(crate) struct Fixture {
    pub(crate) group: Arc<Group>,
    pub(crate) keys: Vec<(AccountKey, AgentKey)>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let mut keys: Vec<_> = (1..=4u8)
            .map(|i| (AccountKey::from_secret(&[i; 32]).unwrap(), AgentKey::from_secret(&[i; 32])))
            .collect();
        keys.sort_by_key(|(account, _)| account.address());
        let members = keys
            .iter()
            .map(|(account, key)| Member {
                agent: AgentId(account.address()),
                key: key.public(),
                weight: 1,
                flags: FLAG_VOTER | FLAG_REPLICA,
            })
            .collect();
        let identity = GroupIdentity {
            chain_id: 31337,
            contract: AgentId::from([0xc0; 20]),
            group: GroupId::from([7; 32]),
        };
        let terms = Terms::of_class(Class::of_weight(3, 4, 3600));
        Self {
            group: Arc::new(Group {
                identity,
                account: AgentId::from([0xac; 20]),
                epoch: Epoch(0),
                members,
                terms,
                voters_since: Epoch(0),
            }),
            keys,
        }
    }

    pub(crate) fn agent(&self, member: usize) -> AgentId {
        self.group.members[member].agent
    }

    /// A command of `member` that proposes something nobody proposed before.
    pub(crate) fn command(&self, member: usize, nonce: u64) -> SignedCommand {
        let propose =
            Propose { salt: nonce, description: format!("proposal {nonce}"), calls: vec![], class: 0 };
        self.sign(member, nonce, ProposalsOperation::Propose(propose))
    }

    pub(crate) fn sign(&self, member: usize, nonce: u64, operation: ProposalsOperation) -> SignedCommand {
        self.sign_operation(member, nonce, operation.to_operation())
    }

    pub(crate) fn sign_operation(&self, member: usize, nonce: u64, operation: Operation) -> SignedCommand {
        let key = &self.keys[member].1;
        let command = Command {
            group: self.group.identity.group,
            agent: self.agent(member),
            key: key.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![operation],
        };
        SignedCommand::sign(command, key)
    }

    /// `replica`'s attestation of `head`.
    pub(crate) fn attestation(&self, replica: usize, head: LogHead) -> Verified<SignedHead> {
        let key = &self.keys[replica].1;
        // Signed on the spot.
        Verified::vouch(SignedHead::sign(&self.group.identity, head, self.agent(replica), key))
    }
}

/// Executes `commands` as the next batch of `ledger`.
pub(crate) fn execute(ledger: &mut Ledger, commands: &[SignedCommand]) -> ExecutedBatch {
    let sequence = ledger.last_executed().next();
    ledger.execute(sequence, START.plus(1000 * sequence.0), commands, false).unwrap()
}

/// A stand-in for the store.
#[derive(Default)]
pub(crate) struct MemorySource(Mutex<Vec<EntryRecord>>);

impl MemorySource {
    pub(crate) fn store(&self, record: &EntryRecord) {
        let mut records = self.0.lock().unwrap();
        assert_eq!(record.entry.index.0, records.len() as u64);
        records.push(record.clone());
    }
}

impl RecordSource for MemorySource {
    fn record(&self, index: EntryIndex) -> Result<Option<EntryRecord>, SourceError> {
        Ok(self.0.lock().unwrap().get(usize::try_from(index.0)?).cloned())
    }

    fn index_of(&self, digest: &Digest) -> Result<Option<EntryIndex>, SourceError> {
        let records = self.0.lock().unwrap();
        let found = records.iter().find(|record| record.entry.subject == *digest);
        Ok(found.map(|record| record.entry.index))
    }
}

/// A shared ledger with its store.
pub(crate) struct SharedLedger {
    pub(crate) ledger: Arc<RwLock<Ledger>>,
    pub(crate) source: Arc<MemorySource>,
    pub(crate) reader: LedgerReader,
}

impl SharedLedger {
    pub(crate) fn new(fixture: &Fixture) -> Self {
        let (ledger, genesis) = Ledger::genesis(Arc::clone(&fixture.group));
        let source = Arc::new(MemorySource::default());
        source.store(&genesis);
        let ledger = Arc::new(RwLock::new(ledger));
        let reader = LedgerReader::new(Arc::clone(&ledger), Arc::clone(&source) as Arc<dyn RecordSource>);
        Self { ledger, source, reader }
    }

    /// Executes and stores the next batch.
    pub(crate) fn execute(&self, commands: &[SignedCommand]) -> ExecutedBatch {
        let batch = execute(&mut self.ledger.write().unwrap(), commands);
        for record in &batch.records {
            self.source.store(record);
        }
        batch
    }

    /// Certifies `head` with the first three replicas.
    pub(crate) fn certify(&self, fixture: &Fixture, head: LogHead) {
        for replica in 0..3 {
            self.ledger.write().unwrap().attest(&fixture.attestation(replica, head));
        }
    }
}
