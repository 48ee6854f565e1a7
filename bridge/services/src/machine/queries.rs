//! Reading the state outside of execution.

use quorate_protocol::api::{AgentView, ProposalView};
use quorate_protocol::{AgentId, ProposalId, TimestampMs};

use super::StateMachine;
use crate::registry::SERVICES;
use crate::state::{Overlay, View};
use crate::{members, proposals, replies};

impl StateMachine {
    /// The earliest time at which something falls due without any command, such as the end of a voting
    /// period. When a batch at or after it has been executed, it is done.
    pub fn next_due(&self) -> Option<TimestampMs> {
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
            next_nonce: replies::next_nonce(&self.state, id),
        })
    }
}
