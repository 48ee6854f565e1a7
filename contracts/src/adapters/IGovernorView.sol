// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {IAgentCoordinator} from "../IAgentCoordinator.sol";

/// @title IGovernorView
/// @notice One group's proposals on-chain, in the words of OpenZeppelin's `IGovernor` (5.x), for tools that read those. It reads
/// and does nothing: it has no function that changes anything, and does not say (ERC-165) that it is an `IGovernor`. The group's
/// events are the coordinator's.
///
/// A proposal's number is its identifier. What is decided in the group's log alone is not there. Where a group has no answer of the
/// kind that a Governor gives, the function reverts with an error that says why, rather than answer something else.
interface IGovernorView is IERC165, IERC6372 {
    /// @notice The address has no code, so it is no coordinator.
    error NoCoordinator(address given);
    /// @notice The group's classes differ in this; `proposalQuorum` and the group's terms tell it for each.
    error DependsOnClass();
    /// @notice The group's classes take no proposals on-chain.
    error NeverOpen();
    /// @notice The contract keeps no proposers: the event `ProposalCreated` of the coordinator names them.
    error ProposersNotKept(uint256 proposalId);
    /// @notice The proposal was not opened on-chain, or its votes there gave way to others: there is no voting of it to tell of.
    error NotOpenedHere(uint256 proposalId);
    /// @notice Weights of a time before the current epoch, or before a member left, are not kept: `known` is the first time of which
    /// they are.
    error PastNotKept(uint256 timepoint, uint256 known);
    /// @notice The time has not come (as ERC-5805 has the error).
    error ERC5805FutureLookup(uint256 timepoint, uint48 clock);

    /// @notice `Quorate`: what a group calls itself is in the `Directory`.
    function name() external view returns (string memory);

    /// @notice The version of this view.
    function version() external view returns (string memory);

    /// @notice `support=bravo&quorum=against,for,abstain`: the choices are Governor Bravo's, and every vote counts towards
    /// `quorum`. What is needed beyond that, votes for and no veto, has no word there.
    // The name is OpenZeppelin's.
    // slither-disable-next-line naming-convention
    function COUNTING_MODE() external view returns (string memory);

    /// @notice Where the proposal stands. Reverts with `GovernorNonexistentProposal` when nothing happened to it on-chain.
    ///
    /// | here | as |
    /// |---|---|
    /// | open | `Active` |
    /// | approved, in a class with a timelock | `Queued`, also once that is over |
    /// | approved, in a class without one | `Succeeded` |
    /// | rejected; or the voting ended, or weights changed, without a decision | `Defeated` |
    /// | approved and not executed in time | `Expired` |
    /// | cancelled, revoked | `Canceled` |
    /// | executed, in any lane | `Executed` |
    ///
    /// `Pending` is nothing: votes are taken at once.
    function state(uint256 proposalId) external view returns (IGovernor.ProposalState);

    /// @notice When the proposal was opened (Unix time), from which second on it takes votes. The weights are those of then.
    /// Reverts with `NotOpenedHere` where it was not opened here.
    function proposalSnapshot(uint256 proposalId) external view returns (uint256);

    /// @notice The last second at which the proposal takes votes; it may be decided before. Reverts with `NotOpenedHere` where it was
    /// not opened here.
    function proposalDeadline(uint256 proposalId) external view returns (uint256);

    /// @notice The first second at which an approved proposal may be executed; 0 for any other.
    function proposalEta(uint256 proposalId) external view returns (uint256);

    /// @notice Always false: the timelock of what was approved here runs by itself.
    function proposalNeedsQueuing(uint256 proposalId) external view returns (bool);

    /// @notice Always reverts with `ProposersNotKept`.
    function proposalProposer(uint256 proposalId) external view returns (address);

    /// @notice 1: any voter may propose.
    function proposalThreshold() external view returns (uint256);

    /// @notice 0: votes are taken at once.
    function votingDelay() external view returns (uint256);

    /// @notice Seconds for which a proposal takes votes, where all classes that take proposals on-chain have the same; else reverts
    /// with `DependsOnClass`, or with `NeverOpen` where there is none.
    function votingPeriod() external view returns (uint256);

    /// @notice The least weight that has to vote for a proposal to be approved, where it is the same in all classes; else reverts with
    /// `DependsOnClass`. It is the class' turnout, or its threshold where that is higher and a part of all weight. To reach it is
    /// not enough: the threshold counts votes for, and a veto those against.
    /// @param timepoint A time in the current epoch (Unix time); of others it reverts with `PastNotKept` or `ERC5805FutureLookup`.
    function quorum(uint256 timepoint) external view returns (uint256);

    /// @notice The least weight that has to vote for this proposal to be approved, by the weights that it is voted with. `IGovernor` has no such
    /// function, because it knows no classes.
    function proposalQuorum(uint256 proposalId) external view returns (uint256);

    /// @notice The weight with which the account votes.
    /// @param account The account.
    /// @param timepoint As for `quorum`; for a member that has left, the present alone.
    function getVotes(address account, uint256 timepoint) external view returns (uint256);

    /// @notice Whether a vote of the account on the proposal was counted on-chain; not those that approved it by signatures.
    function hasVoted(uint256 proposalId, address account) external view returns (bool);

    /// @notice The weights of the votes on-chain. Reverts with `NotOpenedHere` where there was no voting.
    function proposalVotes(uint256 proposalId)
        external
        view
        returns (uint256 againstVotes, uint256 forVotes, uint256 abstainVotes);

    /// @notice The coordinator.
    function coordinator() external view returns (IAgentCoordinator);

    /// @notice The group.
    function groupId() external view returns (bytes32);
}
