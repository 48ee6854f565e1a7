// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice Remembers who called it with what, so that tests see effects and not what the coordinator says of them.
contract Recorder {
    mapping(uint256 marker => uint256) public calls;
    mapping(address sender => mapping(uint256 marker => uint256)) public callsBy;
    mapping(address sender => uint256) public received;
    uint256[] public order;

    function record(uint256 marker) external payable {
        ++calls[marker];
        ++callsBy[msg.sender][marker];
        received[msg.sender] += msg.value;
        order.push(marker);
    }

    function orderLength() external view returns (uint256) {
        return order.length;
    }
}

/// @notice Always refuses, with a reason.
contract Refuser {
    error Refused(uint256 reason);

    fallback() external payable {
        revert Refused(42);
    }
}

/// @notice Calls back whoever calls it, and hands on what that reverts with.
contract Reenterer {
    address private _target;
    bytes private _data;

    function set(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    function poke() external payable {
        (bool success, bytes memory reason) = _target.call(_data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}

/// @notice An account with code that approves digests one by one (ERC-1271).
contract Wallet is IERC1271 {
    mapping(bytes32 digest => bool) public approved;

    function approve(bytes32 digest) external {
        approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes memory) external view override returns (bytes4) {
        return approved[digest] ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// @notice Does what it is told, and when ether comes takes it, refuses it, or does something else first.
contract Actor {
    error NoEtherPlease();

    bool private _refuses;
    address private _target;
    bytes private _data;

    /// @notice Whether what it did when ether came succeeded, and what came of it.
    bool public succeeded;
    bytes public answer;
    uint256 public timesPaid;

    receive() external payable {
        require(!_refuses, NoEtherPlease());

        ++timesPaid;
        if (_target == address(0)) return;
        (succeeded, answer) = _target.call(_data);
    }

    function refuse(bool refuses) external {
        _refuses = refuses;
    }

    /// @notice What it does when ether comes.
    function onEther(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    /// @notice Calls the target, and hands on what that reverts with.
    function act(address target, bytes calldata data) external {
        (bool success, bytes memory reason) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}

/// @notice Answers with more than anybody wants to pay for.
contract Babbler {
    fallback() external payable {
        assembly ("memory-safe") {
            return(0, 1000000)
        }
    }
}
