//! What an account signs of a voting that nodes tell of: only what can be true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use quorate_protocol::api::ProposalView;
use quorate_protocol::{Class, Epoch, ProposalId, TimestampMs};

use super::calls::present;
use super::commands::now;
use super::node::NodeFailure;
use super::{Client, Node, views};
use crate::error::SdkError;

/// How far the group's time may be ahead of this machine's clock and of what it is proven to have come to.
const DRIFT_MS: u64 = 60_000;

/// What of a proposal is signed: class, epoch and end of the voting.
type Voting = (u8, Epoch, TimestampMs);

impl Client {
    /// A proposal of which enough nodes tell the same class, epoch and end of the voting to include a correct one, or all
    /// that the client knows, where these are fewer.
    pub(super) async fn agreed_proposal(
        &self,
        proposal: ProposalId,
    ) -> Result<Option<ProposalView>, SdkError> {
        let enough = self.inner.epochs().newest().replicas().weak_quorum().min(self.inner.nodes.len());
        let told: Arc<Mutex<BTreeMap<Voting, BTreeSet<String>>>> = Arc::default();
        let timeout = self.inner.policy.request_timeout;
        let ask = |node: Arc<Node>| {
            let told = told.clone();
            async move {
                let path = format!("/proposals/{proposal}");
                let view: ProposalView = node.get_json(&path, timeout, views::MAX_VIEW_BYTES).await?;
                let mut told = told.lock().expect("nobody panics while holding what was told");
                let same = told.entry((view.class, view.epoch, view.closes)).or_default();
                same.insert(node.url().to_owned());
                if same.len() >= enough { Ok(view) } else { Err(NodeFailure::Alone) }
            }
        };
        present(self.inner.ask_nodes(self.inner.query(), ask).await)
    }

    /// Fails for an end or an epoch that no correct node tells of an open proposal: the account's signature would count on-chain
    /// for longer than the group agreed on.
    pub(super) async fn check_voting(&self, view: &ProposalView, class: &Class) -> Result<(), SdkError> {
        let false_voting = |reason| SdkError::FalseVoting { proposal: view.id, reason };
        let mut voters_since = self.inner.epochs().newest().voters_since;
        if view.epoch != voters_since {
            voters_since = self.newest_group().await?.voters_since;
        }
        if view.epoch != voters_since {
            let (told, known) = (view.epoch, voters_since);
            return Err(false_voting(format!(
                "it is said to be of the voters since epoch {told}, and the group's are those since epoch {known}"
            )));
        }
        let period_ms = u64::from(class.voting_period_s) * 1000;
        let latest = now().max(self.inner.group_time()).plus(DRIFT_MS).plus(period_ms);
        if view.closes > latest {
            let beyond_s = (view.closes.0 - latest.0).div_ceil(1000);
            return Err(false_voting(format!(
                "its voting is said to end {beyond_s} s later than that of any proposal that is made now"
            )));
        }
        Ok(())
    }
}
