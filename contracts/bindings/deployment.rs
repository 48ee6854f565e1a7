//! Where the contracts go: by CREATE2 through a proxy that most chains have, with a fixed salt, so that one
//! build has the same addresses on every chain, whoever deploys it and in whatever state the chain is.
//!
//! The coordinator works by the code of two modules, which go there first, each by itself: all three in one constructor
//! would be more than a transaction may create (EIP-3860). The coordinator's constructor takes the modules' addresses, so its
//! own address commits to the whole code: to each creation code (EIP-1014), constructors included. Whoever finds the coordinator
//! at this address therefore also knows that nothing but its constructor has written into its storage before it began to
//! live. The runtime code alone does not prove that.
//!
//! [`Build::creations`] has the three transactions, [`deploy`] sends those that are missing. Contracts without rights go beside the
//! coordinator: [`Adapter`].

mod adapters;
mod deploy;

pub use adapters::{Adapter, deploy_adapters, deploy_adapters_by};
pub use deploy::{DeployError, Sent, deploy, deploy_missing, deploy_missing_by};

use alloy::primitives::{Address, B256, Bytes, address, hex};
use quorate_protocol::GroupId;

use crate::code::{Build, Part, group_account_of};

/// The deterministic deployment proxy (<https://github.com/Arachnid/deterministic-deployment-proxy>). It calls
/// CREATE2 with the first 32 bytes of what it is sent as the salt and the rest as the creation code.
pub const PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// The proxy's code. Another contract at its address could do anything with what it is sent.
pub const PROXY_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The account that makes the proxy on a chain, by [`PROXY_TRANSACTION`]. Nobody has its key: the signature was made up
/// and the account follows from it, so that it never signs anything else.
pub const PROXY_MAKER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");

/// The transaction that makes the proxy, signed and for any chain. Whoever sends it first sends 0.01 ether to
/// [`PROXY_MAKER`], which pays for 100,000 gas at 100 gwei.
pub const PROXY_TRANSACTION: [u8; 167] = hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// The salt: zero, because all that the address should depend on is in the creation code.
pub const SALT: B256 = B256::ZERO;

/// Where the contracts of a build are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `AgentCoordinator`, which is the contract that everybody talks to.
    pub coordinator: Address,
    /// `OnChainLane`, a module of it.
    pub on_chain_lane: Address,
    /// `GroupRegistry`, the other.
    pub group_registry: Address,
}

/// A transaction to [`PROXY`] that creates one of the contracts. It is needed once on a chain: where the contract is
/// there already, it reverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation<T = Part> {
    /// Which contract it creates.
    pub part: T,
    /// Where.
    pub address: Address,
    /// What to send to the proxy: the salt, and the creation code with the constructor's arguments.
    pub calldata: Bytes,
}

impl Creation {
    fn of(part: Part, creation_code: &[u8]) -> Self {
        Self { part, address: address(creation_code), calldata: calldata(creation_code) }
    }
}

impl Build {
    /// The transactions that deploy this build, in their order: the modules and then the coordinator. Each is left out where
    /// [`Creation::address`] has code.
    #[must_use]
    pub fn creations(&self) -> [Creation; 3] {
        let lane = Creation::of(Part::OnChainLane, &self.on_chain_lane.bytecode);
        let registry = Creation::of(Part::GroupRegistry, &self.group_registry.bytecode);
        let code = self.coordinator.creation_code(&[lane.address, registry.address]);
        let coordinator = Creation::of(Part::Coordinator, &code);
        [lane, registry, coordinator]
    }

    /// The addresses that this build has on every chain where it is deployed through the [`PROXY`].
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let [on_chain_lane, group_registry, coordinator] = self.creations().map(|creation| creation.address);
        Addresses { coordinator, on_chain_lane, group_registry }
    }

    /// The coordinator's address, see [`Self::addresses`].
    #[must_use]
    pub fn address(&self) -> Address {
        self.addresses().coordinator
    }

    /// The address of a group's account, whether the group was made or not: the coordinator creates an `AccountProxy` by
    /// CREATE2 with the group's identifier as salt.
    #[must_use]
    pub fn account_of(&self, coordinator: Address, group: GroupId) -> Address {
        let code = self.account_proxy.creation_code(&[group_account_of(coordinator)]);
        coordinator.create2_from_code(group.0, &code)
    }
}

