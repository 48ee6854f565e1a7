//! The rules of proposals, one by one.

use crate::fixture::*;
use quorate_protocol::{Choice, DecisionStatus, EntryIndex, EntryStatus, TimestampMs};
use quorate_services::ProposalStatus;

/// A machine with one proposal of the first member, open since 1,000 ms.
fn opened() -> (Machine, Vec<Keys>, quorate_protocol::ProposalId) {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    assert!(is_applied(&machine.one(1_000, keys[0].command(0, vec![propose(1)]))));
    let id = id_of(&keys[0], 1);
    (machine, keys, id)
}

#[test]
fn approved_by_the_vote_that_meets_the_threshold() {
    let (mut machine, keys, id) = opened();
    let first = machine.batch(1_001, &[keys[0].command(1, vec![vote(id, Choice::For)])]);
    assert_eq!(decisions(&first.records), Vec::<&_>::new());
    assert_eq!(machine.view(id).status, ProposalStatus::Open);

    let second = machine.batch(1_002, &[keys[1].command(0, vec![vote(id, Choice::For)])]);
    let [vote_entry, decision_entry] = &second.records[..] else { panic!("a vote and a decision") };
    assert_eq!(vote_entry.entry.status, EntryStatus::Applied);
    assert_eq!(decision_entry.entry.status, EntryStatus::Decided(DecisionStatus::Approved));
    let [record] = decisions(&second.records)[..] else { panic!("one decision") };
    assert_eq!((record.decision.for_weight, record.decision.against_weight), (5, 0));
    assert_eq!(record.calls, calls());

    let view = machine.view(id);
    assert_eq!((view.status, view.decision), (ProposalStatus::Approved, Some(EntryIndex(4))));
    assert_eq!(view.decision, Some(decision_entry.entry.index));
    assert_eq!(machine.machine.next_due(), None);
    assert_eq!(code(&machine.one(1_003, keys[2].command(0, vec![vote(id, Choice::For)]))), "proposal_closed");
}

#[test]
fn rejected_as_soon_as_approval_is_out_of_reach() {
    let (mut machine, keys, id) = opened();
    assert!(is_applied(&machine.one(1_001, keys[1].command(0, vec![vote(id, Choice::Against)]))));
    assert!(is_applied(&machine.one(1_001, keys[3].command(0, vec![vote(id, Choice::Abstain)]))));
    assert_eq!(machine.view(id).status, ProposalStatus::Open, "5 of 8 can still be for it");
    let last = machine.batch(1_002, &[keys[2].command(0, vec![vote(id, Choice::Abstain)])]);
    let [record] = decisions(&last.records)[..] else { panic!("one decision") };
    assert_eq!(record.decision.status, DecisionStatus::Rejected);
    assert_eq!((record.decision.against_weight, record.decision.abstain_weight), (2, 3));
}

#[test]
fn expired_at_the_start_of_the_first_batch_whose_time_has_come() {
    let (mut machine, keys, id) = opened();
    let closes = 1_000 + PERIOD_MS;
    assert_eq!(machine.machine.next_due(), Some(TimestampMs(closes)));
    assert!(machine.batch(closes - 1, &[]).records.is_empty());

    let late = keys[0].command(1, vec![vote(id, Choice::For)]);
    let executed = machine.batch(closes, &[late]);
    let statuses: Vec<_> = executed.records.iter().map(|record| record.entry.status).collect();
    assert_eq!(statuses, [EntryStatus::Decided(DecisionStatus::Expired), EntryStatus::Refused]);
    assert_eq!(code(&executed.records[1].outcome), "proposal_closed");
    assert_eq!(machine.view(id).decision, Some(executed.records[0].entry.index));
    assert_eq!(machine.machine.next_due(), None);
}

#[test]
fn cancelled_by_its_proposer_alone_while_it_is_open() {
    let (mut machine, keys, id) = opened();
    assert_eq!(code(&machine.one(1_001, keys[1].command(0, vec![cancel(id)]))), "not_the_proposer");
    let executed = machine.batch(1_002, &[keys[0].command(1, vec![cancel(id)])]);
    assert_eq!(decisions(&executed.records)[0].decision.status, DecisionStatus::Cancelled);
    assert_eq!(code(&machine.one(1_003, keys[0].command(2, vec![cancel(id)]))), "proposal_closed");
    assert_eq!(code(&machine.one(1_003, keys[0].command(3, vec![propose(1)]))), "proposal_exists");
}

