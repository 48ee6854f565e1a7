//! The contract's inbox: what a quorum of replicas saw is taken, in order, once, and carried out.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quorate_protocol::entry::InboxDisposition;
use quorate_protocol::group::FLAG_VOTER;
use quorate_protocol::inbox::{
    KIND_COMMAND, KIND_MEMBER_LEFT, KIND_PROPOSAL_CLOSED, KIND_PROPOSAL_OPENED, KIND_REPLICA_CONVICTED,
    KIND_REPLICA_LEAVING, MAX_INBOX_PAYLOAD_BYTES,
};
use quorate_protocol::operations::inbox::{InboxOutcome, MAX_OBSERVED};
use quorate_protocol::{
    AgentId, EntryBody, GroupId, InboxEvent, InboxMessage, InboxTaken, OnChainStatus, Outcome, SignedCommand,
    codec,
};
use quorate_services::StateMachine;

use crate::fixture::*;
use crate::scene::*;

#[test]
fn a_message_is_taken_with_the_word_of_a_quorum_and_not_before() {
    let mut scene = Scene::new(4);
    let chain = Chain::idle(3);
    let records = scene.all_say(&[0, 2, 3], &chain, 3);
    let expected: Vec<_> =
        (0..3).map(|index| (index, chain.hash(index as usize + 1), InboxDisposition::Unknown)).collect();
    assert_eq!(taken(&records), expected);
    assert_eq!(records.len(), 3);
    assert_eq!(scene.head(), (3, chain.hash(3)));

    // The fourth comes late, which is nobody's fault and changes nothing.
    let late = scene.says(1, chain.observe(0, 3));
    assert_eq!((late.len(), code(&late[0].outcome)), (1, "nothing_new"));
    assert_eq!(scene.head(), (3, chain.hash(3)));
}

#[test]
fn who_cannot_speak_of_the_inbox_is_refused() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let chain = Chain::idle(MAX_OBSERVED as u64 + 1);
    // A voter that is no replica.
    let outcome = machine.one(1, keys[3].command(0, vec![chain.observe(0, 1)]));
    assert_eq!(code(&outcome), "not_a_replica");
    let refused = [
        ("gap", chain.observe(1, 2)),
        ("gap", operation(u64::MAX, &chain.0[..2])),
        ("out_of_order", operation(0, &chain.0[1..3])),
        ("out_of_order", operation(0, &[chain.0[0].clone(), chain.0[2].clone()])),
        ("nothing_new", operation(0, &[])),
    ];
    for (nonce, (expected, operation)) in (0..).zip(refused) {
        assert_eq!(code(&machine.one(1, keys[0].command(nonce, vec![operation]))), expected);
    }
    let many = keys[0].command(9, vec![chain.observe(0, MAX_OBSERVED + 1)]);
    let outcome = machine.one(1, many);
    assert!(matches!(
        outcome.refusal(),
        Some(quorate_protocol::Refusal::MalformedOperation { operation: 0 })
    ));
    let most = machine.one(1, keys[0].command(10, vec![chain.observe(0, MAX_OBSERVED)]));
    let Outcome::Applied { results } = most else { panic!("{most:?}") };
    assert_eq!(codec::decode(&results[0].body, 64), Ok(InboxOutcome::Observed { taken: 0 }));
}

#[test]
fn f_replicas_neither_put_a_message_in_nor_keep_one_out() {
    let mut scene = Scene::new(7);
    let chain = Chain::idle(2);
    let invented = {
        let mut chain = Chain::default();
        chain.push(KIND_COMMAND, vec![6; 6]).push(KIND_COMMAND, vec![7; 7]).push(KIND_COMMAND, vec![8]);
        chain
    };
    for liar in [0, 1] {
        assert_eq!(scene.says(liar, invented.observe(0, 3)).len(), 1);
        // Nor by saying it twice.
        assert_eq!(scene.says(liar, invented.observe(0, 3)).len(), 1);
    }
    let records = scene.all_say(&[2, 3, 4, 5, 6], &chain, 2);
    assert_eq!(taken(&records).len(), 2);
    assert_eq!(scene.head(), (2, chain.hash(2)));
    // What they invented before stands for nothing behind what is taken.
    for liar in [0, 1] {
        assert_eq!(scene.says(liar, operation(2, &invented.0[2..])).len(), 1);
    }
    assert_eq!(scene.taken(), 2);
}

