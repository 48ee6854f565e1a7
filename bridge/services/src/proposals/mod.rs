//! The proposals service: propose, vote, cancel; one decision a proposal.
//!
//! The rules are those of the contract's on-chain lane:
//! - A voter proposes; the id follows from the proposal's content, and an id is used once for ever.
//! - A proposal is of a class, which permits its calls.
//! - A voter votes on an open proposal with its weight: once, or for something else in a class where votes may
//!   change.
//! - When the votes decide is for the class ([`Class`](quorate_protocol::Class)) to say: with a vote, or in the
//!   first batch at or after the end of the voting. Cancelled when its proposer withdraws it before.
//! - In a class that allows the escape lane, a vote carries the voter's signature by which it counts on-chain
//!   too: an account's, which is checked, or bytes that only the voter's contract can judge.
//! - A proposal takes votes for as long as nobody's weight changes. After that it can only be cancelled or expire: the
//!   weights of two sets of voters do not add up. A change of members that leaves the weights alone is nothing to it.
//! - A change of members ([`MembersChange`]) must be sound in the epoch that it is proposed in.
//! - A proposal that the on-chain lane has, or is done with, is closed here without a decision (it *moved*), and its id
//!   is used up: there is one electorate at a time.
//! - A change that alters anybody's weight comes with the voters' own signatures ([`Mandate`]).
//! - Every other closing drafts exactly one decision. A closed proposal never changes again.

mod queries;
mod record;
mod refusal;

use quorate_protocol::call::check_calls;
use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::mandate;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, ProposalsOutcome, Propose, Vote};
use quorate_protocol::proposal::{description_hash, proposal_id, voting_end};
use quorate_protocol::{
    Call, ChainVote, Choice, Class, Decision, DecisionRecord, DecisionStatus, EntryIndex, Group, Mandate,
    MembersChange, MembersChangeError, ProposalId, TimestampMs, codec,
};

use crate::members::Agent;
use crate::service::{Context, Draft, Service, ServiceRefusal};
use crate::state::View;

pub(crate) use queries::{list, show};
use record::{Ballot, Closing, Tally, Text, moved_key};
pub use refusal::ProposalsRefusal;

pub(crate) const PREFIX: &[u8] = b"proposals/";

/// The most proposals that one batch closes because their time is over; the rest follow in the next.
const MAX_DUE: usize = 1024;

/// The service.
pub(crate) struct Proposals;

impl Service for Proposals {
    fn name(&self) -> &'static str {
        ProposalsOperation::SERVICE
    }

    fn prefix(&self) -> &'static [u8] {
        PREFIX
    }

    fn apply(
        &self,
        context: &mut Context<'_, '_>,
        agent: &Agent,
        operation: &[u8],
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let operation = codec::decode(operation, MAX_COMMAND_BYTES).map_err(|_| ServiceRefusal::Malformed)?;
        let outcome = match operation {
            ProposalsOperation::Propose(proposal) => propose(context, agent, proposal),
            ProposalsOperation::Vote(ballot) => vote(context, agent, ballot),
            ProposalsOperation::Cancel(withdrawal) => cancel(context, agent, withdrawal),
        }?;
        Ok(codec::encode(&outcome))
    }

    fn due(&self, context: &mut Context<'_, '_>) {
        let time = context.time();
        let due: Vec<ProposalId> = record::closings(context.state())
            .take_while(|(closes, _)| *closes <= time)
            .map(|(_, proposal)| proposal)
            .take(MAX_DUE)
            .collect();
        for proposal in due {
            let tally =
                Tally::read(context.state(), proposal).expect("what is due is open, so it has a tally");
            let status = end_of_voting(context, &tally);
            close(context, proposal, tally, status);
        }
    }

    fn next_due(&self, state: View<'_>) -> Option<TimestampMs> {
        record::closings(state).next().map(|(closes, _)| closes)
    }
}

