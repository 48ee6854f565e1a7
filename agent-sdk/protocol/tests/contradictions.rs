//! Golden vectors of the order of checkpoints: which of two convict whoever signed both.
//!
//! `tests/vectors/contradictions.json` is for both languages: the contract's `Contradictions` reads it too. `checkpoints`
//! are encoded as by `abi.encode(Checkpoint)`, and byte `j` of `contradicts[i]` is 1 where the checkpoints `i` and `j`
//! contradict each other. `QUORATE_WRITE_VECTORS=1` writes the file anew.

use std::path::Path;

use alloy_primitives::{B256, hex};
use alloy_sol_types::{SolValue as _, sol};
use quorate_protocol::{AgentId, Checkpoint, Digest, Epoch, GroupId, GroupIdentity, Sequence};
use serde_json::json;

sol! {
    struct Encoded {
        bytes32 groupId;
        uint64 epoch;
        uint64 sequence;
        uint64 logSize;
        bytes32 logRoot;
        bytes32 stateRoot;
        uint64 inboxCount;
        bytes32 inboxHash;
        bytes32 nextMembersHash;
    }
}

const GROUP: GroupId = GroupId(B256::repeat_byte(7));

fn encode(checkpoint: &Checkpoint) -> String {
    let encoded = Encoded {
        groupId: checkpoint.group.0,
        epoch: checkpoint.epoch.0,
        sequence: checkpoint.sequence.0,
        logSize: checkpoint.log_size,
        logRoot: checkpoint.log_root.0,
        stateRoot: checkpoint.state_root.0,
        inboxCount: checkpoint.inbox_count,
        inboxHash: checkpoint.inbox_hash.0,
        nextMembersHash: checkpoint.next_members_hash.0,
    };
    hex::encode_prefixed(encoded.abi_encode())
}

fn digest(byte: u8) -> Digest {
    Digest::from([byte; 32])
}

/// Each combination of few values of each field, and some of another state, era and group.
fn grid() -> Vec<Checkpoint> {
    const LOGS: [(u64, u8); 3] = [(10, 1), (10, 2), (11, 3)];
    const INBOXES: [(u64, u8); 3] = [(0, 0), (1, 4), (1, 5)];
    let mut grid = Vec::new();
    for at in 0..72usize {
        let (log_size, log_root) = LOGS[at / 8 % 3];
        let (inbox_count, inbox_hash) = INBOXES[at / 24];
        grid.push(Checkpoint {
            group: GROUP,
            epoch: Epoch(u64::from(at & 1 != 0)),
            sequence: Sequence(64 + u64::from(at & 2 != 0)),
            log_size,
            log_root: digest(log_root),
            state_root: digest(6),
            inbox_count,
            inbox_hash: digest(inbox_hash),
            next_members_hash: digest(if at & 4 != 0 { 8 } else { 0 }),
        });
    }
    let first = grid[0].clone();
    grid.push(Checkpoint { state_root: digest(9), ..first.clone() });
    grid.push(Checkpoint { next_members_hash: digest(9), ..first.clone() });
    grid.push(Checkpoint { epoch: Epoch(1 << 32), ..first.clone() });
    grid.push(Checkpoint { epoch: Epoch(1 << 32 | 1), log_size: 9, ..first.clone() });
    grid.push(Checkpoint { sequence: Sequence(u64::MAX), log_size: u64::MAX, ..first.clone() });
    grid.push(Checkpoint { group: GroupId(B256::repeat_byte(8)), ..first });
    grid
}

#[test]
fn contradictions() {
    let identity = GroupIdentity { chain_id: 31_337, contract: AgentId::from([0xc0; 20]), group: GROUP };
    let grid = grid();
    let row = |first: &Checkpoint| {
        let verdicts = grid.iter().map(|second| u8::from(first.contradicts(second, &identity)));
        hex::encode_prefixed(verdicts.collect::<Vec<_>>())
    };
    let value = json!({
        "checkpoints": grid.iter().map(encode).collect::<Vec<_>>(),
        "contradicts": grid.iter().map(row).collect::<Vec<_>>(),
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/contradictions.json");
    let text = format!("{value:#}\n");
    if std::env::var_os("QUORATE_WRITE_VECTORS").is_some() {
        std::fs::write(&path, text).expect("the vectors are writable");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("the vectors are committed");
    assert!(committed == text, "contradictions.json differs from what the code produces:\n{text}");
}
