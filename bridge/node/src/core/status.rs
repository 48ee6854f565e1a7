//! What a core says about itself: whether the node is ready, and why not.

use quorate_pbft::{Replica, ViewState};
use quorate_protocol::View;

use super::{NOT_POISONED, NodeCore, Storage};
use crate::api::{NodeStatus, Readiness};

impl<S: Storage> NodeCore<S> {
    /// Publishes how the node is, if that has changed, and how far the ledger is.
    pub(super) fn publish(&self) {
        let view = self.replica.as_ref().map_or(View(0), Replica::view);
        let status = NodeStatus { view, readiness: self.readiness() };
        self.status.send_if_modified(|last| {
            let changed = *last != status;
            *last = status;
            changed
        });
        let (progress, (taken, _)) = {
            let ledger = self.ledger.read().expect(NOT_POISONED);
            let progress = *ledger.progress().borrow();
            (progress, ledger.state().inbox_head())
        };
        self.metrics.set_progress(progress);
        let withholds = self.replica.as_ref().is_some_and(Replica::is_withholding);
        self.metrics.checkpoints_withheld.set(u64::from(withholds));
        self.metrics.inbox_taken.set(taken);
        self.metrics.inbox_waiting.set(self.inbox.seen_beyond(taken));
        if !progress.closed {
            self.inbox_taken.send_if_modified(|last| std::mem::replace(last, taken) != taken);
        }
    }

    fn readiness(&self) -> Readiness {
        if let Some(fetching) = &self.fetching {
            return Readiness::NotReady(fetching.describe());
        }
        let Some(replica) = &self.replica else { return Readiness::NotReady("no replica runs".into()) };
        let connected = usize::try_from(self.metrics.peers_connected.get()).unwrap_or(usize::MAX);
        let needed = replica.context().replicas.quorum() - 1;
        if replica.view_state() == ViewState::Changing {
            Readiness::NotReady(format!("waiting for view {} to open", replica.view()))
        } else if replica.is_behind() {
            Readiness::NotReady(format!("catching up from sequence {}", replica.last_executed()))
        } else if connected < needed {
            Readiness::NotReady(format!("{connected} peers connected, {needed} make a quorum with this one"))
        } else {
            Readiness::Ready
        }
    }
}
