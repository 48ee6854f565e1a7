//! What a server holds, for how long, and what it says when it cannot help.

use quorate_protocol::{CheckpointCertificate, Digest, Sequence};

use super::world::*;
use crate::store::Write;
use crate::transfer::message::{LogWanted, MAX_BUCKET_BYTES, StateWanted, Unavailable};
use crate::transfer::{Server, TransferMessage};

fn wanted(sequence: u64, from: u32) -> TransferMessage {
    TransferMessage::StateWanted(StateWanted { sequence: Sequence(sequence), from })
}

fn ask(server: &mut Server, now_ms: u64, request: &TransferMessage, source: &Source) -> TransferMessage {
    server.answer(now_ms, request, &source.log).unwrap().unwrap()
}

fn latest(answer: TransferMessage) -> Option<CheckpointCertificate> {
    match answer {
        TransferMessage::Unavailable(Unavailable { latest, .. }) => latest.map(|latest| *latest),
        other => panic!("it has the state: {other:?}"),
    }
}

fn held(server: &Server) -> Vec<u64> {
    server.held().map(|sequence| sequence.0).collect()
}

#[test]
fn at_most_two_snapshots_are_held_and_whoever_comes_third_shares_the_newest() {
    let mut source = Source::new(2, 50);
    let mut server = server(&source);
    assert!(matches!(ask(&mut server, 0, &wanted(2, 0), &source), TransferMessage::StateChunk(_)));
    source.execute(2);
    let second = source.checkpoint(60);
    assert!(matches!(ask(&mut server, 0, &wanted(4, 0), &source), TransferMessage::StateChunk(_)));
    assert_eq!(held(&server), [2, 4]);
    source.execute(2);
    source.checkpoint(70);
    assert_eq!(latest(ask(&mut server, 0, &wanted(6, 0), &source)), Some(second));
    assert!(matches!(ask(&mut server, 0, &wanted(2, 0), &source), TransferMessage::StateChunk(_)));
    assert_eq!(held(&server), [2, 4]);
}

#[test]
fn who_asks_all_the_time_keeps_nobody_from_a_newer_state_for_long() {
    let mut source = Source::new(2, 50);
    let mut server = server(&source);
    ask(&mut server, 0, &wanted(2, 0), &source);
    source.execute(2);
    source.checkpoint(60);
    ask(&mut server, 0, &wanted(4, 0), &source);
    source.execute(2);
    source.checkpoint(70);
    for now_ms in (0..5 * 60_000).step_by(30_000) {
        ask(&mut server, now_ms, &wanted(2, 0), &source);
        ask(&mut server, now_ms, &wanted(4, 0), &source);
        assert!(latest(ask(&mut server, now_ms, &wanted(6, 0), &source)).is_some());
    }
    assert!(matches!(ask(&mut server, 5 * 60_000, &wanted(6, 0), &source), TransferMessage::StateChunk(_)));
    assert_eq!(held(&server), [4, 6]);
}

#[test]
fn a_snapshot_is_let_go_when_nobody_asks_and_at_its_age_when_somebody_does() {
    let source = Source::new(2, 50);
    let mut server = server(&source);
    ask(&mut server, 0, &wanted(2, 0), &source);
    server.tick(59_999);
    assert_eq!(held(&server), [2]);
    server.tick(60_000);
    assert_eq!(held(&server), [0; 0]);

    ask(&mut server, 100_000, &wanted(2, 0), &source);
    let last = 100_000 + 30 * 60_000 - 1;
    for now_ms in (100_000..=last).step_by(50_000) {
        ask(&mut server, now_ms, &wanted(2, 0), &source);
    }
    server.tick(last);
    assert_eq!(held(&server), [2]);
    server.tick(last + 1);
    assert_eq!(held(&server), [0; 0]);
}

#[test]
fn only_the_state_of_a_stable_checkpoint_is_offered() {
    let mut source = Source::without_checkpoint(3);
    let mut server = server(&source);
    assert_eq!(latest(ask(&mut server, 0, &wanted(3, 0), &source)), None);
    let certificate = source.unstable_checkpoint(20);
    assert_eq!(latest(ask(&mut server, 0, &wanted(3, 0), &source)), None);
    source.store.commit(vec![Write::Stable(certificate.clone())]).unwrap();
    assert_eq!(latest(ask(&mut server, 0, &wanted(2, 0), &source)), Some(certificate));
    assert_eq!(held(&server), [3], "who was told of it will ask for it");
    source.execute(2);
    source.unstable_checkpoint(30);
    assert!(matches!(ask(&mut server, 0, &wanted(3, 0), &source), TransferMessage::StateChunk(_)));
    assert_eq!(latest(ask(&mut server, 0, &wanted(3, 65_536), &source)), None, "there is no such bucket");
}

#[test]
fn a_bucket_that_no_message_holds_is_unavailable_and_one_that_just_fits_is_served() {
    for (bytes, served) in [(MAX_BUCKET_BYTES - 1, true), (MAX_BUCKET_BYTES, false)] {
        let mut source = Source::new(2, 0);
        let [high, low, ..] = *Digest::of(&[b"k"]).as_bytes();
        let crowded = u32::from(u16::from_be_bytes([high, low]));
        source.put(b"k", &vec![7; bytes]);
        source.checkpoint(0);
        let mut server = server(&source);
        let answer = ask(&mut server, 0, &wanted(2, crowded), &source);
        assert_eq!(matches!(answer, TransferMessage::StateChunk(_)), served, "{bytes}");
        assert!(TransferMessage::decode(&answer.encode()).is_ok());
    }
}

#[test]
fn a_state_that_is_not_its_checkpoints_is_never_served() {
    let mut source = Source::new(2, 50);
    let mut certificate = source.checkpoint(50);
    certificate.checkpoint.state_root = certificate.checkpoint.log_root;
    source.store.commit(vec![Write::Stable(certificate)]).unwrap();
    server(&source).answer(0, &wanted(2, 0), &source.log).expect_err("the store is damaged");
}

#[test]
fn the_log_is_served_by_whoever_has_it_and_not_beyond_what_is_wanted() {
    let source = Source::without_checkpoint(6);
    let mut server = server(&source);
    let size = source.log.size();
    let log = |size, from| TransferMessage::LogWanted(LogWanted { sequence: Sequence(9), size, from });
    let records = |answer| match answer {
        TransferMessage::LogChunk(chunk) => chunk.records.len(),
        TransferMessage::Unavailable(_) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(records(ask(&mut server, 0, &log(3, 1), &source)), 2);
    assert_eq!(records(ask(&mut server, 0, &log(size, size - 1), &source)), 1);
    assert_eq!(records(ask(&mut server, 0, &log(size, size), &source)), 0);
    assert_eq!(records(ask(&mut server, 0, &log(size + 1, 0), &source)), 0);
    assert_eq!(records(ask(&mut server, 0, &log(size, u64::MAX), &source)), 0);
    let closed = records(ask(&mut server, 0, &log(size, 0), &source));
    assert!((1..size as usize).contains(&closed), "a chunk is closed at its size: {closed}");
    assert_eq!(server.held().count(), 0, "the log needs no snapshot");
}

#[test]
fn an_answer_is_not_answered() {
    let source = Source::new(2, 50);
    let mut server = server(&source);
    let answer = ask(&mut server, 0, &wanted(2, 0), &source);
    assert_eq!(server.answer(0, &answer, &source.log).unwrap(), None);
}
