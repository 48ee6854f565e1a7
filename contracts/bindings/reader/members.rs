//! Groups, and what an epoch of them is.

use alloy::primitives::Address;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{AgentId, Digest, Epoch, Group, GroupId, GroupIdentity, Member, Sequence, Terms};

use super::{CoordinatorReader, EpochStart, ReaderError};
use crate::convert::all;

impl CoordinatorReader {
    /// The group with the members of its current epoch, its terms and that epoch. What is returned satisfies
    /// [`Group::validate`], and the members hash to what the contract keeps.
    ///
    /// # Errors
    /// [`ReaderError::UnknownGroup`], [`ReaderError::Unreachable`] or [`ReaderError::Malformed`].
    pub async fn group(&self, group: GroupId) -> Result<Group, ReaderError> {
        let summary = self.summary(group).await?;
        self.current(group, summary).await
    }

    /// The group with the members of `epoch`, which may have ended: they are taken from the contract's events and
    /// hash to what its state keeps for the epoch. What is returned satisfies [`Group::validate`].
    ///
    /// # Errors
    /// As [`Self::group`], and [`ReaderError::UnknownEpoch`] for one that has not begun on the chain; also
    /// [`ReaderError::Malformed`] when the endpoint has no event of the epoch's beginning: it may have pruned it.
    pub async fn group_at(&self, group: GroupId, epoch: Epoch) -> Result<Group, ReaderError> {
        let summary = self.summary(group).await?;
        if epoch.0 == summary.epoch {
            return self.current(group, summary).await;
        }
        let current = Epoch(summary.epoch);
        let start = self.epoch_start(group, epoch).await?;
        let start = start.ok_or(ReaderError::UnknownEpoch { group, epoch, current })?;
        let members = self.members_of_event(group, epoch).await?;
        let found = (epoch, start.voters_since);
        self.checked(group, found, members, &summary, start.members_hash)
    }

    /// Where `epoch` of the group began, or nothing when it has not begun on the chain.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn epoch_start(&self, group: GroupId, epoch: Epoch) -> Result<Option<EpochStart>, ReaderError> {
        let call = self.coordinator.epochStart(group.0, epoch.0);
        let start = self.ask(group, "epochStart", call.call()).await?;
        Ok((!start.membersHash.is_zero()).then_some(EpochStart {
            epoch,
            sequence: Sequence(start.sequence),
            log_size: start.logSize,
            members_hash: Digest(start.membersHash),
            started_at_s: start.startedAt,
            total_weight: start.totalWeight,
            voters_since: Epoch(start.votersSince),
        }))
    }

    /// Where the epoch began that followed `epoch`, which has begun: the next of its era, else the first of the next era, which
    /// the voters began. Nothing while `epoch` is the current one.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn epoch_after(&self, group: GroupId, epoch: Epoch) -> Result<Option<EpochStart>, ReaderError> {
        if epoch.number() != u32::MAX
            && let Some(next) = self.epoch_start(group, epoch.next()).await?
        {
            return Ok(Some(next));
        }
        if epoch.era() == u32::MAX {
            return Ok(None);
        }
        self.epoch_start(group, epoch.next_era()).await
    }

    /// The epoch that the contract has the group in.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn epoch(&self, group: GroupId) -> Result<Epoch, ReaderError> {
        Ok(Epoch(self.summary(group).await?.epoch))
    }

    /// The account that holds the group's funds.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn group_account(&self, group: GroupId) -> Result<Address, ReaderError> {
        Ok(self.summary(group).await?.account)
    }

    async fn current(&self, group: GroupId, summary: crate::Group) -> Result<Group, ReaderError> {
        let members = self.coordinator.members(group.0);
        let members = self.ask(group, "members", members.call()).await?;
        let found = (Epoch(summary.epoch), Epoch(summary.votersSince));
        self.checked(group, found, members, &summary, Digest(summary.membersHash))
    }

    /// The group of these members, once they form one and are those that the contract's state names.
    fn checked(
        &self,
        group: GroupId,
        (epoch, voters_since): (Epoch, Epoch),
        members: Vec<crate::Member>,
        summary: &crate::Group,
        members_hash: Digest,
    ) -> Result<Group, ReaderError> {
        let malformed = |question, reason| ReaderError::Malformed { question, reason };
        if members.len() > MAX_MEMBERS {
            let reason = format!("{} members, at most {MAX_MEMBERS} are possible", members.len());
            return Err(malformed("members", reason));
        }
        let members: Vec<Member> = all(&members);
        let identity = GroupIdentity { chain_id: self.chain_id, contract: AgentId(self.contract()), group };
        let terms = Terms::try_from(&summary.terms).map_err(|error| malformed("group", error.to_string()))?;
        if voters_since > epoch {
            let reason = format!("the weights of epoch {epoch} are said to stand since epoch {voters_since}");
            return Err(malformed("votersSince", reason));
        }
        let account = AgentId(summary.account);
        let read = Group { identity, account, epoch, members, terms, voters_since };
        read.validate().map_err(|error| malformed("group", error.to_string()))?;
        if Digest(read.members_hash()) != members_hash {
            let reason = "the members do not hash to the contract's members hash";
            return Err(malformed("members", reason.into()));
        }
        Ok(read)
    }

    async fn summary(&self, group: GroupId) -> Result<crate::Group, ReaderError> {
        let call = self.coordinator.group(group.0);
        self.ask(group, "group", call.call()).await
    }
}
