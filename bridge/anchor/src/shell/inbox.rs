//! The contract's inbox, as far as the final block has it: how long it is, and its messages from a given one on.
//!
//! The contract keeps of every message its time, and a hash that chains all before it; the messages themselves are in
//! events. They are read oldest first. Where nothing is known of the wanted message's block, the headers are bisected for
//! the first block of the message's second, so neither the length of the chain nor what was put behind the message makes
//! it harder to find; from there events are read upwards, in windows of blocks and only a few windows a look, and where
//! that ended is remembered until the next look. No message is given out that does not hash to what the contract has at
//! the same block: an endpoint can withhold messages, it cannot invent, change, reorder or skip any.

mod cursor;

use alloy::contract::Error as ContractError;
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use alloy::transports::TransportError;
use quorate_contracts::AgentCoordinator::{self, AgentCoordinatorInstance, Enqueued};
use quorate_contracts::InboxState;
use quorate_protocol::{AgentId, Digest, GroupId, InboxMessage};

use self::cursor::{Cursor, Found, MAX_HELD, Place};
use super::blocks::BlockRef;
use super::chain::{failed, is_absence, unreachable_endpoint};
use crate::error::AnchorError;

/// The most blocks in one question for events; public endpoints allow at least this many.
const WINDOW_BLOCKS: u64 = 500;
/// How many windows have to be answered before a longer one is tried again.
const WINDOWS_TO_GROW: u32 = 8;
/// After so many questions a look begins nothing new, so that a long search does not hold up what else is to be done;
/// what was begun, a bisection of at most 32 questions, is brought to its end. Questions for events are dearer.
const MAX_QUESTIONS: u32 = 40;
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
    /// The messages from the wanted one on, without a gap: as far as they are found, each checked.
    pub messages: Vec<InboxMessage>,
    /// Why no more was found, where that is the endpoint's doing. The next look tries again.
    pub trouble: Option<AnchorError>,
}

/// Reads one group's inbox, again and again.
#[derive(Debug)]
pub struct InboxWatcher {
    provider: DynProvider,
    contract: AgentCoordinatorInstance<DynProvider>,
    group: GroupId,
    cursor: Cursor,
    window: Window,
    /// What was asked in this look.
    questions: u32,
    windows: u32,
}

impl InboxWatcher {
    /// Prepares to read the inbox of `group` in `contract`. Asks nothing yet.
    pub fn new(provider: DynProvider, contract: Address, group: GroupId) -> Self {
        let contract = AgentCoordinator::new(contract, provider.clone());
        let (cursor, window) = (Cursor::new(0), Window::default());
        Self { provider, contract, group, cursor, window, questions: 0, windows: 0 }
    }

