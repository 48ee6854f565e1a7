//! Asking for events: in few questions where the endpoint allows it, in many where it does not, and believing none that is not of
//! this contract and group.

use alloy::primitives::B256;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use quorate_protocol::GroupId;

use super::{CoordinatorReader, ReaderError, within};

/// Blocks in one question for events when the endpoint refuses more; public endpoints allow at least this many.
const MIN_BLOCK_SPAN: u64 = 500;

/// Whether further events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    NoMore,
}

/// Where an event stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u64,
    pub(super) tx_hash: B256,
}

/// What is asked for, to say so when the answer is wrong, and the most of it that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) most: usize,
}

impl Question {
    pub(super) fn malformed(self, reason: impl ToString) -> ReaderError {
        ReaderError::Malformed { question: self.name, reason: reason.to_string() }
    }

    pub(super) fn decode<E: SolEvent>(self, log: &Log) -> Result<E, ReaderError> {
        E::decode_log(&log.inner).map(|event| event.data).map_err(|error| self.malformed(error))
    }
}

impl CoordinatorReader {
    pub(super) fn filter(&self, signatures: Vec<B256>, group: GroupId) -> Filter {
        Filter::new().address(self.contract()).event_signature(signatures).topic1(group.0)
    }

    /// The group's events from block `from_block` on, in the chain's order, each with its place. Their contents are not
    /// looked at here.
    pub(super) async fn logs(
        &self,
        question: Question,
        filter: Filter,
        group: GroupId,
        from_block: u64,
    ) -> Result<Vec<(Log, Place)>, ReaderError> {
        let mut found: Vec<(Log, Place)> = Vec::new();
        self.events(filter, from_block, |logs| {
            if found.len() + logs.len() > question.most {
                return Err(question.malformed(format!("more than {} of one group", question.most)));
            }
            for log in logs {
                found.push((log.clone(), self.place(question, log, group)?));
            }
            Ok(Wanted::More)
        })
        .await?;
        Ok(found)
    }

    /// Where an event stands, once it is one of this contract and group.
    pub(super) fn place(&self, question: Question, log: &Log, group: GroupId) -> Result<Place, ReaderError> {
        let (Some(block), Some(tx_hash)) = (log.block_number, log.transaction_hash) else {
            return Err(question.malformed("an event that is in no block"));
        };
        if log.address() != self.contract() || log.topics().get(1) != Some(&group.0) || log.removed {
            return Err(question.malformed("an event of another contract, group or chain"));
        }
        Ok(Place { block, tx_hash })
    }

    /// Hands over events from block `from_block` on, in the chain's order, until no more are wanted.
    pub(super) async fn events(
        &self,
        filter: Filter,
        from_block: u64,
        mut take: impl FnMut(&[Log]) -> Result<Wanted, ReaderError>,
    ) -> Result<(), ReaderError> {
        let provider = self.coordinator.provider();
        let latest = within(self.bounds, provider.get_block_number()).await?;
        let (mut from, mut span) = (from_block, u64::MAX);
        while from <= latest {
            let to = latest.min(from.saturating_add(span - 1));
            let question = filter.clone().from_block(from).to_block(to);
            match within(self.bounds, provider.get_logs(&question)).await {
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
