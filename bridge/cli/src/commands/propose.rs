//! `quorate propose`: proposes something to the group.

use clap::Args;
use quorate_protocol::call::DEFAULT_GAS;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose as ProposeOperation};
use quorate_protocol::{AgentId, Call, ProposalId, Terms, TimestampMs, U256};
use quorate_sdk::SdkError;
use serde::Serialize;

use crate::amount;
use crate::args::OutputOptions;
use crate::chain::act;
use crate::commands::inbox::InboxOptions;
use crate::commands::{alerts, lane};
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::sdk;

/// Proposes something to the group: payments and calls of its account, or words alone.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// What it is for, in words
    description: String,
    /// A payment that the group's account makes when it is approved, such as 0x…="2.5 ether"; repeat it for several
    #[arg(long = "pay", value_name = "ADDRESS=AMOUNT", value_parser = payment)]
    payments: Vec<Call>,
    /// A call that the group's account makes when it is approved, as ADDRESS:DATA or ADDRESS:DATA:AMOUNT with DATA in hex; made after the payments
    #[arg(long = "call", value_name = "ADDRESS:DATA[:AMOUNT]", value_parser = call)]
    calls: Vec<Call>,
    /// The least gas that each call with data must be given, or nothing is executed; what a call needs and half as much again is right
    #[arg(long, value_name = "GAS", default_value_t = DEFAULT_GAS)]
    gas: u64,
    /// The class of decisions, by its name; the group's first one if it is not given
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Tells apart two proposals that are otherwise the same; a random number if it is not given
    #[arg(long)]
    salt: Option<u64>,
    /// Proposes in the on-chain lane, where the class is open there: by a transaction, for votes with --on-chain
    #[arg(long, conflicts_with = "inbox")]
    on_chain: bool,
    #[command(flatten)]
    inbox: InboxOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

fn payment(text: &str) -> Result<Call, String> {
    let (target, value) = text.split_once('=').ok_or("write it as ADDRESS=AMOUNT")?;
    Ok(Call::payment(address(target)?, amount::parse(value)?))
}

fn call(text: &str) -> Result<Call, String> {
    let mut parts = text.splitn(3, ':');
    let (Some(target), Some(data)) = (parts.next(), parts.next()) else {
        return Err("write it as ADDRESS:DATA or ADDRESS:DATA:AMOUNT".into());
    };
    let data =
        alloy::primitives::hex::decode(data).map_err(|error| format!("the data is not hex: {error}"))?;
    let value = parts.next().map_or(Ok(U256::ZERO), amount::parse)?;
    Ok(Call::new(address(target)?, value, data))
}

fn address(text: &str) -> Result<AgentId, String> {
    text.trim().parse().map_err(|error: quorate_protocol::ids::ParseIdError| error.to_string())
}

/// A proposal that is open.
#[derive(Debug, Serialize)]
struct Proposed {
    proposal: ProposalId,
    closes_ms: TimestampMs,
    entry: u64,
}

impl Report for Proposed {
    fn text(&self) -> String {
        format!(
            "proposal {}\nis open for votes until {} s of Unix time\nin entry {}, whose receipt verified\n",
            self.proposal,
            self.closes_ms.seconds(),
            self.entry
        )
    }
}

impl Propose {
    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let agent = sdk::agent(&connection).await?;
        let with_gas = |call: Call| match call.data.is_empty() {
            true => call,
            false => Call { gas: self.gas, ..call },
        };
        let calls = self.payments.into_iter().chain(self.calls.into_iter().map(with_gas)).collect();
        let salt = self.salt.unwrap_or_else(rand::random);
        if self.on_chain {
            let reader = lane::reader(&connection).await?;
            let group = reader.group(connection.group()?).await?;
            let class = class_of(&group.terms, self.class.as_deref())?;
            let operation = ProposeOperation { salt, description: self.description, calls, class };
            operation.check().map_err(SdkError::from)?;
            let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
            let opened = lane::propose(&account, &reader, group.identity.group, &operation).await?;
            return format.print(&opened);
        }
        let client = sdk::client(&connection).await?;
        let class = class_of(&client.group().terms, self.class.as_deref())?;
        let operation = ProposeOperation { salt, description: self.description, calls, class };
        operation.check().map_err(SdkError::from)?;
        if self.inbox.inbox {
            let operation = ProposalsOperation::Propose(operation).to_operation();
            return format.print(&self.inbox.enqueue(&connection, &client, &agent, operation).await?);
        }
        let proposed = client.propose(&agent, operation).await?;
        format.print(&Proposed {
            proposal: proposed.proposal,
            closes_ms: proposed.closes,
            entry: proposed.receipt.record.entry.index.0,
        })?;
        alerts::warn(&client).await;
        Ok(())
    }
}

/// The place of the class with this name, or of the first.
pub(super) fn class_of(terms: &Terms, name: Option<&str>) -> Result<u8, CliError> {
    let Some(name) = name else { return Ok(0) };
    terms.class_named(name).ok_or_else(|| {
        let known: Vec<_> = terms.classes.iter().map(|policy| policy.name.as_str()).collect();
        CliError::Usage {
            cause: format!("the group has no class {name:?}"),
            mend: format!("name one of: {}", known.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0x00000000000000000000000000000000000000aa";

    #[test]
    fn payments_and_calls_are_read() {
        let paid = payment(&format!("{ADDRESS}=2 wei")).unwrap();
        assert_eq!((paid.value, paid.data.len()), (U256::from(2), 0));
        let called = call(&format!("{ADDRESS}:0x0102:3 gwei")).unwrap();
        assert_eq!((called.data.as_slice(), called.value), ([1, 2].as_slice(), U256::from(3_000_000_000u64)));
        assert_eq!(call(&format!("{ADDRESS}:")).unwrap().data, Vec::<u8>::new());
        assert_eq!(paid.target, called.target);
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        assert!(payment(ADDRESS).unwrap_err().contains("ADDRESS=AMOUNT"));
        assert!(payment(&format!("{ADDRESS}=2")).unwrap_err().contains("not an amount"));
        assert!(payment("0x12=2 wei").unwrap_err().contains("is not an address"));
        assert!(call(ADDRESS).unwrap_err().contains("ADDRESS:DATA"));
        assert!(call(&format!("{ADDRESS}:xyz")).unwrap_err().contains("not hex"));
    }
}
