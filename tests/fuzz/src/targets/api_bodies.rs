//! The JSON bodies of the HTTP API, as a client reads them from a node that it does not trust.

use std::fmt::Debug;

use quorate_protocol::api::{
    AgentView, AnchorStatus, ConsistencyProof, ErrorBody, ErrorCode, GroupStatus, HandoversPage,
    ProposalStatus, ProposalView, ProposalsPage, StableStatus, VoteView,
};
use quorate_protocol::{
    B256, Choice, EntryIndex, Epoch, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
use quorate_sdk::AgentPublic;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Format, Memory, QUICK, Target};
use crate::corpus::Seed;
use crate::world::{WORLD, propose};

/// A call without data takes a few dozen bytes of JSON, and is read, written and read again.
const MEMORY: Memory = Memory { base: 64 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "api_bodies",
    format: Format::Text,
    memory: MEMORY,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

fn status() -> GroupStatus {
    let (size, root) = (WORLD.log.size(), WORLD.log.root());
    let anchored =
        AnchorStatus { size, root, sequence: Sequence(5), tx_hash: B256::repeat_byte(3), block: 77 };
    GroupStatus {
        group: WORLD.group.clone(),
        view: View(0),
        primary: ReplicaIndex(0),
        last_executed: Sequence(5),
        time: TimestampMs(1_700_000_005_000),
        log_size: size,
        log_root: root,
        certified: Some(WORLD.head(size)),
        stable: Some(StableStatus { sequence: Sequence(5), log_size: size }),
        anchored: Some(anchored),
        ready: true,
    }
}

fn proposal() -> ProposalView {
    ProposalView {
        id: ProposalId::from([5; 32]),
        proposer: WORLD.keys[0].id(),
        salt: 7,
        class: 0,
        epoch: Epoch(1),
        description: "Pay the supplier \u{2013} \"October\"".into(),
        calls: propose().calls,
        opened: TimestampMs(1),
        closes: TimestampMs(2),
        status: ProposalStatus::Approved,
        votes: vec![VoteView {
            voter: WORLD.keys[1].id(),
            choice: Choice::Against,
            weight: 1,
            signature: None,
        }],
        for_weight: u128::MAX,
        against_weight: 1,
        abstain_weight: 0,
        decision: Some(EntryIndex(6)),
    }
}

fn seeds() -> Vec<Seed> {
    fn json(name: &str, value: &impl Serialize) -> Seed {
        Seed::new(name, serde_json::to_vec(value).expect("plain values become JSON"))
    }
    let keys = &WORLD.keys[0];
    let (agent, key) = (keys.id(), keys.agent.public());
    let view =
        AgentView { agent, key, member: true, voter: true, replica: true, weight: 1, next_nonce: Nonce(6) };
    let proof = ConsistencyProof {
        from: 3,
        to: WORLD.log.size(),
        from_root: WORLD.head(3).root,
        to_root: WORLD.log.root(),
        proof: WORLD.log.consistency_proof(3, WORLD.log.size()).expect("it is a prefix"),
    };
    let error =
        ErrorBody { entry: Some(EntryIndex(4)), ..ErrorBody::new(ErrorCode::NonceReused, "see entry 4") };
    vec![
        json("group", &status()),
        json("agent", &view),
        json("proposal", &proposal()),
        json("proposals", &ProposalsPage { proposals: vec![proposal()], next: Some(proposal().id) }),
        json("consistency", &proof),
        json("handovers", &vec![WORLD.handover()]),
        json("error", &error),
        json("public", &AgentPublic { agent, key }),
    ]
}

fn check(bytes: &[u8]) {
    reads_what_it_writes::<GroupStatus>(bytes);
    reads_what_it_writes::<AgentView>(bytes);
    reads_what_it_writes::<ProposalView>(bytes);
    reads_what_it_writes::<ProposalsPage>(bytes);
    reads_what_it_writes::<ConsistencyProof>(bytes);
    reads_what_it_writes::<HandoversPage>(bytes);
    reads_what_it_writes::<ErrorBody>(bytes);
    reads_what_it_writes::<AgentPublic>(bytes);
}

fn reads_what_it_writes<T: Serialize + DeserializeOwned + Debug + PartialEq>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&value).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(value));
    }
}