fn propose(
    context: &mut Context<'_, '_>,
    proposer: &Agent,
    proposal: Propose,
) -> Result<ProposalsOutcome, ProposalsRefusal> {
    if !proposer.voter {
        return Err(ProposalsRefusal::NotAVoter(proposer.id));
    }
    let Propose { salt, description, calls, class } = proposal;
    let group = context.group();
    let rule = group.terms.class(class).ok_or(ProposalsRefusal::UnknownClass(class))?;
    check_calls(&calls).map_err(ProposalsRefusal::InvalidCalls)?;
    if let Err(error) = rule.permit(&calls, group.identity.contract, group.account) {
        return Err(ProposalsRefusal::NotPermitted { class: rule.name.clone(), error });
    }
    check_change(context, class, &calls).map_err(ProposalsRefusal::InvalidMembersChange)?;
    let id = proposal_id(&group.identity.group, proposer.id, salt, class, &calls, &description);
    if Tally::read(context.state(), id).is_some() {
        return Err(ProposalsRefusal::ProposalExists(id));
    }
    if context.state().contains(&moved_key(id)) {
        return Err(ProposalsRefusal::ProposalMoved(id));
    }
    let opened = context.time();
    let closes = voting_end(opened, rule.voting_period_s);
    let text = Text { proposer: proposer.id, salt, description, calls, opened };
    context.write(&Text::key(id), &text);
    context.write(&Tally::key(id), &Tally::open(proposer.id, closes, group.voters_since, class));
    context.write(&record::closing_key(closes, id), &());
    Ok(ProposalsOutcome::Proposed { proposal: id, closes })
}

/// A change of members is sound in the epoch that it is proposed in, in a class that may change what it changes.
fn check_change(context: &Context<'_, '_>, class: u8, calls: &[Call]) -> Result<(), MembersChangeError> {
    let group = context.group();
    let Some(change) = MembersChange::of(&group.identity, calls)? else { return Ok(()) };
    change.check_class(group, class)?;
    let next = change.apply(group)?;
    let convicted =
        next.members.iter().find(|member| member.is_replica() && context.is_convicted(member.agent));
    convicted.map_or(Ok(()), |member| Err(MembersChangeError::Convicted(member.agent)))
}

fn vote(
    context: &mut Context<'_, '_>,
    voter: &Agent,
    vote: Vote,
) -> Result<ProposalsOutcome, ProposalsRefusal> {
    if !voter.voter {
        return Err(ProposalsRefusal::NotAVoter(voter.id));
    }
    let Vote { proposal, choice, .. } = vote;
    let mut tally = open_tally(context, proposal)?;
    let group = context.group();
    let epoch = group.voters_since;
    if tally.epoch != epoch {
        return Err(ProposalsRefusal::OtherVoters { proposal, expected: tally.epoch, found: epoch });
    }
    let class = class_of(group, &tally);
    check_signature(group, class, &tally, voter, &vote)?;
    let ballot_key = Ballot::key(proposal, voter.id);
    if let Some(Ballot { choice: before, weight, .. }) = context.state().read(&ballot_key) {
        if !class.revotes || before == choice {
            return Err(ProposalsRefusal::AlreadyVoted { proposal, choice: before });
        }
        *tally.weight_of(before) -= u128::from(weight);
    }
    context.write(&ballot_key, &Ballot { choice, weight: voter.weight, signature: vote.signature });
    *tally.weight_of(choice) += u128::from(voter.weight);
    match class.verdict(&tally.weights(group), false) {
        Some(status) => close(context, proposal, tally, status),
        None => context.write(&Tally::key(proposal), &tally),
    }
    Ok(ProposalsOutcome::Voted { weight: voter.weight })
}

/// The proposal's class, which was known when it was proposed; the terms of a group stay as they are.
fn class_of<'g>(group: &'g Group, tally: &Tally) -> &'g Class {
    group.terms.class(tally.class).expect("a proposal's class is known")
}

/// Where the class allows the escape lane, a vote carries the signature by which it counts on-chain; elsewhere, none.
fn check_signature(
    group: &Group,
    class: &Class,
    tally: &Tally,
    voter: &Agent,
    vote: &Vote,
) -> Result<(), ProposalsRefusal> {
    let Vote { proposal, choice, ref signature } = *vote;
    match signature {
        None if class.escape => Err(ProposalsRefusal::UnsignedVote(proposal)),
        Some(_) if !class.escape => Err(ProposalsRefusal::NeedlessSignature(proposal)),
        None => Ok(()),
        Some(signature) => {
            let voting_ends = tally.closes.0 / 1000;
            let vote =
                ChainVote { voter: voter.id, proposal, choice, epoch: tally.epoch, voting_ends, nonce: 0 };
            if signature.is_acceptable(&vote.digest(&group.identity), voter.id) {
                Ok(())
            } else {
                Err(ProposalsRefusal::BadVoteSignature { proposal, voter: voter.id })
            }
        }
    }
}

