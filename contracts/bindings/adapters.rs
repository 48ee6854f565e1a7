//! The bindings of the contracts without rights, which stand beside the coordinator.

alloy::sol! {
    /// What groups and their members say of themselves: names, who agrees to be there, where nodes answer.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs)]
    Directory,
    "artifacts/Directory.json"
}

alloy::sol! {
    /// One group's proposals in the words of OpenZeppelin's `IGovernor`, to be read.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs)]
    GovernorView,
    "artifacts/GovernorView.json"
}

alloy::sol! {
    /// Refunds whoever anchors and executes, from what groups put aside.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs, clippy::too_many_arguments)]
    Keeper,
    "artifacts/Keeper.json"
}
