//! What Solidity computes too: every hash, digest and leaf, and a change of weights from its call to its checkpoint.

use alloy_primitives::{B256, hex, keccak256};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::entry::InboxDisposition;
use quorate_protocol::mandate::Ballot;
use quorate_protocol::merkle::{self, MerkleLog};
use quorate_protocol::typed;
use quorate_protocol::*;
use serde_json::{Value, json};

use crate::*;

/// What a checkpoint's type is, which its own module has by alloy.
const CHECKPOINT_TYPE: &str = "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,uint64 inboxCount,bytes32 inboxHash,bytes32 nextMembersHash)";

fn sample_group() -> Value {
    let (identity, group) = (identity(), group());
    let secrets: Vec<B256> = keys().iter().map(|(account, _)| B256::from(account.secret())).collect();
    json!({
        "chainId": identity.chain_id,
        "contract": identity.contract,
        "account": group.account,
        "creator": AgentId::from([CREATOR; 20]),
        "groupSalt": B256::repeat_byte(GROUP_SALT),
        "terms": sol::encoded(&sol::terms(&group.terms)),
        "termsHash": group.terms.hash(),
        "members": members_json(&group.members),
        "secrets": secrets,
        "membersHash": group.members_hash(),
        "groupId": identity.group,
        "domainSeparator": identity.eip712_domain().separator(),
    })
}

fn members_json(members: &[Member]) -> Vec<Value> {
    let member = |member: &Member| {
        json!({
            "account": member.agent, "key": member.key, "weight": member.weight, "flags": member.flags,
        })
    };
    members.iter().map(member).collect()
}

fn proposal() -> Value {
    let calls = sample_calls();
    json!({
        "calls": sol::encoded(&sol::calls(&calls)),
        "callHashes": calls.iter().map(Call::struct_hash).collect::<Vec<_>>(),
        "actionsHash": call::actions_hash(&calls),
        "description": DESCRIPTION,
        "descriptionHash": keccak256(DESCRIPTION),
        "proposer": proposer(),
        "salt": SALT,
        "class": CLASS,
        "proposalId": decision().proposal,
    })
}

/// Votes, objections and decisions.
fn statements() -> Value {
    let (identity, decision) = (identity(), decision());
    let (voter, epoch) = (members()[1].agent, Epoch::of(2, 3));
    let vote = ChainVote {
        voter,
        proposal: decision.proposal,
        choice: Choice::For,
        epoch,
        voting_ends: 1_700_003_600,
        nonce: 1,
    };
    let objection = Objection { voter, proposal: decision.proposal };
    json!({
        "vote": {
            "voter": voter, "choice": vote.choice as u8, "epoch": epoch, "votingEnds": vote.voting_ends,
            "nonce": vote.nonce, "digest": vote.digest(&identity),
        },
        "objection": { "voter": voter, "digest": objection.digest(&identity) },
        "decision": {
            "status": decision.status as u8, "forWeight": decision.for_weight,
            "againstWeight": decision.against_weight, "abstainWeight": decision.abstain_weight,
            "digest": decision.digest(&identity),
        },
    })
}

fn checkpoint_json(checkpoint: &Checkpoint) -> Value {
    json!({
        "epoch": checkpoint.epoch, "sequence": checkpoint.sequence, "logSize": checkpoint.log_size,
        "logRoot": checkpoint.log_root, "stateRoot": checkpoint.state_root,
        "inboxCount": checkpoint.inbox_count, "inboxHash": checkpoint.inbox_hash,
        "nextMembersHash": checkpoint.next_members_hash, "digest": checkpoint.digest(&identity()),
    })
}

fn checkpoints() -> Value {
    let identity = identity();
    let mut anchorable = checkpoint_json(&checkpoint());
    let sign = |(account, _): &(AccountKey, AgentKey)| {
        let signed = SignedCheckpoint::sign(&identity, checkpoint(), account);
        json!({ "replica": signed.replica, "signature": signed.signature })
    };
    anchorable["signatures"] = keys().iter().map(sign).collect();
    let full = Checkpoint {
        epoch: Epoch::of(1, 2),
        inbox_count: 9,
        inbox_hash: Digest::from([3; 32]),
        next_members_hash: Digest::from([4; 32]),
        ..checkpoint()
    };
    json!({ "checkpoint": anchorable, "fullCheckpoint": checkpoint_json(&full) })
}

fn entries() -> Value {
    let (identity, entry) = (identity(), entry());
    let hash = Digest::from([8; 32]);
    let taken = InboxTaken { index: 6, hash, disposition: InboxDisposition::Opened };
    let of_taken = taken.entry(&identity, EntryIndex(42), Sequence(18), TimestampMs(1_700_000_000_456));
    json!({
        "entry": {
            "index": 41, "sequence": 17, "timestampMs": 1_700_000_000_123u64, "kind": 2, "status": 1,
            "subject": entry.subject, "outcome": entry.outcome,
            "leaf": hex::encode_prefixed(entry.leaf()), "leafHash": entry.leaf_hash(),
        },
        "outcomeRecorded": Outcome::Recorded.digest(),
        "inboxTaken": {
            "index": taken.index, "inboxHash": taken.hash, "disposition": taken.disposition as u8,
            "digest": taken.digest(&identity),
            "entryIndex": 42, "sequence": 18, "timestampMs": 1_700_000_000_456u64,
            "leaf": hex::encode_prefixed(of_taken.leaf()), "leafHash": of_taken.leaf_hash(),
        },
    })
}

