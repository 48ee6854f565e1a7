//! Answers that no coordinator gives are not believed, whatever the endpoint says.

use alloy::primitives::{B256, Bytes, Log as Emitted, U256, keccak256};
use alloy::providers::ProviderBuilder;
use alloy::providers::mock::Asserter;
use alloy::rpc::types::Log;
use alloy::sol_types::{SolCall, SolEvent};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{AgentId, Call, Digest, InboxMessage, ProposalId, Sequence};

use super::*;
use crate::AgentCoordinator::{
    Anchored, Enqueued, MembersChanged, ProposalCreated, ProposalQueued, countedReplicasCall, epochStartCall,
    inboxCall, inboxMessageCall, proposalCall, quorumCall, spendableCall,
};
use crate::{Content, ProposalStatus};

const CONTRACT: Address = Address::repeat_byte(0xc0);

fn group() -> GroupId {
    GroupId::from([7; 32])
}

/// An endpoint that gives prepared answers, one after the other.
struct Endpoint {
    answers: Asserter,
    reader: CoordinatorReader,
}

impl Endpoint {
    fn new() -> Self {
        let answers = Asserter::new();
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_mocked_client(answers.clone())
            .erased();
        let coordinator = AgentCoordinator::new(CONTRACT, provider);
        let reader =
            CoordinatorReader { coordinator, chain_id: 31_337, bounds: Bounds::of_request(DEFAULT_TIMEOUT) };
        Self { answers, reader }
    }

    /// The next call returns this.
    fn returns<C: SolCall>(&self, answer: &C::Return) {
        self.answers.push_success(&Bytes::from(C::abi_encode_returns(answer)));
    }

    /// The next question for events is answered so.
    fn tells(&self, logs: &[Log]) {
        self.answers.push_success(&U256::from(9));
        self.answers.push_success(&logs);
    }
}

fn log(event: &impl SolEvent) -> Log {
    Log {
        inner: Emitted { address: CONTRACT, data: event.encode_log_data() },
        block_number: Some(5),
        transaction_hash: Some(B256::repeat_byte(1)),
        ..Log::default()
    }
}

