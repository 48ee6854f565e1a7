//! What the commands of the on-chain lane share: finding a class and a proposal's content, and proposing there.

use quorate_contracts::Content;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Group, GroupId, Opening, ProposalId, Scope};
use quorate_sdk::ChainAgent;
use serde::Serialize;

use crate::commands::alerts::when;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::Report;

/// A proposal that is open in the on-chain lane.
#[derive(Debug, Serialize)]
pub(crate) struct Opened {
    pub(crate) proposal: ProposalId,
    voting_ends: u64,
    /// The chain's clock, in seconds of Unix time.
    chain_time: u64,
    transaction: quorate_protocol::B256,
    gas: u64,
}

impl Report for Opened {
    fn text(&self) -> String {
        format!(
            "proposal {}\nis open on-chain until {}: vote with `quorate vote {} for --on-chain`\nby transaction {} ({} gas)\n",
            self.proposal,
            when(self.voting_ends, self.chain_time),
            self.proposal,
            self.transaction,
            self.gas
        )
    }
}

/// Where the contract is read.
pub(crate) async fn reader(connection: &Connection) -> Result<CoordinatorReader, CliError> {
    Ok(CoordinatorReader::connect(connection.rpc()?, connection.contract()?.0).await?)
}

/// Proposes in the on-chain lane.
pub(crate) async fn propose(
    account: &ChainAgent,
    reader: &CoordinatorReader,
    group: GroupId,
    propose: &Propose,
) -> Result<Opened, CliError> {
    let (proposal, included) = account.propose(group, propose).await?;
    let known = reader.proposal(group, proposal).await?;
    let voting_ends = known.and_then(|known| known.voting_ends_s).unwrap_or_default();
    let chain_time = reader.time().await?;
    Ok(Opened { proposal, voting_ends, chain_time, transaction: included.tx_hash, gas: included.gas_used })
}

/// The class with this name, or the first for anything that is `needed` to be open on-chain or not.
pub(crate) fn class_for_anything(group: &Group, name: Option<&str>, on_chain: bool) -> Result<u8, CliError> {
    if name.is_some() {
        return super::propose::class_of(&group.terms, name);
    }
    let serves = |opening| !on_chain || opening != Opening::Never;
    let mut classes = group.terms.classes.iter().zip(0u8..);
    // What is always open is taken before what is open in a stall.
    let found =
        classes.clone().find(|(class, _)| class.scope == Scope::Anything && class.opening == Opening::Always);
    let found =
        found.or_else(|| classes.find(|(class, _)| class.scope == Scope::Anything && serves(class.opening)));
    found.map(|(_, at)| at).ok_or_else(|| CliError::Refused {
        cause: "the group has no class for anything in this lane".into(),
        mend: "see its classes with `quorate group show`; without --on-chain the log is used".into(),
    })
}

/// What was proposed, as the contract takes it, from the events by which it came into the lane.
pub(crate) async fn content(
    reader: &CoordinatorReader,
    group: GroupId,
    proposal: ProposalId,
) -> Result<Content, CliError> {
    let events = reader.proposal_events(group, proposal).await?;
    events.last().map(|event| event.content()).ok_or_else(|| CliError::Refused {
        cause: format!("the on-chain lane does not know proposal {proposal}"),
        mend: "check the id with `quorate proposals --all`; what the log decided is executed by `quorate decision --execute`".into(),
    })
}
