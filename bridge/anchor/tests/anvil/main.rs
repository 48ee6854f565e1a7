//! Anchoring services against a real chain: anvil with the deployed coordinator.

#![expect(clippy::unwrap_used, reason = "what a test sets up has to work")]

mod chain;
mod proxy;

mod endpoints;
mod epochs;
mod inbox;
mod reorganisation;
mod reports;
mod rollups;
mod rotation;
mod start;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use quorate_anchor::{AnchorHandle, AnchorService, Settings};
use quorate_node::anchored::{
    AnchorReceiver, AnchoredLog, AnchoringLinks, HeldEvidence, InboxReceiver, InboxTakenSender, InboxView,
    Prover, StableSender,
};
use quorate_node::config::Finality;
use quorate_protocol::{AccountKey, CheckpointCertificate, Group, Handover, Sequence};
use tokio::sync::watch;
use tokio::time::Instant;

use chain::SampleProver;

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(60);

/// Fast enough for a test, slow enough that a turn is longer than a few blocks on a busy machine.
fn settings() -> Settings {
    Settings {
        interval_ms: 100,
        takeover_ms: 5_000,
        receipt_timeout_ms: 10_000,
        poll_ms: 50,
        finality: Finality::Latest,
        ..Settings::default()
    }
}

/// One replica's service with the two ends that its node would hold.
struct Replica {
    handle: AnchorHandle,
    stable: StableSender,
    handovers: watch::Sender<Arc<Vec<Handover>>>,
    anchored: AnchorReceiver,
    evidence: watch::Sender<Arc<HeldEvidence>>,
    inbox: InboxReceiver,
    taken: InboxTakenSender,
}

impl Replica {
    async fn start(rpc_url: &str, settings: Settings, group: &Group, key: &AccountKey) -> Self {
        let service = AnchorService::connect(rpc_url, settings, group.clone(), key.clone())
            .await
            .expect("chain and contract are there");
        Self::of(service)
    }

    /// Starts a service that has found its chain.
    fn of(service: AnchorService) -> Self {
        let (stable, stable_receiver) = watch::channel(None);
        let (handovers, handover_receiver) = watch::channel(Arc::default());
        let (anchored_sender, anchored) = watch::channel(None);
        let (evidence, evidence_receiver) = watch::channel(Arc::default());
        let (inbox_sender, inbox) = watch::channel(InboxView::default());
        let (taken, taken_receiver) = watch::channel(0);
        let links = AnchoringLinks {
            stable: stable_receiver,
            gathered: watch::channel(None).1,
            handovers: handover_receiver,
            evidence: evidence_receiver,
            inbox_taken: taken_receiver,
            prover: Prover(Arc::new(SampleProver)),
            anchored: anchored_sender,
            inbox: inbox_sender,
            contract_epoch: watch::channel(None).0,
        };
        let handle = service.spawn(links);
        Self { handle, stable, handovers, anchored, evidence, inbox, taken }
    }

    fn make_stable(&self, certificate: &CheckpointCertificate) {
        self.stable.send_replace(Some(certificate.clone()));
    }

    /// An epoch ended with `handover`, after all those that ended before.
    fn hand_over(&self, handover: &Handover) {
        self.handovers.send_modify(|known| Arc::make_mut(known).push(handover.clone()));
        self.make_stable(&handover.certificate);
    }

    /// Waits until the node would know of the anchor of `sequence`.
    async fn anchored(&mut self, sequence: u64) -> AnchoredLog {
        let anchored = self
            .anchored
            .wait_for(|anchored| anchored.is_some_and(|anchored| anchored.sequence == Sequence(sequence)));
        let anchored = tokio::time::timeout(LIMIT, anchored).await;
        let anchored = anchored.expect("it is anchored in time").expect("the service runs");
        anchored.expect("it was waited for")
    }
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < LIMIT, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
