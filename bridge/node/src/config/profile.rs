//! What is known of particular chains: the defaults of everything in a configuration that depends on the chain.
//!
//! A configuration names one of them (`chain.profile`) or none; whatever it sets itself comes before the profile.
//!
//! # Where the values come from
//! * Chain ids and block times: viem's `chains/definitions/baseSepolia.ts`; op-node's configuration of OP Sepolia
//!   (ethereum-optimism/optimism#6461: `l2_chain_id` 11155420, `block_time` 2); docs.arbitrum.io, "Arbitrum chain
//!   information" and "Sequencer timing adjustments" (a block every 250 ms unless configured otherwise).
//! * *safe* on an OP chain: derived from data that was posted to L1, so that only a reorganisation of L1 can take it
//!   back (docs.optimism.io, "Transaction finality"). *safe* on Arbitrum: the batch was posted in a safe L1 block
//!   (docs.arbitrum.io, "Finality and chain reorganizations"; Nitro v2.0.10). What the sequencers announce before may
//!   be taken back, and on test networks now and then is.
//! * Tips: clients of the OP stack suggest at least 0.001 gwei (op-erigon's `DefaultMinSuggestedPriorityFee`, viem's
//!   `feesOptimism`); Arbitrum's endpoints suggest none, since its sequencer takes transactions as they arrive.
//! * Fee caps: some hundred times what these networks ask for, so that a congested hour passes and a wrong unit does
//!   not.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::NodeConfig;

/// The deepest [`Finality::Depth`]: each look at the chain follows so many blocks back at most.
pub const MAX_DEPTH: u64 = 256;

/// A chain that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// A local development chain.
    Anvil,
    /// Optimism's test network on Ethereum's Sepolia.
    OpSepolia,
    /// Base's test network on Ethereum's Sepolia.
    BaseSepolia,
    /// Arbitrum's test network on Ethereum's Sepolia.
    ArbitrumSepolia,
}

/// Which block of the chain a node relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// The newest block: a reorganisation may take back what the node said.
    Latest,
    /// The block that the endpoint calls safe.
    Safe,
    /// The block that the endpoint calls finalized.
    Finalized,
    /// The block with this many above it, at most [`MAX_DEPTH`].
    Depth(u64),
}

/// How a chain charges for publishing a transaction's data on its L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum L1Fee {
    /// It does not.
    #[default]
    None,
    /// Beside the gas: the predeployed GasPriceOracle of the OP stack says how much.
    OpStack,
    /// As units of gas within the gas limit: Arbitrum's NodeInterface says how many.
    Arbitrum,
}

/// The defaults that depend on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainProfile {
    /// The chain's id (EIP-155); nothing where any chain will do.
    pub chain_id: Option<u64>,
    /// Which block is relied on.
    pub finality: Finality,
    /// How the chain charges for data on its L1.
    pub l1_fee: L1Fee,
    /// The highest fee for a unit of gas, in gwei.
    pub max_fee_gwei: u64,
    /// The least tip for a unit of gas, in wei.
    pub min_tip_wei: u64,
    /// How long each replica has the turn to anchor, in milliseconds.
    pub takeover_ms: u64,
    /// How long a transaction waits for its receipt before it is replaced, in milliseconds.
    pub receipt_timeout_ms: u64,
    /// The time between two looks at the chain, in milliseconds.
    pub poll_ms: u64,
}

impl ChainProfile {
    /// For a chain that nothing is known of: it may be slow and dear, and any block that is not finalized may go.
    pub const UNKNOWN: Self = Self {
        chain_id: None,
        finality: Finality::Finalized,
        l1_fee: L1Fee::None,
        max_fee_gwei: 100,
        min_tip_wei: 1_000_000,
        takeover_ms: 60_000,
        receipt_timeout_ms: 90_000,
        poll_ms: 2_000,
    };
}

impl ProfileName {
    /// Every chain that is known by name.
    pub const ALL: [Self; 4] = [Self::Anvil, Self::OpSepolia, Self::BaseSepolia, Self::ArbitrumSepolia];

