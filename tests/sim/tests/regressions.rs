//! Seeds that once broke a promise of our own code. A seed means another run whenever the simulator or the
//! protocol's timing changes, so what each of them found also stands here in words, and most have a test of their
//! own beside the code.

use quorate_sim::run::run;

fn passes(seed: u64) {
    let outcome = run(seed, false);
    assert!(outcome.failure.is_none(), "{outcome}");
}

/// A replica that got a new key crashed before it had stored the end of its epoch, and did not start again with
/// either key.
#[test]
fn a_new_key_and_a_crash_at_the_end_of_an_epoch() {
    passes(26);
}

/// Two replicas that answered each other's claims about an epoch that was over never stopped; and whoever had
/// executed all of its epoch, but had no key in it, looked for a state that nobody had newer.
#[test]
fn claims_about_an_epoch_that_is_over() {
    passes(80);
}

/// A node that joined judged a view change before it knew where its epoch began, and cut a correct replica off.
#[test]
fn who_joins_judges_no_view_change() {
    passes(54);
}

/// A state transfer that a crash interrupted went on only when something else happened.
#[test]
fn an_interrupted_transfer_goes_on() {
    passes(323);
}

/// A node fetched a state of the epoch before that of its key; and after a crash took it for one of the later.
#[test]
fn a_state_of_an_epoch_before_the_key() {
    passes(407);
}

/// Power failed everywhere after checkpoints were signed and before the store had their batches. The checkpoint became
/// stable by the signatures, all dropped the batches below it, and nobody could execute up to it again.
#[test]
fn a_checkpoint_that_everybody_signed_and_lost() {
    passes(849);
}

/// A group that needed a joiner for its quorum could not give it a state: the stable one was overwritten by that of
/// a checkpoint that was not.
#[test]
fn a_joiner_that_everything_waits_for() {
    passes(756);
}

/// A node that was twice restarted between learning how its epoch ended and entering the next executed the batches of
/// that one again as if they were of the old, and found another checkpoint than it had signed.
#[test]
fn batches_of_an_epoch_that_the_store_was_not_told_of() {
    passes(1_333);
}

/// Replicas that entered an epoch without a certificate of their log never got one while nothing was ordered.
#[test]
fn a_certificate_of_an_earlier_epoch_helps_nobody() {
    passes(3_031);
}
