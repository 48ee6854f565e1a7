use alloy_primitives::Selector;

use super::*;
use crate::class::ETHER;

const COORDINATOR: AgentId = AgentId(alloy_primitives::Address::repeat_byte(0xc0));
const ACCOUNT: AgentId = AgentId(alloy_primitives::Address::repeat_byte(0xac));

type Change = fn(&mut Class);

fn validate(terms: &Terms) -> Result<(), TermsError> {
    terms.validate(COORDINATOR, ACCOUNT)
}

/// What is wrong with the terms of one class once it is changed.
fn class(class: Class, change: impl FnOnce(&mut Class)) -> String {
    let mut terms = Terms::of_class(class);
    change(&mut terms.classes[0]);
    validate(&terms).err().map(|error| error.to_string()).unwrap_or_default()
}

fn terms(change: impl FnOnce(&mut Terms)) -> String {
    let mut terms = Terms::of_class(Class::of_weight(3, 4, 60));
    change(&mut terms);
    validate(&terms).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_terms_that_come_ready_are_sound() {
    for class in [
        Class::of_weight(3, 4, 1),
        Class::decisions(3, 4, 1),
        Class::payments(3, 4, 1, (1, 2)),
        Class::constitution(3, 4, HOUR_S + 1),
    ] {
        assert_eq!(validate(&Terms::of_class(class)), Ok(()));
    }
    let standard = Terms::standard(2, 3, (1, 10));
    assert_eq!(validate(&standard), Ok(()));
    assert_eq!(standard.class_named("constitution"), Some(2));
    assert!(standard.classes[2].changes_weights() && standard.classes.iter().all(|class| class.escape));
}

#[test]
fn the_groups_own_terms_are_bounded_by_each_other() {
    assert_eq!(terms(|_| ()), "");
    assert!(
        terms(|terms| terms.classes.clear()).starts_with("the number of classes 0 is not within 1 and 8")
    );
    assert!(terms(|terms| terms.stall_time_s = 0).starts_with("stall_time_s 0"));
    let deadline = terms(|terms| terms.inbox_deadline_s = HOUR_S - 1);
    assert!(deadline.starts_with("inbox_deadline_s 3599 is not within 3600"), "{deadline}");
    let recovery = terms(|terms| {
        (terms.stall_time_s, terms.inbox_deadline_s, terms.recovery_time_s) =
            (2 * DAY_S, 2 * DAY_S, 8 * DAY_S - 1);
        terms.classes.push(Class { escape: false, ..Class::constitution(3, 4, DAY_S) });
    });
    assert!(recovery.starts_with("recovery_time_s 691199 is not within 691200"), "{recovery}");
    let nobody = terms(|terms| terms.recovery_time_s = 8 * DAY_S);
    assert!(nobody.starts_with("recovery_time_s needs a class"), "{nobody}");
    assert!(terms(|terms| terms.evidence_window_s = DAY_S).starts_with("evidence_window_s"));
    assert!(terms(|terms| terms.bond = 1).starts_with("evidence_window_s 0"));
    assert!(terms(|terms| terms.inbox_fee = MAX_INBOX_FEE + 1).starts_with("inbox_fee"));
    assert!(terms(|terms| terms.reporter_share = 2_001).starts_with("reporter_share 2001"));
}

#[test]
fn names_are_small_and_unique() {
    assert!(
        terms(|terms| terms.classes = vec![terms.classes[0].clone(); 2]).starts_with("class 1: the name")
    );
    for name in ["", "Ü", "A", "a b", "seventeen_letters"] {
        let named = class(Class::of_weight(3, 4, 60), |class| class.name = name.into());
        assert!(named.starts_with("class 0: the name"), "{name}: {named}");
    }
    assert_eq!(class(Class::of_weight(3, 4, 60), |class| class.name = "sixteen_-_letter".into()), "");
}

#[test]
fn lanes_that_could_differ_are_not_both_open() {
    let own = || Class::of_weight(3, 4, 2 * HOUR_S);
    let changes: [Change; 4] = [
        |class| (class.basis, class.turnout) = (Basis::Cast, 1),
        |class| class.turnout = 1,
        |class| class.veto = 1,
        |class| class.revotes = true,
    ];
    for change in changes {
        assert_eq!(class(own(), change), "");
        assert_eq!(class(Class { opening: Opening::Stalled, ..own() }, change), "");
        let always = class(Class { opening: Opening::Always, ..own() }, change);
        assert!(always.starts_with("class 0: opening `always` needs"), "{always}");
        let escape = class(Class { escape: true, ..own() }, change);
        assert!(escape.starts_with("class 0: `escape` needs"), "{escape}");
    }
    assert!(class(own(), |class| class.basis = Basis::Cast).starts_with("class 0: turnout 0"));
}

#[test]
fn a_voting_on_chain_lasts_an_hour_and_one_that_escapes_outlasts_a_stall() {
    let of = |opening, escape, voting_period_s| {
        class(Class { opening, escape, ..Class::of_weight(3, 4, voting_period_s) }, |_| ())
    };
    assert_eq!(of(Opening::Never, false, 1), "");
    for (opening, escape, least) in [
        (Opening::Never, false, 1),
        (Opening::Stalled, false, HOUR_S),
        (Opening::Always, false, HOUR_S),
        (Opening::Never, true, HOUR_S + 1),
        (Opening::Always, true, HOUR_S + 1),
    ] {
        assert_eq!(of(opening, escape, least), "");
        assert!(of(opening, escape, least - 1).contains("voting_period_s"));
    }
}

#[test]
fn a_class_waits_or_is_bounded() {
    let waits_not = |class| Class { timelock_s: 0, ..class };
    let timelock = "class 0: without a timelock it calls nothing, or has limits and a window";
    let calls = Class { scope: Scope::Calls, ..Class::of_weight(3, 4, 60) };
    let pay = Class::payments(3, 4, 60, (1, 2));
    assert_eq!(class(waits_not(Class::of_weight(3, 4, 60)), |_| ()), timelock);
    assert_eq!(class(waits_not(calls.clone()), |_| ()), timelock);
    let unwindowed = |class: &mut Class| (class.window_s, class.limits[0].per_window) = (0, 0);
    assert_eq!(class(pay.clone(), unwindowed), timelock);
    assert_eq!(class(Class { timelock_s: HOUR_S, ..pay.clone() }, unwindowed), "");
    let bounded = Class { limits: pay.limits.clone(), window_s: DAY_S, ..calls };
    assert_eq!(class(waits_not(bounded), |_| ()), "");
    assert_eq!(class(waits_not(Class::decisions(3, 4, 60)), |_| ()), "");
}

#[test]
fn limits_and_targets_are_for_the_classes_that_have_them() {
    let target = Target { target: AgentId::from([1; 20]), selector: Selector::ZERO };
    for scope in [Scope::Decisions, Scope::Anything] {
        let own = || Class { scope, ..Class::of_weight(3, 4, 60) };
        let limit = Limit { asset: ETHER, per_decision: 0, per_window: 0 };
        assert!(class(own(), |class| class.limits.push(limit)).contains("limits 1 is not within 0 and 0"));
        assert!(class(own(), |class| class.targets.push(target)).contains("targets 1 is not within 0 and 0"));
        assert!(class(own(), |class| class.window_s = DAY_S).contains("window_s"));
    }
    let pay = || Class::payments(3, 4, 60, (1, 2));
    assert!(class(pay(), |class| class.limits.clear()).contains("the number of limits 0 is not within 1"));
    assert!(class(pay(), |class| class.targets.push(target)).contains("targets 1 is not within 0 and 0"));
    assert!(
        class(pay(), |class| class.limits[0].per_decision = 3)
            .contains("per_decision 3 is not within 0 and 2")
    );
    assert!(class(pay(), |class| class.limits[0].per_window = MAX_LIMIT + 1).contains("per_window"));
    assert!(class(pay(), |class| class.window_s = 0).contains("without a timelock"));
    let waits = || Class { timelock_s: HOUR_S, ..pay() };
    assert!(class(waits(), |class| class.window_s = 0).contains("2 is not within 0 and 0"));
}

#[test]
fn addresses_ascend_and_are_nobody_of_the_groups_own() {
    let id = |byte| AgentId::from([byte; 20]);
    let limits = |assets: &[AgentId]| {
        let limit = |&asset| Limit { asset, per_decision: 1, per_window: 1 };
        class(
            Class { limits: assets.iter().map(limit).collect(), ..Class::payments(3, 4, 60, (1, 1)) },
            |_| (),
        )
    };
    assert_eq!(limits(&[ETHER, id(1), id(2)]), "");
    for assets in [[id(1), ETHER], [id(1), id(1)], [ETHER, COORDINATOR], [ETHER, ACCOUNT]] {
        assert!(limits(&assets).starts_with("class 0: asset"), "{assets:?}");
    }
    let targets = |targets: &[(AgentId, u8)]| {
        let target = |&(target, byte): &(AgentId, u8)| Target { target, selector: [byte; 4].into() };
        let targets = targets.iter().map(target).collect();
        class(Class { scope: Scope::Calls, targets, ..Class::of_weight(3, 4, 60) }, |_| ())
    };
    assert_eq!(targets(&[(id(1), 0), (id(1), 1), (id(2), 0)]), "");
    for list in [
        [(id(1), 1), (id(1), 0)],
        [(id(2), 0), (id(1), 1)],
        [(id(1), 1), (id(1), 1)],
        [(ETHER, 1), (id(1), 1)],
        [(id(1), 1), (COORDINATOR, 1)],
        [(id(1), 1), (ACCOUNT, 1)],
    ] {
        assert!(targets(&list).starts_with("class 0: target"), "{list:?}");
    }
}

#[test]
fn a_hash_binds_every_term() {
    let good = Terms::standard(2, 3, (1, 10));
    let changes: [fn(&mut Terms); 14] = [
        |terms| terms.stall_time_s += 1,
        |terms| terms.inbox_deadline_s += 1,
        |terms| terms.recovery_time_s += 1,
        |terms| terms.inbox_fee += 1,
        |terms| terms.bond += 1,
        |terms| terms.evidence_window_s += 1,
        |terms| terms.reporter_share += 1,
        |terms| terms.uptime_feed = AgentId::from([1; 20]),
        |terms| terms.classes.truncate(2),
        |terms| terms.classes[0].name.push('x'),
        |terms| terms.classes[0].escape = false,
        |terms| terms.classes[0].limits[0].per_window += 1,
        |terms| terms.classes[1].expiry_s += 1,
        |terms| terms.classes[1].opening = Opening::Never,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut other = good.clone();
        change(&mut other);
        assert_ne!(other.hash(), good.hash(), "change {at}");
    }
}
