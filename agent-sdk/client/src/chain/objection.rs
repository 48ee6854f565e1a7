//! A voter's signed objection, as voters pass it on to whoever sends them all.

use quorate_protocol::{AgentId, Group, GroupIdentity, Objection, ProposalId, VoterSignature};
use serde::{Deserialize, Serialize};

use crate::error::SdkError;

/// The most bytes of an objection's JSON.
pub const MAX_OBJECTION_BYTES: usize = 8 * 1024;

/// A voter's objection to an approved proposal, with all that its signature is for. It counts for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedObjection {
    /// Chain, contract and group.
    pub identity: GroupIdentity,
    /// To what.
    pub proposal: ProposalId,
    /// Who objects.
    pub voter: AgentId,
    /// The voter's EIP-712 signature, by its key or for its contract (ERC-1271).
    pub signature: VoterSignature,
}

impl SignedObjection {
    /// Reads an objection from JSON; nothing in it is checked yet.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] when the bytes are too many or no objection.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SdkError> {
        if bytes.len() > MAX_OBJECTION_BYTES {
            let reason = format!("an objection of {} bytes, at most {MAX_OBJECTION_BYTES}", bytes.len());
            return Err(SdkError::Configuration(reason));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| SdkError::Configuration(format!("this is no objection: {error}")))
    }

    /// With what weight the objection counts in `group`, as the contract has it now: 0 never.
    ///
    /// # Errors
    /// [`SdkError::Objection`] when it is for another group or proposal, not of a voter, or not signed by it. What only the
    /// voter's contract can judge is let pass; the coordinator passes it over where that does not agree.
    pub fn weight(&self, group: &Group, proposal: ProposalId) -> Result<u64, SdkError> {
        let refused = |reason: &str| SdkError::Objection { voter: self.voter, reason: reason.into() };
        if self.identity != group.identity {
            return Err(refused("it is for another group, contract or chain"));
        }
        if self.proposal != proposal {
            return Err(refused("it is to another proposal"));
        }
        let member = group.member(self.voter).filter(|member| member.is_voter());
        let member = member.ok_or_else(|| refused("the account is no voter of the current epoch"))?;
        let objection = Objection { voter: self.voter, proposal };
        if !self.signature.is_acceptable(&objection.digest(&group.identity), self.voter) {
            return Err(refused("the signature is not the voter's"));
        }
        Ok(member.weight)
    }
}