#[test]
fn a_replica_that_lags_says_less_and_that_counts() {
    let mut scene = Scene::new(4);
    let chain = Chain::idle(6);
    assert_eq!(scene.says(0, chain.observe(0, 6)).len(), 1);
    assert_eq!(scene.says(1, chain.observe(0, 4)).len(), 1);
    let two = scene.says(2, chain.observe(0, 2));
    assert_eq!(taken(&two).len(), 2);
    // What the others said of the rest still counts.
    let four = scene.says(2, chain.observe(0, 3));
    assert_eq!(taken(&four).iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [2]);
    let last = scene.says(3, chain.observe(1, 6));
    assert_eq!(taken(&last).iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [3]);
    let all = scene.says(1, chain.observe(4, 6));
    assert_eq!(taken(&all).iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(scene.head(), (6, chain.hash(6)));
}

#[test]
fn who_contradicts_itself_is_held_to_its_newest_word() {
    let mut scene = Scene::new(4);
    let chain = Chain::idle(4);
    let mut other = Chain::idle(2);
    other.push(201, vec![1]).push(201, vec![2]);
    let me = scene.keys[0].id();
    let word = |scene: &Scene, index| scene.machine.machine.inbox_word(me, index);

    scene.says(0, other.observe(0, 4));
    assert_eq!(word(&scene, 3), Some(other.hash(4)));
    scene.says(0, chain.observe(0, 3));
    assert_eq!(word(&scene, 2), Some(chain.hash(3)));
    assert_eq!(word(&scene, 3), None, "what followed on the dropped message is dropped");
    scene.says(0, chain.observe(0, 4));
    scene.says(0, chain.observe(0, 2));
    assert_eq!(word(&scene, 3), Some(chain.hash(4)), "a part of its word takes nothing back");

    // Two more for the other chain: without the dropped word they are no quorum.
    scene.says(1, other.observe(0, 4));
    let shared = scene.says(2, other.observe(0, 4));
    assert_eq!(taken(&shared).len(), 2, "the two chains begin alike");
    assert_eq!(scene.taken(), 2);
    assert_eq!(taken(&scene.says(3, other.observe(0, 4))).len(), 2);
    assert_eq!(scene.head(), (4, other.hash(4)));
}

#[test]
fn a_command_takes_the_ordinary_way_once() {
    let mut scene = Scene::new(4);
    let command = scene.keys[3].command(0, vec![propose(1)]);
    let mut chain = Chain::default();
    chain.command(&command).push(200, vec![]).command(&command);
    let refused = scene.keys[3].command(1, vec![propose(1)]);
    chain.command(&refused);
    let records = scene.all_say(&[0, 1, 2], &chain, 4);
    assert_eq!(kinds(&records), ["taken", "applied", "taken", "taken", "taken", "refused"]);
    use InboxDisposition::{CarriedOut, Duplicate, Unknown};
    assert_eq!(dispositions(&records), [CarriedOut, Unknown, Duplicate, CarriedOut]);
    assert_eq!(records[1].entry.subject, command.digest());
    assert_eq!(code(&records[5].outcome), "proposal_exists");
    let again = scene.machine.batch(1, &[command]);
    assert_eq!(again.dispositions, [quorate_services::Disposition::Duplicate(records[1].entry.index)]);
}

#[test]
fn a_command_that_is_none_leaves_only_its_place() {
    let mut scene = Scene::new(4);
    let good = scene.keys[3].command(0, vec![propose(1)]);
    let mut foreign = good.command().clone();
    foreign.group = GroupId::from([8; 32]);
    let foreign = SignedCommand::sign(foreign, &scene.keys[3].key);
    let forged = SignedCommand::from_parts(good.command().clone(), quorate_protocol::Signature([1; 64]));
    let mut cut = good.encode();
    cut.pop();
    let mut chain = Chain::default();
    chain
        .push(KIND_COMMAND, vec![])
        .push(KIND_COMMAND, vec![0xff; MAX_INBOX_PAYLOAD_BYTES / 2])
        .push(KIND_COMMAND, cut)
        .command(&foreign)
        .command(&forged)
        .command(&scene.keys[3].command(0, vec![]))
        .command(&Keys::new(99).command(0, vec![propose(1)]))
        .push(KIND_PROPOSAL_OPENED, vec![0; 160])
        .push(KIND_PROPOSAL_CLOSED, vec![1; 63])
        .push(KIND_REPLICA_CONVICTED, vec![1; 32])
        .push(KIND_REPLICA_LEAVING, vec![0; 32])
        .push(KIND_MEMBER_LEFT, vec![0; 33]);
    let records = scene.all_say(&[0, 1, 2], &chain, chain.0.len());
    assert_eq!(records.len(), chain.0.len(), "nothing but their places: {:?}", kinds(&records));
    use InboxDisposition::{Dropped, Malformed};
    let expected: Vec<_> = [Malformed; 6].into_iter().chain([Dropped]).chain([Malformed; 5]).collect();
    assert_eq!(dispositions(&records), expected);
    // The good one was not used up by the bad copies of it.
    assert!(is_applied(&scene.machine.one(1, good)));
}

#[test]
fn the_state_keeps_the_entry_of_the_last_message_taken() {
    let mut scene = Scene::new(4);
    assert_eq!(scene.machine.machine.inbox_entry(), None);
    let mut chain = Chain::default();
    chain.command(&scene.keys[3].command(0, vec![propose(1)])).push(KIND_COMMAND, vec![7]);
    for end in [1, 2] {
        let records = scene.all_say(&[0, 1, 2], &chain, end);
        let taken = records.iter().find(|record| kinds(std::slice::from_ref(record)) == ["taken"]).unwrap();
        let entry = scene.machine.machine.inbox_entry().unwrap();
        let (index, hash) = (end as u64 - 1, chain.hash(end));
        let told = InboxTaken { index, hash, disposition: entry.disposition };
        let identity = &scene.machine.group.identity;
        assert_eq!(told.entry(identity, entry.index, entry.sequence, entry.timestamp), taken.entry);

        let mut store = Store::default();
        store.0.extend(scene.machine.machine.pairs().map(|(key, value)| (key.to_vec(), value.to_vec())));
        assert_eq!(store.restore(&scene.machine.group).inbox_entry(), Some(entry));
    }
    let last = scene.machine.machine.inbox_entry().unwrap();
    assert_eq!(last.disposition, InboxDisposition::Malformed);
    scene.machine.batch(9, &[scene.keys[0].command(0, vec![propose(2)])]);
    assert_eq!(scene.machine.machine.inbox_entry(), Some(last), "until the next is taken");
}

/// A faulty replica can say what is yet to be enqueued, and have that enqueued before it.
#[test]
fn what_a_message_takes_comes_behind_the_messages_before_it() {
    let mut scene = Scene::new(4);
    let rest = Chain::idle(3);
    let word = scene.keys[2].command(0, vec![operation(2, &rest.0[2..])]);
    let mut chain = Chain::default();
    chain.command(&word);
    chain.0.extend_from_slice(&rest.0[1..]);
    scene.says(0, chain.observe(0, 3));
    scene.says(1, chain.observe(0, 3));
    let records = scene.says(3, chain.observe(0, 2));
    assert_eq!(kinds(&records), ["applied", "taken", "applied", "taken", "taken"]);
    let indices: Vec<_> = taken(&records).iter().map(|(index, ..)| *index).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(scene.head(), (3, chain.hash(3)));
}

#[test]
fn what_one_command_proposes_and_takes_is_recorded_in_order() {
    let mut scene = Scene::new(4);
    let chain = Chain::idle(2);
    scene.says(0, chain.observe(0, 2));
    scene.says(1, chain.observe(0, 2));
    let id = id_of(&scene.keys[2], 1);
    let command = scene.command(2, vec![chain.observe(0, 2), propose(1), cancel(id)]);
    let records = scene.machine.batch(1, &[command]).records;
    assert_eq!(kinds(&records), ["applied", "decision", "taken", "taken"]);
    assert_eq!(scene.machine.view(id).decision, Some(records[1].entry.index));
    // A command that is refused takes nothing.
    let mut scene = Scene::new(4);
    scene.says(0, chain.observe(0, 2));
    scene.says(1, chain.observe(0, 2));
    let command = scene.command(2, vec![chain.observe(0, 2), cancel(id)]);
    assert_eq!(kinds(&scene.machine.batch(1, &[command]).records), ["refused"]);
    assert_eq!(scene.taken(), 0);
    assert_eq!(taken(&scene.says(2, chain.observe(0, 1))).len(), 1);
}

#[test]
fn words_of_an_epoch_that_is_over_count_no_more() {
    let mut scene = Scene::new(5);
    let chain = Chain::idle(2);
    scene.says(0, chain.observe(0, 2));
    scene.says(1, chain.observe(0, 2));
    scene.says(4, chain.observe(0, 2));
    let size =
        |machine: &StateMachine| machine.pairs().filter(|(key, _)| key.starts_with(b"inbox/w")).count();
    assert_eq!(size(&scene.machine.machine), 3);
    scene.approve(scene.with(4, |member| member.flags = FLAG_VOTER), &[0, 1, 2]);
    scene.end_epoch();
    let me = scene.keys[0].id();
    assert_eq!(scene.machine.machine.inbox_word(me, 0), None);
    assert_eq!(scene.says(2, chain.observe(0, 2)).len(), 1);
    assert_eq!(size(&scene.machine.machine), 1, "nothing is left of the others'");
    assert_eq!(scene.says(3, chain.observe(0, 2)).len(), 1);
    assert_eq!(taken(&scene.says(0, chain.observe(0, 2))).len(), 2);
    let gone = scene.keys[4].command(1, vec![chain.observe(0, 2)]);
    assert_eq!(code(&scene.machine.one(1, gone)), "not_a_replica");
}

/// What a replica does in a random history.
#[derive(Clone, Debug)]
enum Act {
    /// Says so many messages of the true chain, from so many below what is taken.
    Truth(usize, usize, usize),
    /// Says messages that nobody enqueued from what is taken on, told apart by a number.
    Lie(usize, usize, u8),
    /// The epoch ends: the same members go on.
    Renew,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => (2usize..7, 0usize..3, 1usize..9).prop_map(|(who, back, count)| Act::Truth(who, back, count)),
        6 => (0usize..2, 1usize..70, 0u8..3).prop_map(|(who, count, of)| Act::Lie(who, count, of)),
        1 => Just(Act::Renew),
    ]
}

