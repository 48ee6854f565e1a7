// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ICoordinatorEvents} from "./ICoordinatorEvents.sol";
import {IAnchoredLane} from "./IAnchoredLane.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {IOnChainLane} from "./IOnChainLane.sol";

/// @title IAgentCoordinator
/// @notice Groups of agents on-chain: who belongs to a group, what it decided, and what was done about it.
///
/// A decision comes to its effect in one of two lanes. In the *on-chain lane* voters propose, vote and execute in
/// transactions. In the *anchored lane* the group decides off-chain; a quorum of its replicas signs a checkpoint of its log,
/// `anchor` accepts that, and anybody executes the decision by proving that the log contains it, or queues it where its class
/// has a timelock. A proposal has the same identifier in both lanes and executes at most once. Either lane holds the calls to the
/// class of the decision: scope, targets, limits per decision and per window.
///
/// Nobody can keep a command out of a group's log: `enqueue` puts it into the group's *inbox*, and no anchor may leave it
/// out beyond a deadline. When a message waits untaken for the group's stall time, the group has *stalled*: the on-chain lane
/// opens where it was closed, and what the group has voted for off-chain is approved here (`approveBySigs`, the *escape lane*).
/// When it waits for the recovery time, the voters can replace the replicas (`recover`). A replica that contradicts itself
/// forfeits its bond to whoever shows that (`reportContradiction`).
///
/// There is no owner, no upgrade and no pause. A group is governed by its members alone, and no group reaches
/// another's funds, proposals or anchors.
interface IAgentCoordinator is ICoordinatorEvents, IAnchoredLane, IOnChainLane, IGroupRegistry {}
