//! The chain's blocks, as far as they are looked at: the head, the block that is relied on, and whether those seen before
//! are still in the chain.

use std::collections::BTreeMap;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::Header;
use alloy::transports::TransportError;
use quorate_node::config::{Finality, MAX_DEPTH};

use super::chain::{failed, unreachable_endpoint};
use crate::error::AnchorError;

/// How many blocks are remembered: enough to join the next look, however deep it goes.
const REMEMBERED: usize = 2 * MAX_DEPTH as usize;

/// A block by its number and its hash: the hash says which one, whatever the chain does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

impl From<&Header> for BlockRef {
    fn from(header: &Header) -> Self {
        Self { number: header.number, hash: header.hash }
    }
}

/// The blocks of one look.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) head: Header,
    /// The block that is relied on: the head or an ancestor of it. Nothing while the chain has no such block.
    pub(super) final_block: Option<BlockRef>,
    /// The lowest block known from earlier looks that another one has replaced.
    pub(super) dropped: Option<u64>,
    /// What is known after this look.
    pub(super) trail: Trail,
}

/// The blocks that earlier looks have seen in the chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    /// By number. Neighbours in here are parent and child.
    seen: BTreeMap<u64, B256>,
    /// What the last look relied on.
    final_block: Option<BlockRef>,
}

/// Finds the head, and the block to rely on as `finality` has it.
pub(super) async fn look(
    provider: &DynProvider,
    finality: Finality,
    trail: &Trail,
) -> Result<Blocks, AnchorError> {
    let head = header(provider, BlockId::latest(), "for its head").await?;
    let head = head.ok_or_else(|| unreachable_endpoint("for its head", "it has no block".to_owned()))?;
    let mut next = trail.clone();
    let (final_block, mut dropped) = match finality {
        Finality::Latest => (Some(BlockRef::from(&head)), next.join(&[Link::from(&head)])),
        Finality::Safe => (tagged(provider, &head, "safe").await?, next.join(&[Link::from(&head)])),
        Finality::Finalized => (tagged(provider, &head, "finalized").await?, next.join(&[Link::from(&head)])),
        Finality::Depth(depth) => {
            let walked = walk(provider, &head, depth, trail).await?;
            let dropped = next.join(&walked);
            let number = head.number.checked_sub(depth);
            let found = number.and_then(|number| Some(BlockRef { number, hash: *next.seen.get(&number)? }));
            (found, dropped)
        }
    };
    let before = trail.final_block.filter(|before| Some(*before) != final_block);
    if let Some(before) = before.filter(|before| dropped.is_none() && !next.leads_to(&head, before)) {
        let now = header(provider, BlockId::number(before.number), "for a block that it had").await?;
        // An endpoint that does not have the block yet, or not any more, says nothing about it.
        if now.is_some_and(|now| now.hash != before.hash) {
            dropped = Some(before.number);
            // How far up the old chain was known is not known.
            next = Trail::default();
            next.join(&[Link::from(&head)]);
        }
    }
    next.final_block = final_block;
    Ok(Blocks { head, final_block, dropped, trail: next })
}

/// The block that the endpoint calls `safe` or `finalized`, which is its word alone.
///
/// # Errors
/// [`AnchorError::UnknownTag`] when it calls no block so.
pub(super) async fn by_tag(provider: &DynProvider, tag: &'static str) -> Result<Header, AnchorError> {
    let id = if tag == "safe" { BlockNumberOrTag::Safe } else { BlockNumberOrTag::Finalized };
    match provider.get_block(BlockId::Number(id)).await {
        Ok(Some(block)) => Ok(block.header),
        Ok(None) => Err(AnchorError::UnknownTag { tag, reason: "it has no such block".to_owned() }),
        Err(TransportError::ErrorResp(error)) => {
            let reason = super::refusal::said(&error);
            Err(AnchorError::UnknownTag { tag, reason })
        }
        Err(error) => Err(failed("for its final block")(error)),
    }
}

