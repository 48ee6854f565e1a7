//! What happens to a group on the chain beside its log: proposals of the on-chain lane with their deadlines, what waits for its
//! timelock and can still be objected to, members that leave, and whether the group has stalled.
//!
//! Everything here is the contract's word, read through the RPC endpoint that the caller trusts. Nodes are asked for one thing
//! alone ([`Client::on_chain`](crate::Client::on_chain)): which proposals there are that the endpoint may have left out of its
//! events.

use std::collections::BTreeMap;

use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::{
    CoordinatorReader, InboxStatus, OnChainProposal, ProposalEvent, ReaderError, SeatStatus,
};
use quorate_protocol::{AgentId, Group, GroupId, ProposalId};

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub struct OnChainOptions {
    /// The first block whose events are read; the group's own is enough. Nothing: no events, so that only the proposals
    /// that nodes name are read, without what is proposed.
    pub from_block: Option<u64>,
    /// How many proposals are read at most: the newest.
    pub most: usize,
}

impl Default for OnChainOptions {
    /// From the first block on, a hundred proposals.
    fn default() -> Self {
        Self { from_block: Some(0), most: 100 }
    }
}

/// A group on the chain.
#[derive(Clone, Debug)]
pub struct OnChain {
    /// The group as the contract has it.
    pub group: Group,
    /// The time of the latest block, in seconds of Unix time. By it the contract says what is over.
    pub time_s: u64,
    /// Where the inbox stands.
    pub inbox: InboxStatus,
    /// Whether the group has stalled: the on-chain lane is open for classes that open then.
    pub has_stalled: bool,
    /// Whether the group is dead: its voters may replace the replicas.
    pub is_dead: bool,
    /// The proposals that the contract knows, the newest last.
    pub proposals: Vec<LaneProposal>,
    /// The members' seats, in the order of the members.
    pub seats: Vec<(AgentId, SeatStatus)>,
}

/// A proposal that the contract knows, by the on-chain lane or by its queue.
#[derive(Clone, Debug)]
pub struct LaneProposal {
    /// The proposal.
    pub id: ProposalId,
    /// What is proposed, from the newest event by which the lane came to know it, if that was read.
    pub event: Option<ProposalEvent>,
    /// Whether a node named it and the RPC endpoint has no event of it, in any block: it withholds some.
    pub is_withheld: bool,
    /// Where it stands.
    pub state: OnChainProposal,
    /// The least weight of objections that takes it back while it is approved; nothing where its class is not known.
    pub objection_weight: Option<u128>,
}

impl LaneProposal {
    /// Whether it is approved and can still be taken back: executed or not, it is over at the end of its time.
    pub fn can_be_vetoed(&self) -> bool {
        self.state.status == ProposalStatus::Approved
    }

    /// Whether it takes votes.
    pub fn is_open(&self) -> bool {
        self.state.status == ProposalStatus::Open
    }
}

/// Something on the chain that a voter must not miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// A proposal takes votes on-chain.
    Open {
        /// The proposal.
        proposal: ProposalId,
        /// The first second (Unix time) at which it takes no more.
        until_s: u64,
    },
    /// A proposal is approved, and will be executed unless voters object.
    Approved {
        /// The proposal.
        proposal: ProposalId,
        /// The first and the last second (Unix time) at which it may be executed.
        executable_s: (u64, u64),
        /// The weight of objections that takes it back.
        objections: Option<u128>,
    },
    /// The RPC endpoint withholds the event of a proposal that the contract knows.
    Withheld {
        /// The proposal.
        proposal: ProposalId,
    },
    /// A message waits in the inbox for the stall time.
    Stalled {
        /// Since when, in seconds of Unix time.
        since_s: u64,
    },
    /// A message waits in the inbox for the recovery time.
    Dead {
        /// Since when, in seconds of Unix time.
        since_s: u64,
    },
    /// A member gave notice: its signature on checkpoints counts until then.
    Leaving {
        /// The member.
        member: AgentId,
        /// In seconds of Unix time.
        exit_s: u64,
    },
    /// A member gave up its vote.
    Left {
        /// The member.
        member: AgentId,
    },
    /// A member was convicted of a contradiction.
    Convicted {
        /// The member.
        member: AgentId,
    },
}

