//! Many short runs, each decided by one seed: loss, delay, repetition, partitions, crashes and one faulty
//! replica, all at once; then everything heals and whatever the clients asked for must be done.
//!
//! `QUORATE_SEEDS` sets how many seeds are run, `QUORATE_SEED` runs a single one.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use quorate_pbft::{Batch, Message};
use quorate_protocol::{ReplicaIndex, SignedCommand};

use crate::harness::{Faults, Forge, Group, Options, Random, r};

const SEEDS: u64 = 200;
/// The chaos of one run, in milliseconds.
const CHAOS_MS: u64 = 900;
/// Time-outs have doubled and must run out before the group is quick again.
const HEALED_MS: u64 = 120_000;

/// A primary that proposes one batch to some and another to the rest, and prepares and commits whatever the
/// others do.
fn equivocator(forge: Forge) -> impl FnMut(ReplicaIndex, Message) -> Vec<Message> {
    move |to, message| match message {
        Message::PrePrepare(honest) if to.0 % 2 == 0 => {
            let batch = Batch { timestamp: honest.batch.timestamp.plus(1), ..honest.batch };
            vec![Message::PrePrepare(forge.pre_prepare(honest.view, honest.sequence, batch))]
        }
        other => vec![other],
    }
}

/// A replica that speaks to some and not to others.
fn selective(mut random: Random, deaf: ReplicaIndex) -> impl FnMut(ReplicaIndex, Message) -> Vec<Message> {
    move |to, message| if to == deaf || random.percent(30) { vec![] } else { vec![message] }
}

fn choose_faulty(group: &mut Group) -> ReplicaIndex {
    let faulty = r(group.random.index(usize::from(group.options.n)) as u16);
    match group.random.index(4) {
        0 => group.corrupt(faulty, Box::new(equivocator(group.forge.clone()))),
        1 => group.silence(faulty),
        2 => {
            let deaf = r((faulty.0 + 1) % u16::from(group.options.n));
            let random = Random::new(group.random.next());
            group.corrupt(faulty, Box::new(selective(random, deaf)));
        }
        // Nobody is faulty: crashes alone may then hit anybody.
        _ => {}
    }
    faulty
}

fn disturb(group: &mut Group, faulty: ReplicaIndex) {
    let n = usize::from(group.options.n);
    let (a, b) = (r(group.random.index(n) as u16), r(group.random.index(n) as u16));
    match group.random.index(8) {
        0 => group.isolate(a),
        1 if a != b => group.cut(a, b),
        2 if a != b => group.network.cut(a, b),
        3 | 4 => group.network.heal(),
        5 => {
            let effect = group.effects_done(a) + group.random.between(0, 40);
            group.crash_before_effect(a, effect, 400);
        }
        6 => {
            let faults = Faults {
                loss_percent: group.random.between(0, 30),
                repeat_percent: group.random.between(0, 10),
                max_delay_ms: group.random.between(3, 60),
            };
            group.set_faults(faults);
        }
        _ => {
            if group.is_up(faulty) && group.random.percent(50) {
                group.crash(faulty);
                group.restart(faulty);
            }
        }
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let n = if random.percent(75) { 4 } else { 7 };
    let rotate = random.percent(50);
    let mut group = Group::new(Options { n, seed: random.next(), rotate, ..Options::default() });
    let faulty = choose_faulty(&mut group);
    let mut commands: Vec<SignedCommand> = Vec::new();
    let mut disturb_at = 0;
    while group.now_ms < CHAOS_MS {
        if group.now_ms >= disturb_at {
            disturb(&mut group, faulty);
            disturb_at = group.now_ms + group.random.between(20, 200);
        }
        if commands.len() < 24 {
            let client = group.random.between(1, 3) as u8;
            let command = group.members.command(client, commands.len() as u64);
            let to = r(group.random.index(usize::from(n)) as u16);
            group.submit_until_executed(to, &command);
            commands.push(command);
        }
        let pause = group.random.between(5, 60);
        group.run_for(pause);
    }
    group.heal();
    for index in group.all() {
        if !group.is_up(index) {
            group.restart(index);
        }
    }
    group.must_execute(HEALED_MS, &commands);
    assert_eq!(group.busy_ticks, 0, "a replica spins");
}

fn run_reporting(seed: u64) {
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
        eprintln!(
            "seed {seed} failed; replay it with\n  \
             QUORATE_SEED={seed} cargo test -p quorate-pbft --test protocol seeds:: -- --nocapture"
        );
        resume_unwind(failure);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}

/// The seeds of one of two tests, so that both cores have work.
fn run_half(remainder: u64) {
    match number("QUORATE_SEED") {
        Some(seed) if seed % 2 == remainder => run_reporting(seed),
        Some(_) => {}
        None => {
            let seeds = number("QUORATE_SEEDS").unwrap_or(SEEDS);
            (0..seeds).filter(|seed| seed % 2 == remainder).for_each(run_reporting);
        }
    }
}

#[test]
fn even_seeds_keep_every_promise() {
    run_half(0);
}

#[test]
fn odd_seeds_keep_every_promise() {
    run_half(1);
}
