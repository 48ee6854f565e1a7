//! Code that is right, and code that is wrong in one place.

use alloy::primitives::{Bytes, U256, hex};
use quorate_protocol::GroupId;

use super::*;
use crate::deployment::Addresses;

const CHAIN: u64 = 31_337;

fn contract() -> Address {
    Address::repeat_byte(0xc0)
}

fn group() -> GroupId {
    GroupId::from([7; 32])
}

/// What a chain has after an honest deployment: this test fills the immutables in by itself.
fn honest() -> Deployed {
    let build = Build::built_in();
    let Addresses { on_chain_lane, group_registry, .. } = build.addresses();
    let filled = |compiled: &CompiledContract, own: Address| {
        let values = [
            ("AgentCoordinator._separator", crate::eip712_domain(CHAIN, contract()).separator()),
            ("AgentCoordinator._chainId", U256::from(CHAIN).into()),
            ("AgentCoordinator.onChainLane", on_chain_lane.into_word()),
            ("AgentCoordinator.groupRegistry", group_registry.into_word()),
            ("Module._self", own.into_word()),
            ("GroupAccount.coordinator", contract().into_word()),
            ("AccountProxy._implementation", contract().create(1).into_word()),
        ];
        let mut code = compiled.deployed_bytecode.to_vec();
        for (name, places) in &compiled.immutables {
            let (_, value) = values.iter().find(|(known, _)| known == name).unwrap();
            for Place { start, length } in places {
                code[*start..start + length].copy_from_slice(value.as_slice());
            }
        }
        Bytes::from(code)
    };
    Deployed {
        chain_id: CHAIN,
        contract: contract(),
        coordinator_code: filled(&build.coordinator, contract()),
        on_chain_lane_code: filled(&build.on_chain_lane, on_chain_lane),
        group_registry_code: filled(&build.group_registry, group_registry),
        group_account_code: filled(&build.group_account, contract().create(1)),
        account: Some((group(), filled(&build.account_proxy, build.account_of(contract(), group())))),
    }
}

/// The parts with their code and the address that it is at.
fn parts(deployed: &Deployed) -> [(Part, Address, Bytes); 5] {
    let build = Build::built_in();
    let Addresses { on_chain_lane, group_registry, .. } = build.addresses();
    let (group, account_code) = deployed.account.clone().unwrap();
    [
        (Part::Coordinator, contract(), deployed.coordinator_code.clone()),
        (Part::OnChainLane, on_chain_lane, deployed.on_chain_lane_code.clone()),
        (Part::GroupRegistry, group_registry, deployed.group_registry_code.clone()),
        (Part::GroupAccount, deployed.group_account(), deployed.group_account_code.clone()),
        (Part::AccountProxy, build.account_of(contract(), group), account_code),
    ]
}

/// The deployment with another code of one part.
fn with(deployed: Deployed, part: Part, code: Bytes) -> Deployed {
    match part {
        Part::Coordinator => Deployed { coordinator_code: code, ..deployed },
        Part::OnChainLane => Deployed { on_chain_lane_code: code, ..deployed },
        Part::GroupRegistry => Deployed { group_registry_code: code, ..deployed },
        Part::GroupAccount => Deployed { group_account_code: code, ..deployed },
        Part::AccountProxy => Deployed { account: Some((group(), code)), ..deployed },
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
    let build = Build::built_in();
    assert_eq!(build.verify(&honest()), Ok(()));
    assert_eq!(build.verify(&Deployed { account: None, ..honest() }), Ok(()));
}

/// The artifacts name all that the compiler leaves open, so that nothing is compared with a zero by mistake.
#[test]
fn every_immutable_of_the_artifacts_has_a_value_and_room_for_it() {
    let build = Build::built_in();
    let immutables = parts(&honest()).map(|(part, ..)| build.part(part).immutables.len());
    assert_eq!(immutables, [4, 1, 1, 1, 1]);
    for (part, address, _) in parts(&honest()) {
        let (compiled, values) = (build.part(part), values(address));
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

fn values(own: Address) -> Values {
    Values::of(CHAIN, contract(), &Build::built_in().addresses(), own)
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
    let build = Build::built_in();
    for (part, address, code) in parts(&honest()) {
        let values = values(address);
        // A step that is prime to the length of a word meets every part of the code in a short time.
        for offset in (0..code.len()).step_by(if code.len() > 1_000 { 97 } else { 1 }) {
            let changed = changed(&code, |code| code[offset] ^= 0x80);
            let found = match difference::compare(build.part(part), &values, &changed).unwrap_err() {
                Difference::Code { offset: at, .. } => at..at + 1,
                Difference::Immutable { offset: at, .. } => at..at + 32,
                other => panic!("byte {offset}: {other}"),
            };
            assert!(found.contains(&offset), "byte {offset} was found at {found:?}");
        }
    }
}

#[test]
fn the_part_that_differs_is_named() {
    for (part, address, code) in parts(&honest()) {
        let changed = changed(&code, |code| code[20] ^= 1);
        let mismatch = Build::built_in().verify(&with(honest(), part, changed)).unwrap_err();
        assert_eq!((mismatch.part, mismatch.address), (part, address));
        let gone = Build::built_in().verify(&with(honest(), part, Bytes::new())).unwrap_err();
        assert_eq!((gone.part, gone.difference), (part, Difference::NoCode));
    }
}

#[test]
fn an_immutable_with_another_value_is_named() {
    let at = place("AgentCoordinator.onChainLane");
    let stranger = Address::repeat_byte(0xee).into_word();
    let found = difference(|code| code[at.start..at.start + 32].copy_from_slice(stranger.as_slice()));
    let name = "AgentCoordinator.onChainLane".to_owned();
    let expected = Build::built_in().addresses().on_chain_lane.into_word();
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
    assert!(
        ["AgentCoordinator._separator", "AgentCoordinator._chainId"].contains(&name.as_str()),
        "{mismatch}"
    );
    let copied = Deployed { contract: Address::repeat_byte(0xc1), ..honest() };
    assert!(matches!(build.verify(&copied).unwrap_err().difference, Difference::Immutable { .. }));
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
    let places = build.coordinator.immutables.remove("AgentCoordinator.groupRegistry").unwrap();
    build.coordinator.immutables.insert("Groups.owner".into(), places);
    let mismatch = build.verify(&honest()).unwrap_err();
    assert_eq!(mismatch.difference, Difference::UnknownImmutable { name: "Groups.owner".into() });
}
