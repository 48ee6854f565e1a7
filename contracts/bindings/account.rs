//! The binding of the groups' accounts.

alloy::sol! {
    /// The account that holds one group's funds. Only the coordinator can make it call. At its address there is an
    /// `AccountProxy`, which takes ether and delegates all else to the one `GroupAccount` of the coordinator.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs)]
    GroupAccount,
    "artifacts/GroupAccount.json"
}