    /// The inbox as of `block`, with its messages from number `from` on as far as they are found so far: at most 256 of
    /// them. Messages before `from` are forgotten. After a reorganisation that reached below the last block
    /// (`reorganised`), everything is searched anew.
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
            self.cursor = Cursor::new(from);
        }
        (self.questions, self.windows) = (0, 0);
        let at = BlockId::hash(block.hash);
        let state = match self.contract.inbox(self.group.0).block(at).call().await {
            Ok(state) => state,
            // The final block may be older than the group.
            Err(error) if is_absence(&error) => InboxState::default(),
            Err(error) => return Err(unanswered("for the inbox")(error)),
        };
        self.cursor.want(from);
        let trouble = self.read_on(block, state.length).await.err();
        let messages = self.cursor.run(state.length);
        self.check(at, from, &messages).await?;
        let messages = messages.into_iter().map(|(message, _)| message).collect();
        let InboxState { length, taken, .. } = state;
        Ok(InboxLook { block, length, taken, messages, trouble })
    }

    /// Reads events until all messages before `length` are held, there is no room for more, or the look has asked enough.
    async fn read_on(&mut self, block: BlockRef, length: u64) -> Result<(), AnchorError> {
        while self.cursor.lacking() < length && self.cursor.has_room() {
            if self.questions >= MAX_QUESTIONS || self.windows >= MAX_WINDOWS {
                return Ok(());
            }
            match self.cursor.place() {
                Place::Unknown => self.locate(block, 0).await?,
                Place::From(oldest) if oldest > block.number => self.cursor.set_place(Place::Unknown),
                Place::Located(oldest) if oldest > block.number => return self.missed(),
                Place::From(oldest) | Place::Located(oldest) => {
                    let newest = oldest.saturating_add(self.window.blocks - 1).min(block.number);
                    let Some(found) = self.search(oldest, newest, length).await? else { continue };
                    if !self.cursor.take(newest, found) && !self.goes_on(block, newest).await? {
                        return Ok(());
                    }
                }
            }
        }
        if self.cursor.lacking() >= length {
            self.cursor.is_complete(block.number);
        }
        Ok(())
    }

    /// What to do after a window up to `newest` without the message that is wanted: later blocks of its second are read
    /// on; where its second lies further up, it is located; where that is over, the message should have been there. False
    /// if nothing more is to be done in this look.
    async fn goes_on(&mut self, block: BlockRef, newest: u64) -> Result<bool, AnchorError> {
        let time = self.time_of(block, self.cursor.lacking()).await?;
        let is_over = newest >= block.number || self.timestamp_of(newest).await? > time;
        match (self.cursor.place(), is_over) {
            (Place::Located(_), true) => self.missed().map(|()| false),
            (Place::Located(_), false) => Ok(true),
            // What was read before may have been a lie: it is located without that.
            (_, true) => {
                self.cursor.set_place(Place::Unknown);
                Ok(true)
            }
            (_, false) => self.bisect(block, newest + 1, time).await.map(|()| true),
        }
    }

    /// The wanted message is not where it has to be. Endpoints show a new state before they can find its events, so this
    /// becomes trouble only when it lasts.
    fn missed(&mut self) -> Result<(), AnchorError> {
        let index = self.cursor.lacking();
        if self.cursor.miss() > 1 { Err(AnchorError::Withheld { index }) } else { Ok(()) }
    }

    /// Finds the first block from `lowest` on that can have the wanted message.
    async fn locate(&mut self, block: BlockRef, lowest: u64) -> Result<(), AnchorError> {
        let time = self.time_of(block, self.cursor.lacking()).await?;
        self.bisect(block, lowest, time).await
    }

    /// Finds the first block from `lowest` on whose second is that of the wanted message, or later. Several blocks may
    /// share a second; the final block is not asked, because the message is in it at the latest.
    async fn bisect(&mut self, block: BlockRef, mut lowest: u64, time: u64) -> Result<(), AnchorError> {
        let mut highest = block.number.max(lowest);
        while lowest < highest {
            let middle = lowest + (highest - lowest) / 2;
            if self.timestamp_of(middle).await? >= time {
                highest = middle;
            } else {
                lowest = middle + 1;
            }
        }
        self.cursor.set_place(Place::Located(lowest));
        Ok(())
    }

    /// When a message was put into the inbox, in seconds of Unix time, as the contract has it at `block`.
    async fn time_of(&mut self, block: BlockRef, index: u64) -> Result<u64, AnchorError> {
        self.questions += 1;
        let question = self.contract.inboxMessage(self.group.0, index).block(BlockId::hash(block.hash));
        Ok(question.call().await.map_err(unanswered("for the time of a message"))?.enqueuedAt)
    }

    /// The time of a block of the chain, in seconds of Unix time.
    async fn timestamp_of(&mut self, number: u64) -> Result<u64, AnchorError> {
        const QUESTION: &str = "for the time of a block";
        self.questions += 1;
        let found = self.provider.get_block(BlockId::number(number)).await.map_err(failed(QUESTION))?;
        let found = found.ok_or_else(|| unreachable_endpoint(QUESTION, format!("it has no block {number}")));
        Ok(found?.header.timestamp)
    }

    /// Asks for the messages in these blocks. Nothing when the endpoint refuses so many blocks at once: then the window is
    /// smaller.
    async fn search(
        &mut self,
        oldest: u64,
        newest: u64,
        length: u64,
    ) -> Result<Option<Vec<Found>>, AnchorError> {
        let question = Filter::new()
            .address(*self.contract.address())
            .event_signature(Enqueued::SIGNATURE_HASH)
            .topic1(self.group.0)
            .from_block(oldest)
            .to_block(newest);
        self.questions += 1;
        self.windows += 1;
        match self.provider.get_logs(&question).await {
            Ok(logs) => {
                self.window.was_answered();
                let (group, lacking) = (self.group.0, self.cursor.lacking());
                let length = length.min(lacking.saturating_add(MAX_HELD as u64 + 1));
                let found = logs.iter().filter_map(|log| read(log, group));
                let found = found.filter(|(message, _, block)| {
                    (lacking..length).contains(&message.index) && (oldest..=newest).contains(block)
                });
                Ok(Some(found.collect()))
            }
            Err(error) => {
                let shorter = self.window.was_refused();
                match error {
                    TransportError::ErrorResp(_) if shorter => Ok(None),
                    error => Err(failed("for the messages of the inbox")(error)),
                }
            }
        }
    }

    /// Compares a run of messages with the chain of hashes, from the contract's before it to the contract's at its end. If
    /// they differ, everything is searched anew from message `from` on.
    async fn check(
        &mut self,
        at: BlockId,
        from: u64,
        run: &[(InboxMessage, B256)],
    ) -> Result<(), AnchorError> {
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
                self.cursor = Cursor::new(from);
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

/// How many blocks are asked for at once: fewer where the endpoint does not answer, because it may be too much for it.
#[derive(Debug)]
struct Window {
    blocks: u64,
    /// How many questions in a row were answered.
    answered: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { blocks: WINDOW_BLOCKS, answered: 0 }
    }
}

impl Window {
    fn was_answered(&mut self) {
        self.answered = self.answered.saturating_add(1);
        if self.answered >= WINDOWS_TO_GROW {
            *self = Self { blocks: self.blocks.saturating_mul(2).min(WINDOW_BLOCKS), answered: 0 };
        }
    }

    /// Returns whether the next question is a shorter one.
    fn was_refused(&mut self) -> bool {
        let before = self.blocks;
        *self = Self { blocks: (before / 2).max(1), answered: 0 };
        self.blocks < before
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
