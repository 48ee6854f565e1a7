//! Code that is right, and code that is wrong in one place.

use alloy::primitives::{Bytes, U256, hex};

use super::*;

const CHAIN: u64 = 31_337;

fn contract() -> Address {
    Address::repeat_byte(0xc0)
}

/// What a chain has after an honest deployment: this test fills the immutables in by itself.
fn honest() -> Deployed {
    let build = Build::built_in();
    let (account, registry) = (contract().create(1), contract().create(2));
    let values = [
        ("EIP712._cachedChainId", U256::from(CHAIN).to_be_bytes()),
        ("EIP712._cachedDomainSeparator", crate::eip712_domain(CHAIN, contract()).separator().0),
        ("EIP712._cachedThis", contract().into_word().0),
        ("EIP712._hashedName", alloy::primitives::keccak256("Quorate").0),
        ("EIP712._hashedVersion", alloy::primitives::keccak256("1").0),
        ("EIP712._name", hex!("51756f7261746500000000000000000000000000000000000000000000000007")),
        ("EIP712._version", hex!("3100000000000000000000000000000000000000000000000000000000000001")),
        ("GroupAccount.coordinator", contract().into_word().0),
        ("AgentCoordinator.groupRegistry", registry.into_word().0),
        ("GroupRegistry._self", registry.into_word().0),
        ("GroupRegistry.groupAccountImplementation", account.into_word().0),
    ];
    let filled = |compiled: &CompiledContract| {
        let mut code = compiled.deployed_bytecode.to_vec();
        for (name, places) in &compiled.immutables {
            let (_, value) = values.iter().find(|(known, _)| known == name).unwrap();
            for Place { start, length } in places {
                code[*start..start + length].copy_from_slice(value);
            }
        }
        Bytes::from(code)
    };
    Deployed {
        chain_id: CHAIN,
        contract: contract(),
        coordinator_code: filled(&build.coordinator),
        group_account_code: filled(&build.group_account),
        group_registry_code: filled(&build.group_registry),
    }
}

fn changed(code: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut code = code.to_vec();
    change(&mut code);
    code.into()
}

/// The first difference of a deployment whose coordinator was changed.
fn difference(change: impl FnOnce(&mut Vec<u8>)) -> Difference {
    let honest = honest();
    let coordinator_code = changed(&honest.coordinator_code, change);
    let mismatch = Build::built_in().verify(&Deployed { coordinator_code, ..honest }).unwrap_err();
    assert_eq!((mismatch.part, mismatch.address), (Part::Coordinator, contract()));
    mismatch.difference
}

fn place(name: &str) -> Place {
    Build::built_in().coordinator.immutables[name][0]
}

#[test]
fn an_honest_deployment_is_right() {
    assert_eq!(Build::built_in().verify(&honest()), Ok(()));
}

/// The artifact names all that the compiler leaves open, so that nothing is compared with a zero by mistake.
#[test]
fn every_immutable_of_the_artifacts_has_a_value_and_room_for_it() {
    let build = Build::built_in();
    assert_eq!(build.coordinator.immutables.len(), 8);
    assert_eq!(build.group_account.immutables.len(), 1);
    let values = Values::of(CHAIN, contract());
    assert_eq!(build.group_registry.immutables.len(), 2);
    for compiled in [&build.coordinator, &build.group_account, &build.group_registry] {
        for (name, places) in &compiled.immutables {
            assert!(values.get(name).is_some() && !places.is_empty(), "{name}");
            for Place { start, length } in places {
                let room = &compiled.deployed_bytecode[*start..start + length];
                assert_eq!(room, [0; 32], "{name}");
                // PUSH32
                assert_eq!(compiled.deployed_bytecode[start - 1], 0x7f, "{name}");
            }
        }
    }
}

#[test]
fn a_changed_byte_of_the_code_is_named_with_its_place() {
    for offset in [0, 100, honest().coordinator_code.len() - 1] {
        let before = honest().coordinator_code[offset];
        let Difference::Code { offset: at, expected, found } = difference(|code| code[offset] ^= 1) else {
            panic!("byte {offset} is code");
        };
        assert_eq!((at, expected[0], found[0]), (offset, before, before ^ 1));
        assert!(expected.len() <= 8 && expected[1..] == found[1..]);
    }
}

/// Wherever a single bit is changed, it is found.
#[test]
fn no_byte_is_passed_over() {
    let (build, honest) = (Build::built_in(), honest());
    let values = Values::of(CHAIN, contract());
    for (compiled, code) in [
        (&build.coordinator, &honest.coordinator_code),
        (&build.group_account, &honest.group_account_code),
        (&build.group_registry, &honest.group_registry_code),
    ] {
        // A step that is prime to the length of a word meets every part of the code in a short time.
        for offset in (0..code.len()).step_by(97) {
            let changed = changed(code, |code| code[offset] ^= 0x80);
            let found = match difference::compare(compiled, &values, &changed).unwrap_err() {
                Difference::Code { offset: at, .. } => at..at + 1,
                Difference::Immutable { offset: at, .. } => at..at + 32,
                other => panic!("byte {offset}: {other}"),
            };
            assert!(found.contains(&offset), "byte {offset} was found at {found:?}");
        }
    }
}

