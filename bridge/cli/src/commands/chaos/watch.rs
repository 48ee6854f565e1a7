//! Looking at every node several times a second: what log it shows, who leads, what is held against whom.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use quorate_protocol::api::GroupStatus;
use quorate_protocol::{AgentId, Epoch, GroupId};
use tokio::time::{MissedTickBehavior, interval};

use super::history::Hash;
use super::judges::logs::Head;
use crate::error::CliError;

/// How often.
const PERIOD: Duration = Duration::from_millis(250);
/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(1);

/// What one node said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) epoch: Epoch,
    /// The account of the member whose node leads, in this node's view.
    pub(super) primary: Option<AgentId>,
    pub(super) ready: bool,
    /// How many entries it knows to be anchored.
    pub(super) anchored: u64,
    /// When it was asked.
    pub(super) asked: Instant,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Sights {
    /// By node: what it said when it was looked at last; nothing if it did not answer.
    pub(super) now: Vec<Option<Seen>>,
    /// Every log that was ever shown.
    pub(super) heads: BTreeSet<Head>,
    /// What is held against anybody, in words.
    pub(super) evidence: BTreeSet<String>,
}

/// Watches the nodes of a group.
#[derive(Clone)]
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    /// The nodes' URLs up to and with the group.
    bases: Vec<String>,
    http: reqwest::Client,
    sights: Mutex<Sights>,
}

impl Watch {
    pub(super) fn new(urls: &[String], group: GroupId) -> Result<Self, CliError> {
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().map_err(|error| {
            CliError::Failed {
                cause: format!("an HTTP client cannot be made: {error}"),
                mend: "see whether the system's TLS certificates can be read".into(),
            }
        })?;
        let bases: Vec<_> = urls.iter().map(|url| format!("{url}/v1/groups/{group}")).collect();
        let sights = Sights { now: vec![None; bases.len()], ..Sights::default() };
        Ok(Self(Arc::new(Shared { bases, http, sights: Mutex::new(sights) })))
    }

    /// What was seen so far.
    pub(super) fn sights(&self) -> MutexGuard<'_, Sights> {
        self.0.sights.lock().expect("nobody panics while holding it")
    }

    /// Looks at all nodes again and again until it is dropped.
    pub(super) async fn run(&self) {
        join_all((0..self.0.bases.len()).map(|node| self.follow(node))).await;
    }

    /// Each node is looked at on its own, so that one that does not answer hides no other.
    async fn follow(&self, node: usize) {
        let mut due = interval(PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            self.look(node).await;
        }
    }

    async fn look(&self, node: usize) {
        let asked = Instant::now();
        let status = self.status(node).await;
        let evidence = match status {
            Some(_) => self.evidence(node).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut sights = self.sights();
        for piece in evidence {
            sights.evidence.insert(format!("node {} holds {piece}", node + 1));
        }
        let seen = status.map(|status| Seen {
            size: status.log_size,
            root: *status.log_root.as_bytes(),
            epoch: status.group.epoch,
            primary: status.group.replicas().at(status.primary).map(|member| member.agent),
            ready: status.ready,
            anchored: status.anchored.map_or(0, |anchored| anchored.size),
            asked,
        });
        if let Some(seen) = &seen {
            let shown_by = format!("node {}", node + 1);
            sights.heads.insert(Head { size: seen.size, root: seen.root, shown_by });
        }
        sights.now[node] = seen;
    }

    async fn status(&self, node: usize) -> Option<GroupStatus> {
        self.0.http.get(&self.0.bases[node]).send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    async fn evidence(&self, node: usize) -> Option<Vec<serde_json::Value>> {
        let url = format!("{}/evidence", self.0.bases[node]);
        let answer = self.0.http.get(url).send().await.ok()?.error_for_status().ok()?;
        let mut list: serde_json::Value = answer.json().await.ok()?;
        match list["evidence"].take() {
            serde_json::Value::Array(pieces) => Some(pieces),
            other => Some(vec![other]),
        }
    }

    /// The account that most nodes take for the primary's, if a quorum does.
    pub(super) fn primary(&self, quorum: usize) -> Option<AgentId> {
        let sights = self.sights();
        let claims: Vec<AgentId> = sights.now.iter().flatten().filter_map(|seen| seen.primary).collect();
        let count = |claim: &AgentId| claims.iter().filter(|other| *other == claim).count();
        claims.iter().find(|claim| count(claim) >= quorum).copied()
    }
}

impl Sights {
    /// The size of the longest log that a node shows.
    pub(super) fn longest(&self) -> u64 {
        self.now.iter().flatten().map(|seen| seen.size).max().unwrap_or_default()
    }

    /// Whether every node was asked after `since` and said what is wanted.
    pub(super) fn all_since(&self, since: Instant, wanted: impl Fn(&Seen) -> bool) -> bool {
        self.now.iter().all(|seen| seen.as_ref().is_some_and(|seen| seen.asked >= since && wanted(seen)))
    }

    /// The log that all nodes show, if it is one and the same.
    pub(super) fn one_log(&self) -> Option<(u64, Hash)> {
        let first = self.now.first()?.as_ref()?;
        let same = |seen: &Option<Seen>| {
            seen.as_ref().is_some_and(|seen| (seen.size, seen.root) == (first.size, first.root))
        };
        self.now.iter().all(same).then_some((first.size, first.root))
    }
}
