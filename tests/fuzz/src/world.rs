//! A group with a history: keys, members, a log that real services wrote, and everything that is signed about it.
//!
//! All of it follows from fixed secrets, so it is the same on every machine. Signatures are deterministic (RFC 6979,
//! RFC 8032).

use std::sync::LazyLock;

use quorate_pbft::certificate::{SignedVote, vote_bytes};
use quorate_pbft::{Batch, CommittedBatch, Context};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::mandate::Ballot;
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::*;
use quorate_services::{StateMachine, StateTree};

/// The time of the first batch.
const START: TimestampMs = TimestampMs(1_700_000_000_000);

/// One agent's keys.
pub struct Keys {
    /// The secp256k1 account.
    pub account: AccountKey,
    /// The ed25519 key.
    pub agent: AgentKey,
}

impl Keys {
    fn of(secret: u8) -> Self {
        let account = AccountKey::from_secret(&[secret; 32]).expect("a small secret is a key");
        Self { account, agent: AgentKey::from_secret(&[secret; 32]) }
    }

    /// The account's address.
    pub fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }
}

/// The group with its history.
pub struct World {
    /// The replicas' keys, in the order of the members.
    pub keys: Vec<Keys>,
    /// The group in its first epoch.
    pub group: Group,
    /// The context of consensus in that epoch.
    pub context: Context,
    /// The batches, from sequence 1 on, with the commits of a quorum.
    pub batches: Vec<CommittedBatch>,
    /// The log.
    pub entries: Vec<EntryRecord>,
    /// The tree over it.
    pub log: MerkleLog,
    /// The services' state after the last batch, in ascending order of the hashes of the keys.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The tree over it.
    pub state: StateTree,
    /// The checkpoint after the last batch.
    pub checkpoint: Checkpoint,
}

/// The one world that all targets share.
pub static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn group(keys: &[Keys]) -> Group {
    let members = keys.iter().map(|keys| Member {
        agent: keys.id(),
        key: keys.agent.public(),
        weight: 1,
        flags: FLAG_VOTER | FLAG_REPLICA,
    });
    let identity = GroupIdentity {
        chain_id: 31_337,
        contract: AgentId::from([0xc0; 20]),
        group: GroupId::from([7; 32]),
    };
    let classes = vec![Class::of_weight(3, 4, 60), Class::constitution(3, 4, 7_200)];
    let terms = Terms::of_classes(classes);
    Group {
        identity,
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members: members.collect(),
        terms,
        voters_since: Epoch(0),
    }
}

/// A proposal of the first member that pays somebody.
pub fn propose() -> Propose {
    let pay = Call::payment(AgentId::from([0xaa; 20]), U256::from(1_000_000));
    let call = Call::new(AgentId::from([0xbb; 20]), U256::ZERO, vec![0xa9, 5, 0x9c, 0xbb, 1, 2]);
    Propose {
        salt: 7,
        description: "Pay the supplier \u{2013} October".into(),
        calls: vec![pay, call],
        class: 0,
    }
}

impl World {
    fn new() -> Self {
        let mut keys: Vec<_> = (1..=4).map(Keys::of).collect();
        keys.sort_by_key(Keys::id);
        let group = group(&keys);
        let context = Context::of(&group, Sequence(0));
        let (mut machine, genesis) = StateMachine::genesis(&group);
        let mut world = Self {
            checkpoint: Checkpoint {
                group: group.identity.group,
                epoch: group.epoch,
                sequence: Sequence(0),
                log_size: 0,
                log_root: Digest::default(),
                state_root: Digest::default(),
                inbox_count: 0,
                inbox_hash: Digest::default(),
                next_members_hash: Digest::default(),
            },
            keys,
            group,
            context,
            batches: Vec::new(),
            entries: vec![genesis],
            log: MerkleLog::new(),
            pairs: Vec::new(),
            state: StateTree::of(Vec::<(Vec<u8>, Vec<u8>)>::new()),
        };
        for (sequence, commands) in (1..).map(Sequence).zip(world.history()) {
            let timestamp = START.plus(1000 * sequence.0);
            let executed = machine.execute(sequence, timestamp, &commands);
            world.entries.extend(executed.records);
            let batch = Batch { timestamp, checkpoint: false, commands };
            let committed = world.commit(View(0), sequence, batch);
            world.batches.push(committed);
        }
        for record in &world.entries {
            world.log.append(record.entry.leaf_hash());
        }
        world.pairs = machine.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        world.pairs.sort_by_key(|(key, _)| Digest::of(&[key]));
        world.state = StateTree::of(world.pairs.iter().map(|(key, value)| (key, value)));
        world.checkpoint.sequence = Sequence(world.batches.len() as u64);
        world.checkpoint.log_size = world.log.size();
        world.checkpoint.log_root = world.log.root();
        world.checkpoint.state_root = world.state.root();
        world
    }

