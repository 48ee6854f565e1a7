//! The shape that all services have, and all that a service may see.

use minicbor::Encode;
use quorate_protocol::codec;
use quorate_protocol::{AgentId, DecisionRecord, Digest, EntryIndex, Group, InboxMessage, TimestampMs};

use crate::machine;
use crate::members::{self, Agent};
use crate::state::view::full_key;
use crate::state::{Overlay, View};

/// Something that agents coordinate with: its operations, and its state under its own key prefix.
///
/// A service is deterministic: what it does follows from its context and the operation alone. It has no
/// fields that change; everything it remembers is in the state.
pub trait Service: Sync {
    /// The name in operations; at most [`quorate_protocol::command::MAX_SERVICE_NAME`] bytes.
    fn name(&self) -> &'static str;

    /// What its keys in the state start with. No service's prefix starts with another's.
    fn prefix(&self) -> &'static [u8];

    /// Carries out one operation of `agent` and returns the encoding of its outcome, at most
    /// [`quorate_protocol::outcome::MAX_RESULT_BYTES`].
    ///
    /// # Errors
    /// A refusal drops everything that the whole command wrote and drafted, so a service need not check
    /// everything before its first write.
    fn apply(
        &self,
        context: &mut Context<'_, '_>,
        agent: &Agent,
        operation: &[u8],
    ) -> Result<Vec<u8>, ServiceRefusal>;

    /// Does what has fallen due at the context's time, within a bound of its own; what is left is done in
    /// the next batch. A service without due work keeps the default.
    fn due(&self, _context: &mut Context<'_, '_>) {}

    /// The earliest time at which [`Self::due`] has something to do.
    fn next_due(&self, _state: View<'_>) -> Option<TimestampMs> {
        None
    }
}

/// Why a service refuses an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRefusal {
    /// The bytes are no operation of the service.
    Malformed,
    /// A rule of the service forbids it.
    Rule {
        /// The stable name of the condition, at most 64 bytes.
        code: &'static str,
        /// The condition in words, with its values; at most 512 bytes.
        detail: String,
    },
}

/// An entry that a service wants after that of the command, or at the start of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draft {
    /// A proposal closed.
    Decision(Box<DecisionRecord>),
}

/// A message of the contract's inbox that is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The message.
    pub message: InboxMessage,
    /// The inbox's chain hash after it.
    pub hash: Digest,
}

/// What a command, or the due work of a batch, has done so far; kept or dropped as a whole.
pub(crate) struct Transaction<'m> {
    pub(crate) overlay: Overlay<'m>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) taken: Vec<Taken>,
    /// The index that the first draft gets.
    pub(crate) first_draft: EntryIndex,
}

impl<'m> Transaction<'m> {
    pub(crate) fn new(overlay: Overlay<'m>, first_draft: EntryIndex) -> Self {
        Self { overlay, drafts: Vec::new(), taken: Vec::new(), first_draft }
    }
}

/// All that a service may see and do: the batch's time, the members, its own state.
pub struct Context<'t, 'm> {
    transaction: &'t mut Transaction<'m>,
    prefix: &'static [u8],
    time: TimestampMs,
    group: &'t Group,
}

impl<'t, 'm> Context<'t, 'm> {
    pub(crate) fn new(
        transaction: &'t mut Transaction<'m>,
        prefix: &'static [u8],
        time: TimestampMs,
        group: &'t Group,
    ) -> Self {
        Self { transaction, prefix, time, group }
    }

    /// The group's clock: the latest time of a batch so far.
    pub fn time(&self) -> TimestampMs {
        self.time
    }

    /// The group with the members and the policy of this epoch.
    pub fn group(&self) -> &'t Group {
        self.group
    }

    /// The member or admitted agent with this address.
    pub fn agent(&self, agent: AgentId) -> Option<Agent> {
        members::find(self.group, &self.transaction.overlay, agent)
    }

    /// Whether the contract ever convicted this replica.
    pub fn is_convicted(&self, replica: AgentId) -> bool {
        machine::is_convicted(&self.transaction.overlay, replica)
    }

    /// The service's own state, with what the command has written so far.
    pub fn state(&self) -> View<'_> {
        View::new(&self.transaction.overlay, self.prefix)
    }

    /// Sets the value at `key` in the service's own state.
    pub fn write<T: Encode<()>>(&mut self, key: &[u8], value: &T) {
        self.transaction.overlay.put(full_key(self.prefix, key), codec::encode(value));
    }

    /// Removes the value at `key` from the service's own state.
    pub fn remove(&mut self, key: &[u8]) {
        self.transaction.overlay.remove(full_key(self.prefix, key));
    }

    /// Adds an entry after that of the command (or, for due work, at the start of the batch), and returns
    /// the index that it gets unless the command is refused.
    pub fn draft(&mut self, draft: Draft) -> EntryIndex {
        let index = EntryIndex(self.transaction.first_draft.0 + self.transaction.drafts.len() as u64);
        self.transaction.drafts.push(draft);
        index
    }

    /// Has a message of the inbox carried out, after all that the command drafts: it may make any number of
    /// entries.
    pub fn take(&mut self, taken: Taken) {
        self.transaction.taken.push(taken);
    }
}
