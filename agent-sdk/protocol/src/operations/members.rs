//! Operations of the members service: who may submit commands.

use alloy_primitives::B256;
use alloy_sol_types::{SolStruct, sol};
use minicbor::{Decode, Encode};
use serde::Serialize;

use super::ServiceOperation;
use crate::account::{AccountKey, AccountSignature};
use crate::group::GroupIdentity;
use crate::ids::AgentId;
use crate::keys::PublicKey;

/// What the members service does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MembersOperation {
    /// A voter lets a plain agent submit commands. The agent itself signed that the key is its own.
    #[n(0)]
    Admit(#[n(0)] Admit),
    /// The sender gives up its place: a plain agent may no longer submit commands. A member of the epoch
    /// stays until the group's membership changes.
    #[n(1)]
    Leave,
}

/// A plain agent's admission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct Admit {
    /// The agent's secp256k1 account.
    #[n(0)]
    pub agent: AgentId,
    /// The ed25519 key that it will sign commands with.
    #[n(1)]
    pub key: PublicKey,
    /// The account's EIP-712 signature on [`binding_digest`].
    #[n(2)]
    pub signature: AccountSignature,
}

/// What an applied members operation yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MembersOutcome {
    /// The agent may submit commands from now on.
    #[n(0)]
    Admitted,
    /// The agent may no longer submit commands.
    #[n(1)]
    Left,
}

impl ServiceOperation for MembersOperation {
    const SERVICE: &'static str = "members";
}

sol! {
    /// An account's statement that an ed25519 key signs for it in a group.
    struct AgentBinding {
        bytes32 groupId;
        address agent;
        bytes32 key;
    }
}

/// The EIP-712 digest that an account signs to bind an ed25519 key to itself in a group.
pub fn binding_digest(identity: &GroupIdentity, agent: AgentId, key: &PublicKey) -> B256 {
    AgentBinding { groupId: identity.group.0, agent: agent.0, key: B256::from(key.0) }
        .eip712_signing_hash(&identity.eip712_domain())
}

impl Admit {
    /// The admission of `account` with `key`, signed by the account.
    pub fn sign(identity: &GroupIdentity, account: &AccountKey, key: PublicKey) -> Self {
        let agent = AgentId(account.address());
        let signature = account.sign_digest(&binding_digest(identity, agent, &key));
        Self { agent, key, signature }
    }

    /// Whether the agent itself bound the key.
    pub fn verify(&self, identity: &GroupIdentity) -> bool {
        let digest = binding_digest(identity, self.agent, &self.key);
        self.signature.recover(&digest) == Some(self.agent.0)
    }
}
