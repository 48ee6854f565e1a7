//! The quiet at the end of a run, what is collected there, and what the judges say of it.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_contracts::reader::CoordinatorReader;
use quorate_sdk::audit;

use super::collect;
use super::inject::{BOUNDS, Injector};
use super::judges::logs::Head;
use super::judges::{Objection, acknowledged, liveness, logs};
use super::report::{Ending, Injected};
use crate::error::CliError;
use crate::network::running::Network;
use crate::network::wait::{Look, wait_for};

/// How long commands on their way may take to be settled. The load itself gives up sooner.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);
/// How long the nodes and the contract may take to have one and the same log.
const QUIET_LIMIT: Duration = Duration::from_secs(180);

/// Waits until all is quiet and lets every judge look at it.
pub(super) async fn judge(injector: &mut Injector, faults: &[Injected]) -> (Ending, Vec<Objection>) {
    let mut objections = liveness::went_on(faults, BOUNDS);
    let mut ending = Ending::default();
    if let Err(error) = look_at_the_end(injector, &mut ending, &mut objections).await {
        objections.push(Objection { judge: "ending", reason: error.to_string() });
    }
    let evidence = injector.watch.sights().evidence.clone();
    objections.extend(evidence.into_iter().map(|reason| Objection { judge: "evidence", reason }));
    (ending, objections)
}

async fn look_at_the_end(
    injector: &mut Injector,
    ending: &mut Ending,
    objections: &mut Vec<Objection>,
) -> Result<(), CliError> {
    settle(injector).await;
    let quiet =
        injector.until("one log on all nodes", QUIET_LIMIT, |sights| sights.one_log().is_some()).await;
    let anchors = await_anchor(injector).await;
    ending.memory_mib = memory(&injector.network);
    let (size, root) = {
        let sights = injector.watch.sights();
        sights.one_log().unwrap_or((sights.longest(), [0; 32]))
    };
    ending.entries = size;
    ending.root = quorate_protocol::Digest::from(root).to_string();
    ending.anchored_entries = anchors.as_ref().ok().copied();
    objections.extend(liveness::anchored(size, ending.anchored_entries));
    objections.extend(trouble("one log", quiet));

    let group = injector.network.founded.identity.group;
    let mut all = Vec::new();
    for node in injector.network.nodes() {
        all.push(collect::log(&format!("{}/v1/groups/{group}", node.url), size).await?);
    }
    objections.extend(logs::same_everywhere(&all));
    objections.extend(logs::one_entry_a_command(&all[0]));
    let heads = heads(injector);
    ending.heads_compared = heads.len();
    objections.extend(logs::prefixes(&all[0], heads));
    {
        let history = injector.load.history();
        objections.extend(acknowledged::kept(&history, &all));
        objections.extend(acknowledged::same_again(&history));
        objections.extend(acknowledged::answered(&history));
    }
    audit_all(injector, ending, objections).await
}

fn trouble(judge: &'static str, result: Result<(), CliError>) -> Option<Objection> {
    result.err().map(|error| Objection { judge, reason: error.to_string() })
}

/// Waits until every command has an outcome; what has none then is for a judge.
async fn settle(injector: &Injector) {
    let load = &injector.load;
    let _ = wait_for("every command being settled", SETTLE_LIMIT, async || {
        Ok(match load.history().on_their_way() {
            0 => Look::Found(()),
            waiting => Look::NotYet(format!("{waiting} are on their way")),
        })
    })
    .await;
}

/// Waits until the contract has the whole log, and tells how many entries it has.
async fn await_anchor(injector: &Injector) -> Result<u64, CliError> {
    let identity = injector.network.founded.identity;
    let reader = CoordinatorReader::connect(injector.network.rpc_url(), identity.contract.0).await?;
    let whole = wait_for("the whole log being anchored", QUIET_LIMIT, async || {
        let size = injector.watch.sights().one_log().map(|(size, _)| size);
        let anchored =
            reader.latest_anchor(identity.group).await.ok().flatten().map(|anchor| anchor.log_size);
        Ok(match (anchored, size) {
            (Some(anchored), Some(size)) if anchored == size => Look::Found(anchored),
            other => Look::NotYet(format!("{other:?}")),
        })
    })
    .await;
    match whole {
        Ok(size) => Ok(size),
        Err(error) => match reader.latest_anchor(identity.group).await? {
            Some(anchor) => Ok(anchor.log_size),
            None => Err(error),
        },
    }
}

/// Every log that was shown by a node or attested in a receipt.
fn heads(injector: &Injector) -> BTreeSet<Head> {
    let mut heads = injector.watch.sights().heads.clone();
    let history = injector.load.history();
    let attested = history.acknowledged().map(|(_, receipt)| Head {
        size: receipt.size,
        root: receipt.root,
        shown_by: "a receipt".into(),
    });
    heads.extend(attested);
    heads
}

/// Audits every node's log as an outsider: against the contract, believing no node.
async fn audit_all(
    injector: &Injector,
    ending: &mut Ending,
    objections: &mut Vec<Objection>,
) -> Result<(), CliError> {
    let identity = injector.network.founded.identity;
    let reader = CoordinatorReader::connect(injector.network.rpc_url(), identity.contract.0).await?;
    for (node, at) in injector.network.nodes().iter().zip(1..) {
        let report = audit::verify(&reader, identity.group, &node.url).await?;
        ending.anchors = report.anchors;
        ending.epoch = report.epoch.0;
        if let Some(finding) = report.finding {
            objections.push(Objection { judge: "audit", reason: format!("node {at}: {finding}") });
        }
        if report.entries != ending.entries {
            let reason = format!("node {at}: {} entries of {} verify", report.entries, ending.entries);
            objections.push(Objection { judge: "audit", reason });
        }
    }
    Ok(())
}

/// The resident memory of each node in MiB, where the system tells it.
fn memory(network: &Network) -> Vec<f64> {
    let of_process = |id: u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1_024.0)
    };
    network.nodes().iter().filter_map(|node| node.process_id().and_then(of_process)).collect()
}