    /// The chain's defaults.
    pub const fn profile(self) -> ChainProfile {
        const OP_STACK: ChainProfile = ChainProfile {
            chain_id: None,
            finality: Finality::Safe,
            l1_fee: L1Fee::OpStack,
            max_fee_gwei: 5,
            min_tip_wei: 1_000_000,
            takeover_ms: 20_000,
            receipt_timeout_ms: 30_000,
            poll_ms: 1_000,
        };
        match self {
            Self::Anvil => ChainProfile {
                chain_id: Some(31_337),
                finality: Finality::Latest,
                l1_fee: L1Fee::None,
                max_fee_gwei: 200,
                min_tip_wei: 0,
                takeover_ms: 10_000,
                receipt_timeout_ms: 10_000,
                poll_ms: 250,
            },
            Self::OpSepolia => ChainProfile { chain_id: Some(11_155_420), ..OP_STACK },
            Self::BaseSepolia => ChainProfile { chain_id: Some(84_532), ..OP_STACK },
            Self::ArbitrumSepolia => ChainProfile {
                chain_id: Some(421_614),
                finality: Finality::Safe,
                l1_fee: L1Fee::Arbitrum,
                max_fee_gwei: 5,
                min_tip_wei: 0,
                takeover_ms: 15_000,
                receipt_timeout_ms: 20_000,
                poll_ms: 500,
            },
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anvil => "anvil",
            Self::OpSepolia => "op-sepolia",
            Self::BaseSepolia => "base-sepolia",
            Self::ArbitrumSepolia => "arbitrum-sepolia",
        })
    }
}

/// How a node watches the chain and anchors on it: what the configuration sets, and the profile's value for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTerms {
    /// The profile that the configuration names.
    pub profile: Option<ProfileName>,
    /// See [`ChainProfile::finality`].
    pub finality: Finality,
    /// See [`ChainProfile::l1_fee`].
    pub l1_fee: L1Fee,
    /// See [`ChainProfile::poll_ms`].
    pub poll_ms: u64,
    /// See [`ChainProfile::takeover_ms`].
    pub takeover_ms: u64,
    /// See [`ChainProfile::receipt_timeout_ms`].
    pub receipt_timeout_ms: u64,
    /// See [`ChainProfile::max_fee_gwei`].
    pub max_fee_gwei: u64,
    /// See [`ChainProfile::min_tip_wei`].
    pub min_tip_wei: u64,
}

impl NodeConfig {
    /// The values in force.
    pub fn chain_terms(&self) -> ChainTerms {
        let (chain, anchor) = (&self.chain, &self.anchor);
        let profile = chain.profile.map_or(ChainProfile::UNKNOWN, ProfileName::profile);
        ChainTerms {
            profile: chain.profile,
            finality: chain.finality.unwrap_or(profile.finality),
            l1_fee: chain.l1_fee.unwrap_or(profile.l1_fee),
            poll_ms: chain.poll_ms.unwrap_or(profile.poll_ms),
            takeover_ms: anchor.takeover_ms.unwrap_or(profile.takeover_ms),
            receipt_timeout_ms: anchor.receipt_timeout_ms.unwrap_or(profile.receipt_timeout_ms),
            max_fee_gwei: anchor.max_fee_gwei.unwrap_or(profile.max_fee_gwei),
            min_tip_wei: anchor.min_tip_wei.unwrap_or(profile.min_tip_wei),
        }
    }

    /// This configuration with every value that depends on the chain written out.
    pub fn in_force(&self) -> Self {
        let terms = self.chain_terms();
        let mut config = self.clone();
        config.chain.finality = Some(terms.finality);
        config.chain.l1_fee = Some(terms.l1_fee);
        config.chain.poll_ms = Some(terms.poll_ms);
        config.anchor.takeover_ms = Some(terms.takeover_ms);
        config.anchor.receipt_timeout_ms = Some(terms.receipt_timeout_ms);
        config.anchor.max_fee_gwei = Some(terms.max_fee_gwei);
        config.anchor.min_tip_wei = Some(terms.min_tip_wei);
        config
    }
}

impl ChainTerms {
    /// The chain id that the profile stands for, if `chain_id` is another one.
    pub fn contradicts(&self, chain_id: u64) -> Option<u64> {
        self.profile.and_then(|profile| profile.profile().chain_id).filter(|expected| *expected != chain_id)
    }
}

impl fmt::Display for Finality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Safe => f.write_str("safe"),
            Self::Finalized => f.write_str("finalized"),
            Self::Depth(depth) => write!(f, "{depth}"),
        }
    }
}

impl Serialize for Finality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Depth(depth) => serializer.serialize_u64(*depth),
            tag => serializer.collect_str(tag),
        }
    }
}

