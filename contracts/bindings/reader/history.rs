//! What only the events tell of a group's course: its anchors, one by one, the members of epochs that have ended, the eras, and
//! the messages of the inbox.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolEvent;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{AgentId, Digest, Epoch, GroupId, InboxMessage, Member, Sequence};

use super::events::{Place, Question, Wanted};
use super::{CoordinatorReader, ReaderError};
use crate::AgentCoordinator::{Anchored, Enqueued, GroupCreated, MembersChanged, Recovered};
use crate::convert::all;

/// The most anchors of one group that [`CoordinatorReader::anchors`] reads.
pub const MAX_ANCHORS: usize = 1_000_000;
/// The most messages of one group that [`CoordinatorReader::inbox_messages`] reads.
pub const MAX_MESSAGES: usize = 100_000;
/// The most epochs of one group that are read.
const MAX_EPOCHS: usize = 100_000;

/// One anchor of a group's history, as its event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorEvent {
    /// The epoch whose replicas signed the checkpoint.
    pub epoch: Epoch,
    /// The checkpoint's sequence.
    pub sequence: Sequence,
    /// How many entries the log had.
    pub log_size: u64,
    /// The log's root at that size.
    pub log_root: Digest,
    /// The root of the services' state.
    pub state_root: Digest,
    /// How many messages of the inbox the log has taken in.
    pub inbox_count: u64,
    /// The hash of the inbox up to there.
    pub inbox_hash: Digest,
    /// The hash of the next epoch's members where the checkpoint ended its epoch, else zero.
    pub next_members_hash: Digest,
    /// The block that includes the anchor.
    pub block: u64,
    /// The transaction that anchored it.
    pub tx_hash: B256,
}

/// The beginning of an epoch other than the first, as its event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochEvent {
    /// The epoch.
    pub epoch: Epoch,
    /// Its members, in ascending order.
    pub members: Vec<Member>,
    /// The block in which it began.
    pub block: u64,
    /// The transaction that began it.
    pub tx_hash: B256,
}

/// The beginning of an era: the voters replaced the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The era's first epoch.
    pub epoch: Epoch,
    /// The last anchor's sequence, after which the era's batches come.
    pub sequence: Sequence,
    /// The last anchor's log, which the era's log extends.
    pub log_size: u64,
    /// The block in which it began.
    pub block: u64,
    /// The transaction that began it.
    pub tx_hash: B256,
}

impl CoordinatorReader {
    /// Every anchor of the group from block `from_block` on, in the chain's order: sequences strictly ascend, log
    /// sizes and inbox counts never shrink and epochs never go back. Asks for fewer blocks at a time where the endpoint refuses
    /// more.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`]; [`ReaderError::Malformed`] for events that a coordinator cannot have emitted, or
    /// for more than [`MAX_ANCHORS`].
    pub async fn anchors(&self, group: GroupId, from_block: u64) -> Result<Vec<AnchorEvent>, ReaderError> {
        let question = Question { name: "the Anchored events", most: MAX_ANCHORS };
        let filter = self.filter(vec![Anchored::SIGNATURE_HASH], group);
        let mut anchors: Vec<AnchorEvent> = Vec::new();
        for (log, place) in self.logs(question, filter, group, from_block).await? {
            let anchor = read_anchor(&question.decode(&log)?, place);
            if let Some(last) = anchors.last()
                && !follows(last, &anchor)
            {
                let reason = format!("the anchor of sequence {} comes too late", anchor.sequence);
                return Err(question.malformed(reason));
            }
            anchors.push(anchor);
        }
        Ok(anchors)
    }

    /// Every epoch of the group but the first that began from block `from_block` on, in their order. The members hash to what
    /// the event says; [`Self::group_at`] holds them against the contract's state.
    ///
    /// # Errors
    /// As [`Self::anchors`].
    pub async fn epochs(&self, group: GroupId, from_block: u64) -> Result<Vec<EpochEvent>, ReaderError> {
        let question = Question { name: "the MembersChanged events", most: MAX_EPOCHS };
        let filter = self.filter(vec![MembersChanged::SIGNATURE_HASH], group);
        let mut epochs: Vec<EpochEvent> = Vec::new();
        for (log, Place { block, tx_hash }) in self.logs(question, filter, group, from_block).await? {
            let event: MembersChanged = question.decode(&log)?;
            let (epoch, members) = (Epoch(event.epoch), all::<_, Member>(&event.members));
            let is_sound = members.len() <= MAX_MEMBERS
                && quorate_protocol::group::members_hash(&members) == event.membersHash
                && epochs.last().is_none_or(|last| last.epoch < epoch);
            if !is_sound {
                return Err(question.malformed(format!("epoch {epoch} cannot have begun so")));
            }
            epochs.push(EpochEvent { epoch, members, block, tx_hash });
        }
        Ok(epochs)
    }

