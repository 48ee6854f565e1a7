//! The reply table: why a command takes effect once however often it is ordered.
//!
//! Of every agent it keeps the highest nonce and a window of the last [`NONCE_WINDOW`] ones (the
//! anti-replay window of RFC 4303 section 3.4.3, with what became of each command), so an agent may have
//! that many commands under way in any order. A nonce below the window cannot be told from a replay.
//!
//! The first command that its agent signed under a nonce has it, whether it is applied or refused. Rivals
//! under the same nonce are refused, and a few of them are remembered so that they too are the same entry
//! when they come again. Commands under a foreign key are not the agent's doing: they never touch its
//! nonces, or anybody could use them up; a few are remembered aside. What is beyond these bounds makes
//! no entry.
//!
//! What an agent's node says of the contract's inbox ([`Series::Node`]) is counted by itself: agent and node sign with
//! one key and know nothing of each other's numbers.
//!
//! The table outlives its agents: one that leaves and is admitted again cannot be replayed.

use minicbor::{Decode, Encode};
use quorate_protocol::codec;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::InboxOperation;
use quorate_protocol::{AgentId, Command, Digest, EntryIndex, Nonce, Operation, SignedCommand};

use crate::state::AuthenticatedMap;

pub(crate) const PREFIX: &[u8] = b"replies/";

/// How many nonces of an agent are remembered, counted down from its highest.
pub const NONCE_WINDOW: u64 = 64;
/// How far a nonce may lie above the agent's highest, so that no slip makes the agent run out of nonces.
pub const MAX_NONCE_JUMP: u64 = 1 << 32;
/// How many refused rivals are remembered of a nonce.
const MAX_RIVALS: usize = 3;
/// How many refused commands under a foreign key are remembered of an agent.
const MAX_FOREIGN: usize = 16;

/// A count of nonces; an agent has one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// What the agent does.
    Agent,
    /// What its node says: commands of the inbox service alone.
    Node,
}

impl Series {
    /// The series that a command is counted in.
    pub(crate) fn of(command: &Command) -> Self {
        let is_inbox = |operation: &Operation| operation.service == InboxOperation::SERVICE;
        if command.operations.iter().all(is_inbox) { Self::Node } else { Self::Agent }
    }

    /// The tags of the keys of the highest nonce and of the slots.
    fn tags(self) -> (u8, u8) {
        match self {
            Self::Agent => (b'n', b's'),
            Self::Node => (b'N', b'S'),
        }
    }
}

/// A remembered command.
#[derive(Clone, Copy, Encode, Decode)]
struct Reply {
    #[n(0)]
    command: Digest,
    #[n(1)]
    entry: EntryIndex,
}

/// The memory of one nonce; it gives way to the nonce that lies [`NONCE_WINDOW`] higher.
#[derive(Encode, Decode)]
struct Slot {
    #[n(0)]
    nonce: Nonce,
    /// The command that has the nonce, then its rivals.
    #[n(1)]
    replies: Vec<Reply>,
}

/// What the table says about a nonce of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceState {
    /// No command has it.
    Free,
    /// A command has it.
    Used {
        /// That command's entry.
        entry: EntryIndex,
        /// Whether one more rival can be remembered.
        room: bool,
    },
    /// Below the window.
    TooOld { oldest: Nonce },
    /// Beyond the reach of a jump.
    TooFar { newest: Nonce },
}

/// The entry of a command that was executed before.
pub(crate) fn find(state: &AuthenticatedMap, command: &SignedCommand) -> Option<EntryIndex> {
    let digest = command.digest();
    let (agent, nonce) = (command.command().agent, command.command().nonce);
    let series = Series::of(command.command());
    let slot = slot(state, series, agent, nonce).map(|slot| slot.replies).unwrap_or_default();
    let in_slot = slot.into_iter().find(|reply| reply.command == digest);
    let reply = in_slot.or_else(|| foreign(state, agent).into_iter().find(|reply| reply.command == digest));
    reply.map(|reply| reply.entry)
}

