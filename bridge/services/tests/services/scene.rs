//! A group of replicas that speak of the contract's inbox.

use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{
    AgentId, Digest, EntryBody, EntryRecord, Group, InboxEvent, InboxMessage, InboxTaken, Member,
    MembersChange, Operation, ProposalId, SignedCommand,
};

use crate::fixture::*;

/// `n` replicas, each a voter of weight 1, in the order of their addresses.
pub(crate) fn replicas(n: u8) -> (Group, Vec<Keys>) {
    let (template, _) = group();
    let mut keys: Vec<Keys> = (1..=n).map(Keys::new).collect();
    keys.sort_by_key(Keys::id);
    let member = |keys: &Keys| Member {
        agent: keys.id(),
        key: keys.key.public(),
        weight: 1,
        flags: FLAG_VOTER | FLAG_REPLICA,
    };
    let members = keys.iter().map(member).collect();
    let terms = terms((n / 2 + 1).into(), n.into());
    (Group { members, terms, ..template }, keys)
}

/// What the chain has: messages in their places.
#[derive(Clone, Default)]
pub(crate) struct Chain(pub(crate) Vec<InboxMessage>);

impl Chain {
    pub(crate) fn push(&mut self, kind: u8, payload: Vec<u8>) -> &mut Self {
        let index = self.0.len() as u64;
        let (sender, enqueued_at) = (AgentId::from([0xee; 20]), 1_700_000_000 + index);
        self.0.push(InboxMessage { index, kind, sender, enqueued_at, payload });
        self
    }

    pub(crate) fn command(&mut self, command: &SignedCommand) -> &mut Self {
        self.push(KIND_COMMAND, command.encode())
    }

    pub(crate) fn tell(&mut self, event: InboxEvent) -> &mut Self {
        self.push(event.kind(), event.payload())
    }

    /// `count` messages that ask for nothing.
    pub(crate) fn idle(count: u64) -> Self {
        let mut chain = Self::default();
        for index in 0..count {
            chain.push(200, vec![index as u8]);
        }
        chain
    }

    pub(crate) fn hash(&self, count: usize) -> Digest {
        self.0[..count].iter().fold(Digest::default(), |hash, message| message.chain_hash(hash))
    }

    pub(crate) fn observe(&self, first: usize, end: usize) -> Operation {
        operation(first as u64, &self.0[first..end])
    }
}

pub(crate) fn operation(first: u64, messages: &[InboxMessage]) -> Operation {
    InboxOperation::Observe(Observe { first, messages: messages.to_vec() }).to_operation()
}

/// A machine, the replicas' keys, and how they speak.
pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) keys: Vec<Keys>,
}

impl Scene {
    pub(crate) fn new(n: u8) -> Self {
        let (group, keys) = replicas(n);
        Self { machine: Machine::new(&group), keys }
    }

    pub(crate) fn command(&self, of: usize, operations: Vec<Operation>) -> SignedCommand {
        let is_word = operations.iter().all(|operation| operation.service == InboxOperation::SERVICE);
        let said = self.machine.machine.next_node_nonce(self.keys[of].id()).0;
        self.keys[of].command(if is_word { said } else { self.machine.nonce(&self.keys[of]) }, operations)
    }

    /// Executes an operation of a replica and returns the entries that it made.
    pub(crate) fn says(&mut self, of: usize, operation: Operation) -> Vec<EntryRecord> {
        let command = self.command(of, vec![operation]);
        self.machine.batch(1, &[command]).records
    }

    /// Lets these replicas observe the messages of the chain up to `end` and returns what the last one's command
    /// made beside its own entry.
    pub(crate) fn all_say(&mut self, of: &[usize], chain: &Chain, end: usize) -> Vec<EntryRecord> {
        let first = usize::try_from(self.taken()).unwrap();
        let mut records = Vec::new();
        for replica in of {
            assert_eq!(records.len(), 0, "nothing is taken before the last word");
            records = self.says(*replica, chain.observe(first, end));
            assert!(is_applied(&records.remove(0).outcome));
        }
        records
    }

    pub(crate) fn taken(&self) -> u64 {
        self.machine.machine.inbox_head().0
    }

    pub(crate) fn head(&self) -> (u64, Digest) {
        self.machine.machine.inbox_head()
    }

    pub(crate) fn end_epoch(&mut self) -> EntryRecord {
        self.machine.end_epoch()
    }

    /// Has these voters approve new members.
    pub(crate) fn approve(&mut self, members: Vec<Member>, voters: &[usize]) -> ProposalId {
        let voters: Vec<&Keys> = voters.iter().map(|voter| &self.keys[*voter]).collect();
        self.machine.approve(&voters, members)
    }

    /// The code with which the first voter's proposal of new members is refused.
    pub(crate) fn refuses(&mut self, class: u8, members: Vec<Member>) -> String {
        let group = self.machine.machine.group().clone();
        let change = MembersChange { epoch: group.epoch, members };
        let (propose, _) = propose_change(&group, &self.keys[0], class, &change);
        self.machine.refuses(1, &self.keys[0], propose)
    }

    /// Lets replicas 0, 1, 2 … of a quorum observe a message that tells these events, and returns what it made.
    pub(crate) fn told(&mut self, chain: &mut Chain, events: &[InboxEvent]) -> Vec<EntryRecord> {
        for event in events {
            chain.tell(*event);
        }
        let quorum: Vec<usize> = (0..self.machine.machine.group().replicas().quorum()).collect();
        self.all_say(&quorum, chain, chain.0.len())
    }

    /// The members with one of them otherwise.
    pub(crate) fn with(&self, of: usize, alter: impl FnOnce(&mut Member)) -> Vec<Member> {
        let mut members = self.machine.machine.group().members.clone();
        let id = self.keys[of].id();
        alter(members.iter_mut().find(|member| member.agent == id).unwrap());
        members
    }

    /// The members without one of them.
    pub(crate) fn without(&self, of: usize) -> Vec<Member> {
        let mut members = self.machine.machine.group().members.clone();
        members.retain(|member| member.agent != self.keys[of].id());
        members
    }
}

/// The messages that `records` take: index, hash and disposition.
pub(crate) fn taken(records: &[EntryRecord]) -> Vec<(u64, Digest, InboxDisposition)> {
    let taken = |record: &EntryRecord| match record.body {
        EntryBody::System(SystemEvent::InboxTaken(InboxTaken { index, hash, disposition })) => {
            Some((index, hash, disposition))
        }
        _ => None,
    };
    records.iter().filter_map(taken).collect()
}

pub(crate) fn dispositions(records: &[EntryRecord]) -> Vec<InboxDisposition> {
    taken(records).into_iter().map(|(_, _, disposition)| disposition).collect()
}

/// The kinds of the entries, in few words.
pub(crate) fn kinds(records: &[EntryRecord]) -> Vec<&'static str> {
    let kind = |record: &EntryRecord| match &record.body {
        EntryBody::Command(_) if is_applied(&record.outcome) => "applied",
        EntryBody::Command(_) => "refused",
        EntryBody::Decision(_) => "decision",
        EntryBody::System(SystemEvent::InboxTaken(_)) => "taken",
        EntryBody::System(SystemEvent::OnChain(event)) => match event {
            InboxEvent::ProposalOpenedOnChain { .. } => "opened",
            InboxEvent::ProposalClosedOnChain { .. } => "closed",
            InboxEvent::ReplicaConvicted { .. } => "convicted",
            InboxEvent::ReplicaLeaving { .. } => "leaving",
            InboxEvent::MemberLeft { .. } => "left",
        },
        EntryBody::System(_) => "other",
    };
    records.iter().map(kind).collect()
}
