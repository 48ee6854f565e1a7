//! The steps of a scenario that a node suffers: its death and its return.

use std::time::{Duration, Instant};

use quorate_protocol::{AgentId, Digest};

use super::report::Outage;
use super::stage::Stage;
use crate::error::CliError;
use crate::network::wait::{Look, wait_for};
use crate::scenario::Target;

/// How long a restarted node may take until it has the others' log.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(20);

impl Stage<'_> {
    /// Kills a node with SIGKILL.
    pub(super) async fn kill(&mut self, target: Target) -> Result<(), CliError> {
        let primary = self.primary().await?;
        let node = match target {
            Target::Primary => primary,
            Target::Of(organisation) => self.node_of_member(organisation).ok_or_else(|| CliError::Usage {
                cause: format!("{} runs no node in a network of this size", self.name(organisation)),
                mend: "run the demo with more --nodes, or kill another node in the scenario".into(),
            })?,
        };
        let process_id = self.network.nodes()[node].process_id();
        self.network.kill(node).await?;
        self.killed_at = Some(Instant::now());
        let organisation = self.network.members[self.network.nodes()[node].member].name.clone();
        let role = if node == primary { "which leads" } else { "which follows" };
        let process = process_id.map(|id| format!(" (process {id})")).unwrap_or_default();
        self.progress.tell(&format!("  kill -9 of node {} of {organisation}{process}, {role}.", node + 1));
        self.outages.push(Outage {
            node: node + 1,
            organisation,
            was_primary: node == primary,
            stopped_ms: None,
            catch_up_ms: None,
            log_size: None,
            log_root: None,
        });
        Ok(())
    }

    /// Notes how long the group stood still after a kill.
    pub(super) fn note_recovery(&mut self) {
        if let (Some(killed), Some(outage)) = (self.killed_at.take(), self.outages.last_mut()) {
            let stopped_ms = killed.elapsed().as_millis();
            outage.stopped_ms = Some(stopped_ms);
            self.progress.tell(&format!(
                "    The others go on: the next receipt came {stopped_ms} ms after the kill."
            ));
        }
    }

    /// Starts the killed node again and waits until it has the others' log.
    pub(super) async fn restart(&mut self) -> Result<(), CliError> {
        let outage = self.outages.last().expect("the scenario's steps were checked for a kill before");
        let node = outage.node - 1;
        self.progress.waiting(format!("restarting node {} and waiting until it has caught up", node + 1));
        let start = Instant::now();
        self.network.launch(node)?;
        self.network.wait_until_ready(node).await?;
        let (size, root) = self.same_log_everywhere().await?;
        let catch_up_ms = start.elapsed().as_millis();
        self.progress.tell(&format!(
            "  Node {} is back after {catch_up_ms} ms, with the same {size} entries and the same root {} as all others.",
            node + 1,
            crate::output::short(root)
        ));
        let outage = self.outages.last_mut().expect("it was there above");
        outage.catch_up_ms = Some(catch_up_ms);
        outage.log_size = Some(size);
        outage.log_root = Some(root);
        Ok(())
    }

    /// Waits until every node that is up has the same log, and tells its size and root.
    pub(super) async fn same_log_everywhere(&self) -> Result<(u64, Digest), CliError> {
        let up = self.network.nodes().iter().filter(|node| node.is_up()).count();
        wait_for("the same log on every node", CATCH_UP_LIMIT, async || {
            let mut logs = Vec::new();
            for (url, status) in self.client.statuses().await {
                match status {
                    Ok(status) => logs.push((status.log_size, status.log_root)),
                    Err(failure) => {
                        logs.push((0, Digest::of(&[url.as_bytes(), failure.to_string().as_bytes()])))
                    }
                }
            }
            let Some(longest) = logs.iter().max().copied() else {
                return Ok(Look::NotYet("no node answers".into()));
            };
            let equal = logs.iter().filter(|log| **log == longest).count();
            Ok(if equal == up {
                Look::Found(longest)
            } else {
                Look::NotYet(format!("{equal} of {up} nodes have {} entries", longest.0))
            })
        })
        .await
    }

    /// The position of the node that leads, by what most nodes say.
    async fn primary(&self) -> Result<usize, CliError> {
        wait_for("agreement on who leads", CATCH_UP_LIMIT, async || {
            let mut claims: Vec<AgentId> = Vec::new();
            for (_, status) in self.client.statuses().await {
                if let Ok(status) = status
                    && let Some(leader) = self.client.group().replicas().at(status.primary)
                {
                    claims.push(leader.agent);
                }
            }
            let quorum = self.client.group().replicas().quorum();
            let agreed =
                claims.iter().find(|claim| claims.iter().filter(|other| other == claim).count() >= quorum);
            let node = agreed.and_then(|leader| {
                let member = self.network.members.iter().position(|member| member.agent.id() == *leader)?;
                self.node_of_member(member)
            });
            Ok(node.map_or_else(|| Look::NotYet("the nodes name different ones".into()), Look::Found))
        })
        .await
    }

    fn node_of_member(&self, member: usize) -> Option<usize> {
        self.network.nodes().iter().position(|node| node.member == member)
    }
}
