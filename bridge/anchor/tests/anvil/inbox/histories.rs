//! Random inboxes on random chains, read by the real watcher from an endpoint that withholds, refuses and is reorganised
//! meanwhile, by a node that restarts. Whatever it is told is the chain's own ([`Reader::look_after`] compares); and once
//! the endpoint is honest, everything is found, in a bounded number of questions.

use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use quorate_anchor::AnchorError;

use super::endpoint::{Chain, Reader};

/// Messages in new blocks: how far up they are, in thousandths, and how many in one block.
type Puts = Vec<(u64, usize)>;

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Honest,
    /// It withholds every third message.
    Withholds,
    /// It gives out messages that are not the contract's.
    Lies,
    /// It answers no question for events.
    Refuses,
}

#[derive(Clone, Debug)]
enum Step {
    Grow {
        blocks: u64,
        pace: (u64, u64),
        puts: Puts,
    },
    /// So many looks, and so many messages are taken after each.
    Read {
        looks: u64,
        take: u64,
    },
    Restart,
    /// The blocks above what is taken are replaced, as far up as the thousandths say; whether the watcher is told.
    Reorganise {
        from: u64,
        told: bool,
        puts: Puts,
    },
    Become(Endpoint),
}

fn puts() -> impl Strategy<Value = Puts> {
    let count = prop_oneof![6 => 1..4usize, 2 => 4..80usize, 1 => 250..600usize];
    vec((0..1_000u64, count), 0..6)
}

fn steps() -> impl Strategy<Value = Step> {
    let blocks = prop_oneof![3 => 1..40u64, 4 => 40..3_000u64, 2 => 3_000..2_000_000u64];
    let pace = prop_oneof![(1..1_500u64, Just(1)), (Just(1), 1..15u64)];
    let endpoint = prop_oneof![
        2 => Just(Endpoint::Honest),
        1 => Just(Endpoint::Withholds),
        1 => Just(Endpoint::Lies),
        1 => Just(Endpoint::Refuses),
    ];
    prop_oneof![
        4 => (blocks, pace, puts()).prop_map(|(blocks, pace, puts)| Step::Grow { blocks, pace, puts }),
        4 => (1..4u64, 0..300u64).prop_map(|(looks, take)| Step::Read { looks, take }),
        1 => Just(Step::Restart),
        1 => (0..1_000u64, any::<bool>(), puts())
            .prop_map(|(from, told, puts)| Step::Reorganise { from, told, puts }),
        2 => endpoint.prop_map(Step::Become),
    ]
}

struct World {
    reader: Reader,
    top: u64,
    /// The watcher is to be told at its next look.
    reorganised: bool,
}

impl World {
    fn grow(&mut self, blocks: u64, pace: (u64, u64), mut puts: Puts) {
        let mut chain = self.reader.chain.lock().unwrap();
        chain.change_pace(self.top, pace.0, pace.1);
        puts.sort_unstable();
        for (place, count) in puts {
            (0..count).for_each(|_| chain.put(self.top + 1 + place * (blocks - 1) / 1_000));
        }
        self.top += blocks;
    }

    /// What was taken stays: its blocks are deeper than any that a chain reorganises.
    fn reorganise(&mut self, from: u64, told: bool, puts: Puts) {
        let lowest = match usize::try_from(self.reader.taken).unwrap().checked_sub(1) {
            Some(last) => self.reader.chain.lock().unwrap().messages[last].0,
            None => 0,
        };
        let (top, last) = (self.top, lowest + (self.top - lowest) * from / 1_000);
        self.reader.chain.lock().unwrap().reorganise(last);
        self.reorganised |= told;
        self.top = last;
        self.grow(top - last + 1, (3, 2), puts);
    }

    fn become_one_that(&mut self, endpoint: Endpoint) {
        let mut chain = self.reader.chain.lock().unwrap();
        chain.most_blocks = None;
        chain.lie = None;
        match endpoint {
            Endpoint::Honest => {}
            Endpoint::Refuses => chain.most_blocks = Some(0),
            Endpoint::Withholds => {
                chain.lie = Some(Box::new(|events| events.retain(|(_, message)| message.index % 3 != 1)));
            }
            Endpoint::Lies => {
                let lie = |(_, message): &mut (u64, quorate_protocol::InboxMessage)| message.payload.push(1);
                chain.lie = Some(Box::new(move |events| events.iter_mut().for_each(lie)));
            }
        }
    }

    /// Whatever the endpoint does, the look ends, and says nothing that is wrong.
    async fn look(&mut self, take: u64) {
        let before = self.requests();
        let reorganised = std::mem::take(&mut self.reorganised);
        match self.reader.look_after(self.top, reorganised).await {
            Ok(view) => self.reader.taken += (view.messages.len() as u64).min(take),
            Err(AnchorError::WrongMessage { .. } | AnchorError::Unreachable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let requests = self.requests() - before;
        assert!(requests <= 100, "{requests} requests in one look");
    }

    fn requests(&self) -> u64 {
        self.reader.chain.lock().unwrap().requests
    }

    async fn play(&mut self, step: Step) {
        match step {
            Step::Grow { blocks, pace, puts } => self.grow(blocks, pace, puts),
            Step::Read { looks, take } => {
                for _ in 0..looks {
                    self.look(take).await;
                }
            }
            Step::Restart => self.reader.restart(),
            Step::Reorganise { from, told, puts } => self.reorganise(from, told, puts),
            Step::Become(endpoint) => self.become_one_that(endpoint),
        }
    }

    /// The endpoint is honest from now on, but for the most blocks that it answers for at once.
    async fn finish(&mut self, most_blocks: u64) {
        self.become_one_that(Endpoint::Honest);
        self.reader.chain.lock().unwrap().most_blocks = Some(most_blocks);
        let before = self.requests();
        let lacked = self.reader.chain.lock().unwrap().known(self.top) as u64 - self.reader.taken;
        // Two looks may still find out what was wrong before. A message costs a window that is empty, its time, a header,
        // a bisection, and the windows of its second; a look costs three questions by itself.
        let of_message = 2 * (36 + 8 * 1_500 / most_blocks.min(500));
        let most = 200 + lacked * of_message;
        while self.reader.taken < self.reader.chain.lock().unwrap().known(self.top) as u64 {
            self.look(u64::MAX).await;
            let requests = self.requests() - before;
            assert!(requests <= most, "{requests} requests for {lacked} messages");
        }
    }
}

#[test]
fn h1_every_message_of_any_inbox_is_found_in_order_by_a_bounded_number_of_questions() {
    let config = ProptestConfig {
        cases: 60,
        rng_seed: RngSeed::Fixed(71),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let histories = (vec(steps(), 1..16), 40..800u64);
    let played = TestRunner::new(config).run(&histories, |(steps, most_blocks)| {
        runtime.block_on(async {
            let chain = Arc::new(Mutex::new(Chain::of_pace(4, 1)));
            let reader = Reader::start(&chain).await;
            let mut world = World { reader, top: 10, reorganised: false };
            for step in steps {
                world.play(step).await;
            }
            world.finish(most_blocks).await;
        });
        Ok(())
    });
    played.unwrap();
}
