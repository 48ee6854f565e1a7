//! `quorate execute`: makes the calls of what is approved on-chain.

use clap::Args;
use quorate_protocol::ProposalId;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::lane;
use crate::commands::sent::Sent;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Format;
use crate::sdk;

/// Makes the calls of a proposal that is approved on-chain: by votes there, by the escape lane, or from the queue once its timelock is over. Anybody may
#[derive(Debug, Args)]
pub(crate) struct Execute {
    /// The proposal's id
    proposal: ProposalId,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

impl Execute {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let (group, reader) = (connection.group()?, lane::reader(&connection).await?);
        let content = lane::content(&reader, group, self.proposal).await?;
        let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
        let included = account.execute(group, &content).await?;
        format.print(&Sent::new(format!("proposal {} is executed", self.proposal), included))
    }
}
