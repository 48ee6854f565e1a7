//! Reading proposals outside of execution.

use quorate_protocol::api::{ProposalStatus, ProposalView, VoteView};
use quorate_protocol::{AgentId, ProposalId};

use super::record::{Ballot, Tally, Text};
use crate::state::View;

/// The proposal with its votes so far.
pub(crate) fn show(state: View<'_>, id: ProposalId) -> Option<ProposalView> {
    let tally = Tally::read(state, id)?;
    let Text { proposer, salt, description, calls, opened, .. } =
        Text::read(state, id).expect("a tally stands beside its proposal's text");
    let stem = Ballot::stem(id);
    let votes = state
        .scan::<Ballot>(&stem)
        .map(|(key, Ballot { choice, weight, signature })| {
            let voter: [u8; 20] = key[stem.len()..].try_into().expect("a vote's key ends with its voter");
            VoteView { voter: AgentId::from(voter), choice, weight, signature }
        })
        .collect();
    Some(ProposalView {
        id,
        proposer,
        salt,
        class: tally.class,
        epoch: tally.epoch,
        description,
        calls,
        opened,
        closes: tally.closes,
        status: tally.closing.map_or(ProposalStatus::Open, |closing| closing.status.into()),
        votes,
        for_weight: tally.for_weight,
        against_weight: tally.against_weight,
        abstain_weight: tally.abstain_weight,
        decision: tally.closing.map(|closing| closing.entry),
    })
}

/// At most `limit` proposals in ascending order of id, above `after`.
pub(crate) fn list(state: View<'_>, after: Option<ProposalId>, limit: usize) -> Vec<ProposalView> {
    let after = after.map(Tally::key);
    state
        .keys(b"t", after.as_deref())
        .take(limit)
        .map(|key| {
            let id: [u8; 32] = key[1..].try_into().expect("a tally's key ends with the proposal's id");
            show(state, ProposalId::from(id)).expect("a listed tally is there")
        })
        .collect()
}
