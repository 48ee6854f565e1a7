//! Terms at, below and above each bound, and each rule between terms.

use alloy_primitives::hex;
use quorate_protocol::class::{DAY_S, HOUR_S, MAX_LIMIT};
use quorate_protocol::policy::WHOLE;
use quorate_protocol::terms::{LONGEST_S, LONGEST_WAIT_S, SHORTEST_RECOVERY_S};
use quorate_protocol::{
    AgentId, Basis, Class, ETHER, Limit, Opening, Scope, Selector, Target, Term, Terms, TermsError,
};
use serde_json::json;

use crate::{pinned, sol};

const COORDINATOR: u8 = 0xc0;
const ACCOUNT: u8 = 0xac;

fn id(byte: u8) -> AgentId {
    AgentId::from([byte; 20])
}

fn target(byte: u8, selector: u8) -> Target {
    Target { target: id(byte), selector: Selector::from([selector; 4]) }
}

/// The cases so far, each with what is wrong with it.
#[derive(Default)]
struct Cases {
    names: Vec<String>,
    inputs: Vec<String>,
    errors: Vec<String>,
}

impl Cases {
    /// A case that is sound, or wrong by this term and class.
    fn case(&mut self, name: &str, terms: &Terms, wrong: Option<(Option<usize>, Term)>) {
        let verdict = terms.validate(id(COORDINATOR), id(ACCOUNT));
        let found = verdict.as_ref().err().map(|TermsError { class, term, .. }| (*class, *term));
        assert_eq!(found, wrong, "{name}");
        let encoded = sol::encoded(&sol::terms(terms));
        assert_eq!(hex::encode_prefixed(terms.abi_encode()), encoded, "{name}");
        self.names.push(name.into());
        self.inputs.push(encoded);
        self.errors.push(verdict.err().map_or("0x".into(), |error| sol::invalid_term(&error)));
    }

    fn group(&mut self, name: &str, wrong: Option<Term>, change: impl FnOnce(&mut Terms)) {
        let mut terms = Terms::of_class(Class::of_weight(3, 4, 60));
        change(&mut terms);
        self.case(name, &terms, wrong.map(|term| (None, term)));
    }

    fn class(&mut self, name: &str, wrong: Option<Term>, class: Class) {
        let terms = Terms::of_class(class);
        self.case(name, &terms, wrong.map(|term| (Some(0), term)));
    }

    /// A number below, at and above its bounds.
    fn bounds(&mut self, term: Term, bounds: [u32; 2], make: impl Fn(u32) -> Class) {
        let [least, most] = bounds;
        for (found, sound) in
            [(least.wrapping_sub(1), false), (least, true), (most, true), (most.wrapping_add(1), false)]
        {
            // No number is below 0.
            if found != u32::MAX {
                self.class(&format!("{term:?} {found}"), (!sound).then_some(term), make(found));
            }
        }
    }

    fn group_bounds(&mut self, term: Term, bounds: [u32; 2], change: impl Fn(&mut Terms, u32)) {
        let [least, most] = bounds;
        for (found, sound) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let name = format!("{term:?} {found} within {least} and {most}");
            self.group(&name, (!sound).then_some(term), |terms| change(terms, found));
        }
    }
}

fn anything() -> Class {
    Class::of_weight(3, 4, 60)
}

fn pay() -> Class {
    Class::payments(3, 4, 60, (5, 10))
}

fn calls() -> Class {
    Class { scope: Scope::Calls, ..anything() }
}

