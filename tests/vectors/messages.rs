//! What agents and replicas say to each other and to the contract's inbox.

use alloy_primitives::{hex, keccak256};
use quorate_pbft::{Batch, Context, Message};
use quorate_protocol::inbox::{KIND_COMMAND, KIND_MEMBER_LEFT, MAX_INBOX_PAYLOAD_BYTES};
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::members::{Admit, MembersOperation, binding_digest};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation, Propose, Vote};
use quorate_protocol::*;
use serde_json::{Value, json};

use crate::*;

/// The contract's inbox: the hash after each message, what it says, and how a replica says what it saw.
#[test]
fn inbox() {
    let (proposal, member) = (decision().proposal, proposer());
    let vote = ProposalsOperation::Vote(Vote { proposal, choice: Choice::For, signature: None });
    let command = signed_command(vec![vote.to_operation()]).encode();
    let event = |event: InboxEvent| (event.kind(), CONTRACT, event.payload());
    let opened = |status| InboxEvent::ProposalOpenedOnChain {
        proposal,
        proposer: member,
        class: CLASS,
        voting_ends: 1_700_003_600,
        status,
    };
    let contents: Vec<(u8, u8, Vec<u8>)> = vec![
        (KIND_COMMAND, 0xaa, command),
        (KIND_COMMAND, 0xbb, vec![]),
        event(opened(OnChainStatus::Open)),
        event(opened(OnChainStatus::Approved)),
        event(InboxEvent::ReplicaConvicted { replica: member }),
        event(InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Executed }),
        event(InboxEvent::ReplicaLeaving { replica: member, exit_at: 1_701_209_600 }),
        event(InboxEvent::MemberLeft { member }),
        (KIND_MEMBER_LEFT, CONTRACT, vec![1; 32]),
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
            let says = match message.content() {
                InboxContent::Command(_) => json!("command"),
                InboxContent::Event(event) => json!(event),
                InboxContent::Malformed => json!("malformed"),
                InboxContent::Unknown => json!("unknown"),
            };
            json!({
                "index": message.index, "kind": message.kind, "sender": message.sender,
                "enqueuedAt": message.enqueued_at, "payload": hex::encode_prefixed(&message.payload),
                "payloadHash": keccak256(&message.payload), "hash": hash, "says": says,
            })
        })
        .collect();
    let observe = Observe::of(&messages[1..9]).expect("there are some");
    let observe = signed_command(vec![InboxOperation::Observe(observe).to_operation()]);
    let value = json!({
        "count": chain.len(),
        "messages": chain,
        "observe": { "encoding": hex::encode_prefixed(observe.encode()), "digest": observe.digest() },
    });
    pinned("inbox.json", &value);
}

/// What agents sign and send.
#[test]
fn commands() {
    let proposal = decision().proposal;
    let propose =
        Propose { salt: SALT, description: DESCRIPTION.into(), calls: sample_calls(), class: CLASS };
    let (account, key) = &keys()[3];
    let admit = Admit::sign(&identity(), account, key.public());
    let operations = [
        ("propose", ProposalsOperation::Propose(propose).to_operation()),
        (
            "vote",
            ProposalsOperation::Vote(Vote { proposal, choice: Choice::Against, signature: None })
                .to_operation(),
        ),
        ("signedVote", ProposalsOperation::Vote(signed_vote(proposal)).to_operation()),
        ("contractsVote", ProposalsOperation::Vote(contracts_vote(proposal)).to_operation()),
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

/// A vote with its account's signature, which counts on-chain too.
fn signed_vote(proposal: ProposalId) -> Vote {
    let (account, _) = &keys()[0];
    let voter = AgentId(account.address());
    let (epoch, voting_ends) = (Epoch(0), 1_700_003_600);
    let vote = ChainVote { voter, proposal, choice: Choice::For, epoch, voting_ends, nonce: 0 };
    let signature = account.sign_digest(&vote.digest(&identity()));
    Vote { proposal, choice: Choice::For, signature: Some(signature.into()) }
}

/// A vote with bytes that a contract is to judge.
fn contracts_vote(proposal: ProposalId) -> Vote {
    let signature = VoterSignature::from_bytes(&[7; 200]).expect("it is not too long");
    Vote { proposal, choice: Choice::For, signature: Some(signature) }
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
