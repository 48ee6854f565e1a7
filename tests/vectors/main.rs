//! Golden vectors: every encoding that crosses a border, pinned.
//!
//! The JSON files beside this one are what the code must produce, here and in Solidity; README.md says what each holds.
//! Changing one is a deliberate act: `QUORATE_WRITE_VECTORS=1 cargo test -p quorate-tests --test vectors` writes them anew.

mod calls;
mod mandates;
mod messages;
mod random;
mod rules;
mod sol;
mod terms;
mod types;

use std::path::Path;

use alloy_primitives::{B256, U256, hex};
use quorate_protocol::class::DAY_S;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, group_id, members_hash};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::*;
use serde_json::Value;

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

const CONTRACT: u8 = 0xc0;
const CREATOR: u8 = 0x0a;
const GROUP_SALT: u8 = 5;

fn identity() -> GroupIdentity {
    let (contract, creator) = (AgentId::from([CONTRACT; 20]), AgentId::from([CREATOR; 20]));
    let (members, terms) = (members_hash(&members()), group_terms().hash());
    let group = group_id(31_337, contract.0, creator.0, B256::repeat_byte(GROUP_SALT), members, terms);
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

fn members() -> Vec<Member> {
    let member = |(account, key): &(AccountKey, AgentKey)| Member {
        agent: AgentId(account.address()),
        key: key.public(),
        weight: 10,
        flags: FLAG_VOTER | FLAG_REPLICA,
    };
    keys().iter().map(member).collect()
}

/// Terms in which no number is another's or 0: three classes, of which the last may do anything and is always open.
fn group_terms() -> Terms {
    let mut terms = Terms::standard(30, 40, (1_000_000_000_000_000_000, 5_000_000_000_000_000_000));
    let token = Limit { asset: AgentId::from([0x70; 20]), per_decision: 1_000, per_window: 3_000 };
    terms.classes[0].limits.push(token);
    let target = AgentId::from([0x71; 20]);
    terms.classes[1].targets.push(Target { target, selector: Selector::from([1, 2, 3, 4]) });
    terms.classes[1].revotes = true;
    (terms.classes[1].escape, terms.classes[1].veto, terms.classes[1].turnout) = (false, 3_333, 5_000);
    (terms.classes[1].basis, terms.classes[1].voting_period_s) = (Basis::Cast, 4 * DAY_S);
    (terms.inbox_fee, terms.bond, terms.evidence_window_s) = (1_000_000_000, 2_000_000_000, 20 * DAY_S);
    (terms.reporter_share, terms.uptime_feed) = (1_500, AgentId::from([0xfe; 20]));
    terms
}

fn group() -> Group {
    let account = AgentId::from([0xac; 20]);
    let group = Group {
        identity: identity(),
        account,
        epoch: Epoch(0),
        members: members(),
        terms: group_terms(),
        voters_since: Epoch(0),
    };
    assert_eq!(group.validate(), Ok(()));
    group
}

fn sample_calls() -> Vec<Call> {
    let data = hex!("a9059cbb0011223344").to_vec();
    vec![
        Call::payment(AgentId::from([0xaa; 20]), U256::from(1_000_000_000_000_000_000u64)),
        Call { allow_failure: true, gas: 54_321, ..Call::new(AgentId::from([0xbb; 20]), U256::ZERO, data) },
        Call { allow_no_code: true, gas: 1, ..Call::payment(AgentId::from([0xdd; 20]), U256::from(2)) },
    ]
}

const DESCRIPTION: &str = "Pay the supplier \u{2013} October";
const SALT: u64 = 7;
const CLASS: u8 = 2;

fn proposer() -> AgentId {
    members()[0].agent
}

fn decision() -> Decision {
    Decision {
        proposal: proposal_id(&identity().group, proposer(), SALT, CLASS, &sample_calls(), DESCRIPTION),
        status: DecisionStatus::Approved,
        for_weight: 30,
        against_weight: 10,
        abstain_weight: 5,
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

/// A checkpoint that the contract of the sample group can anchor: it takes no message.
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