fn group(cases: &mut Cases) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let class = |name: &&str| Class { name: (*name).into(), ..anything() };
    for (count, sound) in [(0, false), (1, true), (8, true), (9, false)] {
        cases.group(&format!("{count} classes"), (!sound).then_some(Term::ClassCount), |terms| {
            terms.classes = names[..count].iter().map(class).collect();
        });
    }
    cases.group_bounds(Term::StallTime, [HOUR_S, LONGEST_WAIT_S], |terms, found| {
        (terms.stall_time_s, terms.inbox_deadline_s) = (found, LONGEST_WAIT_S);
    });
    for stall in [HOUR_S, 9 * HOUR_S] {
        cases.group_bounds(Term::InboxDeadline, [stall, LONGEST_WAIT_S], |terms, found| {
            (terms.stall_time_s, terms.inbox_deadline_s) = (stall, found);
        });
    }
    for (stall, deadline, least) in [
        (HOUR_S, DAY_S, SHORTEST_RECOVERY_S),
        (2 * DAY_S, 2 * DAY_S, 8 * DAY_S),
        (HOUR_S, 4 * DAY_S, 8 * DAY_S),
    ] {
        cases.group_bounds(Term::RecoveryTime, [least, LONGEST_S], |terms, found| {
            (terms.stall_time_s, terms.inbox_deadline_s, terms.recovery_time_s) = (stall, deadline, found);
            terms.classes.push(Class { escape: false, ..Class::constitution(3, 4, HOUR_S) });
        });
    }
    let constitution = Class::constitution(3, 4, DAY_S);
    for (how, class, recovers) in [
        ("by signatures alone", Class { opening: Opening::Never, ..constitution.clone() }, true),
        ("by votes alone", Class { escape: false, opening: Opening::Stalled, ..constitution.clone() }, true),
        ("not on-chain", Class { escape: false, opening: Opening::Never, ..constitution.clone() }, false),
        ("by calls to others", Class { scope: Scope::Calls, ..constitution.clone() }, false),
    ] {
        cases.group(
            &format!("a recovery decided {how}"),
            (!recovers).then_some(Term::RecoveryTime),
            |terms| {
                terms.recovery_time_s = SHORTEST_RECOVERY_S;
                terms.classes.push(class);
            },
        );
    }
    cases.group_bounds(Term::EvidenceWindow, [DAY_S, LONGEST_S], |terms, found| {
        (terms.bond, terms.evidence_window_s) = (1, found);
    });
    cases.group("a window for evidence without bonds", Some(Term::EvidenceWindow), |terms| {
        terms.evidence_window_s = DAY_S;
    });
    cases.group("bonds without a window for evidence", Some(Term::EvidenceWindow), |terms| terms.bond = 1);
    cases.group("reporter's share 2000", None, |terms| terms.reporter_share = 2_000);
    cases.group("reporter's share 2001", Some(Term::ReporterShare), |terms| terms.reporter_share = 2_001);
    cases.group("the largest fee and bond, and a feed", None, |terms| {
        (terms.inbox_fee, terms.bond, terms.evidence_window_s) = ((1 << 96) - 1, u128::MAX, DAY_S);
        terms.uptime_feed = id(9);
    });
    cases.case("the standard terms", &Terms::standard(2, 3, (5, 10)), None);
}

fn names(cases: &mut Cases) {
    for (name, sound) in [
        ("a", true),
        ("sixteen_-_letter", true),
        ("az09-_", true),
        ("", false),
        ("A", false),
        ("a b", false),
        ("a.b", false),
        ("`", false),
        ("{", false),
        ("/", false),
        (":", false),
        ("a\0b", false),
        ("\0a", false),
        ("\u{fc}", false),
    ] {
        let class = Class { name: name.into(), ..anything() };
        cases.class(&format!("name {}", name.escape_default()), (!sound).then_some(Term::Name), class);
    }
    let twice = Terms::of_classes(vec![anything(), pay(), anything()]);
    cases.case("a name twice", &twice, Some((Some(2), Term::Name)));
    let second = Terms::of_classes(vec![anything(), Class { threshold: 5_000, ..pay() }]);
    cases.case("the second class is named", &second, Some((Some(1), Term::Threshold)));
}

