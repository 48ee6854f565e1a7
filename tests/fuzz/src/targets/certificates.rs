//! A quorum's word for the log, and one replica's.

use quorate_node::ledger::SignedHead;
use quorate_protocol::{LogCertificate, LogHead, codec};

use super::{Format, PLAIN, QUICK, Target, canonical_as};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "certificates",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

const MAX_BYTES: usize = 64 * 1024;

fn seeds() -> Vec<Seed> {
    let size = WORLD.log.size();
    let sign = |keys: &crate::world::Keys| {
        SignedHead::sign(&WORLD.group.identity, WORLD.head(size), keys.id(), &keys.agent)
    };
    let mut seeds: Vec<_> = WORLD
        .keys
        .iter()
        .enumerate()
        .map(|(at, keys)| Seed::new(format!("attestation-{at}"), codec::encode(&sign(keys))))
        .collect();
    seeds.push(Seed::new("certificate", codec::encode(&WORLD.certificate(size))));
    seeds
}

fn is_true(head: &LogHead) -> bool {
    *head == WORLD.head(WORLD.log.size())
}

fn check(bytes: &[u8]) {
    let (identity, replicas) = (&WORLD.group.identity, &WORLD.context.replicas);
    if let Some(certificate) = canonical_as::<LogCertificate>(bytes, MAX_BYTES) {
        match certificate.verify(identity, replicas) {
            Ok(()) => assert!(is_true(&certificate.head), "a certificate holds that nobody signed"),
            Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
        }
        let note = certificate.note(identity, replicas);
        assert!(note.starts_with(&certificate.head.note_body(identity)), "the note is of the head");
        assert!(note.lines().count() >= 4, "a note has three lines and an empty one");
    }
    if let Some(signed) = canonical_as::<SignedHead>(bytes, MAX_BYTES)
        && let Some(check) = signed.signature_check(identity, replicas)
    {
        assert!(!check.verify() || is_true(&signed.head), "an attestation holds that nobody signed");
    }
}
