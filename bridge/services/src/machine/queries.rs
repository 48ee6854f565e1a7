//! Reading the state outside of execution.

use quorate_protocol::api::{AgentView, ProposalView, ToldEvent};
use quorate_protocol::{AgentId, Digest, Nonce, ProposalId, TimestampMs};

use super::StateMachine;
use crate::inbox::TakenEntry;
use crate::registry::SERVICES;
use crate::replies::Series;
use crate::state::{Overlay, View};
use crate::{inbox, members, proposals, replies};

impl StateMachine {
    /// The earliest time at which something falls due without any command, such as the end of a voting
    /// period. When a batch at or after it has been executed, it is done.
    pub fn next_due(&self) -> Option<TimestampMs> {
        if self.era_begins {
            return Some(self.head.time);
        }
        let state = Overlay::new(&self.state);
        SERVICES.iter().filter_map(|service| service.next_due(View::new(&state, service.prefix()))).min()
    }

    /// The proposal with its votes so far.
    pub fn proposal(&self, id: &ProposalId) -> Option<ProposalView> {
        proposals::show(View::new(&Overlay::new(&self.state), proposals::PREFIX), *id)
    }

    /// At most `limit` proposals in ascending order of id, above `after`.
    pub fn proposals(&self, after: Option<ProposalId>, limit: usize) -> Vec<ProposalView> {
        proposals::list(View::new(&Overlay::new(&self.state), proposals::PREFIX), after, limit)
    }

    /// How many messages of the contract's inbox are taken, and the inbox's chain hash there.
    pub fn inbox_head(&self) -> (u64, Digest) {
        inbox::head(View::new(&Overlay::new(&self.state), inbox::PREFIX))
    }

    /// Where the log says that the last message of the inbox was taken: what an anchor shows of it. Nothing before the
    /// first.
    pub fn inbox_entry(&self) -> Option<TakenEntry> {
        inbox::last_entry(View::new(&Overlay::new(&self.state), inbox::PREFIX))
    }

    /// What the contract told by messages of its inbox from number `from` on, in their order; at most `limit`.
    pub fn inbox_told(&self, from: u64, limit: usize) -> Vec<ToldEvent> {
        inbox::told(View::new(&Overlay::new(&self.state), inbox::PREFIX), from, limit)
    }

    /// The inbox's chain hash after the message at `index`, as `replica` said it in this epoch. Nothing, if it did
    /// not, or the message is taken.
    pub fn inbox_word(&self, replica: AgentId, index: u64) -> Option<Digest> {
        let state = Overlay::new(&self.state);
        let word = inbox::word(View::new(&state, inbox::PREFIX), replica)?;
        word.at(index).filter(|_| word.epoch() == self.group.epoch)
    }

    /// Whether the contract ever convicted this replica of signing checkpoints that contradict each other.
    pub fn is_convicted(&self, replica: AgentId) -> bool {
        super::is_convicted(&Overlay::new(&self.state), replica)
    }

    /// The member or admitted agent with this address.
    pub fn agent(&self, id: AgentId) -> Option<AgentView> {
        let agent = members::find(&self.group, &Overlay::new(&self.state), id)?;
        Some(AgentView {
            agent: id,
            key: agent.key,
            member: agent.member,
            voter: agent.voter,
            replica: agent.replica,
            weight: agent.weight,
            next_nonce: replies::next_nonce(&self.state, Series::Agent, id),
        })
    }

    /// The next nonce of what the agent's node says of the inbox, which is counted apart from what the agent does.
    pub fn next_node_nonce(&self, id: AgentId) -> Nonce {
        replies::next_nonce(&self.state, Series::Node, id)
    }
}