#[test]
fn an_immutable_with_another_value_is_named() {
    let at = place("EIP712._cachedThis");
    let stranger = Address::repeat_byte(0xee).into_word();
    let found = difference(|code| code[at.start..at.start + 32].copy_from_slice(stranger.as_slice()));
    let name = "EIP712._cachedThis".to_owned();
    let expected = contract().into_word();
    assert_eq!(found, Difference::Immutable { name, offset: at.start, expected, found: stranger });

    // An immutable that the constructor never set.
    let at = place("AgentCoordinator.groupRegistry");
    let found = difference(|code| code[at.start..at.start + 32].fill(0));
    assert!(found.to_string().contains("AgentCoordinator.groupRegistry"), "{found}");
}

#[test]
fn every_place_of_an_immutable_counts() {
    let places = &Build::built_in().group_account.immutables["GroupAccount.coordinator"];
    assert!(places.len() > 1, "it is read in more than one place");
    for at in places {
        let honest = honest();
        let code = changed(&honest.group_account_code, |code| code[at.start + 31] ^= 1);
        let deployed = Deployed { group_account_code: code, ..honest };
        let mismatch = Build::built_in().verify(&deployed).unwrap_err();
        assert_eq!((mismatch.part, mismatch.address), (Part::GroupAccount, contract().create(1)));
        assert!(matches!(&mismatch.difference, Difference::Immutable { offset, .. } if *offset == at.start));
    }
}

#[test]
fn the_code_of_another_chain_or_address_is_another() {
    let build = Build::built_in();
    let elsewhere = Deployed { chain_id: CHAIN + 1, ..honest() };
    let mismatch = build.verify(&elsewhere).unwrap_err();
    let Difference::Immutable { name, .. } = &mismatch.difference else { panic!("{mismatch}") };
    assert!(name.starts_with("EIP712._cached"), "{mismatch}");
    let copied = Deployed { contract: Address::repeat_byte(0xc1), ..honest() };
    assert!(matches!(build.verify(&copied).unwrap_err().difference, Difference::Immutable { .. }));
}

#[test]
fn missing_code_is_a_difference_of_its_own() {
    let gone = Deployed { coordinator_code: Bytes::new(), ..honest() };
    assert_eq!(Build::built_in().verify(&gone).unwrap_err().difference, Difference::NoCode);
    let gone = Deployed { group_account_code: Bytes::new(), ..honest() };
    let mismatch = Build::built_in().verify(&gone).unwrap_err();
    assert_eq!((mismatch.part, mismatch.difference), (Part::GroupAccount, Difference::NoCode));
    let gone = Deployed { group_registry_code: Bytes::new(), ..honest() };
    let mismatch = Build::built_in().verify(&gone).unwrap_err();
    assert_eq!((mismatch.part, mismatch.difference), (Part::GroupRegistry, Difference::NoCode));
}

#[test]
fn code_that_is_too_short_or_too_long_is_named() {
    let length = honest().coordinator_code.len();
    assert_eq!(difference(|code| code.truncate(7)), Difference::Short { expected: length, found: 7 });
    let trailing = |length_, metadata| Difference::Trailing { offset: length, length: length_, metadata };
    assert_eq!(difference(|code| code.push(0)), trailing(1, false));
    // What solc appends: INVALID, {"solc": 0.8.37}, and the map's length.
    let metadata = hex!("fea164736f6c6343000825" "000a");
    assert_eq!(difference(|code| code.extend(metadata)), trailing(13, true));
    assert_eq!(difference(|code| code.extend(&metadata[1..])), trailing(12, true));
    // The same without its first byte is no map, and with other bytes before it there is more than metadata.
    assert_eq!(difference(|code| code.extend(&metadata[2..])), trailing(11, false));
    assert_eq!(difference(|code| code.extend([&[0], &metadata[..]].concat())), trailing(14, false));
}

#[test]
fn an_immutable_that_is_not_known_is_never_masked() {
    let mut build = Build::built_in();
    let places = build.coordinator.immutables.remove("EIP712._name").unwrap();
    build.coordinator.immutables.insert("Groups.owner".into(), places);
    let mismatch = build.verify(&honest()).unwrap_err();
    assert_eq!(mismatch.difference, Difference::UnknownImmutable { name: "Groups.owner".into() });
}
