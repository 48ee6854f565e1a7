//! Proposing, voting and cancelling, in either lane; and the way from one into the other.

use quorate_contracts::Ballot;
use quorate_protocol::call::Call;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{AgentId, Choice, Member, MembersChange, Objection, ProposalId, U256, VoterSignature};
use quorate_services::ProposalStatus;

use super::Kind;
use crate::histories::chain::{TOKEN, call};
use crate::histories::model::rules::TRANSFER;
use crate::histories::model::{Ask, Proposal, Signed};
use crate::histories::scene::{
    ACT, CONSTITUTION, History, LISTED, MIXED, PAY, PER_DECISION, TALK, ensure_replicas, member,
};

/// What is called, with what that means to the group.
type Subject = (Vec<Call>, Option<MembersChange>, Option<ProposalId>);

impl History<'_> {
    /// Who is paid.
    fn payee(&mut self) -> AgentId {
        let mut bytes = *self.group.identity.group.as_bytes();
        bytes[0] = 1 + self.random.below(3) as u8;
        AgentId::from(<[u8; 20]>::try_from(&bytes[..20]).unwrap())
    }

    fn payment(&mut self, most: u128) -> Call {
        Call::payment(self.payee(), U256::from(1 + self.random.below(most as u64)))
    }

    fn data_call(&mut self, target: AgentId, data: Vec<u8>) -> Call {
        let (value, allow_no_code) = (U256::from(self.random.below(3)), !self.one_in(4));
        Call { gas: 50_000, allow_no_code, ..Call::new(target, value, data) }
    }

    fn transfer(&mut self, most: u64) -> Call {
        let amount = U256::from(1 + self.random.below(most));
        let data = [TRANSFER.as_slice(), &[0; 31], &[9], &amount.to_be_bytes::<32>()].concat();
        Call { gas: 50_000, ..Call::new(AgentId(TOKEN), U256::ZERO, data) }
    }

    /// New members of the epoch that the log is in: others, or the same with other weights, parts or keys.
    fn change(&mut self) -> Subject {
        let mut members: Vec<Member> = Vec::new();
        let keeps_weights = self.one_in(3);
        for actor in &self.actors[..self.actors.len() - 1] {
            let now = self.log.machine.group().member(actor.id()).cloned();
            let generation = self.random.below(actor.keys() as u64) as usize;
            match now {
                Some(now) if keeps_weights || !self.one_in(3) => {
                    let key = if self.one_in(4) { actor.key(generation) } else { now.key };
                    members.push(Member { key, ..now });
                }
                Some(_) if self.contract.seats.left.contains(&actor.id()) || self.one_in(4) => {}
                None if keeps_weights || self.one_in(2) => {}
                _ => members.push(member(actor, generation, &mut self.random)),
            }
        }
        while members.len() < 4 {
            let absent = self.actors.iter().find(|actor| members.iter().all(|m| m.agent != actor.id()));
            members.push(member(absent.unwrap(), 0, &mut self.random));
        }
        members.sort_by_key(|member| member.agent);
        ensure_replicas(&mut members);
        if members.iter().all(|member| member.weight == 0) {
            (members[0].weight, members[0].flags) = (1, 3);
        }
        let mut epoch = self.log.machine.group().epoch;
        if self.one_in(10) {
            epoch = epoch.next();
        }
        let change = MembersChange { epoch, members };
        (vec![change.call(&self.group.identity)], Some(change), None)
    }

    fn revocation(&mut self) -> Subject {
        let Some(revoked) = self.some_proposal(|_, _| true) else { return (vec![], None, None) };
        let (group, proposal) = (self.group.identity.group.0, revoked.id.0);
        let data =
            alloy::sol_types::SolCall::abi_encode(&call::revokeCall { groupId: group, proposalId: proposal });
        let call = Call { gas: 200_000, ..Call::new(self.group.identity.contract, U256::ZERO, data) };
        (vec![call], None, Some(revoked.id))
    }

    /// Calls that the class permits.
    fn suiting(&mut self, class: u8) -> Subject {
        let target = self.payee();
        let calls = match (class, self.random.below(3)) {
            (PAY, 0) => vec![self.transfer(50)],
            (PAY, 1) => vec![self.payment(PER_DECISION / 2), self.payment(PER_DECISION / 2)],
            (PAY, _) => vec![self.payment(PER_DECISION)],
            (ACT, 0) => vec![self.payment(300)],
            (ACT, _) => vec![self.data_call(AgentId(TOKEN), LISTED.to_vec())],
            (MIXED, 0) => vec![self.payment(500)],
            (MIXED, _) => vec![self.data_call(target, vec![1, 2, 3])],
            (CONSTITUTION, 0) => return self.revocation(),
            (CONSTITUTION, _) => return self.change(),
            _ => vec![],
        };
        (calls, None, None)
    }

    /// Calls that most classes do not permit, or none.
    fn unsuiting(&mut self) -> Subject {
        let target = self.payee();
        let calls = match self.random.below(6) {
            0 => vec![self.payment(PER_DECISION), self.payment(PER_DECISION)],
            1 => return self.revocation(),
            2 => vec![Call { gas: 0, ..self.data_call(target, vec![1]) }],
            3 => vec![Call { gas: 10_000_001, ..self.data_call(target, vec![1]) }],
            4 => vec![self.transfer(60)],
            _ => vec![self.data_call(self.group.account, vec![1, 2, 3, 4])],
        };
        (calls, None, None)
    }

    /// Something new to propose. On-chain, what is not always open there suits a stall.
    fn new_proposal(&mut self, proposer: AgentId, on_chain: bool) -> Proposal {
        let all = [PAY, PAY, PAY, ACT, MIXED, CONSTITUTION, CONSTITUTION, TALK];
        let is_closed = on_chain && !self.contract.has_stalled(self.chain.now) && !self.one_in(4);
        let class = if is_closed { CONSTITUTION } else { self.random.pick(&all) };
        let class = if self.one_in(40) { 9 } else { class };
        let (calls, change, revokes) = if self.one_in(5) { self.unsuiting() } else { self.suiting(class) };
        let (salt, description) = (self.proposals.len() as u64, String::from("history"));
        let id = proposal_id(&self.group.identity.group, proposer, salt, class, &calls, &description);
        let propose = Propose { salt, description, calls, class };
        Proposal { id, proposer, propose, change, revokes }
    }

    /// Has the log execute what an agent asks, and compares.
    fn ask(&mut self, kind: Kind, agent: AgentId, ask: &Ask) {
        self.chain.now += 1;
        let command = self.log.command(self.actor(agent), ask);
        let found = self.log.execute(self.chain.now, Some(&command));
        self.machine.pass_to(self.chain.now);
        let expected = self.machine.act(agent, command.command().key, ask);
        self.settle(kind, &format!("{agent} {}", words(ask)), expected, found);
    }

    pub(super) fn log_propose(&mut self) {
        let proposer = self.voter(|_| false);
        // Some are in the other lane.
        let elsewhere = |history: &Self, id| {
            history.contract.records.contains_key(&id) && !history.machine.tallies.contains_key(&id)
        };
        let known = if self.one_in(6) { self.some_proposal(elsewhere) } else { None };
        let proposal = known.unwrap_or_else(|| self.new_proposal(proposer, false));
        if self.proposals.iter().all(|known| known.id != proposal.id) {
            self.proposals.push(proposal.clone());
        }
        self.ask(Kind::LogPropose, proposal.proposer, &Ask::Propose(Box::new(proposal.clone())));
        // All who like it vote at once, or few would ever be decided.
        let escape = self.group.terms.class(proposal.propose.class).is_some_and(|class| class.escape);
        for member in self.machine.group.members.clone() {
            let tally = self.machine.tallies.get(&proposal.id);
            let is_open = tally.is_some_and(|tally| tally.status == ProposalStatus::Open);
            if is_open && member.is_voter() && !self.one_in(4) {
                let signed = match escape {
                    true if self.one_in(8) => Signed::Opaquely,
                    true => Signed::Well,
                    false => Signed::Not,
                };
                self.ask(Kind::LogVote, member.agent, &Ask::Vote(proposal.id, Choice::For, signed));
            }
        }
    }

    /// A vote that the log may be asked for.
    pub(super) fn some_vote(&mut self) -> Option<(AgentId, Ask)> {
        let is_open = |history: &Self, id| {
            history.machine.tallies.get(&id).is_some_and(|tally| tally.status == ProposalStatus::Open)
        };
        let proposal = self.some_proposal(is_open)?;
        let voted =
            self.machine.tallies.get(&proposal.id).map(|tally| tally.votes.clone()).unwrap_or_default();
        let voter = self.voter(|voter| voted.contains_key(&voter));
        let escape = self.group.terms.class(proposal.propose.class).is_some_and(|class| class.escape);
        let signed = if escape { Signed::Well } else { Signed::Not };
        let signed = match self.random.below(48) {
            0 => Signed::Badly,
            1 => Signed::Not,
            2 => Signed::Well,
            3 => Signed::Opaquely,
            _ => signed,
        };
        Some((voter, Ask::Vote(proposal.id, self.choice(), signed)))
    }

    fn choice(&mut self) -> Choice {
        self.random.pick(&[
            Choice::For,
            Choice::For,
            Choice::For,
            Choice::For,
            Choice::Against,
            Choice::Abstain,
        ])
    }

    pub(super) fn log_vote(&mut self) {
        // Several at once, or few proposals would ever be decided.
        for _ in 0..3 {
            if let Some((voter, ask)) = self.some_vote() {
                self.ask(Kind::LogVote, voter, &ask);
            }
        }
    }

    pub(super) fn log_cancel(&mut self) {
        let is_open = |history: &Self, id| {
            history.machine.tallies.get(&id).is_some_and(|tally| tally.status == ProposalStatus::Open)
        };
        let Some(proposal) = self.some_proposal(is_open) else { return };
        let agent = if self.one_in(3) { self.anybody().id() } else { proposal.proposer };
        self.ask(Kind::LogCancel, agent, &Ask::Cancel(proposal.id));
    }

    pub(super) async fn propose(&mut self) {
        let proposer = self.voter(|_| false);
        // One that is in the log, which moves; or another.
        let known = if self.one_in(2) { self.some_proposal(|_, _| true) } else { None };
        let proposal = known.unwrap_or_else(|| self.new_proposal(proposer, true));
        let (sender, Propose { salt, description, calls, class }) =
            (proposal.proposer, proposal.propose.clone());
        if self.proposals.iter().all(|known| known.id != proposal.id) {
            self.proposals.push(proposal.clone());
        }
        let calls = calls.iter().map(Into::into).collect();
        let groupId = self.group.identity.group.0;
        let call = call::proposeCall { groupId, class, calls, description, salt };
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.propose(self.chain.now, sender, &proposal);
        self.settle(Kind::Propose, &format!("{sender} {}", proposal.id), expected, found);
    }

    pub(super) async fn vote(&mut self) {
        let is_open = |history: &Self, id| {
            history.contract.status(id, history.chain.now + 1).0 == quorate_contracts::ProposalStatus::Open
        };
        let Some(proposal) = self.some_proposal(is_open) else { return };
        for _ in 0..3 {
            let record = self.contract.records.get(&proposal.id).cloned();
            let has = |voter| record.as_ref().is_some_and(|record| record.votes.contains_key(&voter));
            let (voter, choice) = (self.voter(has), self.choice());
            let (groupId, proposalId) = (self.group.identity.group.0, proposal.id.0);
            let call = call::voteCall { groupId, proposalId, choice: choice as u8 };
            let found = self.chain.send(voter, 0, call).await.map(drop);
            let expected = self.contract.vote(self.chain.now, voter, proposal.id, choice);
            self.settle(Kind::Vote, &format!("{voter} {} {choice:?}", proposal.id), expected, found);
        }
    }

    pub(super) async fn cancel(&mut self) {
        let is_open = |history: &Self, id| {
            history.contract.status(id, history.chain.now + 1).0 == quorate_contracts::ProposalStatus::Open
        };
        let Some(proposal) = self.some_proposal(is_open) else { return };
        let sender = if self.one_in(4) { self.anybody().id() } else { proposal.proposer };
        let call = call::cancelCall { groupId: self.group.identity.group.0, content: proposal.content() };
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let expected = self.contract.cancel(self.chain.now, sender, &proposal);
        self.settle(Kind::Cancel, &format!("{sender} {}", proposal.id), expected, found);
    }

    /// Whether votes on it could be counted on-chain in a stall that begins by then.
    fn may_escape(&self, id: ProposalId, second: u64) -> bool {
        let escapes = |class: u8| self.group.terms.classes[usize::from(class)].escape;
        let tally = self.machine.tallies.get(&id);
        tally.is_some_and(|tally| {
            tally.votes.len() > 1 && tally.closes > second && escapes(tally.proposal.propose.class)
        })
    }

    /// The log refuses what has votes, the contract is shown so, and then nobody serves: the votes would escape.
    pub(super) async fn refuse_and_escape(&mut self) {
        let may = |history: &Self, id| {
            let tally = history.machine.tallies.get(&id);
            let late = history.chain.now + 2 * u64::from(history.group.terms.stall_time_s);
            tally.is_some_and(|tally| tally.status != ProposalStatus::Approved)
                && history.may_escape(id, late)
        };
        let Some(proposal) = self.some_proposal(may) else { return };
        self.ask(Kind::LogCancel, proposal.proposer, &Ask::Cancel(proposal.id));
        self.serve().await;
        self.close_from_log_of(&proposal).await;
        self.silent = true;
        self.stall().await;
        self.escape_of(&proposal).await;
    }

    /// Approves on-chain by the votes that the log has.
    pub(super) async fn escape(&mut self) {
        let now = self.chain.now + 1;
        if self.contract.has_stalled(now) || self.one_in(6) {
            let may = |history: &Self, id| history.may_escape(id, now);
            if let Some(proposal) = self.some_proposal(may) {
                self.escape_of(&proposal).await;
            }
        }
    }

    async fn escape_of(&mut self, proposal: &Proposal) {
        let tally = self.machine.tallies.get(&proposal.id).cloned();
        let votes = self.log.machine.proposal(&proposal.id).map(|view| view.votes).unwrap_or_default();
        let closes = tally.as_ref().map_or(0, |tally| tally.closes);
        let voting_ends = if self.one_in(8) { closes + 60 } else { closes };
        let mut ballots = Vec::new();
        let mut judged = Vec::new();
        for vote in votes.iter().filter(|vote| vote.choice == Choice::For) {
            let Some(signature) = &vote.signature else { continue };
            ballots.push(Ballot::of(vote.voter, vote.choice, signature));
            let is_good = tally.as_ref().is_some_and(|tally| {
                tally.votes[&vote.voter].1 == Signed::Well
                    && tally.epoch == self.contract.voters_since()
                    && tally.closes == voting_ends
            });
            judged.push((vote.voter, is_good));
        }
        let sender = self.anybody().id();
        let (groupId, content) = (self.group.identity.group.0, proposal.content());
        let call = call::approveBySigsCall { groupId, content, votingEnds: voting_ends, ballots };
        let found = self.chain.send(sender, 0, call).await.map(drop);
        let (now, what) = (self.chain.now, (proposal, voting_ends));
        let expected = self.contract.approve_by_sigs(now, sender, what, &judged);
        self.settle(Kind::Escape, &format!("{} {judged:?}", proposal.id), expected, found);
    }

    /// The objections of some voters, with whether they count.
    pub(super) fn objections(&mut self, proposal: ProposalId) -> (Vec<Ballot>, Vec<(AgentId, bool)>) {
        let (mut ballots, mut judged) = (Vec::new(), Vec::new());
        let mut actors: Vec<_> = self.actors.iter().collect();
        actors.sort_by_key(|actor| actor.id());
        let most = 1 + self.random.below(4);
        for actor in actors {
            if self.random.below(4) >= most {
                continue;
            }
            let is_good = !self.one_in(10);
            let objection = Objection { voter: actor.id(), proposal };
            let signed =
                if is_good { objection } else { Objection { proposal: ProposalId::default(), ..objection } };
            let signature =
                VoterSignature::from(actor.account.sign_digest(&signed.digest(&self.group.identity)));
            ballots.push(Ballot::objection(&objection, &signature));
            judged.push((actor.id(), is_good));
        }
        (ballots, judged)
    }
}

/// What is asked, in short.
fn words(ask: &Ask) -> String {
    match ask {
        Ask::Propose(proposal) => format!("proposes {} in class {}", proposal.id, proposal.propose.class),
        Ask::Vote(id, choice, signed) => format!("votes on {id}: {choice:?}, signed: {signed:?}"),
        Ask::Cancel(id) => format!("cancels {id}"),
    }
}
