//! Calls that a class permits or refuses, and what they take of each asset.

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::SolValue as _;
use quorate_protocol::call::{MAX_CALL_DATA_BYTES, MAX_CALLS, MAX_GAS, check_calls};
use quorate_protocol::class::MAX_LIMIT;
use quorate_protocol::permit::{APPROVE, INCREASE_ALLOWANCE, TRANSFER, TRANSFER_FROM};
use quorate_protocol::{AgentId, Call, Class, ETHER, Limit, Scope, Selector, Target};
use serde_json::json;

use crate::random::Random;
use crate::{pinned, sol};

const COORDINATOR: u8 = 0xc0;
const ACCOUNT: u8 = 0xac;
const TOKEN: u8 = 0x70;
const OTHER: u8 = 0x71;
const PAYEE: u8 = 0x01;
const LISTED: u8 = 0x02;

fn id(byte: u8) -> AgentId {
    AgentId::from([byte; 20])
}

fn pay(target: u8, value: u64) -> Call {
    Call::payment(id(target), U256::from(value))
}

fn act(target: u8, value: u64, data: &[u8]) -> Call {
    Call::new(id(target), U256::from(value), data.to_vec())
}

/// A call of a function of one or two addresses and an amount.
fn token(target: u8, selector: Selector, amount: U256) -> Call {
    let words = if selector == TRANSFER_FROM { 2 } else { 1 };
    let data = [selector.as_slice(), &vec![7; 32 * words], &amount.to_be_bytes::<32>()].concat();
    act(target, 0, &data)
}

fn limit(asset: AgentId, per_decision: u128) -> Limit {
    Limit { asset, per_decision, per_window: MAX_LIMIT }
}

fn target(byte: u8, selector: Selector) -> Target {
    Target { target: id(byte), selector }
}

fn class(scope: Scope, limits: &[(AgentId, u128)], targets: &[Target]) -> Class {
    let limits = limits.iter().map(|&(asset, per_decision)| limit(asset, per_decision)).collect();
    Class { scope, limits, targets: targets.to_vec(), ..Class::of_weight(3, 4, 60) }
}

#[derive(Default)]
struct Cases {
    names: Vec<String>,
    classes: Vec<String>,
    calls: Vec<String>,
    errors: Vec<String>,
    sums: Vec<String>,
}

impl Cases {
    /// A case that is permitted or not, as `permitted` says.
    fn case(&mut self, permitted: bool, name: &str, class: &Class, calls: &[Call]) {
        assert_eq!(self.take(name, class, calls), permitted, "{name}");
    }

    fn take(&mut self, name: &str, class: &Class, calls: &[Call]) -> bool {
        let verdict = match check_calls(calls) {
            Err(error) => Err(sol::invalid_calls(&error)),
            Ok(()) => class
                .permit(calls, id(COORDINATOR), id(ACCOUNT))
                .map_err(|refusal| sol::call_refusal(&refusal)),
        };
        self.names.push(name.into());
        self.classes.push(sol::encoded(&sol::class(class)));
        self.calls.push(sol::encoded(&sol::calls(calls)));
        let (error, sums) = match &verdict {
            Ok(sums) => {
                let (assets, sums): (Vec<Address>, Vec<U256>) =
                    sums.iter().map(|&(asset, sum)| (asset.0, U256::from(sum))).unzip();
                ("0x".into(), hex::encode_prefixed((assets, sums).abi_encode_params()))
            }
            Err(error) => (error.clone(), "0x".into()),
        };
        self.errors.push(error);
        self.sums.push(sums);
        verdict.is_ok()
    }
}

