//! The group went on after every fault, every node came back, and the anchors caught up.

use super::{Objection, Objections};
use crate::commands::chaos::report::Injected;

/// How soon something must be back, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// From the fault, or from its heal where nothing can commit before, to the first acknowledged command.
    pub(crate) recovery_ms: f64,
    /// From the heal until the node has the others' log and takes part.
    pub(crate) rejoin_ms: f64,
}

/// Objects to every fault after which the group or the node did not come back in time.
pub(crate) fn went_on(faults: &[Injected], bounds: Bounds) -> Vec<Objection> {
    let mut objections = Objections::of("liveness");
    for fault in faults {
        let what = format!("after fault {} ({})", fault.step.number, fault.step.kind);
        let late = |value: Option<f64>, bound: f64| value.is_none_or(|value| value > bound);
        let words = |value: Option<f64>| value.map_or("never".into(), |value| format!("after {value:.0} ms"));
        if late(fault.recovery_ms, bounds.recovery_ms) {
            objections.add(format!("{what} the first command was acknowledged {}", words(fault.recovery_ms)));
        }
        if late(fault.after_heal_ms, bounds.recovery_ms) {
            let words = words(fault.after_heal_ms);
            objections.add(format!("{what} and its heal the first command was acknowledged {words}"));
        }
        if late(fault.rejoin_ms, bounds.rejoin_ms) {
            objections.add(format!("{what} all nodes were back {}", words(fault.rejoin_ms)));
        }
        if let Some(trouble) = &fault.trouble {
            objections.add(format!("{what}: {trouble}"));
        }
    }
    objections.finish()
}

/// Objects unless the contract has the whole log at last.
pub(crate) fn anchored(entries: u64, anchored: Option<u64>) -> Vec<Objection> {
    let mut objections = Objections::of("anchors");
    if anchored != Some(entries) {
        let anchored = anchored.map_or("nothing".into(), |size| format!("{size} entries"));
        objections.add(format!("the log has {entries} entries at last, and {anchored} of it are anchored"));
    }
    objections.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::chaos::fault::Kind;
    use crate::commands::chaos::schedule::Step;

    const BOUNDS: Bounds = Bounds { recovery_ms: 1_000.0, rejoin_ms: 2_000.0 };

    fn fault() -> Injected {
        let step = Step { number: 3, kind: Kind::Kill, target: None, hold_ms: 100, chance: 0 };
        Injected {
            recovery_ms: Some(900.0),
            after_heal_ms: Some(10.0),
            rejoin_ms: Some(1_500.0),
            ..Injected::begun(step, 0.0)
        }
    }

    #[test]
    fn a_fault_that_is_over_in_time_is_in_order() {
        assert!(went_on(&[fault()], BOUNDS).is_empty());
    }

    #[test]
    fn whatever_comes_late_or_never_is_objected_to() {
        let late = Injected { recovery_ms: Some(1_001.0), ..fault() };
        assert!(went_on(&[late], BOUNDS)[0].reason.contains("fault 3 (kill)"));
        let never = Injected { after_heal_ms: None, ..fault() };
        assert!(went_on(&[never], BOUNDS)[0].reason.contains("never"));
        let away = Injected { rejoin_ms: Some(2_500.0), ..fault() };
        assert!(went_on(&[away], BOUNDS)[0].reason.contains("2500 ms"));
        let broken = Injected { trouble: Some("node 2 ended by itself".into()), ..fault() };
        assert!(went_on(&[broken], BOUNDS)[0].reason.contains("node 2 ended"));
    }

    #[test]
    fn an_anchor_must_cover_the_whole_log() {
        assert!(anchored(7, Some(7)).is_empty());
        assert!(anchored(7, Some(6))[0].reason.contains("6 entries"));
        assert!(anchored(7, None)[0].reason.contains("nothing"));
    }
}
