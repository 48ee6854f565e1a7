//! The on-chain lane: proposals, votes and objections, by transactions or by signatures that somebody else sends.

use alloy::sol_types::SolCall as _;
use quorate_contracts::AgentCoordinator::{recoverCall, revokeCall};
use quorate_contracts::{self as contract, Ballot, Content};
use quorate_protocol::api::ProposalView;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AccountSignature, AgentId, Call, ChainVote, Choice, Epoch, GroupId, GroupIdentity, Member, Objection,
    ProposalId, U256, VoterSignature,
};

use super::{ChainAgent, Included, SignedObjection};
use crate::error::SdkError;

/// The gas that a recovery demands beside what each member takes.
const RECOVERY_GAS: u64 = 200_000;
/// The gas that each member of a recovery demands.
const MEMBER_GAS: u64 = 100_000;

/// The call by which a decision of the group takes back another proposal, in whatever lane, for good. The class is one for
/// anything.
pub fn revoke_call(identity: &GroupIdentity, proposal: ProposalId) -> Call {
    let call = revokeCall { groupId: identity.group.0, proposalId: proposal.0 };
    Call::new(identity.contract, U256::ZERO, call.abi_encode())
}

/// The call by which a decision of the group replaces the members while its replicas are gone: the next era begins with
/// `members`, in ascending order of address. `voters_since` is the group's own: the voters that the decision is of.
pub fn recover_call(identity: &GroupIdentity, voters_since: Epoch, members: &[Member]) -> Call {
    let count = members.len() as u64;
    let members = members.iter().map(contract::Member::from).collect();
    let call = recoverCall { groupId: identity.group.0, epoch: voters_since.0, members };
    let gas = RECOVERY_GAS + MEMBER_GAS * count;
    Call { gas, ..Call::new(identity.contract, U256::ZERO, call.abi_encode()) }
}

impl ChainAgent {
    /// Proposes in the on-chain lane. The account must be a voter of the group.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn propose(
        &self,
        group: GroupId,
        propose: &Propose,
    ) -> Result<(ProposalId, Included), SdkError> {
        let Propose { salt, description, calls, class } = propose;
        let id = proposal_id(&group, self.id(), *salt, *class, calls, description);
        let calls = calls.iter().map(contract::Call::from).collect();
        let included =
            self.send(self.coordinator.propose(group.0, *class, calls, description.clone(), *salt)).await?;
        Ok((id, included))
    }

    /// Votes on a proposal of the on-chain lane.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote(
        &self,
        group: GroupId,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<Included, SdkError> {
        self.send(self.coordinator.vote(group.0, proposal.0, choice as u8)).await
    }

    /// The account's signature on a vote, for somebody else to send with [`Self::vote_by_sigs`].
    pub fn sign_vote(&self, group: GroupId, vote: &ChainVote) -> AccountSignature {
        self.account.sign_digest(&vote.digest(&self.identity(group)))
    }

    /// The account's signature on its objection to an approved proposal, for somebody to send with [`Self::veto`].
    pub fn sign_objection(&self, group: GroupId, proposal: ProposalId) -> AccountSignature {
        let objection = Objection { voter: self.id(), proposal };
        self.account.sign_digest(&objection.digest(&self.identity(group)))
    }

    /// The account's objection to an approved proposal, complete, to be kept or passed on as JSON.
    pub fn object(&self, group: GroupId, proposal: ProposalId) -> SignedObjection {
        let signature = self.sign_objection(group, proposal).into();
        SignedObjection { identity: self.identity(group), proposal, voter: self.id(), signature }
    }

    /// What the account signs if it has not voted on a proposal of the on-chain lane: the epoch since which its voters' weights
    /// stand and the end of its voting are the contract's.
    ///
    /// # Errors
    /// [`SdkError::Reverted`] when there is no such group, [`SdkError::ChainUnreachable`].
    pub async fn first_vote(
        &self,
        group: GroupId,
        proposal: ProposalId,
        choice: Choice,
    ) -> Result<ChainVote, SdkError> {
        let known = self.ask(self.coordinator.proposal(group.0, proposal.0)).await?;
        let (epoch, voting_ends) = (Epoch(known.epoch), known.votingEnds);
        Ok(ChainVote { voter: self.id(), proposal, choice, epoch, voting_ends, nonce: 0 })
    }

    /// Sends votes on one proposal that their voters signed. Those that do not count are passed over, with an event that
    /// says why.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn vote_by_sigs(
        &self,
        group: GroupId,
        proposal: ProposalId,
        ballots: &[(AgentId, Choice, VoterSignature)],
    ) -> Result<Included, SdkError> {
        let ballots =
            ballots.iter().map(|(voter, choice, signature)| Ballot::of(*voter, *choice, signature)).collect();
        self.send(self.coordinator.voteBySigs(group.0, proposal.0, ballots)).await
    }

    /// Approves a proposal that began off-chain by the votes that it has there, when the group has stalled; then it is
    /// executed with [`Self::execute`]. Anybody may. The proposal is as a node shows it: the contract checks the votes'
    /// signatures, which name the proposal.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn approve_by_sigs(
        &self,
        group: GroupId,
        proposal: &ProposalView,
    ) -> Result<Included, SdkError> {
        let ballots = proposal
            .votes
            .iter()
            .filter(|vote| vote.choice == Choice::For)
            .filter_map(|vote| Some(Ballot::of(vote.voter, vote.choice, vote.signature.as_ref()?)))
            .collect();
        let voting_ends = proposal.closes.seconds();
        self.send(self.coordinator.approveBySigs(group.0, proposal.into(), voting_ends, ballots)).await
    }

    /// Takes back an approved proposal by the objections of voters that could have blocked it.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn veto(
        &self,
        group: GroupId,
        proposal: ProposalId,
        objections: &[(AgentId, VoterSignature)],
    ) -> Result<Included, SdkError> {
        let mut objections: Vec<_> = objections.iter().collect();
        objections.sort_by_key(|(voter, _)| *voter);
        let objection = |(voter, signature): &(AgentId, VoterSignature)| {
            Ballot::objection(&Objection { voter: *voter, proposal }, signature)
        };
        let objections = objections.into_iter().map(objection).collect();
        self.send(self.coordinator.veto(group.0, proposal.0, objections)).await
    }

    /// Withdraws an open proposal of the on-chain lane that the account made.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn cancel(&self, group: GroupId, content: &Content) -> Result<Included, SdkError> {
        self.send(self.coordinator.cancel(group.0, content.clone())).await
    }

    /// Makes the calls of a proposal that is approved on-chain: by votes there, by the escape lane, or from the queue.
    /// Anybody may.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn execute(&self, group: GroupId, content: &Content) -> Result<Included, SdkError> {
        self.send(self.coordinator.execute(group.0, content.clone())).await
    }
}