fn valid(cases: &mut Cases) {
    let anything = class(Scope::Anything, &[], &[]);
    cases.case(true, "no calls", &anything, &[]);
    cases.case(true, "32 calls", &anything, &vec![pay(PAYEE, 1); MAX_CALLS]);
    cases.case(false, "33 calls", &anything, &vec![pay(PAYEE, 1); MAX_CALLS + 1]);
    cases.case(true, "24 KiB", &anything, &[act(PAYEE, 0, &vec![1; MAX_CALL_DATA_BYTES])]);
    let long = act(PAYEE, 0, &vec![1; MAX_CALL_DATA_BYTES + 1]);
    cases.case(false, "a byte more in the second", &anything, &[pay(PAYEE, 1), long]);
    let without_gas = Call { gas: 0, ..act(PAYEE, 0, &[1]) };
    cases.case(false, "data without gas", &anything, &[pay(PAYEE, 1), without_gas.clone()]);
    cases.case(true, "data with the least gas", &anything, &[Call { gas: 1, ..without_gas }]);
    let may_fail = Call { allow_failure: true, ..pay(PAYEE, 1) };
    cases.case(false, "a payment that may fail without gas", &anything, std::slice::from_ref(&may_fail));
    cases.case(true, "a payment that may fail with gas", &anything, &[Call { gas: 1, ..may_fail }]);
    let no_code = Call { allow_no_code: true, ..pay(PAYEE, 1) };
    cases.case(true, "a payment that needs no code", &anything, &[no_code]);
    let gas = |gas| Call { gas, ..pay(PAYEE, 1) };
    cases.case(true, "the most gas", &anything, &[gas(MAX_GAS - 1), gas(1)]);
    cases.case(false, "a unit of gas more", &anything, &[gas(MAX_GAS), gas(1)]);
    cases.case(false, "gas that overflows 64 bits", &anything, &[gas(u64::MAX), gas(u64::MAX)]);
}

fn scopes(cases: &mut Cases) {
    let limits = [(ETHER, 10), (id(TOKEN), 20)];
    let listed = [target(LISTED, Selector::ZERO), target(LISTED, TRANSFER)];
    let classes = [
        ("decisions", class(Scope::Decisions, &[], &[])),
        ("payments", class(Scope::Payments, &limits, &[])),
        ("calls", class(Scope::Calls, &[], &[])),
        ("listed calls", class(Scope::Calls, &limits, &listed)),
        ("anything", class(Scope::Anything, &[], &[])),
    ];
    // In the order of the classes.
    let calls = [
        ("nothing", vec![], [true; 5]),
        ("a payment", vec![pay(PAYEE, 10)], [false, true, true, true, true]),
        ("a payment of nothing", vec![pay(PAYEE, 0)], [false, true, true, true, true]),
        ("a payment above the limit", vec![pay(PAYEE, 11)], [false, false, true, false, true]),
        (
            "payments that come to the limit",
            vec![pay(PAYEE, 4), pay(LISTED, 6)],
            [false, true, true, true, true],
        ),
        ("payments above the limit", vec![pay(PAYEE, 4), pay(LISTED, 7)], [false, false, true, false, true]),
        ("a payment to the coordinator", vec![pay(COORDINATOR, 1)], [false, false, false, false, true]),
        ("a payment to the account", vec![pay(ACCOUNT, 0)], [false, false, false, false, true]),
        (
            "the second to the account",
            vec![pay(PAYEE, 1), pay(ACCOUNT, 1)],
            [false, false, false, false, true],
        ),
        (
            "a call of the coordinator",
            vec![act(COORDINATOR, 0, &[1, 2, 3, 4])],
            [false, false, false, false, true],
        ),
        ("a call of the account", vec![act(ACCOUNT, 0, &[1, 2, 3, 4])], [false, false, false, false, true]),
        ("another call", vec![act(PAYEE, 0, &[1, 2, 3, 4])], [false, false, true, false, true]),
        ("data of a byte", vec![act(PAYEE, 0, &[0])], [false, false, true, false, true]),
    ];
    for (name, calls, permitted) in &calls {
        for ((of, class), permitted) in classes.iter().zip(permitted) {
            cases.case(*permitted, &format!("{of}: {name}"), class, calls);
        }
    }
}

