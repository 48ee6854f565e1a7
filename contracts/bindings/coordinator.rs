//! The coordinator's binding, its modules' functions included.

alloy::sol! {
    /// The contract that keeps groups, their proposals and their anchors. [`deploy`](crate::deployment::deploy) deploys
    /// it with the modules that it needs, `AgentCoordinator::new` talks to one that is deployed.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs, clippy::too_many_arguments)]
    AgentCoordinator,
    "artifacts/AgentCoordinator.json"
}
