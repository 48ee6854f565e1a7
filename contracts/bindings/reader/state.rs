//! Anchors, inboxes, seats and proposals, as the contract's state has them now.

use alloy::eips::BlockId;
use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{AgentId, Choice, Digest, Epoch, GroupId, ProposalId, Sequence};

use super::{
    CastVote, CoordinatorReader, InboxMark, InboxStatus, LatestAnchor, OnChainProposal, ReaderError,
    ReplicaBond, SeatStatus, Spendable, within,
};
use crate::ProposalStatus;

/// Where 0 says that there is no such time.
fn time(seconds: u64) -> Option<u64> {
    (seconds != 0).then_some(seconds)
}

impl CoordinatorReader {
    /// The log root that is anchored for exactly `log_size` entries, or nothing.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`] or [`ReaderError::Malformed`].
    pub async fn anchored_root(&self, group: GroupId, log_size: u64) -> Result<Option<Digest>, ReaderError> {
        let call = self.coordinator.anchoredRoot(group.0, log_size);
        let anchored = self.ask(group, "anchoredRoot", call.call()).await?;
        Ok((!anchored.is_zero()).then_some(Digest(anchored)))
    }

    /// The time of the chain's latest block, in seconds of Unix time: the clock by which the contract decides what is over.
    ///
    /// # Errors
    /// [`ReaderError::Unreachable`], or [`ReaderError::Malformed`] from an endpoint that has no block.
    pub async fn time(&self) -> Result<u64, ReaderError> {
        let latest = self.coordinator.provider().get_block(BlockId::latest());
        let block = within(self.bounds, latest).await?;
        let none = || ReaderError::Malformed { question: "the latest block", reason: "there is none".into() };
        Ok(block.ok_or_else(none)?.header.timestamp)
    }

    /// The group's latest anchor, or nothing before the first.
    ///
    /// # Errors
    /// As [`Self::anchored_root`].
    pub async fn latest_anchor(&self, group: GroupId) -> Result<Option<LatestAnchor>, ReaderError> {
        let call = self.coordinator.latestAnchor(group.0);
        let anchor = self.ask(group, "latestAnchor", call.call()).await?;
        Ok((anchor.anchoredAt != 0).then_some(LatestAnchor {
            epoch: Epoch(anchor.epoch),
            sequence: Sequence(anchor.sequence),
            log_size: anchor.logSize,
            log_root: Digest(anchor.logRoot),
            anchored_at_s: anchor.anchoredAt,
        }))
    }