fn tokens(cases: &mut Cases) {
    let payments = class(Scope::Payments, &[(ETHER, 10), (id(TOKEN), 20)], &[]);
    let calls = class(Scope::Calls, &[(ETHER, 10), (id(TOKEN), 20)], &[]);
    let one = U256::from(1);
    for (name, selector) in [
        ("transfer", TRANSFER),
        ("approve", APPROVE),
        ("increaseAllowance", INCREASE_ALLOWANCE),
        ("transferFrom", TRANSFER_FROM),
    ] {
        let of = |amount| token(TOKEN, selector, amount);
        let pays = selector == TRANSFER;
        for (of_class, class, permitted) in [("payments", &payments, pays), ("calls", &calls, true)] {
            let mut case = |what: &str, calls: &[Call], sound: bool| {
                cases.case(permitted && sound, &format!("{of_class}: {name} {what}"), class, calls);
            };
            case("up to the limit", &[of(U256::from(20))], true);
            case("above the limit", &[of(U256::from(21))], false);
            case("of nothing", &[of(U256::ZERO)], true);
            case("of everything", &[of(U256::MAX)], false);
            case("twice up to the limit", &[of(U256::from(19)), of(one)], true);
            case("twice above the limit", &[of(U256::from(19)), of(U256::from(2))], false);
            case("that overflows", &[of(U256::MAX), of(U256::MAX)], false);
            case("of a token without a limit", &[token(OTHER, selector, one)], false);
            case("with ether", &[Call { value: one, ..of(one) }], false);
            case("with a byte more", &[Call { data: [of(one).data, vec![0]].concat(), ..of(one) }], false);
            let mut short = of(one);
            short.data.pop();
            case("with a byte less", &[short], false);
            case("beside a payment", &[pay(PAYEE, 10), of(U256::from(20)), pay(PAYEE, 0)], true);
        }
    }
    let mut short = token(TOKEN, TRANSFER_FROM, one);
    short.data.truncate(68);
    cases.case(false, "transferFrom as long as transfer", &calls, &[short]);
    let mut long = token(TOKEN, TRANSFER, one);
    long.data.extend([0; 32]);
    cases.case(false, "transfer as long as transferFrom", &calls, &[long]);
    let only_token = class(Scope::Payments, &[(id(TOKEN), 20)], &[]);
    cases.case(false, "no limit for ether, and none is sent", &only_token, &[pay(PAYEE, 0)]);
    let zero = token(0, TRANSFER, U256::from(10));
    cases.case(true, "the address zero as a token counts as ether", &payments, &[zero]);
}

fn lists(cases: &mut Cases) {
    let own = Selector::from([1, 2, 3, 4]);
    let targets = [target(PAYEE, Selector::ZERO), target(LISTED, own), target(TOKEN, TRANSFER)];
    let unlimited = class(Scope::Calls, &[], &targets);
    let limited = class(Scope::Calls, &[(ETHER, 9), (id(TOKEN), 20)], &targets);
    let both = [("without limits", &unlimited), ("with limits", &limited)];
    for (of, class) in both {
        let sends = class.limit(ETHER).is_some();
        let mut case = |permitted: bool, name: &str, call: Call| {
            cases.case(permitted, &format!("listed {of}: {name}"), class, &[call]);
        };
        case(true, "a function that is listed", act(LISTED, 0, &[1, 2, 3, 4, 5]));
        case(true, "the same with no arguments", act(LISTED, 0, &[1, 2, 3, 4]));
        case(sends, "the same with ether", act(LISTED, 9, &[1, 2, 3, 4]));
        case(false, "the same with too much ether", act(LISTED, 10, &[1, 2, 3, 4]));
        case(true, "no data where that is listed", pay(PAYEE, 0));
        case(sends, "ether where that is listed", pay(PAYEE, 1));
        case(sends, "no data elsewhere", pay(LISTED, 0));
        case(false, "another function", act(LISTED, 0, &[1, 2, 3, 5]));
        case(false, "the function of another target", act(PAYEE, 0, &[1, 2, 3, 4]));
        case(false, "three bytes of the selector", act(LISTED, 0, &[1, 2, 3]));
        case(false, "a zero byte where no data is listed", act(PAYEE, 0, &[0]));
        case(false, "the selector zero where no data is listed", act(PAYEE, 0, &[0, 0, 0, 0]));
        case(!sends, "a transfer of a listed token above its limit", token(TOKEN, TRANSFER, U256::from(21)));
        case(
            sends,
            "a transfer with ether of a listed token",
            Call { value: U256::from(1), ..token(TOKEN, TRANSFER, U256::from(21)) },
        );
    }
    let four = [
        act(LISTED, 4, &[1, 2, 3, 4]),
        token(TOKEN, APPROVE, U256::from(15)),
        pay(OTHER, 5),
        token(TOKEN, TRANSFER, U256::from(5)),
    ];
    cases.case(true, "listed with limits: all that counts", &limited, &four);
}