impl<'de> Deserialize<'de> for Finality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FinalityVisitor)
    }
}

struct FinalityVisitor;

impl Visitor<'_> for FinalityVisitor {
    type Value = Finality;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"latest\", \"safe\", \"finalized\" or a number of blocks")
    }

    fn visit_str<E: Error>(self, tag: &str) -> Result<Finality, E> {
        match tag {
            "latest" => Ok(Finality::Latest),
            "safe" => Ok(Finality::Safe),
            "finalized" => Ok(Finality::Finalized),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_u64<E: Error>(self, depth: u64) -> Result<Finality, E> {
        Ok(Finality::Depth(depth))
    }

    fn visit_i64<E: Error>(self, depth: i64) -> Result<Finality, E> {
        let refused = E::invalid_value(Unexpected::Signed(depth), &self);
        u64::try_from(depth).map(Finality::Depth).map_err(|_| refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::LEAST;

    fn read(chain: &str, anchor: &str) -> Result<NodeConfig, toml::de::Error> {
        toml::from_str(&LEAST.replace("[keys]", &format!("{chain}\n[anchor]\n{anchor}\n[keys]")))
    }

    #[test]
    fn a_profile_fills_in_what_the_configuration_leaves_open() {
        let config = read("profile = \"base-sepolia\"", "max_fee_gwei = 7").unwrap();
        let terms = config.chain_terms();
        let profile = ProfileName::BaseSepolia.profile();
        assert_eq!((terms.max_fee_gwei, terms.finality), (7, Finality::Safe));
        assert_eq!((terms.l1_fee, terms.takeover_ms), (L1Fee::OpStack, profile.takeover_ms));
        let written = toml::to_string(&config.in_force()).unwrap();
        assert!(written.contains("finality = \"safe\"\nl1_fee = \"op-stack\""), "{written}");
        assert_eq!(toml::from_str::<NodeConfig>(&written).unwrap().chain_terms(), terms);

        let own = "profile = \"arbitrum-sepolia\"\nfinality = 2\nl1_fee = \"none\"\npoll_ms = 77";
        let rest = "takeover_ms = 1\nreceipt_timeout_ms = 2000\nmax_fee_gwei = 3\nmin_tip_wei = 4";
        let expected = ChainTerms {
            profile: Some(ProfileName::ArbitrumSepolia),
            finality: Finality::Depth(2),
            l1_fee: L1Fee::None,
            poll_ms: 77,
            takeover_ms: 1,
            receipt_timeout_ms: 2_000,
            max_fee_gwei: 3,
            min_tip_wei: 4,
        };
        assert_eq!(read(own, rest).unwrap().chain_terms(), expected, "everything can be overridden");
    }

    #[test]
    fn without_a_profile_only_finalized_blocks_count() {
        let terms = read("", "").unwrap().chain_terms();
        assert_eq!((terms.profile, terms.finality), (None, Finality::Finalized));
        assert_eq!(terms.contradicts(5), None, "any chain will do");
    }

    #[test]
    fn every_profile_is_written_as_it_is_read_and_stands_for_one_chain() {
        let mut ids = Vec::new();
        for name in ProfileName::ALL {
            let terms = read(&format!("profile = \"{name}\""), "").unwrap().chain_terms();
            let id = name.profile().chain_id.expect("a chain with a name has an id");
            assert_eq!(
                (terms.profile, terms.contradicts(id), terms.contradicts(1)),
                (Some(name), None, Some(id))
            );
            ids.push(id);
        }
        assert_eq!(ids, [31_337, 11_155_420, 84_532, 421_614]);
    }

    #[test]
    fn finality_is_a_tag_or_a_number_and_nothing_else() {
        for (text, finality) in [
            ("\"latest\"", Finality::Latest),
            ("\"safe\"", Finality::Safe),
            ("\"finalized\"", Finality::Finalized),
            ("12", Finality::Depth(12)),
        ] {
            let config = read(&format!("finality = {text}"), "").unwrap();
            assert_eq!(config.chain.finality, Some(finality));
            let again: NodeConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
            assert_eq!(again.chain, config.chain);
        }
        for text in ["\"soon\"", "-1", "1.5", "true"] {
            let error = read(&format!("finality = {text}"), "").expect_err(text).to_string();
            assert!(error.contains("finalized"), "{error}");
        }
    }
}
