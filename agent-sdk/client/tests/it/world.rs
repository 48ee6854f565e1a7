//! A group with its keys and the log that its state machine makes: what a correct node would hold.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_protocol::api::{AnchorPackage, NextMembers, TakenPackage};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose, Vote};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, AnchorProof, Attestation, Call, ChainVote, Checkpoint,
    CheckpointCertificate, Choice, Class, Command, Digest, EntryBody, EntryRecord, Epoch, Group, GroupId,
    GroupIdentity, Handover, InboxEvent, LogCertificate, LogHead, Member, MembersChange, Nonce, Opening,
    Operation, ProposalId, Receipt, Sequence, SignedCheckpoint, SignedCommand, Terms, TimestampMs,
};
use quorate_sdk::Agent;
use quorate_services::{Admission, StateMachine};

pub(crate) struct World {
    pub(crate) group: Group,
    pub(crate) agents: Vec<Agent>,
    pub(crate) machine: StateMachine,
    pub(crate) records: Vec<EntryRecord>,
    pub(crate) log: MerkleLog,
    by_digest: HashMap<Digest, u64>,
    sequence: Sequence,
    nonces: HashMap<AgentId, u64>,
    /// The largest anchored size.
    pub(crate) anchored: Option<u64>,
    /// The newest checkpoint that a node would show.
    pub(crate) stable: Option<CheckpointCertificate>,
    /// How far the replicas' clocks are ahead.
    pub(crate) ahead_ms: u64,
    /// The ends of epochs so far.
    pub(crate) handovers: Vec<Handover>,
    /// The group of the epoch before.
    ended: Option<Group>,
}

/// Agents with known keys, in ascending order of address, as a group lists them.
pub(crate) fn agents(secrets: &[[u8; 32]]) -> Vec<Agent> {
    let mut agents: Vec<_> = secrets
        .iter()
        .map(|secret| Agent::new(AccountKey::from_secret(secret).unwrap(), AgentKey::from_secret(secret)))
        .collect();
    agents.sort_by_key(Agent::id);
    agents
}

pub(crate) fn members(agents: &[Agent]) -> Vec<Member> {
    let member = |agent: &Agent| Member {
        agent: agent.id(),
        key: agent.public_key(),
        weight: 1,
        flags: FLAG_VOTER | FLAG_REPLICA,
    };
    agents.iter().map(member).collect()
}

/// Payments, which three of so many decide in either lane; and changes of the members.
pub(crate) fn terms(total: u128) -> Terms {
    let pay = Class { opening: Opening::Always, ..Class::payments(3, total, 3600, (20_000, 1_000_000)) };
    Terms::of_classes(vec![pay, Class::constitution(3, total, 7200)])
}

impl World {
    /// Four members of weight 1; three of them approve.
    pub(crate) fn new(group: u8) -> Self {
        let agents = agents(&[[1; 32], [2; 32], [3; 32], [4; 32]]);
        let identity = GroupIdentity {
            chain_id: 31337,
            contract: AgentId::from([0xc0; 20]),
            group: GroupId::from([group; 32]),
        };
        let account = AgentId::from([0xac; 20]);
        Self::of(
            Group {
                identity,
                account,
                epoch: Epoch(0),
                members: members(&agents),
                terms: terms(4),
                voters_since: Epoch(0),
            },
            agents,
        )
    }

    pub(crate) fn of(group: Group, agents: Vec<Agent>) -> Self {
        let (machine, genesis) = StateMachine::genesis(&group);
        let mut world = Self {
            group,
            agents,
            machine,
            records: Vec::new(),
            log: MerkleLog::new(),
            by_digest: HashMap::new(),
            sequence: Sequence(0),
            nonces: HashMap::new(),
            anchored: None,
            stable: None,
            handovers: Vec::new(),
            ended: None,
            ahead_ms: 0,
        };
        world.push(genesis);
        world
    }

    fn push(&mut self, record: EntryRecord) {
        if let EntryBody::Command(command) = &record.body {
            self.by_digest.insert(command.digest(), record.entry.index.0);
        }
        self.log.append(record.entry.leaf_hash());
        self.records.push(record);
    }

    /// Executes one batch.
    pub(crate) fn execute(&mut self, commands: &[SignedCommand]) {
        self.sequence = self.sequence.next();
        let time = now().plus(self.ahead_ms);
        for record in self.machine.execute(self.sequence, time, commands).records {
            self.push(record);
        }
    }

