//! One node: the real core, ledger, log and store, on a simulated disk, driven by the world instead of threads.

mod records;
mod running;
mod storage;

pub use running::{Boot, Running, Waiting};
pub use storage::{LogJob, Marker, SimStorage};

use std::sync::Arc;

use quorate_pbft::{Context, ReplicaKeys};
use quorate_protocol::{AccountKey, AgentId, AgentKey};

use crate::byzantine::Actor;
use crate::disk::Disk;
use crate::random::Random;

/// What is expected of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything.
    Correct,
    /// It lost what it said and counts among the faulty until the next epoch.
    Forgetful,
    /// Nothing: it has an actor, or a twin.
    Faulty,
    /// It has left the group, or is yet to come.
    Outside,
}

/// A node of the group, running or not.
pub struct SimNode {
    /// What its keys follow from.
    pub number: usize,
    /// Whether another process with its key runs beside it.
    pub is_twin: bool,
    /// Its name in traces.
    pub name: String,
    /// Its keys.
    pub keys: ReplicaKeys,
    /// Its address, which is dear to compute.
    pub agent: AgentId,
    /// How often its key was rotated.
    pub key_version: u8,
    /// Its disk.
    pub disk: Disk,
    /// What its key remembers.
    pub marker: Marker,
    /// What is expected of it.
    pub standing: Standing,
    /// Whether it was ever faulty: what it signed then may come up at any time.
    pub was_faulty: bool,
    /// Its fault, if it has one.
    pub actor: Option<(Box<dyn Actor>, Random)>,
    /// The epoch that it was in last: a faulty replica goes on when its node has stopped.
    pub last_context: Option<Arc<Context>>,
    /// The running process.
    pub running: Option<Running>,
    /// How many processes there were.
    pub incarnation: u64,
    /// How far its wall clock is from the true time, in milliseconds.
    pub skew_ms: i64,
    /// How long a round takes, in milliseconds.
    pub round_ms: u64,
    /// When it comes back, if it is down.
    pub back_at_ms: Option<u64>,
}

impl SimNode {
    /// A node that never ran, with the keys of `number`.
    pub fn new(number: usize, seed: u64) -> Self {
        let keys = keys(number, 0);
        let agent = AgentId(keys.account.address());
        Self {
            agent,
            number,
            is_twin: false,
            name: format!("r{number}"),
            keys,
            key_version: 0,
            disk: Disk::new(seed ^ number as u64),
            marker: Marker::default(),
            standing: Standing::Correct,
            was_faulty: false,
            actor: None,
            last_context: None,
            running: None,
            incarnation: 0,
            skew_ms: 0,
            round_ms: 0,
            back_at_ms: None,
        }
    }

    /// Whether it runs and nothing is wrong with it.
    pub fn is_correct(&self) -> bool {
        self.standing == Standing::Correct
    }

    /// Whether what it says must hold: it may be silent, but it contradicts nothing.
    pub fn is_honest(&self) -> bool {
        matches!(self.standing, Standing::Correct | Standing::Forgetful)
    }
}

/// The keys of replica or agent `number`, after `version` rotations of its agent key.
pub fn keys(number: usize, version: u8) -> ReplicaKeys {
    let byte = u8::try_from(number + 1).expect("a simulation has few agents");
    let account = AccountKey::from_secret(&[byte; 32]).expect("a repeated byte is a valid secret");
    let mut secret = [byte; 32];
    secret[0] = version;
    ReplicaKeys { agent: AgentKey::from_secret(&secret), account }
}

/// Bytes that several frames share.
pub type Bytes = Arc<[u8]>;
