//! The contract's inbox, as far as the final block has it: how long it is, and its messages from a given one on.
//!
//! The contract keeps of every message a hash that chains all before it; the messages themselves are in events. They are
//! searched back from the final block, in windows of blocks and only a few windows a look, and what was searched is
//! remembered until the next look. No message is given out that does not hash to what the contract has at the same
//! block: an endpoint can withhold messages, it cannot invent, change, reorder or skip any.

mod cursor;

use alloy::contract::Error as ContractError;
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol;
use alloy::sol_types::{SolEvent, SolValue};
use quorate_protocol::GroupId;

use self::cursor::{Cursor, Found};
use super::blocks::BlockRef;
use super::chain::{failed, unreachable_endpoint};
use crate::error::AnchorError;

/// The most blocks in one question for events; public endpoints allow at least this many.
const WINDOW_BLOCKS: u64 = 500;
/// The most such questions in one look.
const MAX_WINDOWS: u32 = 10;

sol! {
    /// The part of the contract that concerns its inbox.
    #[sol(rpc)]
    interface Inbox {
        event Enqueued(
            bytes32 indexed groupId,
            uint64 indexed index,
            uint8 kind,
            address indexed sender,
            uint64 enqueuedAt,
            bytes payload,
            bytes32 inboxHash
        );
        function inbox(bytes32 groupId) external view returns (uint64 length, uint64 taken, uint64 deadline);
        /// The chained hash up to and including the message, and when it was enqueued.
        function inboxMessage(bytes32 groupId, uint64 index)
            external view returns (bytes32 inboxHash, uint64 enqueuedAt);
    }
}

/// A message of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxMessage {
    /// Its number, counted from 0.
    pub index: u64,
    /// What it asks for, as the contract numbers it.
    pub kind: u8,
    /// Who enqueued it.
    pub sender: Address,
    /// When, by the chain's clock, in seconds.
    pub enqueued_at: u64,
    /// Its content.
    pub payload: Bytes,
}

impl InboxMessage {
    /// The chained hash up to and including this message, given the one before it; that of an empty inbox is zero.
    pub fn chain(&self, before: B256) -> B256 {
        let Self { index, kind, sender, enqueued_at, payload } = self;
        keccak256((before, *index, U256::from(*kind), *sender, *enqueued_at, keccak256(payload)).abi_encode())
    }
}

/// The inbox as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxView {
    /// The block.
    pub block: BlockRef,
    /// How many messages were ever enqueued.
    pub length: u64,
    /// How many of them the last anchor took in.
    pub taken: u64,
    /// What the contract says of when the next must have been taken in.
    pub deadline: u64,
    /// The messages from the wanted one on, without a gap: as far as they are found, each checked.
    pub messages: Vec<InboxMessage>,
}

/// Reads one group's inbox, again and again.
#[derive(Debug)]
pub struct InboxWatcher {
    provider: DynProvider,
    contract: Inbox::InboxInstance<DynProvider>,
    group: GroupId,
    cursor: Cursor,
    window: u64,
}

impl InboxWatcher {
    /// Prepares to read the inbox of `group` in `contract`. Asks nothing yet.
    pub fn new(provider: DynProvider, contract: Address, group: GroupId) -> Self {
        let contract = Inbox::new(contract, provider.clone());
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
    ) -> Result<InboxView, AnchorError> {
        if reorganised {
            self.cursor = Cursor::default();
        }
        let at = BlockId::hash(block.hash);
        let state = self.contract.inbox(self.group.0).block(at).call().await;
        let state = state.map_err(unanswered("for the inbox"))?;
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
        let Inbox::inboxReturn { length, taken, deadline } = state;
        Ok(InboxView { block, length, taken, deadline, messages })
    }

    /// Asks for the messages in these blocks. The window becomes smaller when the endpoint does not answer, because it
    /// may be too much at once.
    async fn search(&mut self, oldest: u64, newest: u64, from: u64, length: u64) -> Result<(), AnchorError> {
        let question = Filter::new()
            .address(*self.contract.address())
            .event_signature(Inbox::Enqueued::SIGNATURE_HASH)
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
            None => B256::ZERO,
        };
        let expected = self.hash_of(at, until).await?;
        let mut wrong = None;
        for (message, said) in run {
            hash = message.chain(hash);
            if hash != *said {
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

    async fn hash_of(&self, at: BlockId, index: u64) -> Result<B256, AnchorError> {
        let answer = self.contract.inboxMessage(self.group.0, index).block(at).call().await;
        Ok(answer.map_err(unanswered("for the hash of a message"))?.inboxHash)
    }
}

fn unanswered(question: &'static str) -> impl Fn(ContractError) -> AnchorError {
    move |error| unreachable_endpoint(question, error.to_string())
}

fn read(log: &Log, group: B256) -> Option<Found> {
    let event = Inbox::Enqueued::decode_log(&log.inner).ok()?;
    let block = log.block_number.filter(|_| !log.removed && event.groupId == group)?;
    let message = InboxMessage {
        index: event.index,
        kind: event.kind,
        sender: event.sender,
        enqueued_at: event.enqueuedAt,
        payload: event.payload.clone(),
    };
    Some((message, event.inboxHash, block))
}