/// The least nonce above all that the agent has used.
pub(crate) fn next_nonce(state: &AuthenticatedMap, series: Series, agent: AgentId) -> Nonce {
    Nonce(highest(state, series, agent).map_or(0, |highest| highest.0.saturating_add(1)))
}

/// What a new command of the agent under `nonce` meets.
pub(crate) fn nonce_state(
    state: &AuthenticatedMap,
    series: Series,
    agent: AgentId,
    nonce: Nonce,
) -> NonceState {
    let highest = highest(state, series, agent);
    let oldest = Nonce(highest.map_or(0, |highest| (highest.0 + 1).saturating_sub(NONCE_WINDOW)));
    if nonce < oldest {
        return NonceState::TooOld { oldest };
    }
    let newest = Nonce(highest.map_or(0, |highest| highest.0).saturating_add(MAX_NONCE_JUMP).min(LAST_NONCE));
    if nonce > newest {
        return NonceState::TooFar { newest };
    }
    match slot(state, series, agent, nonce) {
        Some(Slot { replies, .. }) => {
            NonceState::Used { entry: replies[0].entry, room: replies.len() <= MAX_RIVALS }
        }
        None => NonceState::Free,
    }
}

/// The highest nonce there is, so that there is always a next one to tell the agent.
const LAST_NONCE: u64 = u64::MAX - 1;

/// Remembers a command that its agent signed: it has its nonce from now on, or is a rival under it.
/// [`nonce_state`] said that there is room.
pub(crate) fn remember(state: &mut AuthenticatedMap, command: &SignedCommand, entry: EntryIndex) {
    let (agent, nonce) = (command.command().agent, command.command().nonce);
    let series = Series::of(command.command());
    let mut replies = slot(state, series, agent, nonce).map(|slot| slot.replies).unwrap_or_default();
    replies.push(Reply { command: command.digest(), entry });
    state.put(slot_key(series, agent, nonce), codec::encode(&Slot { nonce, replies }));
    if highest(state, series, agent).is_none_or(|highest| highest < nonce) {
        state.put(key(series.tags().0, agent), codec::encode(&nonce));
    }
}

/// Whether one more command under a foreign key can be remembered of the agent.
pub(crate) fn has_room_for_foreign(state: &AuthenticatedMap, agent: AgentId) -> bool {
    foreign(state, agent).len() < MAX_FOREIGN
}

/// Remembers a command that names the agent but is not signed with its key.
pub(crate) fn remember_foreign(state: &mut AuthenticatedMap, command: &SignedCommand, entry: EntryIndex) {
    let agent = command.command().agent;
    let mut replies = foreign(state, agent);
    replies.push(Reply { command: command.digest(), entry });
    state.put(key(b'f', agent), codec::encode(&replies));
}

fn highest(state: &AuthenticatedMap, series: Series, agent: AgentId) -> Option<Nonce> {
    read(state, &key(series.tags().0, agent))
}

fn slot(state: &AuthenticatedMap, series: Series, agent: AgentId, nonce: Nonce) -> Option<Slot> {
    read(state, &slot_key(series, agent, nonce)).filter(|slot: &Slot| slot.nonce == nonce)
}

fn foreign(state: &AuthenticatedMap, agent: AgentId) -> Vec<Reply> {
    read(state, &key(b'f', agent)).unwrap_or_default()
}

fn read<'a, T: Decode<'a, ()>>(state: &'a AuthenticatedMap, key: &[u8]) -> Option<T> {
    state.get(key).map(|bytes| minicbor::decode(bytes).expect("the reply table reads back what it wrote"))
}

fn key(tag: u8, agent: AgentId) -> Vec<u8> {
    [PREFIX, &[tag], agent.as_bytes()].concat()
}

fn slot_key(series: Series, agent: AgentId, nonce: Nonce) -> Vec<u8> {
    let slot = u8::try_from(nonce.0 % NONCE_WINDOW).expect("the window has 64 slots");
    [PREFIX, &[series.tags().1], agent.as_bytes(), &[slot]].concat()
}
