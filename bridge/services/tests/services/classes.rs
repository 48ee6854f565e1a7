//! The classes of decisions: what they permit, when they decide, and what their votes carry.

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::{ChainVote, actions_hash, proposal_id};
use quorate_protocol::{
    Basis, Call, Choice, DecisionStatus, Epoch, Group, GroupId, Operation, Policy, ProposalId, Scope, Terms,
    TimestampMs, U256,
};

use crate::fixture::*;

const DEFAULT: u8 = 0;
const PAYMENT: u8 = 1;
const POLL: u8 = 2;
const DEBATE: u8 = 3;
const ESCAPE: u8 = 4;

const PERIOD_S: u32 = (PERIOD_MS / 1000) as u32;

/// The usual group of weights 3, 2, 2 and 1 with a class of each kind.
fn group_with_classes() -> (Group, Vec<Keys>) {
    let (mut group, keys) = group();
    let class = |name: &str| Policy { name: name.into(), ..Policy::of_weight(5, 8, PERIOD_S, 0) };
    let classes = vec![
        class("default"),
        Policy {
            scope: Scope::Payments,
            value_limit: 10,
            timelock_s: 30,
            expiry_s: 600,
            veto: 3_750,
            ..class("payment")
        },
        Policy {
            scope: Scope::Decisions,
            basis: Basis::Cast,
            threshold: 6_000,
            turnout: 5_000,
            ..class("poll")
        },
        Policy { revotes: true, ..class("debate") },
        Policy { escape: true, ..class("escape") },
    ];
    group.terms = Terms { classes, ..group.terms };
    assert_eq!(group.validate(), Ok(()));
    (group, keys)
}

fn pay(value: u64) -> Call {
    Call { target: [9; 20].into(), value: U256::from(value), data: vec![] }
}

fn propose_in(class: u8, calls: Vec<Call>) -> Operation {
    ProposalsOperation::Propose(Propose { salt: 1, description: "x".into(), calls, class }).to_operation()
}

fn id_in(proposer: &Keys, class: u8, calls: &[Call]) -> ProposalId {
    proposal_id(&GroupId::from([7; 32]), proposer.id(), 1, class, actions_hash(calls), "x")
}

/// A machine with one proposal of the first member in this class, open since 1,500 ms.
fn opened(class: u8, calls: Vec<Call>) -> (Machine, Vec<Keys>, ProposalId) {
    let (group, keys) = group_with_classes();
    let mut machine = Machine::new(&group);
    let id = id_in(&keys[0], class, &calls);
    assert!(is_applied(&machine.one(1_500, keys[0].command(0, vec![propose_in(class, calls)]))));
    (machine, keys, id)
}

/// The end of the voting on what [`opened`] opens: a whole second.
const CLOSES: u64 = 2_000 + PERIOD_MS;

#[test]
fn a_class_permits_what_its_scope_and_limit_say() {
    let (group, keys) = group_with_classes();
    let mut machine = Machine::new(&group);
    let mut nonce = 0;
    let mut code_of = |class, calls| {
        nonce += 1;
        code(&machine.one(1, keys[0].command(nonce, vec![propose_in(class, calls)]))).to_owned()
    };
    assert_eq!(code_of(9, vec![]), "unknown_class");
    assert_eq!(code_of(POLL, vec![pay(1)]), "not_permitted");
    assert_eq!(code_of(PAYMENT, calls()), "not_permitted");
    assert_eq!(code_of(PAYMENT, vec![pay(6), pay(5)]), "not_permitted");
    let coordinator = Call { target: group.identity.contract, ..pay(0) };
    assert_eq!(code_of(PAYMENT, vec![coordinator]), "not_permitted");
    assert!(is_applied(&machine.one(1, keys[0].command(99, vec![propose_in(PAYMENT, vec![pay(10)])]))));
}

