//! Golden vectors: every encoding that crosses a border, pinned.
//!
//! The JSON files beside this one are what the code must produce, here and in Solidity
//! (`contracts/test/unit/Vectors.t.sol` reads `evm.json`; `inbox.json` is for both). Changing one is a deliberate act:
//! `QUORATE_WRITE_VECTORS=1 cargo test -p quorate-tests --test vectors` writes them anew.

use std::path::Path;

use alloy_primitives::{B256, U256, hex, keccak256};
use quorate_pbft::{Batch, Context, Message};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, group_id};
use quorate_protocol::inbox::{
    KIND_COMMAND, KIND_PROPOSAL_EXECUTED, KIND_REPLICA_CONVICTED, MAX_INBOX_PAYLOAD_BYTES,
};
use quorate_protocol::merkle::{self, MerkleLog};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::members::{Admit, MembersOperation, binding_digest};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::proposal::{ChainVote, actions_hash, proposal_id};
use quorate_protocol::*;
use serde_json::{Value, json};

/// Compares `value` with the committed file, or writes it when asked to.
fn pinned(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let text = format!("{value:#}\n");
    if std::env::var_os("QUORATE_WRITE_VECTORS").is_some() {
        std::fs::write(&path, text).expect("the vectors are writable");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("the vectors are committed");
    assert!(committed == text, "{name} differs from what the code produces:\n{text}");
}

fn identity() -> GroupIdentity {
    let contract = AgentId::from([0xc0; 20]);
    let creator = AgentId::from([0x0a; 20]);
    let group = group_id(31_337, contract.0, creator.0, B256::repeat_byte(5));
    GroupIdentity { chain_id: 31_337, contract, group }
}

fn keys() -> Vec<(AccountKey, AgentKey)> {
    let mut keys: Vec<_> = (1..=4u8)
        .map(|i| {
            let account = AccountKey::from_secret(&[i; 32]).expect("a small secret is a key");
            (account, AgentKey::from_secret(&[0x10 + i; 32]))
        })
        .collect();
    keys.sort_by_key(|(account, _)| account.address());
    keys
}

fn group() -> Group {
    let members = keys()
        .iter()
        .map(|(account, key)| Member {
            agent: AgentId(account.address()),
            key: key.public(),
            weight: 10,
            flags: FLAG_VOTER | FLAG_REPLICA,
        })
        .collect();
    let terms = Terms::of_class(Policy::of_weight(30, 40, 3_600, 60));
    Group { identity: identity(), epoch: Epoch(0), members, terms }
}

fn calls() -> Vec<Call> {
    vec![
        Call {
            target: AgentId::from([0xaa; 20]),
            value: U256::from(1_000_000_000_000_000_000u64),
            data: vec![],
        },
        Call {
            target: AgentId::from([0xbb; 20]),
            value: U256::ZERO,
            data: hex!("a9059cbb0011223344").to_vec(),
        },
    ]
}

const DESCRIPTION: &str = "Pay the supplier \u{2013} October";
const SALT: u64 = 7;
const CLASS: u8 = 2;

fn proposer() -> AgentId {
    group().members[0].agent
}

fn decision() -> Decision {
    let hash = actions_hash(&calls());
    Decision {
        group: identity().group,
        proposal: proposal_id(&identity().group, proposer(), SALT, CLASS, hash, DESCRIPTION),
        actions_hash: hash,
        status: DecisionStatus::Approved,
        for_weight: 30,
        against_weight: 10,
        abstain_weight: 0,
        executable_from: 1_700_003_601,
        executable_until: 1_700_090_001,
    }
}

fn entry() -> Entry {
    Entry {
        index: EntryIndex(41),
        sequence: Sequence(17),
        timestamp: TimestampMs(1_700_000_000_123),
        status: EntryStatus::Decided(DecisionStatus::Approved),
        subject: decision().digest(&identity()),
        outcome: Outcome::Recorded.digest(),
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        group: identity().group,
        epoch: Epoch(0),
        sequence: Sequence(128),
        log_size: 300,
        log_root: Digest::from([1; 32]),
        state_root: Digest::from([2; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    }
}

fn signed_command(operations: Vec<Operation>) -> SignedCommand {
    let (account, key) = &keys()[0];
    let command = Command {
        group: identity().group,
        agent: AgentId(account.address()),
        key: key.public(),
        nonce: Nonce(3),
        expires: TimestampMs(1_700_000_060_000),
        operations,
    };
    SignedCommand::sign(command, key)
}

/// What votes decide, by every kind of class: rows of threshold, basis, turnout, veto, whether votes change, the weights
/// for, against, abstaining and of all, and the verdicts before and after the end of the voting (0 open, else the status).
#[test]
fn policies() {
    const ROWS: usize = 600;
    // xorshift64*, so that the table is the same everywhere.
    let mut state = 0x5175_6f72_6174_6531_u64;
    let mut random = |below: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    };
    let mut values = Vec::new();
    for _ in 0..ROWS {
        let basis = random(2);
        let policy = Policy {
            threshold: [5_001, 6_666, 7_500, 10_000, 5_001 + random(5_000) as u16][random(5) as usize],
            basis: if basis == 0 { Basis::All } else { Basis::Cast },
            turnout: [basis as u16, 2_500, 5_000, 10_000][random(4) as usize],
            veto: [0, 0, 3_333, 1 + random(10_000) as u16][random(4) as usize],
            revotes: random(4) == 0,
            ..Policy::of_weight(1, 1, 60, 0)
        };
        // Small groups, where weights meet their thresholds exactly, and weights as large as they get.
        let unit = [1, 1, 1, u128::from(u64::MAX)][random(4) as usize];
        let [in_favour, against, abstain, left] = [8, 6, 4, 8].map(|most| u128::from(random(most)) * unit);
        let total = (in_favour + against + abstain + left).max(1);
        let weights = Weights { in_favour, against, abstain, total };
        let verdict = |ended| policy.verdict(&weights, ended).map_or(0, |status| status as u64);
        let (open, end) = (verdict(false), verdict(true));
        let parts = [policy.threshold.into(), basis, policy.turnout.into(), policy.veto.into()];
        let row = parts.into_iter().chain([u64::from(policy.revotes)]).map(|part| part.to_string());
        let weights = [in_favour, against, abstain, total].map(|weight| weight.to_string());
        values.extend(row.chain(weights).chain([open, end].map(|status| status.to_string())));
    }
    pinned("policies.json", &json!({ "columns": 11, "values": values }));
}

/// What Solidity computes too.
#[test]
fn evm() {
    let (identity, group) = (identity(), group());
    let (checkpoint, decision, entry) = (checkpoint(), decision(), entry());
    let vote = ChainVote {
        proposal: decision.proposal,
        choice: Choice::For,
        epoch: Epoch(3),
        voting_ends: 1_700_003_600,
        nonce: 1,
    };
    let members: Vec<Value> = group
        .members
        .iter()
        .map(|member| {
            json!({
                "account": member.agent, "key": member.key, "weight": member.weight, "flags": member.flags,
            })
        })
        .collect();
    let signatures: Vec<Value> = keys()
        .iter()
        .map(|(account, _)| {
            let signed = SignedCheckpoint::sign(&identity, checkpoint.clone(), account);
            json!({ "replica": signed.replica, "signature": signed.signature })
        })
        .collect();
    let value = json!({
        "chainId": identity.chain_id,
        "contract": identity.contract,
        "creator": AgentId::from([0x0a; 20]),
        "groupSalt": B256::repeat_byte(5),
        "groupId": identity.group,
        "domainSeparator": identity.eip712_domain().separator(),
        "members": members,
        "membersHash": group.members_hash(),
        "calls": calls().iter().map(|call| json!({
            "target": call.target,
            "value": B256::from(call.value),
            "data": hex::encode_prefixed(&call.data),
        })).collect::<Vec<_>>(),
        "actionsHash": decision.actions_hash,
        "description": DESCRIPTION,
        "descriptionHash": keccak256(DESCRIPTION),
        "salt": SALT,
        "proposer": proposer(),
        "proposalId": decision.proposal,
        "class": CLASS,
        "vote": {
            "choice": vote.choice as u8, "epoch": 3, "votingEnds": vote.voting_ends, "nonce": 1,
            "digest": vote.digest(&identity),
        },
        "decision": {
            "status": decision.status as u8,
            "forWeight": 30, "againstWeight": 10, "abstainWeight": 0,
            "executableFrom": decision.executable_from, "executableUntil": decision.executable_until,
            "digest": decision.digest(&identity),
        },
        "checkpoint": {
            "epoch": 0, "sequence": 128, "logSize": 300,
            "logRoot": checkpoint.log_root, "stateRoot": checkpoint.state_root,
            "inboxCount": 0, "nextMembersHash": checkpoint.next_members_hash,
            "digest": checkpoint.digest(&identity),
            "signatures": signatures,
        },
        "entry": {
            "index": 41, "sequence": 17, "timestampMs": 1_700_000_000_123u64, "kind": 2, "status": 1,
            "subject": entry.subject, "outcome": entry.outcome,
            "leaf": hex::encode_prefixed(entry.leaf()),
            "leafHash": entry.leaf_hash(),
        },
        "merkle": merkle_tree(),
    });
    pinned("evm.json", &value);
}

/// How members change: the call that a proposal carries, and the checkpoint that hands over to the next epoch.
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
    let handover = Handover { certificate: certificate.clone(), members: members.clone() };
    assert_eq!(handover.verify(&group), Ok(next.clone()));
    let value = json!({
        "change": { "target": call.target, "data": hex::encode_prefixed(&call.data) },
        "members": members.iter().map(|member| json!({
            "account": member.agent, "key": member.key, "weight": member.weight, "flags": member.flags,
        })).collect::<Vec<_>>(),
        "membersHash": next.members_hash(),
        "checkpointDigest": checkpoint.digest(&identity),
        "packedSignatures": hex::encode_prefixed(certificate.packed_signatures()),
        "handover": hex::encode_prefixed(handover.encode()),
    });
    pinned("epochs.json", &value);
}

/// The contract's inbox: the hash after each message, and how a replica says what it saw.
#[test]
fn inbox() {
    let vote = ProposalsOperation::Vote(Vote {
        proposal: decision().proposal,
        choice: Choice::For,
        signature: None,
    });
    let command = signed_command(vec![vote.to_operation()]).encode();
    let convicted = [&[0; 12], proposer().as_bytes().as_slice()].concat();
    let contents: [(u8, u8, Vec<u8>); 6] = [
        (KIND_COMMAND, 0xaa, command),
        (KIND_COMMAND, 0xbb, vec![]),
        (KIND_PROPOSAL_EXECUTED, 0xc0, decision().proposal.as_bytes().to_vec()),
        (KIND_REPLICA_CONVICTED, 0xcc, convicted),
        (255, 0xff, vec![0; 33]),
        (KIND_COMMAND, 0xaa, (0..=255).cycle().take(MAX_INBOX_PAYLOAD_BYTES).collect()),
    ];
    let messages: Vec<InboxMessage> = (0..)
        .zip(contents)
        .map(|(index, (kind, sender, payload))| {
            let sender = AgentId::from([sender; 20]);
            InboxMessage { index, kind, sender, enqueued_at: 1_700_000_000 + 12 * index, payload }
        })
        .collect();
    let mut hash = Digest::default();
    let chain: Vec<Value> = messages
        .iter()
        .map(|message| {
            hash = message.chain_hash(hash);
            json!({
                "index": message.index, "kind": message.kind, "sender": message.sender,
                "enqueuedAt": message.enqueued_at, "payload": hex::encode_prefixed(&message.payload),
                "payloadHash": keccak256(&message.payload), "hash": hash,
            })
        })
        .collect();
    let observe = Observe::of(&messages[1..5]).expect("there are some");
    let observe = signed_command(vec![InboxOperation::Observe(observe).to_operation()]);
    let value = json!({
        "count": chain.len(),
        "messages": chain,
        "observe": { "encoding": hex::encode_prefixed(observe.encode()), "digest": observe.digest() },
    });
    pinned("inbox.json", &value);
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

/// What agents sign and send.
#[test]
fn commands() {
    let proposal = decision().proposal;
    let propose = Propose { salt: SALT, description: DESCRIPTION.into(), calls: calls(), class: CLASS };
    let (account, key) = &keys()[3];
    let admit = Admit::sign(&identity(), account, key.public());
    let operations = [
        ("propose", ProposalsOperation::Propose(propose).to_operation()),
        (
            "vote",
            ProposalsOperation::Vote(Vote { proposal, choice: Choice::Against, signature: None })
                .to_operation(),
        ),
        ("cancel", ProposalsOperation::Cancel(Cancel { proposal }).to_operation()),
        ("admit", MembersOperation::Admit(admit).to_operation()),
        ("leave", MembersOperation::Leave.to_operation()),
    ];
    let commands: serde_json::Map<String, Value> = operations
        .into_iter()
        .map(|(name, operation)| {
            let command = signed_command(vec![operation]);
            let read = SignedCommand::decode(&command.encode()).expect("a command reads its own encoding");
            assert!(read.verify(&identity().group).is_ok(), "{name} verifies");
            let value = json!({
                "encoding": hex::encode_prefixed(command.encode()),
                "digest": command.digest(),
                "signature": command.signature(),
            });
            (name.to_owned(), value)
        })
        .collect();
    let binding = binding_digest(&identity(), AgentId(account.address()), &key.public());
    pinned("commands.json", &json!({ "commands": commands, "bindingDigest": binding }));
}

/// What a receipt is made of.
#[test]
fn receipts() {
    let (identity, group) = (identity(), group());
    let mut log = MerkleLog::new();
    let bodies = [
        entry::SystemEvent::Genesis {
            identity,
            members_hash: Digest(group.members_hash()),
            terms: group.terms.clone(),
        },
        entry::SystemEvent::EpochStarted { epoch: Epoch(0), members_hash: Digest(group.members_hash()) },
    ];
    let records: Vec<EntryRecord> = (0..)
        .zip(bodies)
        .map(|(index, event)| {
            let body = EntryBody::System(event);
            let at = (EntryIndex(index), Sequence(index), TimestampMs(1_700_000_000_000));
            EntryRecord::new(&identity, at.0, at.1, at.2, body, Outcome::Recorded)
        })
        .collect();
    for record in &records {
        log.append(record.entry.leaf_hash());
    }
    let head = LogHead { size: 2, root: log.root(), time_s: 1_700_000_000 };
    let attestations = keys()[..3]
        .iter()
        .map(|(account, key)| Attestation::sign(&identity, &head, AgentId(account.address()), key))
        .collect();
    let certificate = LogCertificate { head, attestations };
    let receipt = Receipt {
        identity,
        epoch: Epoch(0),
        record: records[1].clone(),
        certificate: certificate.clone(),
        proof: log.inclusion_proof(1, 2).expect("within the tree"),
        anchor: Some(AnchorProof {
            size: 2,
            root: log.root(),
            proof: log.inclusion_proof(1, 2).expect("within the tree"),
        }),
    };
    assert_eq!(receipt.verify(&group), Ok(()));
    let value = json!({
        "origin": identity.origin(),
        "note": certificate.note(&identity, &group.replicas()),
        "receipt": hex::encode_prefixed(receipt.encode()),
        "genesis": hex::encode_prefixed(codec::encode(&records[0])),
    });
    pinned("receipts.json", &value);
}

/// What replicas say to each other.
#[test]
fn consensus() {
    let context = Context::of(&group(), Sequence(0));
    let operation = MembersOperation::Leave.to_operation();
    let batch = Batch {
        timestamp: TimestampMs(1_700_000_000_000),
        checkpoint: true,
        commands: vec![signed_command(vec![operation])],
    };
    let signature = Signature([9; 64]);
    let (view, sequence, digest) = (View(2), Sequence(33), batch.digest(&context));
    let vote = quorate_pbft::message::Vote { view, sequence, digest, replica: ReplicaIndex(1), signature };
    let pre_prepare =
        quorate_pbft::message::PrePrepare { view, sequence, digest, signature, batch: batch.clone() };
    let messages = [Message::PrePrepare(pre_prepare), Message::Prepare(vote), Message::Commit(vote)];
    let encoded: serde_json::Map<String, Value> = messages
        .iter()
        .map(|message| {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes).as_ref(), Ok(message));
            (message.kind().to_owned(), json!(hex::encode_prefixed(bytes)))
        })
        .collect();
    let vote_bytes = quorate_pbft::certificate::vote_bytes(&context, domain::PREPARE, view, sequence, digest);
    let value = json!({
        "batchDigest": batch.digest(&context),
        "nullBatchDigest": Batch::null().digest(&context),
        "prepareBytes": hex::encode_prefixed(vote_bytes),
        "messages": encoded,
    });
    pinned("consensus.json", &value);
}
