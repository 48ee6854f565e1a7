//! Changes of the members: what the chain is given, in which order, and whose turn it is.

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::sol_types::SolCall;
use quorate_contracts::AgentCoordinator::{anchorAndRotateCall, anchorCall};

use super::*;
use crate::core::epochs::Epochs;

/// A group whose first epoch ended at sequence 200 and whose second at 300.
struct Story {
    groups: Vec<Group>,
    keys: Vec<Vec<AccountKey>>,
    handovers: Vec<Handover>,
}

impl Story {
    fn new() -> Self {
        let (first, first_keys) = sample_group();
        let (second, second_keys) = successor(&first, &first_keys, 11);
        let (third, third_keys) = successor(&second, &second_keys, 12);
        let handovers = vec![
            handover(&first, &first_keys, 200, 20, &second),
            handover(&second, &second_keys, 300, 21, &third),
        ];
        Self {
            groups: vec![first, second, third],
            keys: vec![first_keys, second_keys, third_keys],
            handovers,
        }
    }

    /// The checkpoint of `sequence`, signed in `epoch`, with the first `ends` handovers.
    fn stable(&self, epoch: usize, sequence: u64, log_size: u64, ends: usize) -> StableState {
        StableState {
            certificate: certificate(&self.groups[epoch], &self.keys[epoch], sequence, log_size),
            handovers: Arc::new(self.handovers[..ends].to_vec()),
        }
    }

    /// The end of the epoch itself, as the newest stable checkpoint.
    fn end(&self, epoch: usize) -> StableState {
        let certificate = self.handovers[epoch].certificate.clone();
        StableState { certificate, handovers: Arc::new(self.handovers[..=epoch].to_vec()) }
    }

    /// A replica of every epoch, with a script that begins in the first.
    fn script(&self) -> Script {
        let stays = |key: &&AccountKey| {
            let agent = AgentId(key.address());
            self.groups.iter().all(|group| group.replicas().index_of(agent).is_some())
        };
        let key = self.keys[0].iter().find(stays).expect("two of four are replaced").clone();
        Script::of_key(key, self.groups[0].clone(), self.keys[0].clone(), SETTINGS)
    }
}

/// Looks until something is sent: at the latest when everybody else has had the turn.
fn next(script: &mut Script) -> Arc<SignedCall> {
    (0..5).find_map(|_| script.look(SETTINGS.takeover_ms)).expect("it is our turn at last")
}

/// The chain includes what was sent, which changes the members or not.
fn include(script: &mut Script, sent: &SignedCall, log_size: u64) {
    script.include(sent, log_size);
    let rotates = changes_members(sent);
    script.view.epoch = Epoch(script.view.epoch.0 + u64::from(rotates));
}

fn changes_members(sent: &SignedCall) -> bool {
    let decoded = TxEnvelope::decode_2718(&mut sent.raw.as_ref()).expect("it is a transaction");
    let rotates = anchorAndRotateCall::abi_decode(decoded.input()).is_ok();
    assert!(rotates || anchorCall::abi_decode(decoded.input()).is_ok(), "it calls one of the two");
    rotates
}

#[test]
fn the_end_of_an_epoch_is_anchored_at_once_with_the_next_members() {
    let story = Story::new();
    let mut script = story.script();
    script.anchor(199, 20);
    script.look(0);
    script.learn(story.end(0));
    let sent = next(&mut script);
    assert!(changes_members(&sent));
    assert_eq!(sent.sequence, Sequence(200), "no new entries are needed, and no interval");
    include(&mut script, &sent, 20);
    assert!(script.look(100).is_none());
    assert!(matches!(script.reports.last(), Some(Report::Anchored { sequence: Sequence(200), .. })));

    script.learn(story.stable(1, 256, 30, 1));
    let sent = next(&mut script);
    assert_eq!((sent.sequence, changes_members(&sent)), (Sequence(256), false));
}

#[test]
fn a_chain_that_is_behind_is_led_through_every_epoch_in_order() {
    let story = Story::new();
    let mut script = story.script();
    script.learn(story.stable(2, 384, 40, 2));
    let mut order = Vec::new();
    for log_size in [20, 21, 40] {
        let sent = next(&mut script);
        order.push((sent.sequence.0, changes_members(&sent)));
        include(&mut script, &sent, log_size);
        assert!(script.look(100).is_none());
    }
    assert_eq!(order, [(200, true), (300, true), (384, false)]);
    for _ in 0..10 {
        assert!(script.look(SETTINGS.takeover_ms).is_none(), "everything is anchored");
    }
}

#[test]
fn anchors_that_were_skipped_are_not_made_up_for() {
    let story = Story::new();
    let mut script = story.script();
    script.learn(story.stable(0, 128, 10, 0));
    script.learn(story.end(0));
    let sent = next(&mut script);
    assert_eq!((sent.sequence, changes_members(&sent)), (Sequence(200), true), "128 is covered by it");
}

#[test]
fn a_reorganisation_that_takes_a_change_back_leads_to_another_one() {
    let story = Story::new();
    let mut script = story.script();
    script.learn(story.end(0));
    let sent = next(&mut script);
    include(&mut script, &sent, 20);
    assert!(script.look(100).is_none());
    script.learn(story.stable(1, 256, 30, 1));

    script.account.mined.clear();
    script.account.nonce = 3;
    script.account.pending_nonce = 3;
    script.view.epoch = Epoch(0);
    script.view.anchor = AnchorState::default();
    script.view.confirmed = AnchorState::default();
    let again = next(&mut script);
    assert_eq!((again.sequence, changes_members(&again)), (Sequence(200), true));
    include(&mut script, &again, 20);
    let sent = next(&mut script);
    assert_eq!(sent.sequence, Sequence(256), "and then the next epoch goes on");
}

