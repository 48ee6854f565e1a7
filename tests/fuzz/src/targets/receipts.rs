//! What proves an entry to somebody who knows only the contract.

use quorate_protocol::{Receipt, ReceiptError};

use super::{Format, PLAIN, QUICK, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "receipts",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

fn seeds() -> Vec<Seed> {
    // Of commands that were applied and refused, of decisions, and of what happened to the group itself. The last
    // entry is not under the anchor.
    let receipts = (0..WORLD.log.size() - 1).map(|index| (index, WORLD.receipt(index)));
    let mut seeds: Vec<_> =
        receipts.map(|(index, receipt)| Seed::new(format!("entry-{index}"), receipt.encode())).collect();
    let unanchored = Receipt { anchor: None, ..WORLD.receipt(2) };
    seeds.push(Seed::new("unanchored", unanchored.encode()));
    seeds
}

fn check(bytes: &[u8]) {
    let Some(receipt) = canonical(bytes, Receipt::decode(bytes), Receipt::encode) else { return };
    match receipt.verify(&WORLD.group) {
        Ok(()) => {
            let index = usize::try_from(receipt.record.entry.index.0).expect("the log is short");
            assert!(
                WORLD.entries.get(index) == Some(&receipt.record),
                "a receipt proves what is not in the log"
            );
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
    let anchored = |size| (size <= WORLD.log.size()).then(|| WORLD.head(size).root);
    match receipt.verify_anchored(&WORLD.group, anchored) {
        Ok(()) => assert!(receipt.anchor.is_some(), "a receipt without an anchor is anchored"),
        Err(ReceiptError::NotAnchored { .. } | ReceiptError::AnchorInclusion(_)) => {}
        Err(_) => assert!(receipt.verify(&WORLD.group).is_err(), "only the anchor can differ"),
    }
}
