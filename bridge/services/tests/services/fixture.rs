//! A group with keys, and commands in few words.

use std::collections::BTreeMap;

use quorate_protocol::api::ProposalView;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, GroupIdentity};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::{actions_hash, proposal_id};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Call, Choice, Command, EntryBody, EntryIndex, EntryRecord, Epoch, Group,
    GroupId, Member, Nonce, Operation, Outcome, Policy, ProposalId, Refusal, Sequence, SignedCommand, Terms,
    TimestampMs, U256,
};
use quorate_services::{Disposition, Executed, StateMachine};

/// How long a proposal is open.
pub(crate) const PERIOD_MS: u64 = 60_000;
/// An expiry that no test reaches.
pub(crate) const NEVER: TimestampMs = TimestampMs(u64::MAX);

/// The keys of one agent.
pub(crate) struct Keys {
    pub(crate) account: AccountKey,
    pub(crate) key: AgentKey,
}

impl Keys {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            account: AccountKey::from_secret(&[seed; 32]).unwrap(),
            key: AgentKey::from_secret(&[seed; 32]),
        }
    }

    pub(crate) fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }

    pub(crate) fn command(&self, nonce: u64, operations: Vec<Operation>) -> SignedCommand {
        self.command_until(nonce, NEVER, operations)
    }

    pub(crate) fn command_until(
        &self,
        nonce: u64,
        expires: TimestampMs,
        operations: Vec<Operation>,
    ) -> SignedCommand {
        let command = Command {
            group: GroupId::from([7; 32]),
            agent: self.id(),
            key: self.key.public(),
            nonce: Nonce(nonce),
            expires,
            operations,
        };
        SignedCommand::sign(command, &self.key)
    }

    /// A command in this agent's name, signed with the key of another.
    pub(crate) fn forged_by(&self, forger: &Self, nonce: u64, operations: Vec<Operation>) -> SignedCommand {
        let mut command = self.command(nonce, operations).command().clone();
        command.key = forger.key.public();
        SignedCommand::sign(command, &forger.key)
    }
}

/// Four replicas of which three vote with weights 3, 2 and 2, and one more voter of weight 1: threshold 5
/// of 8. Members are in the order of their weights here: 3, 2, 2, 1, 0.
pub(crate) fn group() -> (Group, Vec<Keys>) {
    let keys: Vec<Keys> = (1..=5).map(Keys::new).collect();
    let roles = [
        (3, FLAG_VOTER | FLAG_REPLICA),
        (2, FLAG_VOTER | FLAG_REPLICA),
        (2, FLAG_VOTER | FLAG_REPLICA),
        (1, FLAG_VOTER),
        (0, FLAG_REPLICA),
    ];
    let mut members: Vec<Member> = keys
        .iter()
        .zip(roles)
        .map(|(keys, (weight, flags))| Member { agent: keys.id(), key: keys.key.public(), weight, flags })
        .collect();
    members.sort_by_key(|member| member.agent);
    let identity =
        GroupIdentity { chain_id: 31337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) };
    let terms = Terms::of_class(Policy::of_weight(5, 8, (PERIOD_MS / 1000) as u32, 0));
    (Group { identity, epoch: Epoch(0), members, terms }, keys)
}

pub(crate) fn calls() -> Vec<Call> {
    vec![Call { target: AgentId::from([9; 20]), value: U256::from(5), data: vec![1, 2] }]
}

pub(crate) fn propose(salt: u64) -> Operation {
    ProposalsOperation::Propose(Propose { salt, description: "pay".into(), calls: calls(), class: 0 })
        .to_operation()
}

/// The id of what `proposer` proposes with [`propose`].
pub(crate) fn id_of(proposer: &Keys, salt: u64) -> ProposalId {
    proposal_id(&GroupId::from([7; 32]), proposer.id(), salt, 0, actions_hash(&calls()), "pay")
}

pub(crate) fn vote(proposal: ProposalId, choice: Choice) -> Operation {
    ProposalsOperation::Vote(Vote { proposal, choice, signature: None }).to_operation()
}

pub(crate) fn cancel(proposal: ProposalId) -> Operation {
    ProposalsOperation::Cancel(Cancel { proposal }).to_operation()
}

pub(crate) fn admit(group: &Group, agent: &Keys) -> Operation {
    MembersOperation::Admit(Admit::sign(&group.identity, &agent.account, agent.key.public())).to_operation()
}

pub(crate) fn leave() -> Operation {
    MembersOperation::Leave.to_operation()
}

/// A state machine that numbers its own batches and checks every record that it makes.
pub(crate) struct Machine {
    pub(crate) machine: StateMachine,
    pub(crate) group: Group,
    pub(crate) sequence: u64,
}

impl Machine {
    pub(crate) fn new(group: &Group) -> Self {
        let (machine, genesis) = StateMachine::genesis(group);
        assert_eq!(genesis.check(&group.identity), Ok(()));
        Self { machine, group: group.clone(), sequence: 0 }
    }

    pub(crate) fn batch(&mut self, time: u64, commands: &[SignedCommand]) -> Executed {
        self.sequence += 1;
        let first = self.machine.log_size();
        let executed = self.machine.execute(Sequence(self.sequence), TimestampMs(time), commands);
        assert_eq!(executed.dispositions.len(), commands.len());
        for (index, record) in (first..).zip(&executed.records) {
            assert_eq!(record.entry.index, EntryIndex(index));
            assert_eq!(record.entry.sequence, Sequence(self.sequence));
            assert_eq!(record.entry.timestamp, executed.timestamp);
            assert_eq!(record.check(&self.group.identity), Ok(()));
            let bytes = quorate_protocol::codec::encode(record);
            assert_eq!(quorate_protocol::codec::decode(&bytes, 1 << 20).as_ref(), Ok(record));
        }
        assert_eq!(self.machine.log_size(), first + executed.records.len() as u64);
        executed
    }

    /// Executes one command that is expected to make an entry, and returns its outcome.
    pub(crate) fn one(&mut self, time: u64, command: SignedCommand) -> Outcome {
        let first = self.machine.log_size();
        let executed = self.batch(time, &[command]);
        let Disposition::Recorded(entry) = executed.dispositions[0] else {
            panic!("no entry but {:?}", executed.dispositions[0]);
        };
        executed.records[usize::try_from(entry.0 - first).unwrap()].outcome.clone()
    }

    pub(crate) fn view(&self, id: ProposalId) -> ProposalView {
        self.machine.proposal(&id).unwrap()
    }
}

/// The code with which a service refused.
pub(crate) fn code(outcome: &Outcome) -> &str {
    match outcome.refusal() {
        Some(Refusal::Service { code, .. }) => code,
        other => panic!("no service refused: {other:?}"),
    }
}

pub(crate) fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// The decisions among `records`.
pub(crate) fn decisions(records: &[EntryRecord]) -> Vec<&quorate_protocol::DecisionRecord> {
    records
        .iter()
        .filter_map(|record| match &record.body {
            EntryBody::Decision(decision) => Some(&**decision),
            EntryBody::Command(_) | EntryBody::System(_) => None,
        })
        .collect()
}

/// A store as a node has it: the latest value of every pair.
#[derive(Default, Clone)]
pub(crate) struct Store(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Store {
    pub(crate) fn save(&mut self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }

    pub(crate) fn restore(&self, group: &Group) -> StateMachine {
        StateMachine::restore(group, self.0.clone()).unwrap()
    }
}