#[test]
fn what_the_rules_forbid_is_named() {
    let (mut machine, keys, id) = opened();
    let unknown = id_of(&keys[0], 99);
    assert_eq!(code(&machine.one(1_001, keys[0].command(1, vec![propose(1)]))), "proposal_exists");
    assert_eq!(code(&machine.one(1_001, keys[0].command(2, vec![cancel(unknown)]))), "unknown_proposal");
    assert_eq!(code(&machine.one(1_001, keys[4].command(0, vec![propose(1)]))), "not_a_voter");
    assert_eq!(code(&machine.one(1_001, keys[4].command(1, vec![vote(id, Choice::For)]))), "not_a_voter");
    assert!(is_applied(&machine.one(1_001, keys[1].command(0, vec![vote(id, Choice::Against)]))));
    assert_eq!(code(&machine.one(1_001, keys[1].command(1, vec![vote(id, Choice::For)]))), "already_voted");
    let view = machine.view(id);
    assert_eq!((view.for_weight, view.against_weight, view.votes.len()), (0, 2, 1));
}

#[test]
fn one_command_may_propose_and_vote() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let id = id_of(&keys[0], 1);
    assert!(is_applied(&machine.one(1, keys[0].command(0, vec![propose(1), vote(id, Choice::For)]))));
    let last = [propose(1), vote(id, Choice::For), vote(id_of(&keys[1], 1), Choice::For)];
    let executed = machine.batch(2, &[keys[1].command(0, last.to_vec())]);
    assert_eq!(executed.records.len(), 2, "the command and the decision that it led to");
    assert_eq!(machine.view(id).decision, Some(executed.records[1].entry.index));
    assert_eq!(machine.view(id_of(&keys[1], 1)).for_weight, 2);
}

/// The vote that would decide stands before an operation that is refused: neither it nor its decision may
/// remain, and the decision's index must not be taken.
#[test]
fn a_refused_operation_undoes_the_whole_command() {
    let (mut machine, keys, id) = opened();
    machine.one(1_001, keys[0].command(1, vec![vote(id, Choice::For)]));
    let before = machine.view(id);
    let operations = vec![vote(id, Choice::For), propose(5), cancel(id_of(&keys[0], 99))];
    let executed = machine.batch(1_002, &[keys[1].command(0, operations)]);
    assert_eq!(executed.records.len(), 1);
    assert_eq!(code(&executed.records[0].outcome), "unknown_proposal");
    assert_eq!(machine.view(id), before);
    assert_eq!(machine.machine.proposal(&id_of(&keys[1], 5)), None);

    let decided = machine.batch(1_003, &[keys[1].command(1, vec![vote(id, Choice::For)])]);
    assert_eq!(machine.view(id).decision, Some(decided.records[1].entry.index));
}

#[test]
fn more_than_a_batch_may_expire_is_done_over_several() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    for nonce in 0..65 {
        let operations = (0..16).map(|position| propose(16 * nonce + position)).collect();
        assert!(is_applied(&machine.one(1, keys[0].command(nonce, operations))));
    }
    let closes = 1_000 + PERIOD_MS;
    let first = machine.batch(closes, &[]);
    assert_eq!(first.records.len(), 1_024);
    assert_eq!(machine.machine.next_due(), Some(TimestampMs(closes)));
    let overdue = machine.machine.proposals(None, usize::MAX);
    assert_eq!(overdue.iter().filter(|view| view.status == ProposalStatus::Open).count(), 16);
    assert_eq!(machine.batch(closes, &[]).records.len(), 16);
    assert_eq!(machine.machine.next_due(), None);
}

#[test]
fn proposals_are_listed_in_order_and_by_page() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    machine.one(1, keys[0].command(0, (0..10).map(propose).collect()));
    let all: Vec<_> = machine.machine.proposals(None, 100).iter().map(|view| view.id).collect();
    assert_eq!(all.len(), 10);
    assert!(all.is_sorted());
    let mut paged = Vec::new();
    loop {
        let page = machine.machine.proposals(paged.last().copied(), 3);
        if page.is_empty() {
            break;
        }
        paged.extend(page.iter().map(|view| view.id));
    }
    assert_eq!(paged, all);
}
