// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {svm} from "./Svm.sol";

/// @notice That a module works for the coordinator alone: by itself it is a coordinator that nothing drives.
///
/// For every function of the module's interface that is no view, and for data that no function has; with any arguments, the lists
/// and bytes of which are empty: the guard is the first thing that is looked at once they are of their types. Where they are not,
/// the refusal says nothing.
contract ModuleProof is ProofFixture {
    address internal lane;
    address internal registry;

    function setUp() public override {
        lane = _deploy("OnChainLane", "");
        registry = _deploy("GroupRegistry", "");
    }

    /// @notice Proven: whoever calls whichever function of the lane by itself is refused for that.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 0
    function check_TheLaneWorksForTheCoordinatorAlone() external {
        _assertRefused(lane, svm.createCalldata("IOnChainLane"));
    }

    /// @notice Proven: the same of the registry.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 0
    function check_TheRegistryWorksForTheCoordinatorAlone() external {
        _assertRefused(registry, svm.createCalldata("IGroupRegistry"));
    }

    function _assertRefused(address module, bytes memory data) private {
        (bool done, bytes memory answer) = module.call(data);
        assert(!done);
        // The error is the first four bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        assert(answer.length == 0 || (answer.length == 4 && bytes4(answer) == Errors.NotDelegated.selector));
    }
}