/// A chain of everything: commands sound and not, events, and what nobody knows.
fn chain_of_all(keys: &[Keys]) -> Chain {
    let mut chain = Chain::default();
    for round in 0..12u64 {
        let plain = keys[(round % 7) as usize].command(1_000_000 + round, vec![propose(round)]);
        chain.command(&plain).push(KIND_COMMAND, vec![round as u8]).command(&plain).push(77, vec![]);
        let id = id_of(&keys[(round % 7) as usize], round);
        let status = OnChainStatus::Executed;
        chain.tell(InboxEvent::ProposalClosedOnChain { proposal: id, status });
    }
    chain
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        rng_seed: RngSeed::Fixed(11),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever two of seven replicas invent and however the others lag: what is taken is a prefix of the chain,
    /// each message once, and the state stays bounded.
    #[test]
    fn only_the_chain_is_taken_in_order_and_once(acts in prop::collection::vec(act(), 1..120)) {
        let mut scene = Scene::new(7);
        let chain = chain_of_all(&scene.keys);
        let mut records = Vec::new();
        for act in acts {
            let now = usize::try_from(scene.taken()).unwrap();
            match act {
                Act::Truth(who, back, count) => {
                    let first = now.saturating_sub(back);
                    let end = (first + count).min(chain.0.len());
                    if first < end {
                        records.extend(scene.says(who, chain.observe(first, end)));
                    }
                }
                Act::Lie(who, count, of) => {
                    let lies: Vec<InboxMessage> = (0..count.min(MAX_OBSERVED) as u64)
                        .map(|at| InboxMessage {
                            index: now as u64 + at,
                            kind: KIND_REPLICA_CONVICTED,
                            sender: AgentId::from([of; 20]),
                            enqueued_at: 0,
                            payload: vec![0; 32],
                        })
                        .collect();
                    records.extend(scene.says(who, operation(now as u64, &lies)));
                }
                Act::Renew => {
                    let members = scene.machine.machine.group().members.clone();
                    scene.approve(members, &[0, 1, 2, 3]);
                    scene.end_epoch();
                }
            }
            let words = scene.machine.machine.pairs().filter(|(key, _)| key.starts_with(b"inbox/w"));
            let sizes: Vec<usize> = words.map(|(_, value)| value.len()).collect();
            prop_assert!(sizes.len() <= 7);
            prop_assert!(sizes.iter().all(|size| *size <= MAX_OBSERVED * 34 + 32), "{:?}", sizes);
        }
        let expected: Vec<_> = (0..scene.taken())
            .map(|index| (index, chain.hash(usize::try_from(index).unwrap() + 1)))
            .collect();
        let found: Vec<_> = taken(&records).into_iter().map(|(index, hash, _)| (index, hash)).collect();
        prop_assert_eq!(found, expected);

        let mut seen = BTreeMap::new();
        for record in &records {
            if matches!(record.body, EntryBody::Command(_)) {
                let before = seen.insert(record.entry.subject, record.entry.index);
                prop_assert_eq!(before, None, "a command has two entries");
            }
        }

        // Once the five that tell the truth have said everything, everything is taken.
        let mut rounds = 0;
        while scene.taken() < chain.0.len() as u64 {
            let now = usize::try_from(scene.taken()).unwrap();
            for who in 2..7 {
                let first = usize::try_from(scene.taken()).unwrap();
                let end = (now + 24).min(chain.0.len());
                if first < end {
                    scene.says(who, chain.observe(first, end));
                }
            }
            rounds += 1;
            prop_assert!(rounds <= 4, "{} of {} taken", scene.taken(), chain.0.len());
        }
        prop_assert_eq!(scene.head(), (chain.0.len() as u64, chain.hash(chain.0.len())));
    }
}
