//! `quorate transaction`: what became of a transaction that may be on its way.

use std::time::Duration;

use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionReceipt;
use clap::Args;
use quorate_protocol::B256;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::OutputOptions;
use crate::chain::{connect, unreachable_chain};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};

/// The time between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells what became of a transaction, by its hash
///
/// Exits with 0 if a block includes it and it took effect, with 9 if it reverted, and with 11 if it is in no block yet.
#[derive(Debug, Args)]
pub(crate) struct Transaction {
    /// The transaction's hash
    #[arg(value_name = "HASH")]
    hash: B256,
    /// Waits so many seconds for a block that includes it
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Serialize)]
struct Done {
    transaction: B256,
    block: u64,
    gas: u64,
}

impl Report for Done {
    fn text(&self) -> String {
        format!("block {} includes {}, and it took effect ({} gas)\n", self.block, self.transaction, self.gas)
    }
}

impl Transaction {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let provider = connect(connection.rpc()?)?;
        let until = Instant::now() + Duration::from_secs(self.wait);
        let receipt = loop {
            if let Some(receipt) = self.receipt(&provider).await? {
                break receipt;
            }
            if Instant::now() + PAUSE > until {
                return Err(self.in_doubt(&provider).await);
            }
            tokio::time::sleep(PAUSE).await;
        };
        let block = receipt.block_number.unwrap_or_default();
        if receipt.status() {
            return format.print(&Done { transaction: self.hash, block, gas: receipt.gas_used });
        }
        Err(CliError::Refused {
            cause: format!(
                "block {block} includes {}, and it reverted: it had no effect but its fee",
                self.hash
            ),
            mend: "run the command again; it says why the contract refuses it".into(),
        })
    }

    async fn receipt(&self, provider: &DynProvider) -> Result<Option<TransactionReceipt>, CliError> {
        let receipt = provider.get_transaction_receipt(self.hash).await;
        receipt.map_err(|error| unreachable_chain(error.to_string()))
    }

    async fn in_doubt(&self, provider: &DynProvider) -> CliError {
        match provider.get_transaction_by_hash(self.hash).await {
            Ok(Some(_)) => CliError::InDoubt {
                cause: format!("{} waits for a block", self.hash),
                mend: "wait with --wait; where it waits for hours, its price is too low for the chain".into(),
            },
            Ok(None) => CliError::InDoubt {
                cause: format!("no block includes {}, and the endpoint does not know it", self.hash),
                mend: "ask another endpoint (--rpc); it can still be included as long as no other transaction of the account \
                       has its nonce"
                    .into(),
            },
            Err(error) => unreachable_chain(error.to_string()),
        }
    }
}
