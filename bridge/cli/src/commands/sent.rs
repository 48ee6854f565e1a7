//! What is printed of a transaction that took effect.

use quorate_protocol::B256;
use quorate_sdk::Included;
use serde::Serialize;

use crate::output::Report;

/// A transaction that took effect, and what it did.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    #[serde(skip)]
    what: String,
    transaction: B256,
    block: u64,
    gas: u64,
}

impl Sent {
    /// `what` is a sentence of one line or more.
    pub(crate) fn new(what: impl Into<String>, included: Included) -> Self {
        let Included { tx_hash, gas_used, block } = included;
        Self { what: what.into(), transaction: tx_hash, block, gas: gas_used }
    }
}

impl Report for Sent {
    fn text(&self) -> String {
        format!(
            "{}\nby transaction {} in block {} ({} gas)\n",
            self.what, self.transaction, self.block, self.gas
        )
    }
}