#[test]
fn the_class_is_part_of_what_is_proposed() {
    let (machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    assert_eq!(machine.view(id).class, PAYMENT);
    assert_ne!(id, id_in(&keys[0], DEFAULT, &[pay(3)]));
}

#[test]
fn a_decision_says_when_it_may_be_executed() {
    let (mut machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    machine.one(2_000, keys[0].command(1, vec![vote(id, Choice::For)]));
    assert!(machine.view(id).decision.is_none(), "three of eight could still veto");
    let votes = [1, 2].map(|at| keys[at].command(0, vec![vote(id, Choice::For)]));
    let decided = machine.batch(5_999, &votes);
    let [record] = decisions(&decided.records)[..] else { panic!("one decision") };
    assert_eq!((record.decision.executable_from, record.decision.executable_until), (35, 635));
    assert_eq!(record.class, PAYMENT);

    let (mut machine, keys, id) = opened(DEFAULT, vec![]);
    let votes = [0, 1].map(|at| keys[at].command(8, vec![vote(id, Choice::For)]));
    let decided = machine.batch(5_999, &votes);
    let [record] = decisions(&decided.records)[..] else { panic!("one decision") };
    assert_eq!((record.decision.executable_from, record.decision.executable_until), (0, 0));
}

#[test]
fn a_veto_rejects_whatever_is_for() {
    let (mut machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    machine.one(2_000, keys[1].command(0, vec![vote(id, Choice::For)]));
    machine.one(2_000, keys[2].command(0, vec![vote(id, Choice::For)]));
    let vetoed = machine.batch(2_000, &[keys[0].command(1, vec![vote(id, Choice::Against)])]);
    assert_eq!(decisions(&vetoed.records)[0].decision.status, DecisionStatus::Rejected);
    assert_eq!(decisions(&vetoed.records)[0].decision.executable_from, 0);
}

#[test]
fn votes_cast_decide_at_the_end_of_the_voting() {
    for (choices, expected) in [
        (vec![(1, Choice::For), (2, Choice::For)], DecisionStatus::Approved),
        (vec![(1, Choice::For), (2, Choice::Against)], DecisionStatus::Rejected),
        (vec![(1, Choice::Abstain), (2, Choice::Abstain)], DecisionStatus::Rejected),
        (vec![(1, Choice::For)], DecisionStatus::Expired),
        (vec![], DecisionStatus::Expired),
    ] {
        let (mut machine, keys, id) = opened(POLL, vec![]);
        for (voter, choice) in choices {
            assert!(is_applied(&machine.one(2_000, keys[voter].command(0, vec![vote(id, choice)]))));
        }
        assert_eq!(machine.machine.next_due(), Some(TimestampMs(CLOSES)));
        assert!(machine.batch(CLOSES - 1, &[]).records.is_empty(), "the voting goes on");
        let ended = machine.batch(CLOSES, &[]);
        assert_eq!(decisions(&ended.records)[0].decision.status, expected);
    }
}

#[test]
fn votes_cast_decide_early_once_the_rest_cannot_alter_it() {
    let (mut machine, keys, id) = opened(POLL, vec![]);
    machine.one(2_000, keys[0].command(1, vec![vote(id, Choice::For)]));
    let decided = machine.batch(2_000, &[keys[1].command(0, vec![vote(id, Choice::For)])]);
    assert_eq!(decisions(&decided.records)[0].decision.status, DecisionStatus::Approved, "5 of 8, at worst");
}

#[test]
fn votes_change_where_the_class_lets_them_and_the_end_decides() {
    let (mut machine, keys, id) = opened(DEBATE, vec![]);
    for at in [0, 1, 2] {
        assert!(is_applied(&machine.one(2_000, keys[at].command(5, vec![vote(id, Choice::For)]))));
    }
    assert!(machine.view(id).decision.is_none(), "seven of eight for it, and the voting goes on");
    assert_eq!(
        code(&machine.one(2_000, keys[0].command(6, vec![vote(id, Choice::For)]))),
        "already_voted",
        "the same again is no change"
    );
    assert!(is_applied(&machine.one(2_001, keys[0].command(7, vec![vote(id, Choice::Against)]))));
    let view = machine.view(id);
    assert_eq!((view.for_weight, view.against_weight, view.votes.len()), (4, 3, 3));
    let ended = machine.batch(CLOSES, &[]);
    assert_eq!(decisions(&ended.records)[0].decision.status, DecisionStatus::Expired, "four are not enough");

    let (mut machine, keys, id) = opened(DEFAULT, vec![]);
    assert!(is_applied(&machine.one(2_000, keys[1].command(0, vec![vote(id, Choice::Against)]))));
    let refused = machine.one(2_000, keys[1].command(1, vec![vote(id, Choice::For)]));
    assert_eq!(code(&refused), "already_voted");
}

/// The signature by which `voter`'s vote counts on-chain too.
fn signed(voter: &Keys, vote: ChainVote) -> Operation {
    let (group, _) = group_with_classes();
    let signature = Some(voter.account.sign_digest(&vote.digest(&group.identity)));
    let ChainVote { proposal, choice, .. } = vote;
    ProposalsOperation::Vote(Vote { proposal, choice, signature }).to_operation()
}

#[test]
fn votes_of_the_escape_lane_carry_the_accounts_signature() {
    let (mut machine, keys, proposal) = opened(ESCAPE, vec![pay(1)]);
    let choice = Choice::For;
    let right = ChainVote { proposal, choice, epoch: Epoch(0), voting_ends: CLOSES / 1000, nonce: 0 };
    assert_eq!(code(&machine.one(2_000, keys[1].command(0, vec![vote(proposal, choice)]))), "unsigned_vote");
    let wrong = [
        ChainVote { voting_ends: right.voting_ends + 1, ..right },
        ChainVote { epoch: Epoch(1), ..right },
        ChainVote { nonce: 1, ..right },
    ];
    for (nonce, vote) in (1..).zip(wrong) {
        let refused = machine.one(2_000, keys[1].command(nonce, vec![signed(&keys[1], vote)]));
        assert_eq!(code(&refused), "bad_vote_signature");
    }
    let refused = machine.one(2_000, keys[1].command(8, vec![signed(&keys[2], right)]));
    assert_eq!(code(&refused), "bad_vote_signature", "another's signature");
    assert!(is_applied(&machine.one(2_000, keys[1].command(9, vec![signed(&keys[1], right)]))));
    let votes = machine.view(proposal).votes;
    assert!(votes[0].signature.is_some(), "whoever finishes it on-chain finds it here");

    let (mut machine, keys, proposal) = opened(DEFAULT, vec![]);
    let needless = ChainVote { proposal, ..right };
    let refused = machine.one(2_000, keys[1].command(0, vec![signed(&keys[1], needless)]));
    assert_eq!(code(&refused), "needless_signature");
}
