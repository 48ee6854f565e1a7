//! What the contract shows of proposals: their content, in the events by which the on-chain lane came to know them.

use alloy::primitives::{B256, U256, keccak256};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use quorate_protocol::call::{actions_hash, check_calls};
use quorate_protocol::proposal::proposal_id_of_hashes;
use quorate_protocol::{AgentId, Call, Digest, GroupId, ProposalId};

use super::events::{Place, Question};
use super::{CoordinatorReader, ReaderError};
use crate::AgentCoordinator::{ProposalApprovedBySignatures, ProposalCreated, ProposalQueued};
use crate::Content;
use crate::convert::all;

/// The most events of one group that [`CoordinatorReader::proposals`] reads.
pub const MAX_PROPOSAL_EVENTS: usize = 100_000;

const QUESTION: Question = Question { name: "the events of proposals", most: MAX_PROPOSAL_EVENTS };

/// A proposal that came into the on-chain lane, with what is proposed. Its identifier is the content's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalEvent {
    /// The proposal.
    pub proposal: ProposalId,
    /// Who made it.
    pub proposer: AgentId,
    /// The proposer's salt.
    pub salt: u64,
    /// The class of decisions, by its place in the group's terms.
    pub class: u8,
    /// The keccak256 of the description.
    pub description_hash: Digest,
    /// What is proposed.
    pub calls: Vec<Call>,
    /// How it came into the lane.
    pub kind: ProposalEventKind,
    /// The block.
    pub block: u64,
    /// The transaction.
    pub tx_hash: B256,
}

/// How a proposal came into the on-chain lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalEventKind {
    /// It was proposed there.
    Created {
        /// Why.
        description: String,
        /// The first second (Unix time) at which it takes no more votes.
        voting_ends_s: u64,
    },
    /// It was approved by the votes that it had off-chain.
    ApprovedBySignatures {
        /// The end of its voting (Unix time), as the log has it.
        voting_ends_s: u64,
        /// The weight of the votes for.
        weight: u128,
    },
    /// It was decided off-chain, and waits for its timelock.
    Queued {
        /// The first second (Unix time) at which it may be executed.
        from_s: u64,
        /// The last one.
        until_s: u64,
    },
}

impl ProposalEvent {
    /// What `execute` and `cancel` take.
    #[must_use]
    pub fn content(&self) -> Content {
        Content {
            proposer: self.proposer.0,
            salt: self.salt,
            class: self.class,
            descriptionHash: self.description_hash.0,
            calls: all(&self.calls),
        }
    }
}

impl CoordinatorReader {
    /// Every proposal of the group that came into the on-chain lane from block `from_block` on, in the chain's order. Each
    /// content is the identifier's, so the endpoint can leave proposals out, and change none.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`]; [`ReaderError::Malformed`] for events that a coordinator cannot have emitted, or
    /// for more than [`MAX_PROPOSAL_EVENTS`].
    pub async fn proposals(
        &self,
        group: GroupId,
        from_block: u64,
    ) -> Result<Vec<ProposalEvent>, ReaderError> {
        let filter = self.proposal_filter(group);
        self.read_proposals(filter, group, from_block).await
    }

    /// The same of one proposal, the earliest first; none where the lane does not know it.
    ///
    /// # Errors
    /// As [`Self::proposals`].
    pub async fn proposal_events(
        &self,
        group: GroupId,
        proposal: ProposalId,
    ) -> Result<Vec<ProposalEvent>, ReaderError> {
        let filter = self.proposal_filter(group).topic2(proposal.0);
        let events = self.read_proposals(filter, group, 0).await?;
        match events.iter().find(|event| event.proposal != proposal) {
            Some(other) => Err(QUESTION.malformed(format!("proposal {} was not asked for", other.proposal))),
            None => Ok(events),
        }
    }

    fn proposal_filter(&self, group: GroupId) -> Filter {
        let signatures = vec![
            ProposalCreated::SIGNATURE_HASH,
            ProposalApprovedBySignatures::SIGNATURE_HASH,
            ProposalQueued::SIGNATURE_HASH,
        ];
        self.filter(signatures, group)
    }

    async fn read_proposals(
        &self,
        filter: Filter,
        group: GroupId,
        from_block: u64,
    ) -> Result<Vec<ProposalEvent>, ReaderError> {
        let logs = self.logs(QUESTION, filter, group, from_block).await?;
        logs.iter().map(|(log, place)| read(group, log, *place)).collect()
    }
}

/// Reads one of the three events, and compares its content with its identifier.
fn read(group: GroupId, log: &Log, place: Place) -> Result<ProposalEvent, ReaderError> {
    let event = if log.topic0() == Some(&ProposalCreated::SIGNATURE_HASH) {
        let event: ProposalCreated = QUESTION.decode(log)?;
        let content = Content {
            proposer: event.proposer,
            salt: event.salt,
            class: event.class,
            descriptionHash: keccak256(&event.description),
            calls: event.calls,
        };
        let kind =
            ProposalEventKind::Created { description: event.description, voting_ends_s: event.votingEnds };
        of(event.proposalId, &content, kind, place)
    } else if log.topic0() == Some(&ProposalQueued::SIGNATURE_HASH) {
        let event: ProposalQueued = QUESTION.decode(log)?;
        let kind = ProposalEventKind::Queued { from_s: event.from, until_s: event.until };
        of(event.proposalId, &event.content, kind, place)
    } else {
        let event: ProposalApprovedBySignatures = QUESTION.decode(log)?;
        let kind = ProposalEventKind::ApprovedBySignatures {
            voting_ends_s: event.votingEnds,
            weight: weight(event.weight)?,
        };
        of(event.proposalId, &event.content, kind, place)
    };
    let ProposalEvent { proposer, salt, class, description_hash, .. } = event;
    let actions_hash = actions_hash(&event.calls);
    if event.proposal != proposal_id_of_hashes(&group, proposer, salt, class, actions_hash, description_hash)
    {
        return Err(QUESTION.malformed(format!("the content is not that of proposal {}", event.proposal)));
    }
    check_calls(&event.calls).map_err(|error| QUESTION.malformed(error))?;
    Ok(event)
}

fn weight(weight: U256) -> Result<u128, ReaderError> {
    u128::try_from(weight).map_err(|_| QUESTION.malformed(format!("a weight of {weight}")))
}

fn of(id: B256, content: &Content, kind: ProposalEventKind, place: Place) -> ProposalEvent {
    ProposalEvent {
        proposal: ProposalId(id),
        proposer: AgentId(content.proposer),
        salt: content.salt,
        class: content.class,
        description_hash: Digest(content.descriptionHash),
        calls: all(&content.calls),
        kind,
        block: place.block,
        tx_hash: place.tx_hash,
    }
}