    /// What the agents say, batch by batch: an admission, proposals, votes, a decision, a withdrawal, refusals.
    fn history(&self) -> Vec<Vec<SignedCommand>> {
        let guest = Keys::of(9);
        let identity = &self.group.identity;
        let admit = Admit::sign(identity, &guest.account, guest.agent.public());
        let mut withdrawn = propose();
        withdrawn.salt += 1;
        let (paid, other) = (self.proposal(&propose()), self.proposal(&withdrawn));
        let vote = |proposal, choice| {
            ProposalsOperation::Vote(Vote { proposal, choice, signature: None }).to_operation()
        };
        let of = |by: usize, nonce, operations| command(identity, &self.keys[by], nonce, operations);
        vec![
            vec![
                of(0, 1, vec![MembersOperation::Admit(admit).to_operation()]),
                of(0, 2, vec![ProposalsOperation::Propose(propose()).to_operation()]),
            ],
            vec![of(0, 3, vec![vote(paid, Choice::For)]), of(1, 1, vec![vote(paid, Choice::Against)])],
            vec![of(2, 1, vec![vote(paid, Choice::For)]), of(3, 1, vec![vote(paid, Choice::For)])],
            vec![
                of(0, 4, vec![ProposalsOperation::Propose(withdrawn).to_operation()]),
                of(0, 5, vec![ProposalsOperation::Cancel(Cancel { proposal: other }).to_operation()]),
                of(1, 2, vec![vote(other, Choice::Abstain)]),
            ],
            vec![command(identity, &guest, 1, vec![MembersOperation::Leave.to_operation()])],
        ]
    }

