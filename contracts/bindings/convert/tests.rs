use alloy::primitives::{U256, keccak256};
use alloy::sol_types::{SolStruct as _, SolValue as _};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    Class, Decision, DecisionStatus, Digest, ETHER, Entry, EntryIndex, EntryStatus, GroupId, GroupIdentity,
    Limit, Opening, Sequence, Target, Terms, TimestampMs,
};

use super::*;
use crate::UnknownNumber;

fn identity() -> GroupIdentity {
    GroupIdentity { chain_id: 31_337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) }
}

fn terms() -> Terms {
    let limit = |asset, per_decision| Limit { asset, per_decision, per_window: (1 << 112) - 1 };
    let target = Target { target: AgentId::from([3; 20]), selector: [1, 2, 3, 4].into() };
    let pay = Class::payments(3, 4, 60, (5, 6));
    let limits = vec![limit(ETHER, 1), limit(AgentId::from([9; 20]), 2)];
    let act =
        Class { name: "act".into(), limits, targets: vec![target], opening: Opening::Stalled, ..pay.clone() };
    let terms = Terms::of_classes(vec![pay, act, Class::constitution(3, 4, 7_200)]);
    Terms {
        recovery_time_s: 7 * 86_400,
        inbox_fee: (1 << 96) - 1,
        bond: u128::MAX,
        evidence_window_s: 86_400,
        reporter_share: 2_000,
        uptime_feed: AgentId::from([5; 20]),
        ..terms
    }
}

fn record() -> DecisionRecord {
    let call = quorate_protocol::Call::new(AgentId::from([5; 20]), U256::from(10), vec![1, 2, 3]);
    let calls = vec![quorate_protocol::Call { allow_failure: true, ..call.clone() }, call];
    let (group, proposer) = (identity().group, AgentId::from([2; 20]));
    let decision = Decision {
        proposal: proposal_id(&group, proposer, 7, 1, &calls, "pay"),
        status: DecisionStatus::Approved,
        for_weight: 3,
        against_weight: 2,
        abstain_weight: 1,
    };
    DecisionRecord { decision, proposer, salt: 7, description: "pay".into(), calls, class: 1 }
}

fn entry() -> Entry {
    Entry {
        index: EntryIndex(4),
        sequence: Sequence(5),
        timestamp: TimestampMs(6_000),
        status: EntryStatus::Recorded,
        subject: Digest::default(),
        outcome: Digest::default(),
    }
}

#[test]
fn terms_are_the_same_in_both_words() {
    let terms = terms();
    let on_chain = crate::Terms::from(&terms);
    assert_eq!(Terms::try_from(&on_chain), Ok(terms.clone()));
    assert_eq!(keccak256(on_chain.abi_encode()), terms.hash());
}

#[test]
fn terms_of_another_version_are_refused() {
    let on_chain = crate::Terms::from(&terms());
    let changed = |change: fn(&mut crate::Class)| {
        let mut changed = on_chain.clone();
        change(&mut changed.classes[1]);
        Terms::try_from(&changed).unwrap_err()
    };
    let number = |what, number| UnreadableTerms::Number { what, number: UnknownNumber(number) };
    assert_eq!(changed(|class| class.scope = 4), number("scope", 4));
    assert_eq!(changed(|class| class.opening = 3), number("opening", 3));
    assert_eq!(changed(|class| class.basis = 2), number("basis", 2));
    assert_eq!(changed(|class| class.name.0[0] = 0xff), UnreadableTerms::Name { class: 1 });
}

#[test]
fn members_hash_to_the_same() {
    let member = |byte: u8| quorate_protocol::Member {
        agent: AgentId::from([byte; 20]),
        key: PublicKey([byte; 32]),
        weight: u64::from(byte),
        flags: 3,
    };
    let members = [member(1), member(2)];
    let on_chain: Vec<Member> = all(&members);
    assert_eq!(keccak256(on_chain.abi_encode()), quorate_protocol::group::members_hash(&members));
    let back: Vec<quorate_protocol::Member> = all(&on_chain);
    assert_eq!(back, members);
}

#[test]
fn calls_have_the_same_struct_hash() {
    for call in record().calls {
        let on_chain = Call::from(&call);
        assert_eq!(on_chain.eip712_hash_struct(), call.struct_hash());
        assert_eq!(quorate_protocol::Call::from(&on_chain), call);
    }
}

#[test]
fn a_checkpoint_has_the_same_digest() {
    let digest = |byte| Digest::from([byte; 32]);
    let checkpoint = quorate_protocol::Checkpoint {
        group: identity().group,
        epoch: Epoch::of(1, 2),
        sequence: Sequence(3),
        log_size: 4,
        log_root: digest(5),
        state_root: digest(6),
        inbox_count: 7,
        inbox_hash: digest(8),
        next_members_hash: digest(9),
    };
    let domain = crate::eip712_domain(identity().chain_id, identity().contract.0);
    let on_chain = Checkpoint::from(&checkpoint);
    assert_eq!(on_chain.eip712_signing_hash(&domain), checkpoint.digest(&identity()));
}

#[test]
fn an_approval_names_the_decision_that_was_taken() {
    let (record, entry) = (record(), entry());
    let approval = Approval::of(&record, &entry, Epoch::of(1, 2));
    let content = Content::from(&record);
    assert_eq!(
        (approval.epoch, approval.index, approval.sequence, approval.timestampMs),
        (1 << 32 | 2, 4, 5, 6_000)
    );
    assert_eq!((approval.forWeight, approval.againstWeight, approval.abstainWeight), (3, 2, 1));
    assert_eq!((approval.calls, approval.descriptionHash), (content.calls, keccak256("pay")));
    assert_eq!((approval.proposer, approval.salt, approval.class), (record.proposer.0, 7, 1));

    let decision = Decision { status: DecisionStatus::Expired, ..record.decision };
    let refusal = LogRefusal::of(&decision, &entry);
    assert_eq!((refusal.status, refusal.proposalId, refusal.index), (3, decision.proposal.0, 4));
    let domain = crate::eip712_domain(identity().chain_id, identity().contract.0);
    let told = crate::Decision {
        proposalId: refusal.proposalId,
        status: refusal.status,
        forWeight: refusal.forWeight,
        againstWeight: refusal.againstWeight,
        abstainWeight: refusal.abstainWeight,
    };
    assert_eq!(told.eip712_signing_hash(&domain), decision.digest(&identity()).0);
}

#[test]
fn a_mandate_is_for_and_none_is_all_zero() {
    let signature = AccountSignature([8; 65]);
    let mandate = quorate_protocol::Mandate {
        proposer: AgentId::from([1; 20]),
        salt: 2,
        class: 3,
        description_hash: Digest::from([4; 32]),
        voting_ends: 5,
        ballots: vec![quorate_protocol::mandate::Ballot { voter: AgentId::from([6; 20]), signature }],
    };
    let on_chain = Mandate::from(Some(&mandate));
    let Mandate { proposer, salt, class, descriptionHash, votingEnds, ballots } = on_chain;
    assert_eq!((proposer, salt, class), (mandate.proposer.0, 2, 3));
    assert_eq!((descriptionHash, votingEnds), (B256::repeat_byte(4), 5));
    assert_eq!(ballots, [Ballot::of(AgentId::from([6; 20]), Choice::For, &signature.into())]);

    let none = Mandate::from(None::<&quorate_protocol::Mandate>);
    assert_eq!(none, Mandate::default());
    assert!(none.proposer.is_zero() && none.ballots.is_empty() && none.votingEnds == 0);
}