    /// Where the group's inbox stands.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn inbox(&self, group: GroupId) -> Result<InboxStatus, ReaderError> {
        let inbox = self.ask(group, "inbox", self.coordinator.inbox(group.0).call()).await?;
        if inbox.taken > inbox.length {
            let reason = format!("{} of {} messages are taken", inbox.taken, inbox.length);
            return Err(ReaderError::Malformed { question: "inbox", reason });
        }
        Ok(InboxStatus {
            length: inbox.length,
            taken: inbox.taken,
            served_at_s: time(inbox.servedAt),
            waiting_since_s: time(inbox.waitingSince),
        })
    }

    /// What the contract keeps of a message of the inbox, or nothing when there is no such message.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn inbox_message(&self, group: GroupId, index: u64) -> Result<Option<InboxMark>, ReaderError> {
        let call = self.coordinator.inboxMessage(group.0, index);
        let message = self.ask(group, "inboxMessage", call.call()).await?;
        let mark = InboxMark { hash: Digest(message.inboxHash), enqueued_at_s: message.enqueuedAt };
        Ok((!message.inboxHash.is_zero()).then_some(mark))
    }

    /// Whether a message has waited untaken for the group's stall time.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn has_stalled(&self, group: GroupId) -> Result<bool, ReaderError> {
        self.ask(group, "hasStalled", self.coordinator.hasStalled(group.0).call()).await
    }

    /// Whether a message has waited untaken for the group's recovery time, so that the voters may replace the replicas.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn is_dead(&self, group: GroupId) -> Result<bool, ReaderError> {
        self.ask(group, "isDead", self.coordinator.isDead(group.0).call()).await
    }

    /// Whether the group's sequencer is up, and has been for an hour; true for a group without an uptime feed.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn is_up(&self, group: GroupId) -> Result<bool, ReaderError> {
        self.ask(group, "isUp", self.coordinator.isUp(group.0).call()).await
    }

    /// An account's seat in the current epoch, and whether its signature counts.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn seat(&self, group: GroupId, account: AgentId) -> Result<SeatStatus, ReaderError> {
        let seat = self.coordinator.seatOf(group.0, account.0);
        let seat = self.ask(group, "seatOf", seat.call()).await?;
        let crate::SeatState { left, convicted, bonded, exitAt, counts } = seat;
        Ok(SeatStatus { left, convicted, bonded, exit_at_s: time(exitAt), counts })
    }

    /// The replicas whose signatures on checkpoints count now, in ascending order.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn counted_replicas(&self, group: GroupId) -> Result<Vec<AgentId>, ReaderError> {
        let replicas = self.coordinator.countedReplicas(group.0);
        let replicas = self.ask(group, "countedReplicas", replicas.call()).await?;
        if replicas.len() > MAX_MEMBERS || !replicas.is_sorted_by(|before, after| before < after) {
            let reason = format!("{} replicas, too many or not in ascending order", replicas.len());
            return Err(ReaderError::Malformed { question: "countedReplicas", reason });
        }
        Ok(replicas.into_iter().map(AgentId).collect())
    }

    /// How many replicas of the current epoch must sign a checkpoint.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn quorum(&self, group: GroupId) -> Result<usize, ReaderError> {
        let quorum = self.ask(group, "quorum", self.coordinator.quorum(group.0).call()).await?;
        usize::try_from(quorum).ok().filter(|quorum| (1..=MAX_MEMBERS).contains(quorum)).ok_or_else(|| {
            ReaderError::Malformed {
                question: "quorum",
                reason: format!("{quorum} of at most {MAX_MEMBERS}"),
            }
        })
    }

    /// A replica's bond in the group.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn bond(&self, group: GroupId, replica: AgentId) -> Result<ReplicaBond, ReaderError> {
        let bond = self.coordinator.bondOf(group.0, replica.0);
        let bond = self.ask(group, "bondOf", bond.call()).await?;
        Ok(ReplicaBond {
            amount: bond.amount,
            exit_at_s: time(bond.exitAt.to()),
            released_at_s: time(bond.releasedAt.to()),
        })
    }

    /// Where a proposal of the group stands on-chain, in any lane; nothing where nothing happened to it there.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn proposal(
        &self,
        group: GroupId,
        proposal: ProposalId,
    ) -> Result<Option<OnChainProposal>, ReaderError> {
        let call = self.coordinator.proposal(group.0, proposal.0);
        let state = self.ask(group, "proposal", call.call()).await?;
        let status = ProposalStatus::try_from(state.status).map_err(|error| ReaderError::Malformed {
            question: "proposal",
            reason: format!("status {error}"),
        })?;
        Ok((status != ProposalStatus::None || state.refusedInLog).then_some(OnChainProposal {
            status,
            class: state.class,
            from_log: state.fromLog,
            refused_in_log: state.refusedInLog,
            epoch: Epoch(state.epoch),
            voting_ends_s: time(state.votingEnds),
            approved_at_s: time(state.approvedAt),
            executable_s: time(state.executableFrom).map(|from| (from, state.executableUntil)),
            for_weight: state.forWeight,
            against_weight: state.againstWeight,
            abstain_weight: state.abstainWeight,
        }))
    }

    /// Whether the group's proposal was executed, in any lane.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn executed(&self, group: GroupId, proposal: ProposalId) -> Result<bool, ReaderError> {
        let state = self.proposal(group, proposal).await?;
        Ok(state.is_some_and(|state| state.status == ProposalStatus::Executed))
    }

    /// What an account has cast on a proposal in the on-chain lane; nothing when no vote of it was counted.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn vote_of(
        &self,
        group: GroupId,
        proposal: ProposalId,
        account: AgentId,
    ) -> Result<Option<CastVote>, ReaderError> {
        let call = self.coordinator.voteOf(group.0, proposal.0, account.0);
        let vote = self.ask(group, "voteOf", call.call()).await?;
        let choice = match vote.choice {
            0 => Choice::Against,
            1 => Choice::For,
            2 => Choice::Abstain,
            other => {
                let reason = format!("choice {other} stands for nothing");
                return Err(ReaderError::Malformed { question: "voteOf", reason });
            }
        };
        Ok((vote.count != 0).then_some(CastVote { count: vote.count, choice }))
    }

    /// How much of an asset a class of the group may still send.
    ///
    /// # Errors
    /// As [`Self::group`]; [`ReaderError::Malformed`] also for a class that the group has not.
    pub async fn spendable(
        &self,
        group: GroupId,
        class: u8,
        asset: AgentId,
    ) -> Result<Spendable, ReaderError> {
        let call = self.coordinator.spendable(group.0, class, asset.0);
        let answer = self.ask(group, "spendable", call.call()).await?;
        let amount = |amount: U256| {
            u128::try_from(amount).map_err(|_| ReaderError::Malformed {
                question: "spendable",
                reason: format!("{amount} is more than any limit"),
            })
        };
        let left = if answer.left == U256::MAX { None } else { Some(amount(answer.left)?) };
        Ok(Spendable { asset, per_decision: amount(answer.perDecision)?, left })
    }
}
