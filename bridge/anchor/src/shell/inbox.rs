//! The contract's inbox, as far as the final block has it: how long it is, and its messages from a given one on.
//!
//! The contract keeps of every message a hash that chains all before it; the messages themselves are in events. They are
//! searched back from the final block, in windows of blocks and only a few windows a look, and what was searched is
//! remembered until the next look. No message is given out that does not hash to what the contract has at the same
//! block: an endpoint can withhold messages, it cannot invent, change, reorder or skip any.

mod cursor;

use alloy::contract::Error as ContractError;
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorInstance, Enqueued};
use quorate_contracts::InboxState;
use quorate_protocol::{AgentId, Digest, GroupId, InboxMessage};

use self::cursor::{Cursor, Found};
use super::blocks::BlockRef;
use super::chain::{failed, is_absence, unreachable_endpoint};
use crate::error::AnchorError;

/// The most blocks in one question for events; public endpoints allow at least this many.
const WINDOW_BLOCKS: u64 = 500;
/// The most such questions in one look.
const MAX_WINDOWS: u32 = 10;

/// The inbox as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxLook {
    /// The block.
    pub block: BlockRef,
    /// How many messages were ever enqueued.
    pub length: u64,
    /// How many of them the last anchor took in.
    pub taken: u64,
    /// How many seconds after it was enqueued a message must have been taken in.
    pub deadline_s: u32,
    /// The messages from the wanted one on, without a gap: as far as they are found, each checked.
    pub messages: Vec<InboxMessage>,
}

/// Reads one group's inbox, again and again.
#[derive(Debug)]
pub struct InboxWatcher {
    provider: DynProvider,
    contract: AgentCoordinatorInstance<DynProvider>,
    group: GroupId,
    cursor: Cursor,
    window: u64,
}

impl InboxWatcher {
    /// Prepares to read the inbox of `group` in `contract`. Asks nothing yet.
    pub fn new(provider: DynProvider, contract: Address, group: GroupId) -> Self {
        let contract = AgentCoordinator::new(contract, provider.clone());
        Self { provider, contract, group, cursor: Cursor::default(), window: WINDOW_BLOCKS }
    }

    /// The inbox as of `block`, with its messages from number `from` on as far as they are found so far. Messages before
    /// `from` are forgotten. After a reorganisation that reached below the last block (`reorganised`), everything is
    /// searched anew.
    ///
    /// # Errors
    /// The endpoint does not answer, or gives messages that are not the contract's. The next look starts over with what
    /// is in doubt.
    pub async fn look(
        &mut self,
        block: BlockRef,
        reorganised: bool,
        from: u64,
    ) -> Result<InboxLook, AnchorError> {
        if reorganised {
            self.cursor = Cursor::default();
        }
        let at = BlockId::hash(block.hash);
        let state = match self.contract.inbox(self.group.0).block(at).call().await {
            Ok(state) => state,
            // The final block may be older than the group.
            Err(error) if is_absence(&error) => InboxState { length: 0, taken: 0, deadline: 0 },
            Err(error) => return Err(unanswered("for the inbox")(error)),
        };
        self.cursor.advance(block.number, from);
        let mut windows = 0;
        while windows < MAX_WINDOWS
            && let Some((oldest, newest)) = self.cursor.next_window(self.window, from, state.length)
        {
            self.search(oldest, newest, from, state.length).await?;
            windows += 1;
        }
        self.cursor.start_over_if_lost(from, state.length);
        let messages = self.cursor.run(from, state.length);
        self.check(at, &messages).await?;
        let messages = messages.into_iter().map(|(message, _)| message).collect();
        let InboxState { length, taken, deadline } = state;
        Ok(InboxLook { block, length, taken, deadline_s: deadline, messages })
    }

    /// Asks for the messages in these blocks. The window becomes smaller when the endpoint does not answer, because it
    /// may be too much at once.
    async fn search(&mut self, oldest: u64, newest: u64, from: u64, length: u64) -> Result<(), AnchorError> {
        let question = Filter::new()
            .address(*self.contract.address())
            .event_signature(Enqueued::SIGNATURE_HASH)
            .topic1(self.group.0)
            .from_block(oldest)
            .to_block(newest);
        match self.provider.get_logs(&question).await {
            Ok(logs) => {
                self.window = self.window.saturating_mul(2).min(WINDOW_BLOCKS);
                let group = self.group.0;
                let found = logs.iter().filter_map(|log| read(log, group));
                let found = found.filter(|(message, _, block)| {
                    (from..length).contains(&message.index) && (oldest..=newest).contains(block)
                });
                self.cursor.searched(oldest, newest, found.collect());
                Ok(())
            }
            Err(error) => {
                self.window = (self.window / 2).max(1);
                Err(failed("for the messages of the inbox")(error))
            }
        }
    }

    /// Compares a run of messages with the chain of hashes, from the contract's before it to the contract's at its end.
    async fn check(&mut self, at: BlockId, run: &[(InboxMessage, B256)]) -> Result<(), AnchorError> {
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(()) };
        let (before, until) = (first.index.checked_sub(1), last.index);
        let mut hash = match before {
            Some(before) => self.hash_of(at, before).await?,
            None => Digest::default(),
        };
        let expected = self.hash_of(at, until).await?;
        let mut wrong = None;
        for (message, said) in run {
            hash = message.chain_hash(hash);
            if hash.0 != *said {
                wrong = wrong.or(Some(message.index));
            }
        }
        if hash != expected {
            wrong = wrong.or(Some(until));
        }
        match wrong {
            Some(index) => {
                self.cursor = Cursor::default();
                Err(AnchorError::WrongMessage { index })
            }
            None => Ok(()),
        }
    }

    async fn hash_of(&self, at: BlockId, index: u64) -> Result<Digest, AnchorError> {
        let answer = self.contract.inboxMessage(self.group.0, index).block(at).call().await;
        Ok(Digest(answer.map_err(unanswered("for the hash of a message"))?.inboxHash))
    }
}

fn unanswered(question: &'static str) -> impl Fn(ContractError) -> AnchorError {
    move |error| unreachable_endpoint(question, error.to_string())
}

fn read(log: &Log, group: B256) -> Option<Found> {
    let event = Enqueued::decode_log(&log.inner).ok()?;
    let block = log.block_number.filter(|_| !log.removed && event.groupId == group)?;
    let message = InboxMessage {
        index: event.index,
        kind: event.kind,
        sender: AgentId(event.sender),
        enqueued_at: event.enqueuedAt,
        payload: event.payload.to_vec(),
    };
    Some((message, event.inboxHash, block))
}
