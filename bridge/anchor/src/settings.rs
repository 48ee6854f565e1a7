//! How an anchorer behaves: what a node's configuration and its chain's profile say, in the units that the core counts
//! in.

use quorate_node::config::{ChainProfile, Finality, L1Fee, NodeConfig};

use crate::error::AnchorError;

/// Wei in one gwei.
const WEI_PER_GWEI: u128 = 1_000_000_000;

/// How often to anchor, when to step in for another replica, and what it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is submitted; if not, the chain is only watched, for what others submit.
    pub submit: bool,
    /// How many entries a checkpoint must add to the anchored log to be worth an anchor. At least 1. The end of an epoch
    /// is always worth one.
    pub min_entries: u64,
    /// For how long the oldest entry that is not anchored waits before an anchor is due, in milliseconds, unless the chain
    /// has had no anchor for as long. The end of an epoch waits for nothing.
    pub interval_ms: u64,
    /// How long each replica in the rotation has before the next one steps in, in milliseconds.
    pub takeover_ms: u64,
    /// Which block is relied on: the node is told of an anchor once that block has it.
    pub finality: Finality,
    /// How the chain charges for data on its L1.
    pub l1_fee: L1Fee,
    /// How long a transaction may wait for its receipt before it is replaced by one with a higher fee, in
    /// milliseconds. As long, a head below one already seen or a foreign pending transaction is waited for.
    pub receipt_timeout_ms: u64,
    /// The most that is offered for one unit of gas, in wei.
    pub max_fee: u128,
    /// The least tip that is offered for one unit of gas, in wei.
    pub min_tip: u128,
    /// The most that the transactions signed within one hour can cost together, in wei, each counted with its gas
    /// limit at its maximum fee, and with twice what the chain's oracle says that its data costs on L1 where that is
    /// charged beside the gas. The count starts anew with the process.
    pub max_spend_per_hour: u128,
    /// The time between two looks at the chain, in milliseconds.
    pub poll_ms: u64,
    /// How long one request to the RPC endpoint may take, in milliseconds.
    pub request_timeout_ms: u64,
}

impl Default for Settings {
    /// For a chain that nothing is known of.
    fn default() -> Self {
        let profile = ChainProfile::UNKNOWN;
        Self {
            submit: true,
            min_entries: 1,
            interval_ms: 5_000,
            takeover_ms: profile.takeover_ms,
            finality: profile.finality,
            l1_fee: profile.l1_fee,
            receipt_timeout_ms: profile.receipt_timeout_ms,
            max_fee: u128::from(profile.max_fee_gwei) * WEI_PER_GWEI,
            min_tip: u128::from(profile.min_tip_wei),
            max_spend_per_hour: 100_000_000 * WEI_PER_GWEI,
            poll_ms: profile.poll_ms,
            request_timeout_ms: 5_000,
        }
    }
}

impl From<&NodeConfig> for Settings {
    /// The settings of a node's configuration, with its chain's profile for what it leaves open.
    fn from(config: &NodeConfig) -> Self {
        let (anchor, terms) = (&config.anchor, config.chain_terms());
        Self {
            submit: anchor.enabled,
            min_entries: anchor.min_entries,
            interval_ms: anchor.interval_ms,
            takeover_ms: terms.takeover_ms,
            finality: terms.finality,
            l1_fee: terms.l1_fee,
            receipt_timeout_ms: terms.receipt_timeout_ms,
            max_fee: u128::from(terms.max_fee_gwei) * WEI_PER_GWEI,
            min_tip: u128::from(terms.min_tip_wei),
            max_spend_per_hour: u128::from(anchor.max_spend_gwei_per_hour) * WEI_PER_GWEI,
            poll_ms: terms.poll_ms,
            ..Self::default()
        }
    }
}

impl Settings {
    /// Checks the values that every other part takes for granted.
    ///
    /// # Errors
    /// [`AnchorError::Setting`] with the first value that is too small.
    pub fn check(&self) -> Result<(), AnchorError> {
        let bounds = [
            ("min_entries", u128::from(self.min_entries), 1),
            ("takeover_ms", u128::from(self.takeover_ms), 1),
            ("receipt_timeout_ms", u128::from(self.receipt_timeout_ms), 1),
            ("max_fee_gwei", self.max_fee / WEI_PER_GWEI, 1),
            ("max_spend_gwei_per_hour", self.max_spend_per_hour / WEI_PER_GWEI, 1),
            ("poll_ms", u128::from(self.poll_ms), 10),
            ("request_timeout_ms", u128::from(self.request_timeout_ms), 10),
        ];
        match bounds.into_iter().find(|(_, value, least)| value < least) {
            Some((name, value, least)) => Err(AnchorError::Setting { name, value, least }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_node::config::ProfileName;

    use super::*;

    #[test]
    fn the_configuration_of_a_node_is_taken_over() {
        let mut config: NodeConfig =
            toml::from_str(include_str!("../../node/node.example.toml")).expect("the example is complete");
        assert_eq!(Settings::from(&config), Settings::default());
        config.chain.profile = Some(ProfileName::ArbitrumSepolia);
        config.anchor.max_fee_gwei = Some(7);
        config.anchor.interval_ms = 400;
        let settings = Settings::from(&config);
        assert!(settings.check().is_ok());
        assert_eq!((settings.interval_ms, settings.poll_ms, settings.max_fee), (400, 500, 7_000_000_000));
        assert_eq!((settings.finality, settings.l1_fee), (Finality::Safe, L1Fee::Arbitrum));
    }

    #[test]
    fn defaults_work_and_a_zero_is_named() {
        assert!(Settings::default().check().is_ok());
        let settings = Settings { min_entries: 0, ..Settings::default() };
        let error = settings.check().expect_err("no entries are never worth an anchor");
        assert_eq!(error.to_string(), "[anchor] min_entries is 0: it must be at least 1");
    }
}