/// The first in turn is silent: the next takes over, and turns are among those who are replicas now.
#[test]
fn turns_are_among_the_replicas_of_the_newest_epoch() {
    let story = Story::new();
    let (old, new) = (&story.groups[0].replicas(), &story.groups[1].replicas());
    let gone = story.keys[0].iter().find(|key| new.index_of(AgentId(key.address())).is_none()).unwrap();
    let came = story.keys[1].iter().find(|key| old.index_of(AgentId(key.address())).is_none()).unwrap();

    let mut removed = Script::of_key(gone.clone(), story.groups[0].clone(), Vec::new(), SETTINGS);
    removed.learn(story.end(0));
    for _ in 0..10 {
        assert!(removed.look(SETTINGS.takeover_ms).is_none(), "it is no replica any more");
    }

    let mut ranks = Vec::new();
    for key in &story.keys[1] {
        let mut script = Script::of_key(key.clone(), story.groups[0].clone(), Vec::new(), SETTINGS);
        script.learn(story.end(0));
        ranks.push(
            (0..4).find(|turn| script.look(if *turn == 0 { 0 } else { SETTINGS.takeover_ms }).is_some()),
        );
    }
    ranks.sort_unstable();
    assert_eq!(ranks, [Some(0), Some(1), Some(2), Some(3)], "each has a turn, {came:?} too");
}

/// A service that starts in a later epoch than the contract's verifies from the contract's members on.
#[test]
fn a_start_in_a_later_epoch_begins_with_the_contracts_members() {
    let story = Story::new();
    let key = story.keys[2].iter().find(|key| {
        let agent = AgentId(key.address());
        story.groups[0].replicas().index_of(agent).is_some()
    });
    let mut script = Script::of_key(key.unwrap().clone(), story.groups[2].clone(), Vec::new(), SETTINGS);
    script.learn(story.stable(2, 384, 40, 2));
    for _ in 0..5 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
    assert_eq!(script.reports, [Report::MissingHandover { epoch: Epoch(0) }], "it knows only its own epoch");

    let (group, others) = (story.groups[2].clone(), vec![story.groups[0].clone()]);
    script.anchorer = Anchorer::new(SETTINGS, group, others, key.unwrap().clone());
    script.learn(story.stable(2, 384, 40, 2));
    assert_eq!(next(&mut script).sequence, Sequence(200));
}

#[test]
fn a_handover_that_does_not_hold_is_never_signed() {
    let story = Story::new();
    let mut script = story.script();
    let mut forged = story.end(0);
    let mut handover = story.handovers[0].clone();
    handover.certificate.signatures.truncate(2);
    forged.handovers = Arc::new(vec![handover]);
    script.learn(forged);
    let mut other = story.end(0);
    let mut handover = story.handovers[0].clone();
    handover.members[0].weight = 2;
    other.handovers = Arc::new(vec![handover]);
    script.learn(other);
    for _ in 0..5 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
    assert!(matches!(script.reports[..], [Report::BadHandover { .. }, Report::BadHandover { .. }]));

    script.learn(story.stable(1, 256, 30, 0));
    assert_eq!(
        script.reports.last(),
        Some(&Report::UnknownEpoch { sequence: Sequence(256), epoch: Epoch(1) })
    );
}

#[test]
fn whoever_does_not_submit_submits_no_change_either() {
    let story = Story::new();
    let mut script = story.script();
    script.anchorer.step(0, Event::Announced(AnchorState::default()));
    let (group, key) = (story.groups[0].clone(), story.keys[0][0].clone());
    script.anchorer = Anchorer::new(Settings { submit: false, ..SETTINGS }, group, Vec::new(), key);
    script.learn(story.end(0));
    for _ in 0..5 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
}

#[test]
fn a_report_shows_the_members_of_a_past_epoch_only_where_the_contract_cannot_know_the_seat() {
    let story = Story::new();
    let groups = &story.groups;
    let epochs = Epochs::new(groups[0].clone(), groups[1..].to_vec());
    let seated_in = |index: usize| {
        let seated = |key: &&AccountKey| {
            let agent = AgentId(key.address());
            (0..3).all(|other| groups[other].member(agent).is_some() == (other <= index))
        };
        story.keys[0].iter().find(seated).map(|key| AgentId(key.address()))
    };
    let (stays, first) = (seated_in(2).expect("two stay"), seated_in(0).expect("one goes first"));
    let shown =
        |chain, accused, pair: [u64; 2]| epochs.members_to_show(Epoch(chain), accused, pair.map(Epoch));
    assert!(shown(2, stays, [0, 2]).is_empty());
    assert!(shown(0, first, [0, 0]).is_empty());
    assert_eq!(shown(2, stays, [0, 1]), groups[1].members, "its seat of now says nothing of then");
    assert_eq!(shown(2, first, [0, 2]), groups[0].members);
    assert!(shown(2, first, [1, 2]).is_empty(), "it was none of them");
}

#[test]
fn signatures_that_come_after_the_quorum_are_kept() {
    let story = Story::new();
    let mut epochs = Epochs::new(story.groups[0].clone(), Vec::new());
    let all = certificate(&story.groups[0], &story.keys[0], 128, 10);
    let part = |kept: std::ops::Range<usize>| {
        let mut part = all.clone();
        part.signatures = all.signatures[kept].to_vec();
        StableState::from(part)
    };
    epochs.learn(part(1..4)).expect("it is a quorum");
    assert_eq!(epochs.next(Epoch(0)).map(|next| next.certificate.signatures.len()), Some(3));
    epochs.learn(part(0..3)).expect("it is another one");
    assert_eq!(epochs.next(Epoch(0)).map(|next| &next.certificate), Some(&all), "in the contract's order");
}
