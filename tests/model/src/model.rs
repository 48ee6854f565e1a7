//! The transition system that the checker explores.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use quorate_pbft::Message;
use quorate_protocol::{Digest, ReplicaIndex, View};
use stateright::{Model, Property};

use crate::adversary;
use crate::claim::{About, Book, Claim, MessageId, Messages};
use crate::delivery::{Grain, UnderWay};
use crate::group::Setting;
use crate::node::{Happening, Node};
use crate::properties;

/// How far the model goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No replica gives this view up.
    pub max_view: u64,
    /// How finely deliveries are told apart.
    pub grain: Grain,
}

/// The group that is explored: one faulty replica among real ones.
pub struct Group {
    /// Keys, configuration and batches.
    pub setting: Setting,
    /// Who is faulty.
    pub faulty: ReplicaIndex,
    /// How far the model goes.
    pub bounds: Bounds,
    verifies: bool,
    pub(crate) book: Book,
    nodes: RwLock<HashMap<Digest, Arc<Node>>>,
    under_way: RwLock<HashMap<Messages, Arc<UnderWay>>>,
}

impl Group {
    /// A group of `n` replicas of which `faulty` is.
    pub fn new(n: u8, faulty: ReplicaIndex, bounds: Bounds) -> Self {
        Self {
            setting: Setting::new(n),
            faulty,
            bounds,
            verifies: true,
            book: Book::default(),
            nodes: RwLock::default(),
            under_way: RwLock::default(),
        }
    }

    /// The same group, but nobody checks what arrives: the faulty replica may open a view without what must
    /// be proposed again in it. A checker that is worth its time finds what comes of that.
    pub fn gullible(mut self) -> Self {
        self.verifies = false;
        self
    }

    /// How many states of a single replica were met, and how many messages.
    pub fn sizes(&self) -> (usize, usize) {
        (self.nodes.read().expect("no panic while writing").len(), self.book.len())
    }

    pub(crate) fn enter(&self, claim: Claim, message: impl FnOnce() -> Message) -> Option<MessageId> {
        self.book.enter(&self.setting, self.faulty, claim, self.verifies, message)
    }

    pub(crate) fn intern(&self, node: Node) -> Arc<Node> {
        let mut nodes = self.nodes.write().expect("no panic while writing");
        Arc::clone(nodes.entry(node.key()).or_insert_with(|| Arc::new(node)))
    }

    /// What the faulty replica may pretend to follow from VIEW-CHANGEs where `follows` does: nothing, if nobody
    /// verifies.
    pub(crate) fn lie(&self, follows: Option<About>) -> Option<Option<About>> {
        (!self.verifies && follows.is_some()).then_some(None)
    }

    /// All that can arrive somewhere in `state`.
    pub(crate) fn under_way(&self, state: &State) -> Arc<UnderWay> {
        let said = state.said();
        if let Some(known) = self.under_way.read().expect("no panic while writing").get(&said) {
            return Arc::clone(known);
        }
        let made = Arc::new(UnderWay::new(self, &said, &adversary::menu(self, &said)));
        let mut all = self.under_way.write().expect("no panic while writing");
        Arc::clone(all.entry(said).or_insert(made))
    }
}

/// The correct replicas. What is under way follows from what they said: a message that was sent can arrive at
/// any later time, any number of times, or never.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct State {
    /// One for each correct replica, in order.
    pub nodes: Box<[Arc<Node>]>,
}

impl State {
    fn said(&self) -> Messages {
        self.nodes.iter().fold(Messages::default(), |all, node| all.union(&node.said))
    }
}

/// Something happens to one correct replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Messages arrive.
    Deliver {
        /// Where, counted among the correct replicas.
        at: usize,
        /// Which, in this order.
        messages: Vec<MessageId>,
    },
    /// A replica waits in vain.
    TimeOut {
        /// Which, counted among the correct replicas.
        at: usize,
    },
}

impl Model for Group {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let correct = self.setting.replicas().filter(|&index| index != self.faulty);
        vec![State { nodes: correct.map(|index| self.intern(Node::start(self, index))).collect() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        let under_way = self.under_way(state);
        for (at, node) in state.nodes.iter().enumerate() {
            let patient = node.view() >= View(self.bounds.max_view);
            let may_time_out = !patient && node.after(self, Happening::TimeOut).is_some();
            if may_time_out {
                actions.push(Step::TimeOut { at });
            }
            let deliveries = under_way.deliveries(self, node, may_time_out);
            actions.extend(deliveries.into_iter().map(|messages| Step::Deliver { at, messages }));
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let (at, after) = match step {
            Step::TimeOut { at } => (at, state.nodes[at].after(self, Happening::TimeOut)),
            Step::Deliver { at, messages } => (at, state.nodes[at].after_all(self, &messages)),
        };
        let mut next = state.clone();
        next.nodes[at] = after?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.bounds)
    }

    fn format_action(&self, step: &Step) -> String {
        let correct: Vec<_> = self.setting.replicas().filter(|&index| index != self.faulty).collect();
        match step {
            Step::TimeOut { at } => format!("replica {} loses patience", correct[*at]),
            Step::Deliver { at, messages } => {
                let claims = messages.iter().map(|&id| self.book.entry(id).claim.describe(&self.setting));
                format!("replica {} receives {}", correct[*at], claims.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