fn votes(cases: &mut Cases) {
    let part = |found: u32| u16::try_from(found).expect("a part has 16 bits");
    let whole = u32::from(WHOLE);
    cases.bounds(Term::Threshold, [5_001, whole], |found| Class { threshold: part(found), ..anything() });
    cases.bounds(Term::Turnout, [0, whole], |found| Class { turnout: part(found), ..anything() });
    cases.bounds(Term::Turnout, [1, whole], |found| Class {
        basis: Basis::Cast,
        turnout: part(found),
        ..anything()
    });
    cases.bounds(Term::Veto, [0, whole], |found| Class { veto: part(found), ..anything() });

    let long = || Class::of_weight(3, 4, 2 * HOUR_S);
    let variants = [
        ("of votes cast", Class { basis: Basis::Cast, turnout: 1, ..long() }),
        ("with a turnout", Class { turnout: 1, ..long() }),
        ("with a veto", Class { veto: 1, ..long() }),
        ("with revotes", Class { revotes: true, ..long() }),
    ];
    for (name, class) in variants {
        let stalled = Class { opening: Opening::Stalled, ..class.clone() };
        cases.class(&format!("{name}, opened when stalled"), None, stalled);
        let always = Class { opening: Opening::Always, ..class.clone() };
        cases.class(&format!("{name}, always open"), Some(Term::Opening), always);
        let escape = Class { escape: true, ..class };
        cases.class(&format!("{name}, with escape"), Some(Term::Escape), escape);
    }
    let on_chain = |opening, escape| {
        move |voting_period_s| Class { opening, escape, ..Class::of_weight(3, 4, voting_period_s) }
    };
    cases.bounds(Term::VotingPeriod, [1, LONGEST_S], on_chain(Opening::Never, false));
    cases.bounds(Term::VotingPeriod, [HOUR_S, LONGEST_S], on_chain(Opening::Stalled, false));
    cases.bounds(Term::VotingPeriod, [HOUR_S, LONGEST_S], on_chain(Opening::Always, false));
    cases.bounds(Term::VotingPeriod, [HOUR_S + 1, LONGEST_S], on_chain(Opening::Never, true));
    cases.bounds(Term::VotingPeriod, [HOUR_S + 1, LONGEST_S], on_chain(Opening::Always, true));
    for (voting_period_s, sound) in [(5 * DAY_S, false), (5 * DAY_S + 1, true)] {
        let mut terms = Terms::of_class(Class::constitution(3, 4, voting_period_s));
        (terms.stall_time_s, terms.inbox_deadline_s) = (5 * DAY_S, 5 * DAY_S);
        let wrong = (!sound).then_some((Some(0), Term::VotingPeriod));
        cases.case(&format!("escape, {voting_period_s} of a stall time of five days"), &terms, wrong);
    }
    cases.bounds(Term::Expiry, [HOUR_S, LONGEST_S], |expiry_s| Class { expiry_s, ..anything() });
}

fn limits_of(class: &Class, limits: Vec<Limit>) -> Class {
    Class { limits, ..class.clone() }
}

