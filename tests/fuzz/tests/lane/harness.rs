//! The harness itself: a decoder that breaks a rule is found out.

use std::sync::PoisonError;

use quorate_fuzz::mutate::{Mutator, Rng};
use quorate_fuzz::targets::Memory;
use quorate_fuzz::{Fault, Format, Target, judge};

use crate::ALONE;

fn target(check: fn(&[u8])) -> Target {
    let memory = Memory { base: 1024, per_byte: 2 };
    Target {
        name: "broken",
        format: Format::Cbor,
        memory,
        max_len: 64,
        quick_runs: 0,
        seeds: Vec::new,
        check,
    }
}

/// Makes room for as many bytes as the input announces.
fn believe(input: &[u8]) {
    let announced = input.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    assert!(std::hint::black_box(Vec::<u8>::with_capacity(announced)).is_empty());
}

#[test]
fn memory_that_an_input_only_claims_is_a_fault() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(judge(&target(believe), &[0, 9]).is_ok());
    let fault = judge(&target(believe), &[1, 0, 0]).expect_err("64 KiB for three bytes");
    assert!(matches!(fault, Fault::Memory { peak: 65_536.., len: 3, most: 1030 }), "{fault}");
}

#[test]
fn a_panic_is_a_fault_and_keeps_its_words() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = judge(&target(|input| assert!(input.is_empty(), "{} bytes", input.len())), &[7]);
    assert_eq!(fault, Err(Fault::Panic("1 bytes".into())));
}

/// A decoder that takes any width of a head, as one would that forgot that values have one encoding.
fn lenient(input: &[u8]) {
    if let Ok(number) = minicbor::decode::<u64>(input) {
        assert_eq!(minicbor::to_vec(number).as_deref().ok(), Some(input), "another encoding");
    }
}

#[test]
fn mutations_find_a_second_encoding_of_a_number() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let inputs = [minicbor::to_vec(7_u64).expect("memory can be written to")];
    let mutator = Mutator::new(Format::Cbor, &inputs, 64);
    let mut rng = Rng::new(1);
    let found = (0..1000).any(|_| judge(&target(lenient), &mutator.mutate(&inputs[0], &mut rng)).is_err());
    assert!(found, "no mutation of 1000 has a wide head or a byte behind it");
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let inputs = [vec![0xa2, 0x00, 0x42, 1, 2, 0x01, 0x82, 5, 6], b"{\"a\":1}".to_vec()];
    for format in [Format::Cbor, Format::Text, Format::Bytes] {
        let make = |seed| {
            let mut rng = Rng::new(seed);
            let mutator = Mutator::new(format, &inputs, 1024);
            (0..200).map(|_| mutator.mutate(&inputs[0], &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(make(5), make(5));
        assert_ne!(make(5), make(6));
    }
}
