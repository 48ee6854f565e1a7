//! Deliberate faults: bugs that such programs have had, to be switched on one at a time.
//!
//! Whoever trusts the simulator's checkers must have seen each of them fail. With the feature `faults`, a
//! [`Fault`] that is switched on breaks one rule at the place where the rule lives, for every replica that the
//! calling thread runs, or for a whole process that runs one. Without the feature, which nothing enables by default
//! and which no `quorate` binary for users is compiled with, [`is_on`] is the constant `false` and costs nothing.

/// Whether the faults are compiled in.
pub const COMPILED_IN: bool = cfg!(feature = "faults");

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// A rule that is broken while the fault is switched on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// Every fault there is.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// The name on the command line and in tables.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }
        }
    };
}

faults! {
    /// Quorums are one replica too small: two of them need not share a correct one.
    SmallQuorum = "small-quorum",
    /// The word of f replicas, who may all be faulty, counts as that of f + 1.
    SmallWeakQuorum = "small-weak-quorum",
    /// A certificate may count one voter again and again, so one replica alone can make it.
    VoterCountedTwice = "voter-counted-twice",
    /// Commits are counted by view and sequence, whatever batch they are for.
    CommitsOfAnyBatch = "commits-of-any-batch",
    /// A backup accepts and prepares a second batch for one view and sequence.
    SecondProposalAccepted = "second-proposal-accepted",
    /// The signatures of commands in batches and forwards are not checked.
    CommandsUnverified = "commands-unverified",
    /// The high watermark is not looked at: a faulty primary can use up the sequence and fill the memory.
    HighWatermarkIgnored = "high-watermark-ignored",
    /// A NEW-VIEW is believed: backups do not recompute what it must propose again.
    NewViewBelieved = "new-view-believed",
    /// A VIEW-CHANGE shows nothing of what its sender has prepared.
    PreparedForgotten = "prepared-forgotten",
    /// Of two certificates for one sequence the first that is found counts, not that of the later view.
    StaleCertificateWins = "stale-certificate-wins",
    /// A new view leaves the gaps below what it proposes again open, instead of filling them with null
    /// batches.
    GapLeftOpen = "gap-left-open",
    /// A VIEW-CHANGE is not checked when it arrives, so one bad one spoils the NEW-VIEW that it goes into.
    BadViewChangeKept = "bad-view-change-kept",
    /// f + 1 replicas that ask for later views make a replica join the latest of them, which may be a faulty
    /// replica's choice, instead of the earliest.
    LatestViewJoined = "latest-view-joined",
    /// A VIEW-CHANGE is said once and never again.
    ViewChangeSaidOnce = "view-change-said-once",
    /// Time-outs stay as they are however many views fail.
    TimeoutsNeverDouble = "timeouts-never-double",
    /// A command that waits is no reason to give a primary up: only batches under way are timed.
    CommandsUntimed = "commands-untimed",
    /// A replica that misses commits waits for them for ever: it asks nobody for committed batches.
    NeverCatchesUp = "never-catches-up",
    /// Messages leave before the records that they rest on are durable.
    SentBeforeRecorded = "sent-before-recorded",
    /// A certificate of preparation is not recorded: a restart forgets what its commit promised.
    CertificateUnrecorded = "certificate-unrecorded",
    /// A replica that lost its memory speaks on in the same epoch.
    SilenceBroken = "silence-broken",
    /// Checkpoints are counted whatever state they name.
    CheckpointsUncompared = "checkpoints-uncompared",
    /// The reply table is kept beside the state: no checkpoint, store or transfer has it.
    ReplyTableOutsideState = "reply-table-outside-state",
    /// What a state transfer fetches is not checked against the checkpoint.
    FetchedStateBelieved = "fetched-state-believed",
    /// Signatures do not cover the epoch: what was said in an old one counts in the next.
    EpochUnsigned = "epoch-unsigned",
    /// Batches go on executing after the one that ended the epoch.
    EpochEndPassed = "epoch-end-passed",
    /// Who ended an epoch, and with which members for the next, is believed without signatures.
    HandoverUnsigned = "handover-unsigned",
    /// Contradictions are noticed and nobody is told.
    EvidenceDropped = "evidence-dropped",
    /// Votes for two batches in two views are taken for a contradiction.
    EvidenceAcrossViews = "evidence-across-views",
    /// The pool takes in whatever is offered.
    PoolUnbounded = "pool-unbounded",
    /// A replica keeps the contract's inbox out of the log: it says nothing of it, and what others say it neither
    /// proposes nor hands on.
    InboxCensored = "inbox-censored",
    /// As [`Self::InboxCensored`], and the replica says that the inbox has messages that nobody enqueued.
    InboxInvented = "inbox-invented",
    /// A replica signs two checkpoints of each sequence and tells both to everybody.
    CheckpointEquivocated = "checkpoint-equivocated",
}

/// A name that no fault has.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no fault {0:?}")]
pub struct NoSuchFault(String);

impl std::str::FromStr for Fault {
    type Err = NoSuchFault;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found.copied().ok_or_else(|| NoSuchFault(name.into()))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "faults")]
mod switch {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Fault;

    static IN_PROCESS: OnceLock<Fault> = OnceLock::new();

    thread_local! {
        static SWITCHED_ON: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Switches one fault on, or all off, for what the calling thread runs.
    pub fn switch_on(fault: Option<Fault>) {
        SWITCHED_ON.set(fault);
    }

    /// Switches a fault on for all threads of this process, for good; the first that is asked for stays.
    pub fn switch_on_in_process(fault: Fault) {
        IN_PROCESS.get_or_init(|| fault);
    }

    /// Whether `fault` is switched on for the calling thread.
    pub fn is_on(fault: Fault) -> bool {
        SWITCHED_ON.get() == Some(fault) || IN_PROCESS.get() == Some(&fault)
    }
}

#[cfg(feature = "faults")]
pub use switch::{is_on, switch_on, switch_on_in_process};

/// Switches nothing on, in a program without the feature `faults`.
#[cfg(not(feature = "faults"))]
pub const fn switch_on_in_process(_fault: Fault) {}

/// Whether `fault` is switched on: never, in a program without the feature `faults`.
#[cfg(not(feature = "faults"))]
pub const fn is_on(_fault: Fault) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(*fault));
        }
        assert_eq!("none".parse::<Fault>(), Err(NoSuchFault("none".into())));
    }

    #[cfg(not(feature = "faults"))]
    #[test]
    fn nothing_can_be_switched_on() {
        assert!(Fault::ALL.iter().all(|fault| !is_on(*fault)));
    }

    #[cfg(feature = "faults")]
    #[test]
    fn one_fault_is_on_at_a_time_and_only_here() {
        switch_on(Some(Fault::SmallQuorum));
        switch_on(Some(Fault::PoolUnbounded));
        let on = || Fault::ALL.iter().copied().filter(|fault| is_on(*fault)).collect::<Vec<_>>();
        assert_eq!(on(), [Fault::PoolUnbounded]);
        assert_eq!(std::thread::spawn(|| is_on(Fault::PoolUnbounded)).join().ok(), Some(false));
        switch_on(None);
        assert_eq!(on(), []);
    }
}
