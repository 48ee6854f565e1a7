//! The log: the state machine that replicas run, the Merkle log of its entries, and the checkpoints that they sign.

use std::collections::BTreeMap;

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Vote};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, ChainVote, Checkpoint, Command, DecisionRecord, Digest, Entry, EntryBody,
    EntryRecord, Epoch, Group, InboxMessage, InboxTaken, Mandate, Member, Nonce, Operation, Outcome,
    ProposalId, PublicKey, Refusal, Sequence, SignedCommand, TimestampMs, VoterSignature,
};
use quorate_services::{Disposition, StateMachine};

use super::model::{Ask, Signed};

/// Somebody who acts, with all keys that it ever signs commands with.
pub(super) struct Actor {
    pub(super) account: AccountKey,
    keys: Vec<AgentKey>,
}

impl Actor {
    pub(super) fn new(number: u8) -> Self {
        let key = |generation: u8| {
            let mut secret = [number; 32];
            secret[0] = generation;
            AgentKey::from_secret(&secret)
        };
        let account = AccountKey::from_secret(&[number; 32]).unwrap();
        Self { account, keys: (0..4).map(key).collect() }
    }

    pub(super) fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }

    /// The public half of one of its keys.
    pub(super) fn key(&self, generation: usize) -> PublicKey {
        self.keys[generation].public()
    }

    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    fn secret(&self, key: PublicKey) -> &AgentKey {
        self.keys.iter().find(|own| own.public() == key).expect("the group has one of the keys")
    }
}

/// A checkpoint that the replicas of its epoch sign.
#[derive(Clone)]
pub(super) struct Stable {
    pub(super) checkpoint: Checkpoint,
    pub(super) replicas: Vec<AgentId>,
    /// The entry of the last message taken.
    pub(super) taken: Option<(InboxTaken, Entry)>,
    /// The next epoch's members with the voters' word for them, where it ends its epoch.
    pub(super) end: Option<(Vec<Member>, Option<Mandate>)>,
}

/// One decision of the log.
pub(super) struct Decided<'l> {
    pub(super) record: &'l DecisionRecord,
    pub(super) entry: Entry,
    pub(super) epoch: Epoch,
}

pub(super) struct Log {
    pub(super) machine: StateMachine,
    pub(super) tree: MerkleLog,
    pub(super) stable: Vec<Stable>,
    records: Vec<(Epoch, EntryRecord)>,
    sequence: Sequence,
    /// The next nonces: what an agent does and what its node says are counted apart.
    nonces: BTreeMap<(AgentId, bool), u64>,
}

impl Log {
    pub(super) fn begin(group: &Group) -> Self {
        let (machine, genesis) = StateMachine::genesis(group);
        let mut log = Self {
            machine,
            tree: MerkleLog::new(),
            stable: Vec::new(),
            records: Vec::new(),
            sequence: Sequence(0),
            nonces: BTreeMap::new(),
        };
        log.push(Epoch(0), genesis);
        log
    }

    fn push(&mut self, epoch: Epoch, record: EntryRecord) {
        assert_eq!(self.tree.append(record.entry.leaf_hash()), record.entry.index.0);
        self.records.push((epoch, record));
    }

    /// A batch at this second, of one command at most. What became of the command: nothing if it took effect, or the code of
    /// the refusal.
    pub(super) fn execute(&mut self, second: u64, command: Option<&SignedCommand>) -> Result<(), String> {
        self.sequence = self.sequence.next();
        let epoch = self.machine.group().epoch;
        let executed = self.machine.execute(
            self.sequence,
            TimestampMs(second * 1000),
            command.map_or(&[], std::slice::from_ref),
        );
        let first = executed.records.first().map_or(0, |record| record.entry.index.0);
        let disposition = executed.dispositions.first().copied();
        let outcome = disposition.map(|disposition| match disposition {
            Disposition::Recorded(index) => {
                let record = &executed.records[usize::try_from(index.0 - first).unwrap()];
                match &record.outcome {
                    Outcome::Refused { refusal: Refusal::Service { code, .. } } => Err(code.clone()),
                    Outcome::Refused { refusal: Refusal::WrongKey } => Err("wrong_key".into()),
                    Outcome::Refused { refusal } => panic!("no command is of this kind: {refusal}"),
                    Outcome::Applied { .. } | Outcome::Recorded => Ok(()),
                }
            }
            Disposition::Dropped(_) => Err("dropped".into()),
            Disposition::Duplicate(_) => panic!("no command is sent twice"),
        });
        for record in executed.records {
            self.push(epoch, record);
        }
        outcome.unwrap_or(Ok(()))
    }