    /// What a node does with a command that comes in: the entry's index, or its refusal.
    pub(crate) fn submit(
        &mut self,
        command: &SignedCommand,
    ) -> Result<u64, quorate_services::AdmissionError> {
        match self.machine.admit(now(), command) {
            Admission::Refuse(error) => return Err(error),
            Admission::Order | Admission::Executed(_) => {}
        }
        if !self.by_digest.contains_key(&command.digest()) {
            self.execute(std::slice::from_ref(command));
        }
        Ok(self.by_digest[&command.digest()])
    }

    pub(crate) fn sign(&mut self, agent: &Agent, operation: Operation) -> SignedCommand {
        let nonce = self.nonces.entry(agent.id()).or_default();
        let command = Command {
            group: self.group.identity.group,
            agent: agent.id(),
            key: agent.public_key(),
            nonce: Nonce(*nonce),
            expires: now().plus(60_000),
            operations: vec![operation],
        };
        *nonce += 1;
        SignedCommand::sign(command, &agent.key)
    }

    /// Proposes as member 0 and has the members from 0 on vote, each in a batch of its own.
    pub(crate) fn decide(&mut self, description: &str, calls: Vec<Call>, choices: &[Choice]) -> ProposalId {
        self.decide_in(0, description, calls, choices)
    }

    /// As [`Self::decide`], in another class.
    pub(crate) fn decide_in(
        &mut self,
        class: u8,
        description: &str,
        calls: Vec<Call>,
        choices: &[Choice],
    ) -> ProposalId {
        let propose =
            Propose { salt: self.records.len() as u64, description: description.into(), calls, class };
        let proposer = self.agents[0].clone();
        let command = self.sign(&proposer, ProposalsOperation::Propose(propose.clone()).to_operation());
        self.execute(&[command]);
        let proposal = quorate_protocol::proposal::proposal_id(
            &self.group.identity.group,
            proposer.id(),
            propose.salt,
            class,
            &propose.calls,
            &propose.description,
        );
        let known = self.machine.proposal(&proposal);
        for (voter, choice) in self.agents.clone().iter().zip(choices) {
            let signature = known.as_ref().filter(|_| self.group.terms.classes[usize::from(class)].escape);
            let signature = signature.map(|known| {
                let vote = ChainVote {
                    voter: voter.id(),
                    proposal,
                    choice: *choice,
                    epoch: known.epoch,
                    voting_ends: known.closes.seconds(),
                    nonce: 0,
                };
                voter.account.sign_digest(&vote.digest(&self.group.identity)).into()
            });
            let vote = ProposalsOperation::Vote(Vote { proposal, choice: *choice, signature });
            let command = self.sign(voter, vote.to_operation());
            self.execute(&[command]);
        }
        proposal
    }

    /// The entry by which the contract told that it has the proposal.
    pub(crate) fn moved_index(&self, proposal: ProposalId) -> Option<u64> {
        let moves = |record: &EntryRecord| {
            matches!(&record.body, EntryBody::System(SystemEvent::OnChain(
                InboxEvent::ProposalOpenedOnChain { proposal: found, .. }
                | InboxEvent::ProposalClosedOnChain { proposal: found, .. },
            )) if *found == proposal)
        };
        self.records.iter().rposition(moves).map(|at| at as u64)
    }

    pub(crate) fn size(&self) -> u64 {
        self.log.size()
    }

    pub(crate) fn certificate_at(&self, size: u64) -> LogCertificate {
        let time_s = self.records[usize::try_from(size).unwrap() - 1].entry.timestamp.seconds();
        let head = LogHead { size, root: self.log.root_at(size).unwrap(), time_s };
        self.certify(head)
    }