/// The block of `tag`, if it belongs to the chain that `head` is the head of: the head is asked for again, because
/// between the two questions the chain may have become another.
async fn tagged(
    provider: &DynProvider,
    head: &Header,
    tag: &'static str,
) -> Result<Option<BlockRef>, AnchorError> {
    const QUESTION: &str = "for its final block";
    let found = by_tag(provider, tag).await?;
    if found.number > head.number {
        let reason = format!("block {} is {tag}, and its head is block {}", found.number, head.number);
        return Err(unreachable_endpoint(QUESTION, reason));
    }
    let again = header(provider, BlockId::number(head.number), QUESTION).await?;
    if again.is_some_and(|again| again.hash != head.hash) {
        let reason = format!("the chain was reorganised at block {} while it was asked", head.number);
        return Err(unreachable_endpoint(QUESTION, reason));
    }
    Ok(Some(BlockRef::from(&found)))
}

/// Follows the parents of `head` back for `depth` blocks, or to where an earlier look came along and the rest is known.
/// So the block found is an ancestor of the head, whatever the chain does meanwhile.
async fn walk(
    provider: &DynProvider,
    head: &Header,
    depth: u64,
    trail: &Trail,
) -> Result<Vec<Link>, AnchorError> {
    const QUESTION: &str = "for a block's parent";
    let lowest = head.number.saturating_sub(depth);
    let mut walked = vec![Link::from(head)];
    loop {
        let link = walked.last().expect("the head is in it");
        if link.number <= lowest || trail.reaches(link.number - 1, link.parent, lowest) {
            return Ok(walked);
        }
        let (number, hash) = (link.number - 1, link.parent);
        let parent = header(provider, BlockId::hash(hash), QUESTION).await?;
        let parent = parent.filter(|parent| parent.number == number && parent.hash == hash);
        let parent = parent.ok_or_else(|| {
            unreachable_endpoint(QUESTION, format!("it does not have block {number} with hash {hash}"))
        })?;
        walked.push(Link::from(&parent));
    }
}

async fn header(
    provider: &DynProvider,
    id: BlockId,
    question: &'static str,
) -> Result<Option<Header>, AnchorError> {
    let block = provider.get_block(id).await.map_err(failed(question))?;
    Ok(block.map(|block| block.header))
}

/// A block with its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    number: u64,
    hash: B256,
    parent: B256,
}

impl From<&Header> for Link {
    fn from(header: &Header) -> Self {
        Self { number: header.number, hash: header.hash, parent: header.parent_hash }
    }
}

impl Trail {
    /// Whether block `number` is known under `hash`, with everything from there down to `lowest`.
    fn reaches(&self, number: u64, hash: B256, lowest: u64) -> bool {
        let known = || self.seen.range(lowest..=number).count() as u64;
        number >= lowest && self.seen.get(&number) == Some(&hash) && known() == number - lowest + 1
    }

    /// Whether what is known leads from `head` down to `block`.
    fn leads_to(&self, head: &Header, block: &BlockRef) -> bool {
        self.seen.get(&block.number) == Some(&block.hash)
            && self.reaches(head.number, head.hash, block.number)
    }

