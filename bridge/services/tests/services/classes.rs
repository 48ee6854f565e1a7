//! The classes of decisions: what they permit, when they decide, and what their votes carry.

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    Basis, Call, ChainVote, Choice, Class, DecisionStatus, Epoch, Group, GroupId, Operation, ProposalId,
    Terms, TimestampMs, U256, VoterSignature,
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
    let all = Class::of_weight(5, 8, PERIOD_S);
    let classes = vec![
        all.clone(),
        Class { veto: 3_750, ..Class::payments(5, 8, PERIOD_S, (10, 100)) },
        Class {
            name: "poll".into(),
            basis: Basis::Cast,
            threshold: 6_000,
            turnout: 5_000,
            ..Class::decisions(5, 8, PERIOD_S)
        },
        Class { name: "debate".into(), revotes: true, ..all.clone() },
        Class { name: "escape".into(), escape: true, voting_period_s: 7_200, ..all },
    ];
    group.terms = Terms { classes, ..group.terms };
    assert_eq!(group.validate(), Ok(()));
    (group, keys)
}

fn pay(value: u64) -> Call {
    Call::payment([9; 20].into(), U256::from(value))
}

fn propose_in(class: u8, calls: Vec<Call>) -> Operation {
    ProposalsOperation::Propose(Propose { salt: 1, description: "x".into(), calls, class }).to_operation()
}

fn id_in(proposer: &Keys, class: u8, calls: &[Call]) -> ProposalId {
    proposal_id(&GroupId::from([7; 32]), proposer.id(), 1, class, calls, "x")
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
    let account = Call { target: group.account, ..pay(0) };
    assert_eq!(code_of(PAYMENT, vec![coordinator]), "not_permitted");
    assert_eq!(code_of(PAYMENT, vec![account]), "not_permitted");
    let without_gas = Call { gas: 0, ..calls().remove(0) };
    assert_eq!(code_of(DEFAULT, vec![without_gas]), "invalid_calls");
    assert!(is_applied(&machine.one(1, keys[0].command(99, vec![propose_in(PAYMENT, vec![pay(10)])]))));
}

#[test]
fn the_class_is_part_of_what_is_proposed() {
    let (machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    assert_eq!(machine.view(id).class, PAYMENT);
    assert_ne!(id, id_in(&keys[0], DEFAULT, &[pay(3)]));
}

#[test]
fn what_could_still_be_vetoed_is_not_approved() {
    let (mut machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    for voter in [0, 1] {
        machine.does(2_000, &keys[voter], vec![vote(id, Choice::For)]);
        assert_eq!(machine.view(id).decision, None, "three of eight could still veto");
    }
    let decided = machine.batch(5_999, &[keys[2].command(0, vec![vote(id, Choice::For)])]);
    let [record] = decisions(&decided.records)[..] else { panic!("one decision") };
    assert_eq!((record.decision.status, record.class), (DecisionStatus::Approved, PAYMENT));
    assert_eq!((record.decision.proposal, record.decision.for_weight), (id, 7));
}

#[test]
fn a_veto_rejects_whatever_is_for() {
    let (mut machine, keys, id) = opened(PAYMENT, vec![pay(3)]);
    machine.one(2_000, keys[1].command(0, vec![vote(id, Choice::For)]));
    machine.one(2_000, keys[2].command(0, vec![vote(id, Choice::For)]));
    let vetoed = machine.batch(2_000, &[keys[0].command(1, vec![vote(id, Choice::Against)])]);
    assert_eq!(decisions(&vetoed.records)[0].decision.status, DecisionStatus::Rejected);
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

/// The vote of `voter` on what [`opened`] opens in the escape lane's class, as the contract counts it.
fn chain_vote(voter: &Keys, proposal: ProposalId) -> ChainVote {
    let voting_ends = 2 + 7_200;
    ChainVote { voter: voter.id(), proposal, choice: Choice::For, epoch: Epoch(0), voting_ends, nonce: 0 }
}

/// The vote with `signer`'s signature on it.
fn signed(signer: &Keys, vote: ChainVote) -> Operation {
    let (group, _) = group_with_classes();
    let signature = signer.account.sign_digest(&vote.digest(&group.identity));
    vote_with(vote.proposal, vote.choice, signature.into())
}

#[test]
fn votes_of_the_escape_lane_carry_the_accounts_signature() {
    let (mut machine, keys, proposal) = opened(ESCAPE, vec![pay(1)]);
    let unsigned = vote(proposal, Choice::For);
    assert_eq!(machine.refuses(2_000, &keys[1], unsigned), "unsigned_vote");
    let right = chain_vote(&keys[1], proposal);
    let wrong = [
        ChainVote { voting_ends: right.voting_ends + 1, ..right },
        ChainVote { epoch: Epoch(1), ..right },
        ChainVote { nonce: 1, ..right },
        ChainVote { voter: keys[2].id(), ..right },
    ];
    for vote in wrong {
        assert_eq!(machine.refuses(2_000, &keys[1], signed(&keys[1], vote)), "bad_vote_signature");
    }
    let others = signed(&keys[2], right);
    assert_eq!(machine.refuses(2_000, &keys[1], others), "bad_vote_signature", "another's signature");
    machine.does(2_000, &keys[1], vec![signed(&keys[1], right)]);
    let votes = machine.view(proposal).votes;
    assert!(votes[0].signature.is_some(), "whoever finishes it on-chain finds it here");

    let (mut machine, keys, proposal) = opened(DEFAULT, vec![]);
    let needless = signed(&keys[1], chain_vote(&keys[1], proposal));
    assert_eq!(machine.refuses(2_000, &keys[1], needless), "needless_signature");
}

/// A voter that is a contract judges its signature itself, which no replica can.
#[test]
fn bytes_that_are_no_accounts_signature_are_taken_as_they_are() {
    let (mut machine, keys, proposal) = opened(ESCAPE, vec![pay(1)]);
    let opaque = [VoterSignature::Opaque(vec![]), VoterSignature::Opaque(vec![7; 130])];
    for (voter, signature) in keys.iter().zip(&opaque) {
        machine.does(2_000, voter, vec![vote_with(proposal, Choice::For, signature.clone())]);
    }
    let view = machine.view(proposal);
    assert_eq!(view.status, DecisionStatus::Approved.into());
    for (voter, signature) in keys.iter().zip(&opaque) {
        let found = view.votes.iter().find(|vote| vote.voter == voter.id()).unwrap();
        assert_eq!(found.signature.as_ref(), Some(signature));
    }
    let account = VoterSignature::from_bytes(&[7; 65]).unwrap();
    let (mut machine, keys, proposal) = opened(ESCAPE, vec![pay(1)]);
    let vote = vote_with(proposal, Choice::For, account);
    assert_eq!(machine.refuses(2_000, &keys[0], vote), "bad_vote_signature", "65 bytes are an account's");
}