impl OnChain {
    /// Reads a group on the chain, with the proposals `named` beside those of its events.
    ///
    /// # Errors
    /// As [`CoordinatorReader::group`] and [`CoordinatorReader::proposals`].
    pub async fn read(
        reader: &CoordinatorReader,
        group: GroupId,
        named: &[ProposalId],
        options: OnChainOptions,
    ) -> Result<Self, ReaderError> {
        let known = reader.group(group).await?;
        let mut seats = Vec::with_capacity(known.members.len());
        for member in &known.members {
            seats.push((member.agent, reader.seat(group, member.agent).await?));
        }
        let events = match options.from_block {
            Some(from_block) => reader.proposals(group, from_block).await?,
            None => Vec::new(),
        };
        let (ids, mut contents) = newest(events, named, options.most);
        let mut proposals = Vec::with_capacity(ids.len());
        for id in ids {
            // What a node named and the contract does not know is nothing.
            let Some(state) = reader.proposal(group, id).await? else { continue };
            let class = known.terms.class(state.class);
            let objection_weight = class.map(|class| class.objection_weight(known.total_weight()));
            let event = contents.remove(&id);
            let is_withheld = event.is_none() && options.from_block == Some(0);
            proposals.push(LaneProposal { id, event, is_withheld, state, objection_weight });
        }
        Ok(Self {
            time_s: reader.time().await?,
            inbox: reader.inbox(group).await?,
            has_stalled: reader.has_stalled(group).await?,
            is_dead: reader.is_dead(group).await?,
            group: known,
            proposals,
            seats,
        })
    }

    /// What a voter must not miss, the most urgent first.
    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for proposal in &self.proposals {
            let id = proposal.id;
            if let (true, Some(executable_s)) = (proposal.can_be_vetoed(), proposal.state.executable_s) {
                let objections = proposal.objection_weight;
                alerts.push(Alert::Approved { proposal: id, executable_s, objections });
            }
            if let (true, Some(until_s)) = (proposal.is_open(), proposal.state.voting_ends_s) {
                alerts.push(Alert::Open { proposal: id, until_s });
            }
            if proposal.is_withheld {
                alerts.push(Alert::Withheld { proposal: id });
            }
        }
        alerts.sort_by_key(|alert| !matches!(alert, Alert::Approved { .. }));
        let since_s = self.inbox.waiting_since_s.unwrap_or_default();
        match (self.is_dead, self.has_stalled) {
            (true, _) => alerts.push(Alert::Dead { since_s }),
            (false, true) => alerts.push(Alert::Stalled { since_s }),
            (false, false) => {}
        }
        for (member, seat) in &self.seats {
            let member = *member;
            if seat.convicted {
                alerts.push(Alert::Convicted { member });
            }
            if let Some(exit_s) = seat.exit_at_s {
                alerts.push(Alert::Leaving { member, exit_s });
            }
            if seat.left {
                alerts.push(Alert::Left { member });
            }
        }
        alerts
    }
}

/// The newest proposals, at most so many, each with its newest event: those of the events in their order, after those that
/// somebody named and no event has.
fn newest(
    events: Vec<ProposalEvent>,
    named: &[ProposalId],
    most: usize,
) -> (Vec<ProposalId>, BTreeMap<ProposalId, ProposalEvent>) {
    let mut last: BTreeMap<ProposalId, (usize, ProposalEvent)> = BTreeMap::new();
    for (at, event) in events.into_iter().enumerate() {
        last.insert(event.proposal, (at, event));
    }
    let mut ids: Vec<(Option<usize>, ProposalId)> =
        last.iter().map(|(id, (at, _))| (Some(*at), *id)).collect();
    ids.extend(named.iter().filter(|id| !last.contains_key(id)).map(|id| (None, *id)));
    ids.sort_unstable();
    ids.dedup();
    let skip = ids.len().saturating_sub(most);
    let ids = ids.into_iter().skip(skip).map(|(_, id)| id).collect();
    (ids, last.into_iter().map(|(id, (_, event))| (id, event)).collect())
}