fn typehashes() -> Value {
    json!({ "typehashes": {
        "call": keccak256(typed::CALL_TYPE),
        "proposal": keccak256(typed::PROPOSAL_TYPE),
        "vote": keccak256(typed::VOTE_TYPE),
        "objection": keccak256(typed::OBJECTION_TYPE),
        "decision": keccak256(typed::DECISION_TYPE),
        "checkpoint": keccak256(CHECKPOINT_TYPE),
        "inboxTaken": keccak256(typed::INBOX_TAKEN_TYPE),
        "group": keccak256(typed::GROUP_TYPE),
    } })
}

#[test]
fn types() {
    let parts = [sample_group(), proposal(), statements(), checkpoints(), entries(), typehashes()];
    let mut all = json!({ "merkle": merkle_tree() });
    for part in parts {
        let Value::Object(part) = part else { unreachable!("every part is an object") };
        for (key, value) in part {
            assert_eq!(all.get(&key), None, "{key} is there once");
            all[key] = value;
        }
    }
    pinned("types.json", &all);
}

/// How members change: the call that a proposal carries, the voters' mandate, and the checkpoint that hands over to the
/// next epoch.
#[test]
fn epochs() {
    let (identity, group) = (identity(), group());
    let mut members = group.members.clone();
    let account = AccountKey::from_secret(&[5; 32]).expect("a small secret is a key");
    members[3].agent = AgentId(account.address());
    members[3].key = AgentKey::from_secret(&[0x15; 32]).public();
    members[1].weight = 20;
    members.sort_by_key(|member| member.agent);
    let change = MembersChange { epoch: Epoch(0), members: members.clone() };
    let next = change.apply(&group).expect("it is a sound change");
    let call = change.call(&identity);
    let checkpoint = Checkpoint { next_members_hash: Digest(next.members_hash()), ..checkpoint() };
    let signatures: Vec<_> = keys()
        .iter()
        .take(3)
        .map(|(account, _)| SignedCheckpoint::sign(&identity, checkpoint.clone(), account))
        .map(|signed| CheckpointSignature { replica: signed.replica, signature: signed.signature })
        .collect();
    let certificate = CheckpointCertificate { checkpoint: checkpoint.clone(), signatures };
    let mandate = mandate(&group, &members);
    let handover = Handover {
        certificate: certificate.clone(),
        members: members.clone(),
        mandate: Some(mandate.clone()),
    };
    assert_eq!(handover.verify(&group), Ok(next.clone()));
    let value = json!({
        "change": { "target": call.target, "gas": call.gas, "data": hex::encode_prefixed(&call.data) },
        "members": members_json(&members),
        "membersHash": next.members_hash(),
        "checkpointDigest": checkpoint.digest(&identity),
        "packedSignatures": hex::encode_prefixed(certificate.packed_signatures()),
        "mandate": sol::encoded(&sol::mandate(&mandate)),
        "handover": hex::encode_prefixed(handover.encode()),
    });
    pinned("epochs.json", &value);
}

/// Three of the four voters' word for these members.
fn mandate(group: &Group, members: &[Member]) -> Mandate {
    let description_hash = Digest(keccak256(DESCRIPTION));
    let voting_ends = 1_700_003_600;
    let empty = Mandate {
        proposer: proposer(),
        salt: SALT,
        class: CLASS,
        description_hash,
        voting_ends,
        ballots: vec![],
    };
    let proposal = empty.proposal(group, members);
    let ballot = |(account, _): &(AccountKey, AgentKey)| {
        let voter = AgentId(account.address());
        let vote = ChainVote { voter, proposal, choice: Choice::For, epoch: Epoch(0), voting_ends, nonce: 0 };
        Ballot { voter, signature: account.sign_digest(&vote.digest(&group.identity)) }
    };
    Mandate { ballots: keys()[1..].iter().map(ballot).collect(), ..empty }
}

/// A tree of 11 leaves: `entry` with the index of its place.
fn merkle_tree() -> Value {
    let mut log = MerkleLog::new();
    for index in 0..11 {
        log.append(Entry { index: EntryIndex(index), ..entry() }.leaf_hash());
    }
    let roots: Vec<_> = (0..=11).map(|size| log.root_at(size).expect("within the tree")).collect();
    let proofs: Vec<Value> = [(0, 1), (0, 11), (4, 8), (6, 11), (10, 11)]
        .iter()
        .map(|&(index, size)| {
            let proof = log.inclusion_proof(index, size).expect("within the tree");
            json!({ "index": index, "size": size, "proof": proof })
        })
        .collect();
    let consistency: Vec<Value> = [(1, 8), (3, 7), (6, 11), (8, 11)]
        .iter()
        .map(|&(old, new)| {
            let proof = log.consistency_proof(old, new).expect("within the tree");
            let roots = (roots[old as usize], roots[new as usize]);
            assert_eq!(merkle::verify_consistency(old, new, &roots.0, &roots.1, &proof), Ok(()));
            json!({ "from": old, "to": new, "proof": proof })
        })
        .collect();
    json!({ "roots": roots, "inclusion": proofs, "consistency": consistency })
}
