//! Who shows the contract that a replica contradicted itself, when, and at what cost.

use quorate_protocol::{Checkpoint, Digest, SignedCheckpoint};

use super::*;
use crate::core::accusations::Accusations;
use crate::core::samples::checkpoint;

/// What a replica, by its place in the group, signed for a sequence: two checkpoints.
fn contradiction(script: &Script, at: usize, sequence: u64) -> (SignedCheckpoint, SignedCheckpoint) {
    contradiction_in(&script.group, &script.keys[at], sequence)
}

fn contradiction_in(group: &Group, key: &AccountKey, sequence: u64) -> (SignedCheckpoint, SignedCheckpoint) {
    let one = checkpoint(group, sequence, 10);
    let other = Checkpoint { log_root: Digest::from([9; 32]), ..one.clone() };
    let sign = |checkpoint| SignedCheckpoint::sign(&group.identity, checkpoint, key);
    (sign(one), sign(other))
}

impl Script {
    fn hold(&mut self, held: &[(SignedCheckpoint, SignedCheckpoint)]) {
        let actions = self.anchorer.step(self.now_ms, Event::Evidence(held.to_vec()));
        assert!(actions.is_empty(), "it acts on looks alone");
    }

    /// The place of another replica than the script's own, and the own one.
    fn places(&self) -> (usize, usize) {
        let me = AgentId(self.anchorer.key.address());
        let own = self.keys.iter().position(|key| AgentId(key.address()) == me).unwrap();
        ((own + 1) % 4, own)
    }

    /// Looks again and again until there is something to send.
    fn sends_within(&mut self, patience_ms: u64) -> Option<Arc<SignedCall>> {
        (0..=patience_ms / 100).find_map(|_| self.look(100))
    }
}

const ALL_TURNS_MS: u64 = 4 * SETTINGS.takeover_ms;

#[test]
fn a_contradiction_is_reported_once_and_followed_to_its_end() {
    let mut script = Script::first();
    let (other, _) = script.places();
    let held = [contradiction(&script, other, 128)];
    script.hold(&held);
    let sent = script.sends_within(ALL_TURNS_MS).expect("our turn comes");
    assert!(sent.accuses && sent.sequence == Sequence(128) && sent.nonce == 3);
    script.outcome(sent.hash, BroadcastOutcome::Accepted);
    script.stable(256, 20);
    assert!(script.look(500).is_none(), "one transaction at a time, of whatever kind");
    script.mine(&sent, true);
    script.account.convicted = true;
    script.look(100);
    let (replica, cost) = (AgentId(script.keys[other].address()), Cost { execution: 5, data: 2 });
    assert!(script.reports.contains(&Report::Convicted { replica, hash: sent.hash, cost }));

    // Then anchors go on, and nobody is reported twice, whatever else the node finds.
    script.hold(&[held[0].clone(), contradiction(&script, other, 256)]);
    let next = script.sends_within(ALL_TURNS_MS).expect("256 is due");
    assert!(!next.accuses && next.nonce == 4);
    script.outcome(next.hash, BroadcastOutcome::Accepted);
    script.include(&next, 20);
    assert!(script.sends_within(2 * ALL_TURNS_MS).is_none());
}

#[test]
fn replicas_take_turns_and_ask_before_they_pay() {
    let (group, keys) = sample_group();
    let accused = 2;
    let mut turns = Vec::new();
    for own in (0..4).filter(|own| *own != accused) {
        let start = || {
            let mut script = Script::of_key(keys[own].clone(), group.clone(), keys.clone(), SETTINGS);
            script.hold(&[contradiction_in(&group, &keys[accused], 128)]);
            script
        };
        let mut script = start();
        let first = script.look(0);
        let sent = first.or_else(|| script.sends_within(ALL_TURNS_MS)).expect("everybody has a turn");
        assert!(sent.accuses);
        turns.push(script.now_ms / SETTINGS.takeover_ms);

        let mut late = start();
        late.account.convicted = true;
        assert!(late.sends_within(ALL_TURNS_MS).is_none(), "somebody else was faster");
        let replica = AgentId(keys[accused].address());
        assert_eq!(late.reports, [Report::AlreadyConvicted { replica }]);
        assert_eq!(late.inspections.len(), 1, "the contract is asked once");
        // The chain takes the conviction back.
        late.view.dropped = Some(99);
        late.account.convicted = false;
        late.look(0);
        late.view.dropped = None;
        assert!(late.sends_within(ALL_TURNS_MS).is_some_and(|sent| sent.accuses));
    }
    turns.sort_unstable();
    turns.dedup();
    assert_eq!(turns.len(), 3, "no two at once: {turns:?}");
    let mut guilty = Script::of_key(keys[accused].clone(), group.clone(), keys.clone(), SETTINGS);
    guilty.hold(&[contradiction_in(&group, &keys[accused], 128)]);
    assert!(guilty.sends_within(ALL_TURNS_MS).is_none(), "nobody reports itself");
}

