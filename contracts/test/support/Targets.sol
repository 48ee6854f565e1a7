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

/// @notice A wallet that takes its owner's signature on the digest as it is: one signature is good for all wallets of one
/// owner, unless what is signed names the wallet.
contract OwnedWallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes memory signature) external view override returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(0), bytes32(0), 0);
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
        return ecrecover(digest, v, r, s) == _owner ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// @notice Answers ERC-1271 with whatever it was told, of whatever length, or reverts.
contract Answerer {
    bytes private _answer;
    bool private _reverts;

    constructor(bytes memory answer, bool reverts) {
        (_answer, _reverts) = (answer, reverts);
    }

    fallback() external {
        bytes memory answer = _answer;
        bool reverts = _reverts;
        assembly ("memory-safe") {
            if reverts { revert(add(answer, 0x20), mload(answer)) }
            return(add(answer, 0x20), mload(answer))
        }
    }
}

/// @notice Calls on behalf of others and swallows what fails, as bridges and multicalls do.
contract Relay {
    uint256 public relayed;
    uint256 public failed;

    function relay(address target, bytes calldata data) external payable {
        (bool success,) = target.call{value: msg.value}(data);
        if (success) ++relayed;
        else ++failed;
    }
}

/// @notice Remembers how much gas it was given.
contract Meter {
    uint256 public given;

    function measure() external payable {
        given = gasleft();
    }
}

/// @notice Work that needs some gas, and is seen to be done.
contract Worker {
    uint256 public done;
    mapping(uint256 => uint256) private _written;

    function work(uint256 slots) external {
        for (uint256 i = 0; i < slots; ++i) {
            _written[i + slots * done] = 1;
        }
        ++done;
    }
}

/// @notice Pays as `transfer` and `send` do, with the 2,300 gas that go with ether by themselves.
contract Payer {
    function pay(address payee) external payable {
        (bool success,) = payee.call{value: msg.value, gas: 0}("");
        require(success, "not paid");
    }
}

/// @notice A Chainlink L2 sequencer uptime feed.
contract Feed {
    int256 private _answer;
    uint256 private _startedAt;
    // what it does instead of answering
    Mood private _mood;

    enum Mood {
        Answers,
        Reverts,
        Short,
        Burns
    }

    function set(int256 answer, uint256 startedAt) external {
        (_answer, _startedAt, _mood) = (answer, startedAt, Mood.Answers);
    }

    function be(Mood mood) external {
        _mood = mood;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        require(_mood != Mood.Reverts, "no longer");
        if (_mood == Mood.Short) {
            // Four words, of which the second says that it is down.
            assembly ("memory-safe") {
                let answer := mload(0x40)
                mstore(add(answer, 0x20), 1)
                return(answer, 0x80)
            }
        }
        if (_mood == Mood.Burns) {
            while (true) {}
        }
        return (1, _answer, _startedAt, _startedAt, 1);
    }
}

/// @notice Answers whatever it is asked with the calldata that it got, and can keep something.
contract Handler {
    uint256 public kept;

    function keep(uint256 value) external {
        kept = value;
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        return abi.encode(data);
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
