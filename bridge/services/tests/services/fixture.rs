//! A group with keys, and commands in few words.

use std::collections::BTreeMap;

use quorate_protocol::api::ProposalView;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, GroupIdentity};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Call, ChainVote, Choice, Class, Command, DecisionStatus, EntryBody,
    EntryIndex, EntryRecord, Epoch, Group, GroupId, Member, MembersChange, Nonce, Operation, Outcome,
    ProposalId, Refusal, Sequence, SignedCommand, Terms, TimestampMs, U256, VoterSignature,
};
use quorate_services::{Disposition, Executed, StateMachine};

/// How long a proposal is open.
pub(crate) const PERIOD_MS: u64 = 60_000;
/// The class in which weights are changed; class 0 is for everything else.
pub(crate) const CONSTITUTION: u8 = 1;
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
    let account = AgentId::from([0xac; 20]);
    (Group { identity, account, epoch: Epoch(0), members, terms: terms(5, 8), voters_since: Epoch(0) }, keys)
}

/// Two classes with the threshold that `threshold` is of `total` weight: for everything, and [`CONSTITUTION`].
pub(crate) fn terms(threshold: u128, total: u128) -> Terms {
    let all = Class::of_weight(threshold, total, (PERIOD_MS / 1000) as u32);
    Terms::of_classes(vec![all, Class::constitution(threshold, total, 7_200)])
}

pub(crate) fn calls() -> Vec<Call> {
    vec![Call::new(AgentId::from([9; 20]), U256::from(5), vec![1, 2])]
}

pub(crate) fn propose(salt: u64) -> Operation {
    ProposalsOperation::Propose(Propose { salt, description: "pay".into(), calls: calls(), class: 0 })
        .to_operation()
}

/// The id of what `proposer` proposes with [`propose`].
pub(crate) fn id_of(proposer: &Keys, salt: u64) -> ProposalId {
    proposal_id(&GroupId::from([7; 32]), proposer.id(), salt, 0, &calls(), "pay")
}

pub(crate) fn vote(proposal: ProposalId, choice: Choice) -> Operation {
    ProposalsOperation::Vote(Vote { proposal, choice, signature: None }).to_operation()
}

/// A vote on an open proposal with the voter's signature, by which it counts on-chain too.
pub(crate) fn signed_vote(
    machine: &StateMachine,
    voter: &Keys,
    proposal: ProposalId,
    choice: Choice,
) -> Operation {
    let view = machine.proposal(&proposal).unwrap();
    let (epoch, voting_ends) = (view.epoch, view.closes.0 / 1000);
    let vote = ChainVote { voter: voter.id(), proposal, choice, epoch, voting_ends, nonce: 0 };
    let signature = voter.account.sign_digest(&vote.digest(&machine.group().identity));
    vote_with(proposal, choice, signature.into())
}

/// A vote with any signature.
pub(crate) fn vote_with(proposal: ProposalId, choice: Choice, signature: VoterSignature) -> Operation {
    ProposalsOperation::Vote(Vote { proposal, choice, signature: Some(signature) }).to_operation()
}

/// A proposal with these calls, and its id.
pub(crate) fn propose_calls(
    group: &Group,
    proposer: &Keys,
    class: u8,
    calls: Vec<Call>,
) -> (Operation, ProposalId) {
    let id = proposal_id(&group.identity.group, proposer.id(), 1, class, &calls, "change");
    let proposal = Propose { salt: 1, description: "change".into(), calls, class };
    (ProposalsOperation::Propose(proposal).to_operation(), id)
}

/// A proposal to change the members, and its id.
pub(crate) fn propose_change(
    group: &Group,
    proposer: &Keys,
    class: u8,
    change: &MembersChange,
) -> (Operation, ProposalId) {
    propose_calls(group, proposer, class, vec![change.call(&group.identity)])
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

    /// The next nonce of what the agent does.
    pub(crate) fn nonce(&self, of: &Keys) -> u64 {
        self.machine.agent(of.id()).unwrap().next_nonce.0
    }

    /// Executes a command of these operations, which is applied.
    pub(crate) fn does(&mut self, time: u64, agent: &Keys, operations: Vec<Operation>) {
        let outcome = self.one(time, agent.command(self.nonce(agent), operations));
        assert!(is_applied(&outcome), "{outcome:?}");
    }

    /// The code with which a service refuses a command of this operation.
    pub(crate) fn refuses(&mut self, time: u64, agent: &Keys, operation: Operation) -> String {
        let outcome = self.one(time, agent.command(self.nonce(agent), vec![operation]));
        code(&outcome).to_owned()
    }

    /// Has the first of these voters propose new members, in the class that it takes, and all of them vote for it.
    pub(crate) fn approve(&mut self, voters: &[&Keys], members: Vec<Member>) -> ProposalId {
        let group = self.machine.group().clone();
        let change = MembersChange { epoch: group.epoch, members };
        let alters_weights = change.alters_weights(&group);
        let class = if alters_weights { CONSTITUTION } else { 0 };
        let (propose, id) = propose_change(&group, voters[0], class, &change);
        self.does(1, voters[0], vec![propose]);
        for voter in voters {
            let vote = match alters_weights {
                true => signed_vote(&self.machine, voter, id, Choice::For),
                false => vote(id, Choice::For),
            };
            self.does(1, voter, vec![vote]);
        }
        assert_eq!(self.view(id).status, DecisionStatus::Approved.into());
        id
    }

    /// Ends the epoch, for which a change waits.
    pub(crate) fn end_epoch(&mut self) -> EntryRecord {
        self.machine.end_epoch(Sequence(self.sequence)).expect("a change waits")
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