    /// One of everything that the contract tells.
    pub fn events(&self) -> Vec<(&'static str, InboxEvent)> {
        let (proposal, proposer) = (self.proposal(&propose()), self.keys[0].id());
        let (member, time_s) = (self.keys[3].id(), START.seconds() + 86_400);
        let status = OnChainStatus::Approved;
        let opened =
            InboxEvent::ProposalOpenedOnChain { proposal, proposer, class: 0, voting_ends: time_s, status };
        let closed = InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Executed };
        vec![
            ("proposal-opened", opened),
            ("proposal-closed", closed),
            ("replica-convicted", InboxEvent::ReplicaConvicted { replica: member }),
            ("replica-leaving", InboxEvent::ReplicaLeaving { replica: member, exit_at: time_s }),
            ("member-left", InboxEvent::MemberLeft { member }),
        ]
    }

    /// A replica's word on an inbox that holds a command and everything that the contract tells.
    pub fn observation(&self) -> SignedCommand {
        let asked = (KIND_COMMAND, self.batches[0].batch.commands[0].encode());
        let told = self.events().into_iter().map(|(_, event)| (event.kind(), event.payload()));
        let message = |(index, (kind, payload)): (u64, (u8, Vec<u8>))| {
            let (sender, enqueued_at) = (AgentId::from([0xee; 20]), START.seconds() + index);
            InboxMessage { index, kind, sender, enqueued_at, payload }
        };
        let messages: Vec<_> = (0..).zip([asked].into_iter().chain(told)).map(message).collect();
        let observe = Observe::of(&messages).expect("there are messages");
        let operation = InboxOperation::Observe(observe).to_operation();
        command(&self.group.identity, &self.keys[1], 9, vec![operation])
    }

    fn proposal(&self, propose: &Propose) -> ProposalId {
        let group = &self.group.identity.group;
        proposal_id(group, self.keys[0].id(), propose.salt, 0, &propose.calls, &propose.description)
    }

    /// The first members of the group, as many as make a quorum.
    fn quorum(&self) -> impl Iterator<Item = (ReplicaIndex, &Keys)> {
        (0..).map(ReplicaIndex).zip(&self.keys).take(self.context.replicas.quorum())
    }

    /// A replica's ed25519 signature on a vote.
    pub fn vote(
        &self,
        by: ReplicaIndex,
        domain: &str,
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> Signature {
        let bytes = vote_bytes(&self.context, domain, view, sequence, digest);
        self.keys[usize::from(by.0)].agent.sign(&bytes)
    }

    /// `batch` with the commits of a quorum.
    pub fn commit(&self, view: View, sequence: Sequence, batch: Batch) -> CommittedBatch {
        let digest = batch.digest(&self.context);
        let commits = self.quorum().map(|(replica, _)| SignedVote {
            replica,
            signature: self.vote(replica, domain::COMMIT, view, sequence, digest),
        });
        CommittedBatch { view, sequence, commits: commits.collect(), batch }
    }

    /// `checkpoint` with the signatures of a quorum.
    pub fn stable(&self, checkpoint: &Checkpoint) -> CheckpointCertificate {
        let sign = |(_, keys): (_, &Keys)| {
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), &keys.account);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        CheckpointCertificate {
            checkpoint: checkpoint.clone(),
            signatures: self.quorum().map(sign).collect(),
        }
    }

    /// The log at `size`.
    pub fn head(&self, size: u64) -> LogHead {
        let root = self.log.root_at(size).expect("the log is as long");
        LogHead { size, root, time_s: START.seconds() }
    }

    /// The attestations of a quorum of the log at `size`.
    pub fn certificate(&self, size: u64) -> LogCertificate {
        let head = self.head(size);
        let attest =
            |(_, keys): (_, &Keys)| Attestation::sign(&self.group.identity, &head, keys.id(), &keys.agent);
        LogCertificate { head, attestations: self.quorum().map(attest).collect() }
    }

    /// The receipt of entry `index`, with the proof under an anchor.
    pub fn receipt(&self, index: u64) -> Receipt {
        let size = self.log.size();
        let prove = |size| self.log.inclusion_proof(index, size).expect("the entry is in the log");
        let anchor = AnchorProof { size: size - 1, root: self.head(size - 1).root, proof: prove(size - 1) };
        Receipt {
            identity: self.group.identity,
            epoch: self.group.epoch,
            record: self.entries[usize::try_from(index).expect("the log is short")].clone(),
            certificate: self.certificate(size),
            proof: prove(size),
            anchor: Some(anchor),
        }
    }

    /// The handover to an epoch in which the last member weighs more.
    pub fn handover(&self) -> Handover {
        let mut members = self.group.members.clone();
        members[3].weight = 2;
        let next = Group { members: members.clone(), ..self.group.clone() };
        let next_members_hash = Digest(next.members_hash());
        let certificate = self.stable(&Checkpoint { next_members_hash, ..self.checkpoint.clone() });
        Handover { certificate, mandate: Some(self.mandate(&members)), members }
    }

    /// The word of all voters for these members.
    fn mandate(&self, members: &[Member]) -> Mandate {
        let mandate = Mandate {
            proposer: self.keys[0].id(),
            salt: 3,
            class: 1,
            description_hash: Digest::of(&[b"heavier"]),
            voting_ends: START.seconds() + 7_200,
            ballots: vec![],
        };
        let (proposal, epoch) = (mandate.proposal(&self.group, members), self.group.epoch);
        let ballot = |keys: &Keys| {
            let (voter, choice, voting_ends) = (keys.id(), Choice::For, mandate.voting_ends);
            let vote = ChainVote { voter, proposal, choice, epoch, voting_ends, nonce: 0 };
            Ballot { voter, signature: keys.account.sign_digest(&vote.digest(&self.group.identity)) }
        };
        Mandate { ballots: self.keys.iter().map(ballot).collect(), ..mandate }
    }
}

/// A command of an agent.
pub fn command(
    identity: &GroupIdentity,
    keys: &Keys,
    nonce: u64,
    operations: Vec<Operation>,
) -> SignedCommand {
    let command = Command {
        group: identity.group,
        agent: keys.id(),
        key: keys.agent.public(),
        nonce: Nonce(nonce),
        expires: START.plus(3_600_000),
        operations,
    };
    SignedCommand::sign(command, &keys.agent)
}
