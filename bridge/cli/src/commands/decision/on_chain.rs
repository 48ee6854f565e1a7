//! What the contract says of a proposal, in whatever lane it is there.

use quorate_contracts::ProposalStatus;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::{Group, ProposalId};
use quorate_sdk::ReaderError;
use serde::Serialize;

use crate::commands::alerts::when;

/// A proposal as the contract has it.
#[derive(Debug, Serialize)]
pub(super) struct OnChain {
    /// `none` where nothing ever happened to it on-chain.
    pub(super) status: ProposalStatus,
    /// The first second (Unix time) at which it takes no more votes on-chain.
    voting_ends: Option<u64>,
    /// The first and the last second at which it may be executed.
    executable_from: Option<u64>,
    executable_until: Option<u64>,
    /// The chain's clock, in seconds of Unix time.
    pub(super) chain_time: u64,
}

impl OnChain {
    pub(super) async fn read(
        reader: &CoordinatorReader,
        group: &Group,
        proposal: ProposalId,
    ) -> Result<Self, ReaderError> {
        let known = reader.proposal(group.identity.group, proposal).await?;
        let executable = known.and_then(|known| known.executable_s);
        Ok(Self {
            status: known.map_or(ProposalStatus::None, |known| known.status),
            voting_ends: known.and_then(|known| known.voting_ends_s),
            executable_from: executable.map(|(from, _)| from),
            executable_until: executable.map(|(_, until)| until),
            chain_time: reader.time().await?,
        })
    }

    /// Whether the contract has decided on it.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.status, ProposalStatus::None | ProposalStatus::Open)
    }

    /// Where it stands on-chain, in a sentence without its end.
    pub(super) fn text(&self, proposal: ProposalId) -> String {
        let at = |second: Option<u64>| when(second.unwrap_or_default(), self.chain_time);
        match self.status {
            ProposalStatus::None => "nothing happened to it on-chain".into(),
            ProposalStatus::Open => format!(
                "on-chain it is open until {}: `quorate vote {proposal} for --on-chain`, or against",
                at(self.voting_ends)
            ),
            ProposalStatus::Approved => format!(
                "on-chain it is approved, and not executed: `quorate execute {proposal}` makes its calls from {} until {}, unless voters object",
                at(self.executable_from),
                at(self.executable_until)
            ),
            ProposalStatus::Executed => "on-chain it is executed: its calls were made".into(),
            ProposalStatus::Expired if self.executable_until.is_some() => format!(
                "on-chain it is expired: it could be executed until {}, and was not",
                at(self.executable_until)
            ),
            ProposalStatus::Revoked => "on-chain it is revoked: it will never be executed".into(),
            ProposalStatus::Rejected | ProposalStatus::Cancelled | ProposalStatus::Expired => {
                format!("on-chain it is {}", self.status)
            }
        }
    }
}