    /// Every era of the group but the first that began from block `from_block` on, in their order.
    ///
    /// # Errors
    /// As [`Self::anchors`].
    pub async fn recoveries(&self, group: GroupId, from_block: u64) -> Result<Vec<Recovery>, ReaderError> {
        let question = Question { name: "the Recovered events", most: MAX_EPOCHS };
        let filter = self.filter(vec![Recovered::SIGNATURE_HASH], group);
        let mut recoveries: Vec<Recovery> = Vec::new();
        for (log, Place { block, tx_hash }) in self.logs(question, filter, group, from_block).await? {
            let event: Recovered = question.decode(&log)?;
            let (epoch, sequence) = (Epoch(event.epoch), Sequence(event.sequence));
            if epoch.number() != 0 || recoveries.last().is_some_and(|last| last.epoch >= epoch) {
                return Err(question.malformed(format!("epoch {epoch} begins no next era")));
            }
            recoveries.push(Recovery { epoch, sequence, log_size: event.logSize, block, tx_hash });
        }
        Ok(recoveries)
    }

    /// Every message that was put into the group's inbox from block `from_block` on, in their order and without a gap. They
    /// hash to what the contract's state has, so the endpoint can leave out the last ones, and change none.
    ///
    /// # Errors
    /// As [`Self::anchors`], at most [`MAX_MESSAGES`].
    pub async fn inbox_messages(
        &self,
        group: GroupId,
        from_block: u64,
    ) -> Result<Vec<InboxMessage>, ReaderError> {
        let question = Question { name: "the Enqueued events", most: MAX_MESSAGES };
        let filter = self.filter(vec![Enqueued::SIGNATURE_HASH], group);
        let mut messages: Vec<InboxMessage> = Vec::new();
        for (log, _) in self.logs(question, filter, group, from_block).await? {
            let event: Enqueued = question.decode(&log)?;
            if messages.last().is_some_and(|last| last.index.checked_add(1) != Some(event.index)) {
                return Err(question.malformed(format!("message {} is out of its place", event.index)));
            }
            messages.push(InboxMessage {
                index: event.index,
                kind: event.kind,
                sender: AgentId(event.sender),
                enqueued_at: event.enqueuedAt,
                payload: event.payload.to_vec(),
            });
        }
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(messages) };
        let before = match first.index.checked_sub(1) {
            Some(before) => self.hash_of(question, group, before).await?,
            None => Digest::default(),
        };
        let hash = messages.iter().fold(before, |hash, message| message.chain_hash(hash));
        if hash != self.hash_of(question, group, last.index).await? {
            let reason = "the messages do not hash to what the contract keeps";
            return Err(question.malformed(reason));
        }
        Ok(messages)
    }

    async fn hash_of(&self, question: Question, group: GroupId, index: u64) -> Result<Digest, ReaderError> {
        let mark = self.inbox_message(group, index).await?;
        Ok(mark.ok_or_else(|| question.malformed(format!("the contract has no message {index}")))?.hash)
    }

    /// The members with which an epoch began. They are not checked here.
    pub(super) async fn members_of_event(
        &self,
        group: GroupId,
        epoch: Epoch,
    ) -> Result<Vec<crate::Member>, ReaderError> {
        let question = Question { name: "the event of an epoch's beginning", most: 1 };
        let filter = if epoch == Epoch(0) {
            self.filter(vec![GroupCreated::SIGNATURE_HASH], group)
        } else {
            let filter = self.filter(vec![MembersChanged::SIGNATURE_HASH], group);
            filter.topic2(B256::from(U256::from(epoch.0)))
        };
        let mut found = None;
        self.events(filter, 0, |logs| {
            let Some(log) = logs.iter().find(|log| !log.removed) else { return Ok(Wanted::More) };
            self.place(question, log, group)?;
            found = Some(if epoch == Epoch(0) {
                question.decode::<GroupCreated>(log)?.members
            } else {
                question.decode::<MembersChanged>(log)?.members
            });
            Ok(Wanted::NoMore)
        })
        .await?;
        let none = "there is none; the endpoint may keep no old events";
        found.ok_or_else(|| question.malformed(format!("epoch {epoch}: {none}")))
    }
}

fn read_anchor(event: &Anchored, Place { block, tx_hash }: Place) -> AnchorEvent {
    AnchorEvent {
        epoch: Epoch(event.epoch),
        sequence: Sequence(event.sequence),
        log_size: event.logSize,
        log_root: Digest(event.logRoot),
        state_root: Digest(event.stateRoot),
        inbox_count: event.inboxCount,
        inbox_hash: Digest(event.inboxHash),
        next_members_hash: Digest(event.nextMembersHash),
        block,
        tx_hash,
    }
}

/// Whether a coordinator can have accepted the one after the other.
fn follows(last: &AnchorEvent, next: &AnchorEvent) -> bool {
    last.sequence < next.sequence
        && last.log_size <= next.log_size
        && last.epoch <= next.epoch
        && last.inbox_count <= next.inbox_count
}
