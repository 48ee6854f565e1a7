//! The group account's binding.

alloy::sol! {
    /// The account that holds one group's funds. Only the coordinator can make it call.
    #[sol(rpc, all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    #[allow(missing_docs)]
    GroupAccount,
    "artifacts/GroupAccount.json"
}
