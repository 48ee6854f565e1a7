//! What only the events tell: a group's anchors, one by one, and the members of epochs that have ended.

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use quorate_protocol::{Digest, Epoch, GroupId, Sequence};

use super::{CoordinatorReader, ReaderError, within};
use crate::AgentCoordinator::{Anchored, GroupCreated, MembersChanged};

/// The most anchors of one group that [`CoordinatorReader::anchors`] reads.
pub const MAX_ANCHORS: usize = 1_000_000;
/// Blocks in one question for events when the endpoint refuses more; public endpoints allow at least this many.
const MIN_BLOCK_SPAN: u64 = 500;

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
    /// The block that includes the anchor.
    pub block: u64,
    /// The transaction that anchored it.
    pub tx_hash: B256,
}

/// Whether further events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    More,
    NoMore,
}

impl CoordinatorReader {
    /// Every anchor of the group from block `from_block` on, in the chain's order: sequences strictly ascend, log
    /// sizes never shrink and epochs never go back. Asks for fewer blocks at a time where the endpoint refuses more.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`]; [`ReaderError::Malformed`] for events that a coordinator cannot have emitted, or
    /// for more than [`MAX_ANCHORS`].
    pub async fn anchors(&self, group: GroupId, from_block: u64) -> Result<Vec<AnchorEvent>, ReaderError> {
        let filter = self.filter(Anchored::SIGNATURE_HASH, group);
        let mut anchors = Vec::new();
        self.events(filter, from_block, |logs| {
            append_anchors(&mut anchors, logs, group, self.contract())?;
            Ok(Wanted::More)
        })
        .await?;
        Ok(anchors)
    }

    /// The members with which an epoch began. They are not checked here.
    pub(super) async fn members_of_event(
        &self,
        group: GroupId,
        epoch: Epoch,
    ) -> Result<Vec<crate::Member>, ReaderError> {
        let filter = if epoch == Epoch(0) {
            self.filter(GroupCreated::SIGNATURE_HASH, group)
        } else {
            self.filter(MembersChanged::SIGNATURE_HASH, group).topic2(B256::from(U256::from(epoch.0)))
        };
        let mut found = None;
        self.events(filter, 0, |logs| {
            let Some(log) = logs.iter().find(|log| !log.removed) else { return Ok(Wanted::More) };
            let members = if epoch == Epoch(0) {
                GroupCreated::decode_log(&log.inner).map(|event| event.data.members)
            } else {
                MembersChanged::decode_log(&log.inner).map(|event| event.data.members)
            };
            found = Some(members.map_err(|error| malformed(epoch, error.to_string()))?);
            Ok(Wanted::NoMore)
        })
        .await?;
        found.ok_or_else(|| malformed(epoch, "there is none; the endpoint may keep no old events".into()))
    }

    fn filter(&self, signature: B256, group: GroupId) -> Filter {
        Filter::new().address(self.contract()).event_signature(signature).topic1(group.0)
    }

    /// Hands over events from block `from_block` on, in the chain's order, until no more are wanted.
    async fn events(
        &self,
        filter: Filter,
        from_block: u64,
        mut take: impl FnMut(&[Log]) -> Result<Wanted, ReaderError>,
    ) -> Result<(), ReaderError> {
        let provider = self.coordinator.provider();
        let latest = within(self.timeout, provider.get_block_number()).await?;
        let (mut from, mut span) = (from_block, u64::MAX);
        while from <= latest {
            let to = latest.min(from.saturating_add(span - 1));
            let question = filter.clone().from_block(from).to_block(to);
            match within(self.timeout, provider.get_logs(&question)).await {
                Ok(logs) if take(&logs)? == Wanted::NoMore => return Ok(()),
                Ok(_) => {}
                Err(_) if to - from >= MIN_BLOCK_SPAN => {
                    span = (to - from).div_ceil(2);
                    continue;
                }
                Err(error) => return Err(error),
            }
            from = to + 1;
        }
        Ok(())
    }
}

fn malformed(epoch: Epoch, reason: String) -> ReaderError {
    let question = "the event of an epoch's beginning";
    ReaderError::Malformed { question, reason: format!("epoch {epoch}: {reason}") }
}

fn append_anchors(
    anchors: &mut Vec<AnchorEvent>,
    logs: &[Log],
    group: GroupId,
    contract: Address,
) -> Result<(), ReaderError> {
    let malformed = |reason: String| ReaderError::Malformed { question: "the Anchored events", reason };
    if anchors.len() + logs.len() > MAX_ANCHORS {
        return Err(malformed(format!("more than {MAX_ANCHORS} anchors of one group")));
    }
    for log in logs {
        let event = Anchored::decode_log(&log.inner).map_err(|error| malformed(error.to_string()))?;
        let (Some(block), Some(tx_hash)) = (log.block_number, log.transaction_hash) else {
            return Err(malformed("an event that is in no block".into()));
        };
        if event.address != contract || event.groupId != group.0 || log.removed {
            return Err(malformed("an event of another contract, group or chain".into()));
        }
        let anchor = AnchorEvent {
            epoch: Epoch(event.epoch),
            sequence: Sequence(event.sequence),
            log_size: event.logSize,
            log_root: Digest(event.logRoot),
            state_root: Digest(event.stateRoot),
            block,
            tx_hash,
        };
        if let Some(last) = anchors.last()
            && (last.sequence >= anchor.sequence
                || last.log_size > anchor.log_size
                || last.epoch > anchor.epoch)
        {
            return Err(malformed(format!("the anchor of sequence {} comes too late", anchor.sequence)));
        }
        anchors.push(anchor);
    }
    Ok(())
}