    /// What an agent asks of the log, as a command signed with the key that the group has of it; with its first key if the
    /// group has none.
    pub(super) fn command(&mut self, actor: &Actor, ask: &Ask) -> SignedCommand {
        let operation = match ask {
            Ask::Propose(proposal) => ProposalsOperation::Propose(proposal.propose.clone()),
            Ask::Vote(proposal, choice, signed) => {
                let vote = self.first_vote(actor, *proposal, *choice);
                let signature = self.signature(actor, &vote, *signed);
                ProposalsOperation::Vote(Vote { proposal: *proposal, choice: *choice, signature })
            }
            Ask::Cancel(proposal) => ProposalsOperation::Cancel(Cancel { proposal: *proposal }),
        };
        self.sign(actor, operation.to_operation(), false)
    }

    fn first_vote(&self, actor: &Actor, proposal: ProposalId, choice: quorate_protocol::Choice) -> ChainVote {
        let known = self.machine.proposal(&proposal);
        let (epoch, voting_ends) = known.map_or((Epoch(0), 0), |known| (known.epoch, known.closes.seconds()));
        ChainVote { voter: actor.id(), proposal, choice, epoch, voting_ends, nonce: 0 }
    }

    fn signature(&self, actor: &Actor, vote: &ChainVote, signed: Signed) -> Option<VoterSignature> {
        let sign = |vote: &ChainVote| {
            VoterSignature::from(actor.account.sign_digest(&vote.digest(&self.machine.group().identity)))
        };
        match signed {
            Signed::Not => None,
            Signed::Well => Some(sign(vote)),
            Signed::Badly => Some(sign(&ChainVote { voting_ends: vote.voting_ends + 1, ..*vote })),
            Signed::Opaquely => Some(VoterSignature::Opaque(vec![7; 64])),
        }
    }

    fn sign(&mut self, actor: &Actor, operation: Operation, of_node: bool) -> SignedCommand {
        let group = self.machine.group();
        let key = group.member(actor.id()).map_or_else(|| actor.key(0), |member| member.key);
        let nonce = self.nonces.entry((actor.id(), of_node)).or_default();
        let command = Command {
            group: group.identity.group,
            agent: actor.id(),
            key,
            nonce: Nonce(*nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![operation],
        };
        *nonce += 1;
        SignedCommand::sign(command, actor.secret(key))
    }

    /// A replica says what it saw of the inbox, in a batch of its own.
    pub(super) fn observe(
        &mut self,
        second: u64,
        actor: &Actor,
        messages: &[InboxMessage],
    ) -> Result<(), String> {
        let observe = Observe::of(messages).expect("there is something to say");
        let operation = InboxOperation::Observe(observe).to_operation();
        let command = self.sign(actor, operation, true);
        self.execute(second, Some(&command))
    }

    /// Takes a checkpoint of all that is executed; it ends the epoch where a change of members waits.
    pub(super) fn checkpoint(&mut self) {
        let (inbox_count, inbox_hash) = self.machine.inbox_head();
        let old = self.machine.group().clone();
        let end = self.machine.end_epoch(self.sequence).map(|record| {
            self.push(old.epoch, record);
            (self.machine.group().members.clone(), self.machine.mandate().cloned())
        });
        let next_members_hash = match end {
            Some(_) => Digest(self.machine.group().members_hash()),
            None => Digest::default(),
        };
        let checkpoint = Checkpoint {
            group: old.identity.group,
            epoch: old.epoch,
            sequence: self.sequence,
            log_size: self.tree.size(),
            log_root: self.tree.root(),
            state_root: self.machine.state_root(),
            inbox_count,
            inbox_hash,
            next_members_hash,
        };
        let replicas = old.replicas().iter().map(|(_, member)| member.agent).collect();
        self.stable.push(Stable { checkpoint, replicas, taken: self.last_taken(), end });
    }

    fn last_taken(&self) -> Option<(InboxTaken, Entry)> {
        let taken = self.records.iter().rev().find_map(|(_, record)| match &record.body {
            EntryBody::System(SystemEvent::InboxTaken(taken)) => Some((*taken, record.entry)),
            _ => None,
        });
        let known = self.machine.inbox_entry().map(|entry| entry.index);
        assert_eq!(taken.as_ref().map(|(_, entry)| entry.index), known);
        taken
    }

    /// The decision on a proposal.
    pub(super) fn decision(&self, proposal: ProposalId) -> Option<Decided<'_>> {
        let index = self.machine.proposal(&proposal)?.decision?;
        let (epoch, record) = &self.records[usize::try_from(index.0).unwrap()];
        match &record.body {
            EntryBody::Decision(decision) => {
                assert_eq!(decision.decision.proposal, proposal);
                Some(Decided { record: decision, entry: record.entry, epoch: *epoch })
            }
            _ => None,
        }
    }
}
