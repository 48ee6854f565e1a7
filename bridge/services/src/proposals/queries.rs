//! Reading proposals outside of execution.

use quorate_protocol::ProposalId;
use quorate_protocol::api::{ProposalStatus, ProposalView, VoteView};

use super::record::{Ballot, Closing, Tally, Text};
use crate::state::View;

/// The proposal with its votes so far.
pub(crate) fn show(state: View<'_>, id: ProposalId) -> Option<ProposalView> {
    let tally = Tally::read(state, id)?;
    let Text { proposer, salt, description, calls, opened, .. } =
        Text::read(state, id).expect("a tally stands beside its proposal's text");
    let votes = Ballot::of(state, id)
        .map(|(voter, Ballot { choice, weight, signature })| VoteView { voter, choice, weight, signature })
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
        status: tally.closing.map_or(ProposalStatus::Open, Closing::status),
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
