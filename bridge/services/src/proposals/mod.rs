//! The proposals service: propose, vote, cancel; one decision a proposal.
//!
//! The rules are those of the contract's on-chain lane:
//! - A voter proposes; the id follows from the proposal's content, and an id is used once for ever.
//! - A proposal is of a class, which permits its calls.
//! - A voter votes on an open proposal with its weight: once, or for something else in a class where votes may
//!   change.
//! - When the votes decide is for the class' [`Policy`](quorate_protocol::Policy) to say: with a vote, or in the
//!   first batch at or after the end of the voting. Cancelled when its proposer withdraws it before.
//! - In a class that allows the escape lane, a vote carries the account's signature by which it counts on-chain
//!   too.
//! - A proposal takes votes in the epoch that it was made in. After a change of members it can only be
//!   cancelled or expire: the weights of two sets of voters do not add up.
//! - A change of members ([`MembersChange`]) must be sound in the epoch that it is proposed in.
//! - A proposal that the contract executed in the on-chain lane is closed as approved, without a decision: nobody
//!   can execute it a second time.
//! - Every other closing drafts exactly one decision. A closed proposal never changes again.

mod queries;
mod record;
mod refusal;

use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, ProposalsOutcome, Propose, Vote};
use quorate_protocol::proposal::{ChainVote, actions_hash, proposal_id, voting_end};
use quorate_protocol::{
    Decision, DecisionRecord, DecisionStatus, EntryIndex, Group, MembersChange, MembersChangeError, Policy,
    ProposalId, TimestampMs, codec,
};

use crate::members::Agent;
use crate::service::{Context, Draft, Service, ServiceRefusal};
use crate::state::View;

pub(crate) use queries::{list, show};
use record::{Ballot, Closing, Tally, Text};
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
    let policy = group.terms.class(class).ok_or(ProposalsRefusal::UnknownClass(class))?;
    if let Err(error) = policy.check_calls(group.identity.contract, &calls) {
        return Err(ProposalsRefusal::NotPermitted { class: policy.name.clone(), error });
    }
    let change = MembersChange::of(&group.identity, &calls)
        .and_then(|change| change.map(|change| change.apply(group)).transpose());
    if let Ok(Some(next)) = &change
        && let Some(member) =
            next.members.iter().find(|member| member.is_replica() && context.is_convicted(member.agent))
    {
        let error = MembersChangeError::Convicted(member.agent);
        return Err(ProposalsRefusal::InvalidMembersChange(error));
    }
    if let Err(error) = change {
        return Err(ProposalsRefusal::InvalidMembersChange(error));
    }
    let actions_hash = actions_hash(&calls);
    let id = proposal_id(&group.identity.group, proposer.id, salt, class, actions_hash, &description);
    if Tally::read(context.state(), id).is_some() {
        return Err(ProposalsRefusal::ProposalExists(id));
    }
    let opened = context.time();
    let closes = voting_end(opened, policy.voting_period_s);
    let text = Text { proposer: proposer.id, salt, description, calls, actions_hash, opened };
    context.write(&Text::key(id), &text);
    context.write(&Tally::key(id), &Tally::open(proposer.id, closes, group.epoch, class));
    context.write(&record::closing_key(closes, id), &());
    Ok(ProposalsOutcome::Proposed { proposal: id, closes })
}

