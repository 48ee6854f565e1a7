// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {vm} from "../support/Vm.sol";
import {BareVoting} from "./BareVoting.sol";

/// @dev The part of Safe that a payment takes.
interface ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external;

    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes memory signatures
    ) external payable returns (bool success);

    function getTransactionHash(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        uint256 nonce
    ) external view returns (bytes32);
}

interface ISafeProxyFactory {
    function createProxyWithNonce(address singleton, bytes memory initializer, uint256 saltNonce)
        external
        returns (address proxy);
}

/// @notice What a payment of one ether by three of four costs elsewhere, measured as `Gas.t.sol` measures ours: each
/// transaction whole. Safe is the bytecode that its npm package carries.
contract GasComparisonTest {
    string private constant SAFE = "contracts/node_modules/@safe-global/safe-smart-account/build/artifacts/contracts/";

    uint256[] private _keys;
    address[] private _owners;
    ISafe private _safe;
    BareVoting private _bare;

    function setUp() external {
        for (uint256 k = 0; k < 4; ++k) {
            uint256 key = uint256(keccak256(abi.encode("owner", k)));
            _keys.push(key);
            _owners.push(vm.addr(key));
            for (uint256 i = k; i > 0 && _owners[i - 1] > _owners[i]; --i) {
                (_owners[i - 1], _owners[i]) = (_owners[i], _owners[i - 1]);
                (_keys[i - 1], _keys[i]) = (_keys[i], _keys[i - 1]);
            }
        }
        bytes memory initializer =
            abi.encodeCall(ISafe.setup, (_owners, 3, address(0), "", address(0), address(0), 0, payable(0)));
        ISafeProxyFactory factory = ISafeProxyFactory(_deploy("proxies/SafeProxyFactory.sol/SafeProxyFactory.json"));
        _safe = ISafe(factory.createProxyWithNonce(_deploy("Safe.sol/Safe.json"), initializer, 0));
        _bare = new BareVoting(_owners, 3);
        vm.deal(address(_safe), 100 ether);
        vm.deal(address(_bare), 100 ether);
        vm.deal(address(0xbeef), 1);
    }

    /// forge-config: default.isolate = true
    function test_Safe() external {
        _pay(0);
        vm.snapshotGasLastCall("Safe 3 of 4, the first payment");
        _pay(1);
        vm.snapshotGasLastCall("Safe 3 of 4, the second payment");
        vm.assertEq(address(0xbeef).balance, 2 ether + 1, "paid twice");
    }

    /// forge-config: default.isolate = true
    function test_BareVoting() external {
        BareVoting.Call[] memory calls = new BareVoting.Call[](1);
        calls[0] = BareVoting.Call({target: address(0xbeef), value: 1 ether, data: ""});
        // What the first proposal of all pays for is not counted.
        vm.prank(_owners[3]);
        _bare.propose(calls);

        vm.prank(_owners[0]);
        uint256 id = _bare.propose(calls);
        uint256 gas = vm.snapshotGasLastCall("bare voting, propose");
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(_owners[i]);
            _bare.vote(id);
            gas += vm.snapshotGasLastCall("bare voting, a vote");
        }
        _bare.execute(id);
        gas += vm.snapshotGasLastCall("bare voting, execute");
        vm.snapshotValue("bare voting, propose, 3 votes, execute", gas);
        vm.assertEq(address(0xbeef).balance, 1 ether + 1, "paid");
    }

    function _pay(uint256 nonce) private {
        address nobody = address(0);
        bytes32 hash = _safe.getTransactionHash(address(0xbeef), 1 ether, "", 0, 0, 0, 0, nobody, nobody, nonce);
        bytes memory signatures;
        for (uint256 i = 0; i < 3; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[i], hash);
            signatures = bytes.concat(signatures, abi.encodePacked(r, s, v));
        }
        _safe.execTransaction(address(0xbeef), 1 ether, "", 0, 0, 0, 0, nobody, payable(nobody), signatures);
    }

    function _deploy(string memory artifact) private returns (address deployed) {
        bytes memory code = vm.getCode(string.concat(SAFE, artifact));
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        vm.assertTrue(deployed != address(0), artifact);
    }
}
