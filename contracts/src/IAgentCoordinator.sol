// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ICoordinatorEvents} from "./ICoordinatorEvents.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {ILanes} from "./ILanes.sol";

/// @title IAgentCoordinator
/// @notice Groups of agents on-chain: who belongs to a group, what it decided, and what was done about it.
///
/// A decision comes to its effect in one of two lanes. In the *on-chain lane* a group proposes, votes and executes in
/// transactions. In the *anchored lane* it decides off-chain; a quorum of its replicas signs a checkpoint of its log,
/// `anchor` accepts that, and anybody executes the decision by proving that the log contains it. A proposal has the
/// same identifier in both lanes and executes at most once.
///
/// Nobody can keep a command out of a group's log: `enqueue` puts it into the group's *inbox*, and no anchor may leave it
/// out beyond a deadline. When anchors fail to come for the group's stall time, the on-chain lane opens where it was
/// closed, and what the group has voted for off-chain is finished here (`approveFromLog`, the *escape lane*). A replica
/// that contradicts itself forfeits its bond to whoever shows that (`reportEquivocation`).
///
/// There is no owner, no upgrade and no pause. A group is governed by its members alone, and no group reaches
/// another's funds, proposals or anchors.
interface IAgentCoordinator is ICoordinatorEvents, IGroupRegistry, ILanes {}