fn money(cases: &mut Cases) {
    let limit = |byte: u8| Limit { asset: id(byte), per_decision: 5, per_window: 10 };
    for (count, class, sound) in [
        (0, pay(), false),
        (4, pay(), true),
        (5, pay(), false),
        (4, Class { window_s: DAY_S, ..calls() }, true),
        (5, Class { window_s: DAY_S, ..calls() }, false),
        (1, anything(), false),
        (1, Class::decisions(3, 4, 60), false),
    ] {
        let name = format!("{count} limits in a class for {:?}", class.scope);
        let class = limits_of(&class, (1..=count).map(limit).collect());
        cases.class(&name, (!sound).then_some(Term::LimitCount), class);
    }
    for (count, class, sound) in [
        (8, calls(), true),
        (9, calls(), false),
        (1, anything(), false),
        (1, pay(), false),
        (1, Class::decisions(3, 4, 60), false),
    ] {
        let name = format!("{count} targets in a class for {:?}", class.scope);
        let targets = (1..=count).map(|byte| target(byte, 0)).collect();
        cases.class(&name, (!sound).then_some(Term::TargetCount), Class { targets, ..class });
    }
    for class in [anything(), Class::decisions(3, 4, 60)] {
        let name = format!("a window in a class for {:?}", class.scope);
        cases.class(&name, Some(Term::Window), Class { window_s: DAY_S, ..class });
    }
    cases.bounds(Term::Window, [HOUR_S, LONGEST_S], |window_s| Class { window_s, ..pay() });
    cases.class("a window without limits", None, Class { window_s: DAY_S, ..calls() });
    cases.bounds(Term::Timelock, [HOUR_S, LONGEST_S], |timelock_s| Class { timelock_s, ..anything() });
    cases.bounds(Term::Timelock, [HOUR_S, LONGEST_S], |timelock_s| Class { timelock_s, ..pay() });

    let at_once = |class: Class| Class { timelock_s: 0, ..class };
    let bounded = limits_of(&Class { window_s: DAY_S, ..calls() }, vec![limit(1)]);
    let unwindowed = vec![Limit { per_window: 0, ..limit(1) }];
    let listed = Class { targets: vec![target(1, 1)], ..calls() };
    cases.class("decisions at once", None, Class::decisions(3, 4, 60));
    cases.class("payments at once", None, pay());
    cases.class("bounded calls at once", None, at_once(bounded.clone()));
    cases.class(
        "bounded and listed calls at once",
        None,
        at_once(Class { targets: listed.targets.clone(), ..bounded }),
    );
    cases.class("anything at once", Some(Term::Bounded), at_once(anything()));
    cases.class("calls at once", Some(Term::Bounded), at_once(calls()));
    cases.class("listed calls at once", Some(Term::Bounded), at_once(listed.clone()));
    cases.class("listed calls after a while", None, listed);
    let without_window = Class { window_s: 0, ..limits_of(&pay(), unwindowed) };
    cases.class("limits without a window at once", Some(Term::Bounded), without_window.clone());
    let after = |class: Class| Class { timelock_s: HOUR_S, ..class };
    cases.class("limits without a window after a while", None, after(without_window.clone()));

    let amounts = |per_decision, per_window| vec![Limit { asset: ETHER, per_decision, per_window }];
    for (name, amounts, sound) in [
        ("the largest limits", amounts(MAX_LIMIT, MAX_LIMIT), true),
        ("limits of 0", amounts(0, 0), true),
        ("more a decision than a window", amounts(11, 10), false),
    ] {
        cases.class(name, (!sound).then_some(Term::LimitAmount), limits_of(&pay(), amounts));
    }
    for (name, amounts, sound) in [
        ("the largest limit without a window", amounts(MAX_LIMIT, 0), true),
        ("a limit of a window that is none", amounts(1, 1), false),
    ] {
        let class = limits_of(&after(without_window.clone()), amounts);
        cases.class(name, (!sound).then_some(Term::LimitAmount), class);
    }
}

fn addresses(cases: &mut Cases) {
    let limit = |byte: u8| Limit { asset: id(byte), per_decision: 5, per_window: 10 };
    for (assets, sound) in [
        (vec![0], true),
        (vec![0, 1, 2], true),
        (vec![1, 0], false),
        (vec![1, 1], false),
        (vec![2, 1], false),
        (vec![0, 0], false),
        (vec![COORDINATOR], false),
        (vec![0, ACCOUNT], false),
    ] {
        let name = format!("assets {assets:02x?}");
        let class = limits_of(&pay(), assets.into_iter().map(limit).collect());
        cases.class(&name, (!sound).then_some(Term::LimitAsset), class);
    }
    for (targets, sound) in [
        (vec![(1, 0), (1, 1), (2, 0)], true),
        (vec![(1, 255), (2, 0)], true),
        (vec![(1, 1), (1, 1)], false),
        (vec![(1, 1), (1, 0)], false),
        (vec![(2, 0), (1, 1)], false),
        (vec![(0, 1)], false),
        (vec![(0, 0), (1, 1)], false),
        (vec![(COORDINATOR, 1)], false),
        (vec![(1, 1), (ACCOUNT, 0)], false),
    ] {
        let name = format!("targets {targets:02x?}");
        let targets = targets.into_iter().map(|(byte, selector)| target(byte, selector)).collect();
        cases.class(&name, (!sound).then_some(Term::Target), Class { targets, ..calls() });
    }
}

#[test]
fn terms() {
    let mut cases = Cases::default();
    group(&mut cases);
    names(&mut cases);
    votes(&mut cases);
    money(&mut cases);
    addresses(&mut cases);
    let Cases { names, inputs, errors } = cases;
    let value = json!({
        "coordinator": id(COORDINATOR), "account": id(ACCOUNT),
        "names": names, "inputs": inputs, "errors": errors,
    });
    pinned("terms.json", &value);
}
