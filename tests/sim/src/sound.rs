//! The world outside the replicas has no faults: a deliberate one that is switched on for a run rests while a
//! checker judges, so that nothing is judged by the rule that it breaks.

/// What `judge` says while no deliberate fault is switched on.
#[cfg(feature = "faults")]
pub(crate) fn sound<T>(judge: impl FnOnce() -> T) -> T {
    use quorate_protocol::faults::{Fault, is_on, switch_on};

    struct Again(Option<Fault>);
    impl Drop for Again {
        fn drop(&mut self) {
            switch_on(self.0);
        }
    }
    let _again = Again(Fault::ALL.iter().copied().find(|fault| is_on(*fault)));
    switch_on(None);
    judge()
}

/// What `judge` says. No faults are compiled in.
#[cfg(not(feature = "faults"))]
pub(crate) fn sound<T>(judge: impl FnOnce() -> T) -> T {
    judge()
}