fn vote(
    context: &mut Context<'_, '_>,
    voter: &Agent,
    vote: Vote,
) -> Result<ProposalsOutcome, ProposalsRefusal> {
    if !voter.voter {
        return Err(ProposalsRefusal::NotAVoter(voter.id));
    }
    let Vote { proposal, choice, signature } = vote;
    let mut tally = open_tally(context, proposal)?;
    let group = context.group();
    let epoch = group.epoch;
    if tally.epoch != epoch {
        return Err(ProposalsRefusal::OtherEpoch { proposal, expected: tally.epoch, found: epoch });
    }
    let policy = policy_of(group, &tally);
    check_signature(group, policy, &tally, voter, &vote)?;
    let ballot_key = Ballot::key(proposal, voter.id);
    if let Some(Ballot { choice: before, weight, .. }) = context.state().read(&ballot_key) {
        if !policy.revotes || before == choice {
            return Err(ProposalsRefusal::AlreadyVoted { proposal, choice: before });
        }
        *tally.weight_of(before) -= u128::from(weight);
    }
    context.write(&ballot_key, &Ballot { choice, weight: voter.weight, signature });
    *tally.weight_of(choice) += u128::from(voter.weight);
    match policy.verdict(&tally.weights(group), false) {
        Some(status) => close(context, proposal, tally, status),
        None => context.write(&Tally::key(proposal), &tally),
    }
    Ok(ProposalsOutcome::Voted { weight: voter.weight })
}

/// The policy of the proposal's class, which was known when it was proposed; the terms of a group stay as they are.
fn policy_of<'g>(group: &'g Group, tally: &Tally) -> &'g Policy {
    group.terms.class(tally.class).expect("a proposal's class is known")
}

/// Where the class allows the escape lane, a vote carries the signature by which it counts on-chain; elsewhere, none.
fn check_signature(
    group: &Group,
    policy: &Policy,
    tally: &Tally,
    voter: &Agent,
    vote: &Vote,
) -> Result<(), ProposalsRefusal> {
    let Vote { proposal, choice, signature } = *vote;
    match signature {
        None if policy.escape => Err(ProposalsRefusal::UnsignedVote(proposal)),
        Some(_) if !policy.escape => Err(ProposalsRefusal::NeedlessSignature(proposal)),
        None => Ok(()),
        Some(signature) => {
            let voting_ends = tally.closes.0 / 1000;
            let vote = ChainVote { proposal, choice, epoch: tally.epoch, voting_ends, nonce: 0 };
            if signature.recover(&vote.digest(&group.identity)) == Some(voter.id.0) {
                Ok(())
            } else {
                Err(ProposalsRefusal::BadVoteSignature { proposal, voter: voter.id })
            }
        }
    }
}

/// What a proposal comes to whose voting is over. A change of members that came before has ended it without a
/// decision: weights of different sets of voters are never added up.
fn end_of_voting(context: &Context<'_, '_>, tally: &Tally) -> DecisionStatus {
    let group = context.group();
    if tally.epoch != group.epoch {
        return DecisionStatus::Expired;
    }
    let verdict = policy_of(group, tally).verdict(&tally.weights(group), true);
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
    if let Some(Closing { status, .. }) = tally.closing {
        return Err(ProposalsRefusal::ProposalClosed { proposal, status });
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
    let (executable_from, executable_until) = match status {
        DecisionStatus::Approved => policy_of(context.group(), &tally).window(context.time()),
        _ => (0, 0),
    };
    let decision = Decision {
        group: context.group().identity.group,
        proposal,
        actions_hash: text.actions_hash,
        status,
        for_weight: tally.for_weight,
        against_weight: tally.against_weight,
        abstain_weight: tally.abstain_weight,
        executable_from,
        executable_until,
    };
    let Text { proposer, salt, description, calls, .. } = text;
    let record = DecisionRecord { decision, proposer, salt, description, calls, class: tally.class };
    let entry = context.draft(Draft::Decision(Box::new(record)));
    context.remove(&record::closing_key(tally.closes, proposal));
    tally.closing = Some(Closing { status, entry });
    context.write(&Tally::key(proposal), &tally);
}

/// The contract executed the proposal in the on-chain lane, as `entry` says: if it is open here, that closes it.
pub(crate) fn close_executed(context: &mut Context<'_, '_>, proposal: ProposalId, entry: EntryIndex) {
    let tally = Tally::read(context.state(), proposal).filter(|tally| tally.closing.is_none());
    let Some(mut tally) = tally else { return };
    context.remove(&record::closing_key(tally.closes, proposal));
    tally.closing = Some(Closing { status: DecisionStatus::Approved, entry });
    context.write(&Tally::key(proposal), &tally);
}