/// [`Build::account_of`] for the build that this crate was made with.
#[must_use]
pub fn account_of(coordinator: Address, group: GroupId) -> Address {
    static BUILD: std::sync::LazyLock<Build> = std::sync::LazyLock::new(Build::built_in);
    BUILD.account_of(coordinator, group)
}

/// The address at which the proxy creates a contract of this creation code.
#[must_use]
pub fn address(creation_code: &[u8]) -> Address {
    PROXY.create2_from_code(SALT, creation_code)
}

/// What to send to the proxy to create a contract of this creation code.
#[must_use]
pub fn calldata(creation_code: &[u8]) -> Bytes {
    [SALT.as_slice(), creation_code].concat().into()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;

    use super::*;

    #[test]
    fn the_address_is_that_of_eip_1014() {
        let code = [1, 2, 3];
        let preimage = [&[0xff][..], PROXY.as_slice(), &[0; 32], keccak256(code).as_slice()].concat();
        assert_eq!(address(&code), Address::from_slice(&keccak256(preimage)[12..]));
        assert_ne!(address(&code), address(&[1, 2, 4]));
    }

    #[test]
    fn the_proxy_is_what_its_maker_makes_first() {
        assert_eq!(PROXY_MAKER.create(0), PROXY);
    }

    #[test]
    fn the_documentation_has_the_transaction_that_makes_the_proxy() {
        let readme = include_str!("../README.md");
        assert!(readme.contains(&hex::encode_prefixed(PROXY_TRANSACTION)));
        assert!(readme.contains(&PROXY.to_string()) && readme.contains(&format!("{PROXY_MAKER:?}")));
    }

    #[test]
    fn the_proxy_is_sent_the_salt_and_then_the_code() {
        assert_eq!(calldata(&[7])[..], [[0; 32].as_slice(), &[7]].concat());
    }

    #[test]
    fn the_coordinators_address_commits_to_its_modules() {
        let build = Build::built_in();
        let [lane, registry, coordinator] = build.creations();
        assert_eq!(lane.address, address(&build.on_chain_lane.bytecode));
        assert_eq!(lane.calldata, calldata(&build.on_chain_lane.bytecode));
        let arguments = [lane.address.into_word(), registry.address.into_word()].concat();
        let code = [&build.coordinator.bytecode[..], &arguments].concat();
        assert_eq!((coordinator.address, coordinator.calldata), (address(&code), calldata(&code)));

        for part in [Part::OnChainLane, Part::GroupRegistry] {
            let mut other = build.clone();
            let module = match part {
                Part::OnChainLane => &mut other.on_chain_lane,
                _ => &mut other.group_registry,
            };
            module.bytecode = [&module.bytecode[..], &[0]].concat().into();
            assert_ne!(other.address(), build.address(), "{part}");
        }
    }

    /// EIP-170 and EIP-3860.
    #[test]
    fn every_contract_is_small_enough_to_be_deployed() {
        let build = Build::built_in();
        for Creation { part, calldata, .. } in build.creations() {
            assert!(calldata.len() - 32 <= 49_152, "{part}: {} bytes", calldata.len());
            let code = &build.part(part).deployed_bytecode;
            assert!(!code.is_empty() && code.len() <= 24_576, "{part}: {} bytes", code.len());
        }
    }

    #[test]
    fn an_account_depends_on_group_and_coordinator() {
        let of =
            |coordinator, group| account_of(Address::repeat_byte(coordinator), GroupId::from([group; 32]));
        assert_eq!(of(1, 1), of(1, 1));
        assert!(of(1, 1) != of(1, 2) && of(1, 1) != of(2, 1));
    }
}