    /// A quorum's attestations of any head: what replicas that collude could sign.
    pub(crate) fn certify(&self, head: LogHead) -> LogCertificate {
        let attest = |agent: &Agent| Attestation::sign(&self.group.identity, &head, agent.id(), &agent.key);
        let quorum = self.group.replicas().quorum();
        LogCertificate { head, attestations: self.agents[..quorum].iter().map(attest).collect() }
    }

    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let size = self.size();
        let anchor = self.anchored.filter(|anchored| index < *anchored).map(|anchored| AnchorProof {
            size: anchored,
            root: self.log.root_at(anchored).unwrap(),
            proof: self.log.inclusion_proof(index, anchored).unwrap(),
        });
        let certificate = self.certificate_at(size);
        Receipt {
            identity: self.group.identity,
            epoch: self.attesting(&certificate),
            record: self.records[usize::try_from(index).unwrap()].clone(),
            certificate,
            proof: self.log.inclusion_proof(index, size).unwrap(),
            anchor,
        }
    }

    /// The earliest epoch whose quorum it is: where an epoch ends, the next one's replicas may have attested the same.
    fn attesting(&self, certificate: &LogCertificate) -> Epoch {
        let ended_here = |_: &&Group| {
            let end = self.handovers.last().map(|handover| handover.certificate.checkpoint.log_size);
            end == Some(certificate.head.size)
        };
        let is_quorum = |group: &&Group| certificate.verify(&group.identity, &group.replicas()).is_ok();
        let ended = self.ended.as_ref().filter(ended_here).filter(is_quorum);
        ended.unwrap_or(&self.group).epoch
    }

    pub(crate) fn command_index(&self, digest: Digest) -> Option<u64> {
        self.by_digest.get(&digest).copied()
    }

    pub(crate) fn decision_index(&self, proposal: ProposalId) -> Option<u64> {
        let decides = |record: &EntryRecord| match &record.body {
            EntryBody::Decision(record) => record.decision.proposal == proposal,
            EntryBody::Command(_) | EntryBody::System(_) => false,
        };
        self.records.iter().position(decides).map(|at| at as u64)
    }

    /// Approves that `agents` are the members, and ends the epoch: from here on they attest.
    pub(crate) fn change_members(&mut self, agents: Vec<Agent>) {
        let change = MembersChange { epoch: self.group.epoch, members: members(&agents) };
        let call = change.call(&self.group.identity);
        self.decide_in(1, "change the members", vec![call], &[Choice::For; 3]);
        self.begin_epoch();
        self.agents = agents;
    }

    /// Ends the epoch, as a change of members that waits wants it.
    pub(crate) fn begin_epoch(&mut self) {
        let record = self.machine.end_epoch(self.sequence).expect("a change waits");
        self.push(record);
        let next = self.machine.group().clone();
        let certificate = self.sign_checkpoint(Digest(next.members_hash()));
        let mandate = self.machine.mandate().cloned();
        self.handovers.push(Handover { certificate, members: next.members.clone(), mandate });
        self.ended = Some(std::mem::replace(&mut self.group, next));
    }

    /// A quorum's checkpoint of everything that is executed.
    pub(crate) fn checkpoint(&mut self) -> CheckpointCertificate {
        let stable = self.sign_checkpoint(Digest::default());
        self.stable = Some(stable.clone());
        stable
    }

    /// What a node answers to whoever wants to anchor on top of this: the epoch's end, or the newest checkpoint.
    pub(crate) fn anchor_package(&self, epoch: u64, size: u64, taken: u64) -> Option<AnchorPackage> {
        let end = self.handovers.iter().find(|handover| handover.from().0 == epoch).cloned();
        let (certificate, next) = match end {
            Some(Handover { certificate, members, mandate }) => {
                (certificate, Some(NextMembers { members, mandate }))
            }
            None => (self.stable.clone()?, None),
        };
        let (count, log_size) = (certificate.checkpoint.inbox_count, certificate.checkpoint.log_size);
        let last = count.checked_sub(1).filter(|last| *last >= taken);
        let taken = last.map(|last| {
            let found = self.records.iter().find_map(|record| match &record.body {
                EntryBody::System(SystemEvent::InboxTaken(message)) if message.index == last => {
                    Some((*message, record.entry))
                }
                _ => None,
            });
            let (message, entry) = found.unwrap();
            let path = self.log.inclusion_proof(entry.index.0, log_size).unwrap();
            TakenPackage { message, entry, path }
        });
        let consistency = match size {
            0 => vec![],
            _ => self.log.consistency_proof(size, log_size).ok()?,
        };
        Some(AnchorPackage { certificate, consistency, taken, next })
    }

    fn sign_checkpoint(&mut self, next_members_hash: Digest) -> CheckpointCertificate {
        let (inbox_count, inbox_hash) = self.machine.inbox_head();
        let checkpoint = Checkpoint {
            group: self.group.identity.group,
            epoch: self.group.epoch,
            sequence: self.sequence,
            log_size: self.size(),
            log_root: self.log.root(),
            state_root: self.machine.state_root(),
            inbox_count,
            inbox_hash,
            next_members_hash,
        };
        let sign = |agent: &Agent| {
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), &agent.account);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        let quorum = self.group.replicas().quorum();
        let signatures = self.agents[..quorum].iter().map(sign).collect();
        CheckpointCertificate { checkpoint, signatures }
    }
}

pub(crate) fn now() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TimestampMs(u64::try_from(since_epoch.as_millis()).unwrap())
}
