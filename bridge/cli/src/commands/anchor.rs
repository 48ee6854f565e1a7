//! `quorate anchor`: anchors what the group has, should its own nodes not.

use clap::Args;
use quorate_protocol::{B256, Epoch, Sequence};
use quorate_sdk::Anchored;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Anchors the newest stable checkpoint that the nodes have, from the account of --keys, which pays the gas. Anybody may
///
/// The checkpoint, its proofs and its signatures come from a node and are checked against the contract before anything is
/// sent. Where the group is epochs ahead of the contract, each run anchors the end of one.
#[derive(Debug, Args)]
pub(crate) struct Anchor {
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Serialize)]
struct Done {
    epoch: Epoch,
    sequence: Sequence,
    log_size: u64,
    inbox_count: u64,
    ends_epoch: bool,
    transaction: B256,
    gas: u64,
}

impl Report for Done {
    fn text(&self) -> String {
        let end = if self.ends_epoch { "; the contract is in the next epoch" } else { "" };
        format!(
            "anchored {} entries and {} messages of the inbox, at sequence {} of epoch {}{end}\nby transaction {} ({} gas)\n",
            self.log_size, self.inbox_count, self.sequence, self.epoch, self.transaction, self.gas
        )
    }
}

impl Anchor {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let client = sdk::client(&connection).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let Anchored { checkpoint, included } = client.anchor(&account).await?;
        format.print(&Done {
            epoch: checkpoint.epoch,
            sequence: checkpoint.sequence,
            log_size: checkpoint.log_size,
            inbox_count: checkpoint.inbox_count,
            ends_epoch: checkpoint.next_members_hash != quorate_protocol::Digest::default(),
            transaction: included.tx_hash,
            gas: included.gas_used,
        })
    }
}