#[test]
fn a_revert_because_somebody_else_reported_is_no_failure() {
    let mut script = Script::first();
    let (other, _) = script.places();
    script.hold(&[contradiction(&script, other, 128)]);
    let sent = script.sends_within(ALL_TURNS_MS).unwrap();
    script.outcome(sent.hash, BroadcastOutcome::Accepted);
    script.mine(&sent, false);
    script.account.convicted = true;
    script.look(100);
    let replica = AgentId(script.keys[other].address());
    assert_eq!(script.reports, [Report::AlreadyConvicted { replica }]);
    assert!(script.reports[0].is_ordinary());
    assert!(script.sends_within(ALL_TURNS_MS).is_none());
}

#[test]
fn what_proves_nothing_is_not_reported() {
    let mut script = Script::first();
    let (other, own) = script.places();
    let (one, contrary) = contradiction(&script, other, 128);
    let (later, _) = contradiction(&script, other, 256);
    let (_, of_another) = contradiction(&script, (own + 2) % 4, 128);
    let mut forged = contrary.clone();
    forged.signature = later.signature;
    let mut foreign = script.group.clone();
    foreign.identity.group = quorate_protocol::GroupId::from([8; 32]);
    script.hold(&[
        (one.clone(), one.clone()),
        (one.clone(), later),
        (one.clone(), of_another),
        (one, forged),
        contradiction_in(&foreign, &script.keys[other], 128),
    ]);
    assert!(script.sends_within(2 * ALL_TURNS_MS).is_none());
    assert!(script.inspections.is_empty());
}

#[test]
fn a_report_waits_for_the_contract_to_come_to_its_epoch() {
    let mut script = Script::first();
    let (other, _) = script.places();
    let later = Group { epoch: Epoch(1), ..script.group.clone() };
    script.hold(&[contradiction_in(&later, &script.keys[other], 128)]);
    assert!(script.sends_within(2 * ALL_TURNS_MS).is_none());
    assert!(script.inspections.is_empty());
    script.view.epoch = Epoch(1);
    assert!(script.sends_within(ALL_TURNS_MS).is_some_and(|sent| sent.accuses));
}

#[test]
fn a_refused_report_holds_up_no_anchor_and_is_made_again_ever_more_rarely() {
    let mut script = Script::first();
    let (other, _) = script.places();
    script.hold(&[contradiction(&script, other, 128)]);
    script.account.estimate = Estimate::Refused("checkpoints of epoch 0 count no more".to_owned());
    assert!(script.sends_within(2 * ALL_TURNS_MS).is_none());
    let asked = script.inspections.len();
    assert!((2..=8).contains(&asked), "in 80 s it is asked for {asked} times");
    assert!(matches!(script.reports[..], [Report::ReportRefused { .. }]), "and said once");
    script.account.estimate = Estimate::Gas(100_000);
    script.stable(256, 20);
    assert!(script.look(10).is_some_and(|sent| !sent.accuses), "an anchor does not wait for it");
}

#[test]
fn a_report_keeps_within_the_hours_bound_and_the_settings() {
    let (group, keys) = sample_group();
    let run = |settings: Settings| {
        let mut script = Script::of_key(keys[0].clone(), group.clone(), keys.clone(), settings);
        script.hold(&[contradiction_in(&group, &keys[1], 128)]);
        let sent = script.sends_within(ALL_TURNS_MS);
        (sent, script.reports)
    };
    let (sent, _) = run(SETTINGS);
    let cost = sent.map(|sent| u128::from(sent.gas_limit) * sent.fees.max_fee).expect("within the bound");
    let (none, reports) = run(Settings { max_spend_per_hour: cost - 1, ..SETTINGS });
    assert!(none.is_none() && matches!(reports[0], Report::SpendLimit { total, .. } if total == cost));
    let (none, reports) = run(Settings { submit: false, ..SETTINGS });
    assert!(none.is_none() && reports.is_empty());
    let (none, reports) = run(Settings { max_fee: 9, ..SETTINGS });
    assert!(none.is_none() && matches!(reports[0], Report::FeeAboveCap { .. }));
}

#[test]
fn a_pair_is_one_in_either_order() {
    let (group, keys) = sample_group();
    let (one, other) = contradiction_in(&group, &keys[0], 128);
    let pair = |one: &SignedCheckpoint, other: &SignedCheckpoint| {
        Contradiction::of(&group.identity, one.clone(), other.clone()).expect("it contradicted itself")
    };
    assert_eq!(pair(&one, &other), pair(&other, &one));
    let mut accusations = Accusations::default();
    for _ in 0..3 {
        accusations.learn(&group.identity, [(one.clone(), other.clone()), (other.clone(), one.clone())]);
    }
    assert_eq!(accusations.count(), 1);
}