    /// Takes in a part of the chain, from the top down, each the parent of the one before. Returns the lowest known
    /// block that is not in the chain any more.
    fn join(&mut self, walked: &[Link]) -> Option<u64> {
        let (Some(top), Some(bottom)) = (walked.first(), walked.last()) else { return None };
        let blocks = walked.iter().map(|link| (link.number, link.hash));
        let below = bottom.number.checked_sub(1).map(|number| (number, bottom.parent));
        let mut dropped = None;
        for (number, hash) in blocks.chain(below) {
            let known = self.seen.insert(number, hash);
            if known.is_some_and(|known| known != hash) {
                dropped = Some(number);
            }
        }
        if dropped.is_some() {
            // Above, nothing of the old chain counts; below, only what the new one was followed to.
            self.seen.split_off(&(top.number + 1));
            if dropped == below.map(|(number, _)| number) {
                self.seen = self.seen.split_off(&(bottom.number - 1));
            }
        }
        while self.seen.len() > REMEMBERED {
            self.seen.pop_first();
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use alloy::providers::ProviderBuilder;
    use alloy::rpc::types::Block;
    use alloy::transports::mock::Asserter;

    use super::*;

    /// What a look sees of an endpoint that gives these blocks, one for each question.
    async fn look_at(
        finality: Finality,
        trail: &Trail,
        answers: &[Option<(u64, u8)>],
    ) -> Result<Blocks, AnchorError> {
        let asserter = Asserter::new();
        for answer in answers {
            let block = answer.map(|(number, fork)| {
                let mut block: Block = Block::default();
                block.header.hash = hash(number, fork);
                block.header.inner.number = number;
                block.header.inner.parent_hash = hash(number.saturating_sub(1), fork);
                block
            });
            asserter.push_success(&block);
        }
        let provider = ProviderBuilder::new().connect_mocked_client(asserter.clone()).erased();
        let found = look(&provider, finality, trail).await;
        assert!(found.is_err() || asserter.read_q().is_empty(), "no more and no less is asked");
        found
    }

    fn block(number: u64, fork: u8) -> Option<BlockRef> {
        Some(BlockRef { number, hash: hash(number, fork) })
    }

    #[tokio::test]
    async fn a_depth_is_followed_by_parents_and_only_where_it_is_not_known() {
        let depth = Finality::Depth(3);
        let first =
            look_at(depth, &Trail::default(), &[Some((10, 1)), Some((9, 1)), Some((8, 1)), Some((7, 1))])
                .await;
        let first = first.unwrap();
        assert_eq!((first.final_block, first.dropped), (block(7, 1), None));

        let next = look_at(depth, &first.trail, &[Some((12, 1)), Some((11, 1))]).await.unwrap();
        assert_eq!((next.final_block, next.dropped), (block(9, 1), None));

        // Another fork from block 10 on: the final block is of it, and the old one is dropped.
        let fork = [Some((13, 2)), Some((12, 2)), Some((11, 2)), Some((10, 2))];
        let other = look_at(depth, &next.trail, &fork).await.unwrap();
        assert_eq!((other.final_block, other.dropped), (block(10, 2), Some(9)));
    }

    #[tokio::test]
    async fn a_block_that_is_not_the_heads_ancestor_is_never_final() {
        let depth = look_at(Finality::Depth(1), &Trail::default(), &[Some((10, 1)), Some((9, 2))]).await;
        assert!(matches!(depth, Err(AnchorError::Unreachable { .. })), "{depth:?}");
        let moved = [Some((10, 1)), Some((8, 2)), Some((10, 2))];
        let tag = look_at(Finality::Safe, &Trail::default(), &moved).await;
        assert!(matches!(tag, Err(AnchorError::Unreachable { .. })), "{tag:?}");
        let above = look_at(Finality::Finalized, &Trail::default(), &[Some((10, 1)), Some((11, 1))]).await;
        assert!(matches!(above, Err(AnchorError::Unreachable { .. })), "{above:?}");
        let none = look_at(Finality::Safe, &Trail::default(), &[Some((10, 1)), None]).await;
        assert!(matches!(none, Err(AnchorError::UnknownTag { tag: "safe", .. })), "{none:?}");

        let young =
            look_at(Finality::Depth(20), &Trail::default(), &[Some((2, 1)), Some((1, 1)), Some((0, 1))])
                .await;
        assert_eq!(young.unwrap().final_block, None, "the chain has no such block yet");
    }

    #[tokio::test]
    async fn what_was_relied_on_is_asked_for_again_where_nothing_leads_to_it() {
        let safe = [Some((100, 1)), Some((80, 1)), Some((100, 1))];
        let first = look_at(Finality::Safe, &Trail::default(), &safe).await.unwrap();
        assert_eq!((first.final_block, first.dropped), (block(80, 1), None));
        let same =
            look_at(Finality::Safe, &first.trail, &[Some((104, 1)), Some((80, 1)), Some((104, 1))]).await;
        assert_eq!(same.unwrap().dropped, None, "it is the same block still");
        let next = [Some((104, 2)), Some((84, 2)), Some((104, 2)), Some((80, 1))];
        let next = look_at(Finality::Safe, &first.trail, &next).await.unwrap();
        assert_eq!(next.dropped, None, "the safe block before is still in the chain");
        let gone = [Some((104, 2)), Some((84, 2)), Some((104, 2)), Some((80, 2))];
        let gone = look_at(Finality::Safe, &first.trail, &gone).await.unwrap();
        assert_eq!((gone.final_block, gone.dropped), (block(84, 2), Some(80)));
    }

    fn hash(number: u64, fork: u8) -> B256 {
        let mut hash = B256::repeat_byte(fork);
        hash.0[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    /// The blocks from `top` down to `bottom` on `fork`, on top of block `bottom - 1` of fork `below`.
    fn part(top: u64, bottom: u64, fork: u8, below: u8) -> Vec<Link> {
        let parent = |number| hash(number - 1, if number == bottom { below } else { fork });
        let link = |number| Link { number, hash: hash(number, fork), parent: parent(number) };
        (bottom..=top).rev().map(link).collect()
    }

    #[test]
    fn a_chain_that_grows_drops_nothing_and_joins() {
        let mut trail = Trail::default();
        assert_eq!(trail.join(&part(10, 6, 1, 1)), None);
        assert_eq!(trail.join(&part(12, 11, 1, 1)), None);
        assert!(trail.reaches(12, hash(12, 1), 5), "the parent of the lowest is known for nothing");
        assert!(!trail.reaches(12, hash(12, 1), 4) && !trail.reaches(12, hash(12, 2), 5));
        assert_eq!(trail.join(&part(8, 8, 1, 1)), None, "an endpoint that lags contradicts nothing");
        assert!(trail.reaches(12, hash(12, 1), 5), "and nothing is forgotten for it");
    }

    #[test]
    fn a_fork_is_found_where_it_begins_as_far_as_it_was_followed() {
        let mut trail = Trail::default();
        trail.join(&part(10, 1, 1, 1));
        assert_eq!(trail.join(&part(11, 8, 2, 1)), Some(8));
        assert!(trail.reaches(11, hash(11, 2), 1), "what both forks have in common stays");
        assert_eq!(trail.join(&part(9, 9, 3, 2)), Some(9), "the head fell, and not by lagging");
        assert!(trail.reaches(9, hash(9, 3), 8) && !trail.seen.contains_key(&10));
    }

    #[test]
    fn a_fork_below_what_was_followed_leaves_nothing_known_below() {
        let mut trail = Trail::default();
        trail.join(&part(10, 1, 1, 1));
        assert_eq!(trail.join(&part(12, 10, 2, 2)), Some(9));
        assert_eq!(trail.seen.keys().copied().collect::<Vec<_>>(), [9, 10, 11, 12]);
        assert!(trail.reaches(12, hash(12, 2), 9));
    }

    #[test]
    fn a_gap_is_no_connection() {
        let mut trail = Trail::default();
        trail.join(&part(10, 8, 1, 1));
        trail.join(&part(20, 18, 1, 1));
        assert!(!trail.reaches(20, hash(20, 1), 8));
        assert!(trail.reaches(20, hash(20, 1), 17));
    }

    #[test]
    fn memory_is_bounded() {
        let mut trail = Trail::default();
        for number in 1..5_000 {
            trail.join(&part(number, number, 1, 1));
        }
        assert_eq!(trail.seen.len(), REMEMBERED);
        assert!(trail.seen.contains_key(&4_999));
    }
}