fn malformed<T: std::fmt::Debug>(answer: Result<T, ReaderError>, reason: &str) {
    match answer {
        Err(ReaderError::Malformed { reason: found, .. }) if found.contains(reason) => {}
        other => panic!("not refused for {reason:?}: {other:?}"),
    }
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused() {
    let Endpoint { answers, reader } = &Endpoint::new();
    let returns = |answer: Vec<u8>| answers.push_success(&Bytes::from(answer));
    let inbox = |length, taken| {
        inboxCall::abi_encode_returns(&crate::InboxState { length, taken, servedAt: 0, waitingSince: 3 })
    };
    returns(inbox(1, 2));
    malformed(reader.inbox(group()).await, "2 of 1");
    returns(inbox(2, 1));
    let found = reader.inbox(group()).await.unwrap();
    assert_eq!((found.length, found.taken, found.served_at_s, found.waiting_since_s), (2, 1, None, Some(3)));

    let replica = Address::repeat_byte;
    for wrong in [vec![replica(2), replica(1)], vec![replica(1); 2], (1..66).map(replica).collect()] {
        returns(countedReplicasCall::abi_encode_returns(&wrong));
        malformed(reader.counted_replicas(group()).await, "replicas");
    }
    for wrong in [U256::ZERO, U256::from(65), U256::MAX] {
        returns(quorumCall::abi_encode_returns(&wrong));
        malformed(reader.quorum(group()).await, "of at most 64");
    }
    let spendable = |left| {
        spendableCall::abi_encode_returns(&crate::AgentCoordinator::spendableReturn {
            perDecision: U256::from(5),
            left,
        })
    };
    returns(spendable(U256::MAX));
    assert_eq!(reader.spendable(group(), 0, AgentId::default()).await.unwrap().left, None);
    returns(spendable(U256::MAX - U256::ONE));
    malformed(reader.spendable(group(), 0, AgentId::default()).await, "more than any limit");
}

#[tokio::test]
async fn a_proposal_stands_where_the_contract_says() {
    let endpoint = Endpoint::new();
    let ask = async |state: crate::ProposalState| {
        endpoint.returns::<proposalCall>(&state);
        endpoint.reader.proposal(group(), ProposalId::default()).await
    };
    assert_eq!(ask(crate::ProposalState::default()).await.unwrap(), None);
    malformed(ask(crate::ProposalState { status: 8, ..Default::default() }).await, "status 8");
    // What only the log knows, and was shown to have refused.
    let refused = crate::ProposalState { refusedInLog: true, ..Default::default() };
    assert_eq!(ask(refused).await.unwrap().unwrap().status, ProposalStatus::None);
    let queued = crate::ProposalState {
        status: 2,
        fromLog: true,
        approvedAt: 3,
        executableFrom: 4,
        executableUntil: 5,
        ..Default::default()
    };
    let found = ask(queued).await.unwrap().unwrap();
    assert_eq!(
        (found.status, found.approved_at_s, found.executable_s),
        (ProposalStatus::Approved, Some(3), Some((4, 5)))
    );
    assert_eq!(found.voting_ends_s, None);
}

#[tokio::test]
async fn the_epoch_that_follows_is_of_the_era_or_the_first_of_the_next() {
    let endpoint = Endpoint::new();
    let begun = crate::EpochStart { membersHash: B256::repeat_byte(1), ..Default::default() };
    let after = async |answers: &[&crate::EpochStart]| {
        for answer in answers {
            endpoint.returns::<epochStartCall>(answer);
        }
        let found = endpoint.reader.epoch_after(group(), Epoch::of(1, 2)).await.unwrap();
        found.map(|start| start.epoch)
    };
    let none = crate::EpochStart::default();
    assert_eq!(after(&[&begun]).await, Some(Epoch::of(1, 3)));
    assert_eq!(after(&[&none, &begun]).await, Some(Epoch::of(2, 0)));
    assert_eq!(after(&[&none, &none]).await, None);
}

fn call() -> Call {
    Call::new(AgentId::from([5; 20]), U256::from(10), vec![1, 2, 3])
}

fn created(calls: &[Call], description: &str) -> ProposalCreated {
    let proposer = AgentId::from([2; 20]);
    ProposalCreated {
        groupId: group().0,
        proposalId: proposal_id(&group(), proposer, 7, 1, calls, description).0,
        proposer: proposer.0,
        class: 1,
        salt: 7,
        calls: calls.iter().map(crate::Call::from).collect(),
        description: description.into(),
        votingEnds: 9,
    }
}

#[tokio::test]
async fn the_content_of_a_proposal_is_that_of_its_id() {
    let endpoint = Endpoint::new();
    let tell = async |event: ProposalCreated| {
        endpoint.tells(&[log(&event)]);
        endpoint.reader.proposals(group(), 0).await
    };
    let sound = created(&[call()], "pay");
    let found = tell(sound.clone()).await.unwrap();
    assert_eq!((found[0].proposal.0, &found[0].calls), (sound.proposalId, &vec![call()]));
    let changes: [fn(&mut ProposalCreated); 5] = [
        |event| event.calls[0].value += U256::ONE,
        |event| event.calls.clear(),
        |event| event.description.push('!'),
        |event| event.salt += 1,
        |event| event.class += 1,
    ];
    for change in changes {
        let mut other = sound.clone();
        change(&mut other);
        malformed(tell(other).await, "not that of proposal");
    }
    // Its own id, but a call that the contract takes from nobody.
    malformed(tell(created(&[Call { gas: 0, ..call() }], "pay")).await, "gas");
}

#[tokio::test]
async fn a_queued_proposal_is_checked_too_and_only_the_one_that_was_asked_for_is_told() {
    let endpoint = Endpoint::new();
    let ProposalCreated { proposalId, .. } = created(&[call()], "pay");
    let content = Content::of(AgentId::from([2; 20]), 7, 1, "pay", &[call()]);
    let queued = ProposalQueued { groupId: group().0, proposalId, content, from: 3, until: 4 };
    endpoint.tells(&[log(&queued)]);
    let found = endpoint.reader.proposal_events(group(), ProposalId(proposalId)).await.unwrap();
    assert_eq!(found[0].kind, ProposalEventKind::Queued { from_s: 3, until_s: 4 });
    assert_eq!(found[0].content(), queued.content);
    endpoint.tells(&[log(&queued)]);
    malformed(endpoint.reader.proposal_events(group(), ProposalId::default()).await, "was not asked for");

    let mut other = queued;
    other.content.descriptionHash = keccak256("pay more");
    endpoint.tells(&[log(&other)]);
    malformed(endpoint.reader.proposals(group(), 0).await, "not that of proposal");
}

#[tokio::test]
async fn events_of_others_are_refused() {
    let endpoint = Endpoint::new();
    let sound = log(&created(&[], "tea"));
    let changes: [fn(&mut Log); 5] = [
        |log| log.inner.address = Address::repeat_byte(1),
        |log| log.inner.data.topics_mut_unchecked()[1] = B256::repeat_byte(1),
        |log| log.removed = true,
        |log| log.block_number = None,
        |log| log.transaction_hash = None,
    ];
    for change in changes {
        let mut other = sound.clone();
        change(&mut other);
        endpoint.tells(&[other]);
        malformed(endpoint.reader.proposals(group(), 0).await, "an event");
    }
    endpoint.tells(&[sound]);
    assert_eq!(endpoint.reader.proposals(group(), 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn anchors_go_forward() {
    let endpoint = Endpoint::new();
    let tell = async |change: fn(&mut Anchored)| {
        let first = Anchored {
            groupId: group().0,
            sequence: 5,
            logSize: 5,
            epoch: 5,
            logRoot: B256::ZERO,
            stateRoot: B256::repeat_byte(3),
            inboxCount: 5,
            inboxHash: B256::repeat_byte(4),
            nextMembersHash: B256::ZERO,
        };
        let mut second = Anchored { sequence: 6, ..first };
        change(&mut second);
        endpoint.tells(&[log(&first), log(&second)]);
        endpoint.reader.anchors(group(), 0).await
    };
    let found = tell(|_| {}).await.unwrap();
    assert_eq!((found.len(), found[1].sequence), (2, Sequence(6)));
    assert_eq!((found[0].state_root, found[0].inbox_hash), (Digest::from([3; 32]), Digest::from([4; 32])));
    let backwards: [fn(&mut Anchored); 4] = [
        |anchor| anchor.sequence = 5,
        |anchor| anchor.logSize = 4,
        |anchor| anchor.epoch = 4,
        |anchor| anchor.inboxCount = 4,
    ];
    for change in backwards {
        malformed(tell(change).await, "too late");
    }
}

#[tokio::test]
async fn the_members_of_an_epoch_are_those_of_its_hash() {
    let endpoint = Endpoint::new();
    let member = crate::Member { account: CONTRACT, key: B256::repeat_byte(1), weight: 1, flags: 1 };
    let members_hash = quorate_protocol::group::members_hash(&[(&member).into()]);
    let begun = |epoch: Epoch, hash| MembersChanged {
        groupId: group().0,
        epoch: epoch.0,
        membersHash: hash,
        members: vec![member.clone()],
    };
    let (first, second) = (begun(Epoch(1), members_hash), begun(Epoch::of(1, 0), members_hash));
    endpoint.tells(&[log(&first), log(&second)]);
    let found = endpoint.reader.epochs(group(), 0).await.unwrap();
    assert_eq!(found.iter().map(|event| event.epoch).collect::<Vec<_>>(), [Epoch(1), Epoch::of(1, 0)]);
    endpoint.tells(&[log(&second), log(&first)]);
    malformed(endpoint.reader.epochs(group(), 0).await, "epoch 1");
    endpoint.tells(&[log(&begun(Epoch(1), B256::ZERO))]);
    malformed(endpoint.reader.epochs(group(), 0).await, "epoch 1");
}

#[tokio::test]
async fn messages_hash_to_what_the_contract_keeps() {
    let endpoint = Endpoint::new();
    let message = |index, payload: u8| InboxMessage {
        index,
        kind: 1,
        sender: AgentId::from([4; 20]),
        enqueued_at: 6,
        payload: vec![payload],
    };
    let enqueued = |message: &InboxMessage| {
        log(&Enqueued {
            groupId: group().0,
            index: message.index,
            kind: message.kind,
            sender: message.sender.0,
            enqueuedAt: message.enqueued_at,
            payload: message.payload.clone().into(),
            inboxHash: B256::ZERO,
        })
    };
    let hash =
        |hash: Digest| crate::AgentCoordinator::inboxMessageReturn { inboxHash: hash.0, enqueuedAt: 6 };
    let before = Digest::from([9; 32]);
    let (third, fourth) = (message(2, 1), message(3, 2));
    let after = fourth.chain_hash(third.chain_hash(before));
    let ask = async |told: &[&InboxMessage], after: Digest| {
        endpoint.tells(&told.iter().map(|message| enqueued(message)).collect::<Vec<_>>());
        endpoint.returns::<inboxMessageCall>(&hash(before));
        endpoint.returns::<inboxMessageCall>(&hash(after));
        let found = endpoint.reader.inbox_messages(group(), 0).await;
        while endpoint.answers.pop_response().is_some() {}
        found
    };
    assert_eq!(ask(&[&third, &fourth], after).await.unwrap(), [third.clone(), fourth.clone()]);
    malformed(ask(&[&third, &message(3, 3)], after).await, "do not hash");
    malformed(ask(&[&message(2, 2), &fourth], after).await, "do not hash");
    malformed(ask(&[&third, &message(4, 2)], after).await, "out of its place");
    malformed(ask(&[&fourth, &third], after).await, "out of its place");
    malformed(ask(&[&third, &fourth], Digest::default()).await, "no message 3");
}
