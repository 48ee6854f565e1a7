//! The state machine: where it starts, where it stands, what it remembers.

mod admission;
mod epoch;
mod era;
mod execute;
mod inbox;
mod queries;

use minicbor::{Decode, Encode};
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    AgentId, Digest, EntryBody, EntryIndex, EntryRecord, Epoch, Group, Mandate, Outcome, Sequence,
    TimestampMs, codec,
};

use crate::error::ServicesError;
use crate::state::view::full_key;
use crate::state::{AuthenticatedMap, Overlay};

pub use admission::Admission;
use epoch::Next;
pub use execute::{Disposition, Executed};

pub(crate) const PREFIX: &[u8] = b"machine/";
/// What starts the keys of replicas that gave notice while a change waited that the voters signed.
const LEAVING: &[u8] = b"machine/leaving/";
/// The most bytes of an encoded [`Group`] with a mandate; 64 members take about 5 KiB, and so do 64 ballots.
const MAX_GROUP_BYTES: usize = 32 * 1024;
/// The most bytes of an encoded [`Head`].
const MAX_HEAD_BYTES: usize = 64;

/// Where the machine stands; a part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Head {
    /// The group's clock: the latest time of a batch.
    #[n(0)]
    time: TimestampMs,
    /// How many entries there are.
    #[n(1)]
    log_size: u64,
    /// The last batch that was not null.
    #[n(2)]
    sequence: Sequence,
}

/// The deterministic state machine of one group.
///
/// Two machines that executed the same batches have the same root and made the same entries. A machine
/// that is restored from the pairs of another goes on exactly as the other would.
pub struct StateMachine {
    group: Group,
    /// The group of the next epoch, once its change of members is approved; a part of the state.
    next: Option<Next>,
    /// The voters' word for the members of this epoch; a part of the state.
    mandate: Option<Mandate>,
    /// Whether an era began that no entry tells of yet; a part of the state.
    era_begins: bool,
    head: Head,
    state: AuthenticatedMap,
}

impl StateMachine {
    /// The state that every replica of `group` starts from, and entry 0 of its log.
    ///
    /// # Panics
    /// When `group` breaks a rule of [`Group::validate`], which its reader has checked.
    pub fn genesis(group: &Group) -> (Self, EntryRecord) {
        group.validate().expect("a group is validated when it is read");
        let event = SystemEvent::Genesis {
            identity: group.identity,
            members_hash: Digest(group.members_hash()),
            terms: group.terms.clone(),
        };
        let record = EntryRecord::new(
            &group.identity,
            EntryIndex(0),
            Sequence(0),
            TimestampMs(0),
            EntryBody::System(event),
            Outcome::Recorded,
        );
        let mut state = AuthenticatedMap::new();
        state.put(key("group"), codec::encode(group));
        let mut machine = Self {
            group: group.clone(),
            next: None,
            mandate: None,
            era_begins: false,
            head: Head { time: TimestampMs(0), log_size: 1, sequence: Sequence(0) },
            state,
        };
        machine.save_head();
        (machine, record)
    }

    /// The state machine with a saved state: all pairs that [`Self::take_changes`] gave, the latest value
    /// of each, as of one call.
    ///
    /// Compare [`Self::state_root`] with a certified checkpoint before executing or serving anything. Until
    /// then nothing vouches for the pairs, and queries may panic on damaged ones.
    ///
    /// The state may be of another epoch than `group`: its own group is [`Self::group`].
    ///
    /// # Errors
    /// When the pairs are of another group, or lack what every state has.
    pub fn restore(
        group: &Group,
        pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, ServicesError> {
        let state = AuthenticatedMap::from_saved(pairs);
        let found: Group = read(&state, "group", MAX_GROUP_BYTES)?;
        let (expected, found_id) = (group.identity.group, found.identity.group);
        if found_id != expected {
            return Err(ServicesError::ForeignGroup { expected, found: found_id });
        }
        let Group { epoch, voters_since, .. } = found;
        let same_epoch = Group { epoch, voters_since, members: found.members.clone(), ..group.clone() };
        if found != same_epoch || (found.epoch == group.epoch && found != *group) {
            return Err(ServicesError::ForeignMembers(expected));
        }
        let head = read(&state, "head", MAX_HEAD_BYTES)?;
        let next = read_if_any(&state, "next")?;
        let mandate = read_if_any(&state, "mandate")?;
        let era: Option<Epoch> = read_if_any(&state, "era")?;
        let era_begins = era.is_some();
        Ok(Self { group: found, next, mandate, era_begins, head, state })
    }

    /// The root of the whole state, the reply table and the clock included. Costs the hashing of what
    /// changed since the last call.
    pub fn state_root(&mut self) -> Digest {
        self.state.root()
    }

    /// The pairs that changed since the last call (since [`Self::genesis`] or [`Self::restore`] on the first),
    /// in ascending order of key, with nothing in place of a value where the pair is gone.
    ///
    /// What is saved must be of one moment: take the changes right after the batch of a checkpoint and
    /// write them together with its sequence.
    pub fn take_changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.state.take_changes()
    }

    /// All pairs in ascending order of key, for a replica that fetches the state as a whole.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.state.range_from(&[])
    }

    /// The group with the members of the state's epoch.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// How many entries the executed batches made, the genesis included.
    pub fn log_size(&self) -> u64 {
        self.head.log_size
    }

    /// The group's clock: the latest time of a batch, 0 before the first.
    pub fn time(&self) -> TimestampMs {
        self.head.time
    }

    fn save_head(&mut self) {
        self.state.put(key("head"), codec::encode(&self.head));
    }
}

/// Whether the contract ever convicted this replica.
pub(crate) fn is_convicted(state: &Overlay<'_>, replica: AgentId) -> bool {
    state.get(&convicted_key(replica)).is_some()
}

/// The key that remembers a conviction for good.
fn convicted_key(replica: AgentId) -> Vec<u8> {
    [PREFIX, b"convicted/", replica.as_bytes()].concat()
}

/// The key that remembers a notice until the change that waits has taken effect.
fn leaving_key(replica: AgentId) -> Vec<u8> {
    [LEAVING, replica.as_bytes()].concat()
}

fn key(part: &str) -> Vec<u8> {
    full_key(PREFIX, part.as_bytes())
}

fn read_if_any<T>(state: &AuthenticatedMap, part: &'static str) -> Result<Option<T>, ServicesError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    state.get(&key(part)).is_some().then(|| read(state, part, MAX_GROUP_BYTES)).transpose()
}

fn read<T>(state: &AuthenticatedMap, part: &'static str, max: usize) -> Result<T, ServicesError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let bytes = state.get(&key(part)).ok_or(ServicesError::Missing(part))?;
    codec::decode(bytes, max)
        .map_err(|error| ServicesError::Malformed { what: part, cause: error.to_string() })
}
