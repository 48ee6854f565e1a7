// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice The part of halmos' own cheat codes that the proofs use; of forge's, halmos knows those in `support/Vm.sol`.
interface Svm {
    function createCalldata(string calldata contractName) external pure returns (bytes memory);
    function enableSymbolicStorage(address account) external;
}

/// @dev The address at which halmos answers.
Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));
