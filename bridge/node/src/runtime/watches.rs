//! Tasks that carry what others publish to the core and to the links.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use quorate_pbft::Context;
use tokio::sync::watch;

use crate::anchored::{AnchorReceiver, EpochReceiver, InboxReceiver};
use crate::core::CoreEvent;
use crate::metrics::Metrics;
use crate::transport::{Roster, Transport};
use crate::verify_pool::VerifyPool;

/// How long replicas that are gone keep their links.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often the links and the queues are looked at.
const GAUGES_INTERVAL: Duration = Duration::from_millis(250);

pub(super) async fn watch_anchors(core: SyncSender<CoreEvent>, mut anchors: AnchorReceiver) {
    while anchors.changed().await.is_ok() {
        let anchored = *anchors.borrow_and_update();
        if !tell(&core, CoreEvent::Anchored(anchored)).await {
            return;
        }
    }
}

pub(super) async fn watch_inbox(core: SyncSender<CoreEvent>, mut inbox: InboxReceiver) {
    while inbox.changed().await.is_ok() {
        let view = inbox.borrow_and_update().clone();
        if !tell(&core, CoreEvent::Inbox(view)).await {
            return;
        }
    }
}

pub(super) async fn watch_contract(core: SyncSender<CoreEvent>, mut epoch: EpochReceiver) {
    while epoch.changed().await.is_ok() {
        let Some(epoch) = *epoch.borrow_and_update() else { continue };
        if !tell(&core, CoreEvent::ContractEpoch(epoch)).await {
            return;
        }
    }
}

/// Tells the core, whose queue may be full for a while. Says whether it is still there.
async fn tell(core: &SyncSender<CoreEvent>, event: CoreEvent) -> bool {
    let core = core.clone();
    tokio::task::spawn_blocking(move || core.send(event).is_ok()).await.unwrap_or(false)
}

/// Keeps the links to the replicas of the epoch that the node is in.
///
/// Those that are gone keep theirs for a while, to learn that they are: whoever missed the end of the epoch
/// would wait for ever for peers that let it in no more. What they say counts for nothing by then.
pub(super) async fn watch_epochs(transport: Transport, mut context: watch::Receiver<Arc<Context>>) {
    // A node that is behind what it was started with keeps those links until it has caught up.
    let mut roster: Option<Roster> = None;
    loop {
        let changed = match &roster {
            Some(roster) => match tokio::time::timeout(FAREWELL, context.changed()).await {
                Ok(changed) => changed,
                Err(_) => {
                    relink(&transport, roster.clone());
                    context.changed().await
                }
            },
            None => context.changed().await,
        };
        if changed.is_err() {
            return;
        }
        let next = {
            let context = context.borrow_and_update();
            Roster::of(context.epoch, &context.replicas)
        };
        let mut both = roster.replace(next.clone()).unwrap_or_else(|| transport.roster());
        both.replicas.extend(next.replicas);
        both.epoch = next.epoch;
        relink(&transport, both);
    }
}

fn relink(transport: &Transport, roster: Roster) {
    if let Err(error) = transport.reconfigure(roster) {
        tracing::error!(%error, "the links stay with the replicas of before");
    }
}

/// Keeps the gauges up to date that nobody else sets.
pub(super) async fn watch_gauges(transport: Transport, pool: VerifyPool, metrics: Metrics) {
    let mut dropped = 0;
    loop {
        let peers = transport.peers();
        let connected = peers.iter().filter(|peer| peer.sending && peer.receiving).count();
        metrics.peers_connected.set(connected as u64);
        let now = transport.dropped_frames();
        metrics.frames_dropped.inc_by(now - dropped);
        metrics.verify_queue.set(pool.waiting() as u64);
        dropped = now;
        tokio::time::sleep(GAUGES_INTERVAL).await;
    }
}
