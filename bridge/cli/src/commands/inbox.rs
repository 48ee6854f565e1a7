//! Sending a command to the contract's inbox instead of to the nodes.

use clap::Args;
use quorate_protocol::{B256, Digest, Nonce, Operation};
use quorate_sdk::{Agent, Client};
use serde::Serialize;

use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Report;

/// For an agent whose commands no node takes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct InboxOptions {
    /// Puts the command into the contract's inbox instead of sending it to nodes: the group has to take it into its log before a deadline. The account pays gas, and must be registered
    #[arg(long)]
    pub(crate) inbox: bool,
    /// The number of the command, if no node tells the agent's next one: any that the agent has not used
    #[arg(long, requires = "inbox")]
    nonce: Option<u64>,
}

/// A command that waits in the contract's inbox.
#[derive(Debug, Serialize)]
pub(crate) struct Enqueued {
    command: Digest,
    transaction: B256,
    block: u64,
    gas: u64,
    deadline_s: u32,
}

impl Report for Enqueued {
    fn text(&self) -> String {
        format!(
            "command  {}\nis in the contract's inbox by transaction {} in block {} ({} gas)\nNo anchor of the group may leave it out in {} s from now. Whether it takes effect is for the group's rules to say.\n",
            self.command, self.transaction, self.block, self.gas, self.deadline_s
        )
    }
}

impl InboxOptions {
    /// Signs a command of one operation, and puts it into the inbox.
    pub(crate) async fn enqueue(
        self,
        connection: &Connection,
        client: &Client,
        agent: &Agent,
        operation: Operation,
    ) -> Result<Enqueued, CliError> {
        let command = client.sign_for_inbox(agent, vec![operation], self.nonce.map(Nonce)).await?;
        let sender = act(connection.rpc()?, connection.contract()?, agent).await?;
        let included = sender.enqueue(connection.group()?, &command).await?;
        Ok(Enqueued {
            command: command.digest(),
            transaction: included.tx_hash,
            block: included.block,
            gas: included.gas_used,
            deadline_s: client.group().terms.inbox_deadline_s,
        })
    }
}
