//! The client: typed calls to a group's nodes, none of which it trusts.
//!
//! - Which members a group has comes from the contract, never from a node. When they change, the client follows: by
//!   the contract, or where that is behind the log, by handovers that are verified from its members on.
//! - Whatever a call returns as done is proved by a [`Receipt`](quorate_protocol::Receipt), verified against the group and against what
//!   was asked. A node whose proof does not hold is counted as a liar ([`Client::health`]), and the next is
//!   asked. What a call returns without proof is named a view, and says so.
//! - Calls may be repeated: a command has one effect however often its bytes arrive.

mod anchor;
mod builder;
mod calls;
mod commands;
mod counter;
pub(crate) mod epochs;
mod evidence;
mod node;
mod nonces;
mod on_chain;
pub(crate) mod pages;
mod retry;
mod views;
mod voting;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::Address;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{Group, GroupId, LogHead, TimestampMs};
use tokio::time::Instant;

pub use anchor::Anchored;
pub use builder::ClientBuilder;
pub use calls::{Decided, Proposed, Voted};
pub use epochs::handovers_of;
pub use node::{Lie, NodeFailure, NodeHealth};
pub use pages::AuditPages;
pub use retry::RetryPolicy;

pub(crate) use node::{Node, plain_http};
use nonces::Nonces;
use retry::{Hedges, Patience};

use crate::epochs::Epochs;
use crate::error::SdkError;

/// A client of one group. Cheap to clone; clones share connections, nonces and what is known of the nodes.
///
/// ```no_run
/// use quorate_protocol::Choice;
/// use quorate_protocol::operations::proposals::Propose;
/// use quorate_sdk::{Agent, Client};
/// # async fn example(contract: alloy::primitives::Address, group: quorate_protocol::GroupId) -> Result<(), quorate_sdk::SdkError> {
/// let nodes = ["http://127.0.0.1:8100", "http://127.0.0.1:8101"];
/// let client = Client::connect(nodes, "http://127.0.0.1:8545", contract, group).await?;
/// let alice = Agent::open("keys/alice", "correct horse battery staple")?;
/// let proposal = Propose { salt: 1, description: "Renew the domain".into(), calls: vec![], class: 0 };
/// let proposed = client.propose(&alice, proposal).await?;
/// client.vote(&alice, proposed.proposal, Choice::For).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// As it was when the client was built.
    group: Group,
    epochs: Mutex<Epochs>,
    /// Where epochs are read that are not known yet; without it they come by handovers alone.
    reader: Option<CoordinatorReader>,
    asked_contract: Mutex<Option<Instant>>,
    nodes: Vec<Arc<Node>>,
    policy: RetryPolicy,
    expiry: Duration,
    nonces: Nonces,
    hedges: Hedges,
    /// The latest time, in milliseconds of Unix time, that the group is proven to have come to.
    group_time: AtomicU64,
    /// The node that is asked first: the last that answered.
    preferred: AtomicUsize,
}

impl Client {
    /// Connects to the group `group` of the coordinator at `contract`: reads the group from the contract
    /// through the RPC endpoint, and will ask `nodes` (URLs such as `http://127.0.0.1:8100`) in turn.
    ///
    /// Give the URLs of more than f nodes: then one of them is correct and every call is served.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] for URLs that cannot be used, [`SdkError::Reader`] when the contract cannot
    /// be read. No node is asked yet.
    pub async fn connect(
        nodes: impl IntoIterator<Item = impl Into<String>>,
        rpc_url: &str,
        contract: Address,
        group: GroupId,
    ) -> Result<Self, SdkError> {
        Self::builder().nodes(nodes).connect(rpc_url, contract, group).await
    }

    /// A builder, for policies of one's own or a group that is already known.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The group, as the contract had it when the client was built. Its members may have changed since:
    /// [`Self::newest_group`].
    pub fn group(&self) -> &Group {
        &self.inner.group
    }

    /// How each node has done so far.
    pub fn health(&self) -> Vec<NodeHealth> {
        self.inner.nodes.iter().map(|node| node.health()).collect()
    }
}

impl Inner {
    /// The patience for a query.
    fn query(&self) -> Patience {
        let RetryPolicy { total_timeout, hedge_after, max_backoff, .. } = self.policy;
        Patience { total: total_timeout, hedge_after, await_absent: false, slowest: max_backoff }
    }

    /// Takes note that a quorum attested a log of this time.
    fn note_group_time(&self, head: &LogHead) {
        self.group_time.fetch_max(head.time_s.saturating_mul(1000), Ordering::Relaxed);
    }

    /// The latest time that the group is proven to have come to.
    fn group_time(&self) -> TimestampMs {
        TimestampMs(self.group_time.load(Ordering::Relaxed))
    }

    fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed) % self.nodes.len()
    }

    fn prefer(&self, index: usize) {
        self.preferred.store(index, Ordering::Relaxed);
    }

    /// Begins with another node the next time.
    fn distrust_preferred(&self) {
        self.prefer(self.preferred() + 1);
    }
}