/// Calls and classes at random, each of them near to what is permitted.
fn at_random(cases: &mut Cases) {
    let mut random = Random::new();
    let own = Selector::from([1, 2, 3, 4]);
    for at in 0..150 {
        let scope = [Scope::Payments, Scope::Calls, Scope::Calls, Scope::Calls][random.below(4) as usize];
        let mut limits = Vec::new();
        for asset in [ETHER, id(TOKEN), id(OTHER)] {
            if scope == Scope::Payments && asset == ETHER || random.below(3) != 0 {
                limits.push((asset, [0, 30, MAX_LIMIT][random.below(3) as usize]));
            }
        }
        let listed = [target(PAYEE, Selector::ZERO), target(LISTED, own), target(OTHER, APPROVE)];
        let targets = if scope == Scope::Calls { &listed[..random.below(4) as usize] } else { &[] };
        let class = class(scope, &limits, targets);
        let call = |random: &mut Random| {
            let amount = U256::from([0, 1, 10, 20][random.below(4) as usize]);
            let account = [PAYEE, LISTED, TOKEN, OTHER][random.below(4) as usize];
            let call = match random.below(6) {
                0 => pay(account, 1 + random.below(12)),
                1 => act(account, random.below(3), &[1, 2, 3, 4]),
                2 => token(OTHER, TRANSFER, amount),
                3 => token(TOKEN, [APPROVE, INCREASE_ALLOWANCE][random.below(2) as usize], amount),
                4 => token(TOKEN, TRANSFER_FROM, amount),
                _ => token(TOKEN, TRANSFER, amount),
            };
            Call { allow_failure: call.gas != 0 && random.below(4) == 0, ..call }
        };
        let count = 1 + random.below(3);
        let calls: Vec<Call> = (0..count).map(|_| call(&mut random)).collect();
        // Which of several assets above their limits is named first is not settled.
        let first = class.permit(&calls, id(COORDINATOR), id(ACCOUNT));
        let mut reversed = class.clone();
        reversed.limits.iter_mut().for_each(|limit| limit.per_decision = MAX_LIMIT);
        let sums = reversed.permit(&calls, id(COORDINATOR), id(ACCOUNT)).unwrap_or_default();
        let above = |&(asset, sum): &(AgentId, u128)| class.limit(asset).is_none_or(|l| sum > l.per_decision);
        if first.is_err() && sums.iter().filter(|sum| above(sum)).count() > 1 {
            continue;
        }
        cases.take(&format!("at random {at}"), &class, &calls);
    }
}

#[test]
fn calls() {
    let mut cases = Cases::default();
    valid(&mut cases);
    scopes(&mut cases);
    tokens(&mut cases);
    lists(&mut cases);
    at_random(&mut cases);
    let permitted = cases.errors.iter().filter(|error| *error == "0x").count();
    assert!(permitted > 80 && cases.errors.len() - permitted > 80, "both happen");
    let Cases { names, classes, calls, errors, sums } = cases;
    let value = json!({
        "coordinator": id(COORDINATOR), "account": id(ACCOUNT),
        "names": names, "classes": classes, "calls": calls, "errors": errors, "sums": sums,
    });
    pinned("calls.json", &value);
}
