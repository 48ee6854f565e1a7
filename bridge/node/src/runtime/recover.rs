//! Rebuilding a node's data directory after a recovery, while the node does not run.

use std::path::PathBuf;

use quorate_protocol::AgentId;

use super::marker::SpokenMarker;
use super::start::check_keys;
use super::{Node, NodeKeys};
use crate::config::NodeConfig;
use crate::era::{self, EraPlan, Recovered};
use crate::error::NodeError;

impl Node {
    /// Rebuilds the data directory of a replica of the era that `plan` ends with, from the data directory `from` of any
    /// node of the era before; see [`crate::era`]. The configured one must be empty.
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] or [`NodeError::OtherKey`] for keys that are no replica's of the new era;
    /// [`NodeError::DataInTheWay`], [`NodeError::NotRecoverable`], and whatever opening the directories fails with.
    pub async fn recover(
        config: &NodeConfig,
        keys: &NodeKeys,
        from: PathBuf,
        plan: EraPlan,
    ) -> Result<Recovered, NodeError> {
        let Some(era) = plan.eras.last() else {
            return Err(NodeError::Invariant("a plan without an era".into()));
        };
        check_keys(keys, &era.group)?;
        let group = era.group.identity.group;
        let marker = keys.agent_keystore.as_deref().map(|path| SpokenMarker::beside(path, &group));
        let spoke = marker.map(|marker| marker.read()).transpose()?.unwrap_or_default().epoch;
        let (config, agent) = (config.clone(), AgentId(keys.account.address()));
        tokio::task::spawn_blocking(move || era::rebuild(&config, agent, &from, &plan, spoke))
            .await
            .map_err(|error| NodeError::Invariant(format!("rebuilding the data directory: {error}")))?
    }
}