/// What a proposal comes to whose voting is over. A change of weights that came before has ended it without a decision:
/// weights of different sets of voters are never added up.
fn end_of_voting(context: &Context<'_, '_>, tally: &Tally) -> DecisionStatus {
    let group = context.group();
    if tally.epoch != group.voters_since {
        return DecisionStatus::Expired;
    }
    let verdict = class_of(group, tally).verdict(&tally.weights(group), true);
    verdict.expect("the end of the voting decides")
}

fn cancel(
    context: &mut Context<'_, '_>,
    agent: &Agent,
    withdrawal: Cancel,
) -> Result<ProposalsOutcome, ProposalsRefusal> {
    let Cancel { proposal } = withdrawal;
    let tally = open_tally(context, proposal)?;
    if tally.proposer != agent.id {
        return Err(ProposalsRefusal::NotTheProposer { proposal, proposer: tally.proposer });
    }
    close(context, proposal, tally, DecisionStatus::Cancelled);
    Ok(ProposalsOutcome::Cancelled)
}

/// The tally of a proposal that may still change.
fn open_tally(context: &Context<'_, '_>, proposal: ProposalId) -> Result<Tally, ProposalsRefusal> {
    let tally = Tally::read(context.state(), proposal).ok_or(ProposalsRefusal::UnknownProposal(proposal))?;
    if let Some(closing) = tally.closing {
        return Err(ProposalsRefusal::ProposalClosed { proposal, status: closing.status() });
    }
    // A batch that has more to expire than it may leaves some open beyond their time.
    if tally.closes <= context.time() {
        return Err(ProposalsRefusal::VotingOver { proposal, closes: tally.closes });
    }
    Ok(tally)
}

/// Closes an open proposal and drafts its decision. The only place that drafts one, and its callers hold an open
/// tally: this is why a proposal never has two decisions.
fn close(context: &mut Context<'_, '_>, proposal: ProposalId, mut tally: Tally, status: DecisionStatus) {
    assert!(tally.closing.is_none(), "proposal {proposal} is closed already");
    let text = Text::read(context.state(), proposal).expect("a tally stands beside its proposal's text");
    let decision = Decision {
        proposal,
        status,
        for_weight: tally.for_weight,
        against_weight: tally.against_weight,
        abstain_weight: tally.abstain_weight,
    };
    let Text { proposer, salt, description, calls, .. } = text;
    let record = DecisionRecord { decision, proposer, salt, description, calls, class: tally.class };
    let entry = context.draft(Draft::Decision(Box::new(record)));
    context.remove(&record::closing_key(tally.closes, proposal));
    tally.closing = Some(Closing { status: Some(status), entry });
    context.write(&Tally::key(proposal), &tally);
}

/// The on-chain lane has the proposal, or is done with it, as `entry` says: if it is open here, that closes it without a
/// decision, and nobody proposes it here any more.
pub(crate) fn move_on_chain(context: &mut Context<'_, '_>, proposal: ProposalId, entry: EntryIndex) {
    match Tally::read(context.state(), proposal) {
        Some(mut tally) if tally.closing.is_none() => {
            context.remove(&record::closing_key(tally.closes, proposal));
            tally.closing = Some(Closing { status: None, entry });
            context.write(&Tally::key(proposal), &tally);
        }
        Some(_) => {}
        None => context.write(&moved_key(proposal), &entry),
    }
}

/// The voters' signed word for the change of members that the decision approved: all votes for it whose account's signature
/// shows.
pub(crate) fn mandate_of(state: View<'_>, group: &Group, record: &DecisionRecord) -> Mandate {
    let proposal = record.decision.proposal;
    let tally = Tally::read(state, proposal).expect("what was decided was proposed");
    let ballots = Ballot::of(state, proposal).filter_map(|(voter, ballot)| {
        let signature = *ballot.signature.as_ref()?.account()?;
        let counts =
            ballot.choice == Choice::For && group.member(voter).is_some_and(|member| member.is_voter());
        counts.then_some(mandate::Ballot { voter, signature })
    });
    Mandate {
        proposer: record.proposer,
        salt: record.salt,
        class: record.class,
        description_hash: description_hash(&record.description),
        voting_ends: tally.closes.0 / 1000,
        ballots: ballots.collect(),
    }
}
