// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {Errors} from "../../src/Errors.sol";
import {GroupAccount} from "../../src/GroupAccount.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {Call} from "../../src/Types.sol";
import {Babbler, Handler, Meter, Recorder, Refuser, Worker} from "../support/Targets.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Account.tree, but for "tokens", which GroupAccountTokens.t.sol has.
contract GroupAccountTest is Fixture {
    IGroupAccount private _account;

    function setUp() public override {
        super.setUp();
        _account = IGroupAccount(account);
    }

    // ---------------------------------------------------------------------------------------------------------
    // execute
    // ---------------------------------------------------------------------------------------------------------

    function testFuzz_Execute_RevertWhen_NotTheCoordinator(address caller) external {
        vm.assume(caller != address(coordinator));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCoordinator.selector, caller));
        vm.prank(caller);
        _account.execute(_calls(1, 0));
    }

    /// @dev The implementation knows the coordinator too, but the coordinator never calls it.
    function test_Execute_RevertWhen_TheImplementationIsCalled() external {
        IGroupAccount implementation = IGroupAccount(coordinator.groupAccountImplementation());
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCoordinator.selector, address(this)));
        implementation.execute(_calls(1, 0));
    }

    function test_Coordinator_IsWhoDeployedTheImplementation() external {
        vm.assertEq(_account.coordinator(), address(coordinator), "the proxy's");
        vm.assertEq(new GroupAccount().coordinator(), address(this), "that of one deployed here");
    }

    function test_Execute_MakesTheCallsInOrder() external {
        Call[] memory calls = _join(_calls(7, 1), _join(_calls(5, 2), _calls(6, 3)));
        vm.assertEq(_execute(calls), 0, "no failures");

        vm.assertEq(recorder.orderLength(), 3, "calls");
        vm.assertEq(recorder.order(0), 7, "first");
        vm.assertEq(recorder.order(1), 5, "second");
        vm.assertEq(recorder.order(2), 6, "third");
        vm.assertEq(recorder.received(account), 6, "value");
        vm.assertEq(_execute(new Call[](0)), 0, "none");
    }

    function test_Execute_WhenACallFails_UndoesAll() external {
        Call[] memory calls = _join(_calls(1, 1), _call(address(new Refuser()), 0, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CallFailed.selector, 1, calls[1].target, abi.encodeWithSelector(Refuser.Refused.selector, 42)
            )
        );
        _execute(calls);
        vm.assertEq(recorder.calls(1), 0, "undone");
    }

    /// @dev Bit i for call i, up to the last of 32.
    function test_M5_Execute_TellsWhichFailed() external {
        Refuser refuser = new Refuser();
        Call[] memory calls = new Call[](32);
        uint256 expected = 0;
        for (uint256 i = 0; i < 32; ++i) {
            bool fails = i % 3 == 1;
            calls[i] = fails ? _call(address(refuser), 0, hex"00")[0] : _calls(i, 0)[0];
            calls[i].allowFailure = true;
            if (fails) expected += 2 ** i;
        }
        vm.assertEq(_execute(calls), expected, "failures");
        vm.assertEq(recorder.orderLength(), 21, "the others");
        vm.assertTrue(expected >> 31 == 1, "the last among them");
    }

    function test_Execute_PaysAnAccountWithoutCode() external {
        _execute(_payment(address(0xbeef), 2 ether));
        vm.assertEq(address(0xbeef).balance, 2 ether, "paid");
    }

    function test_Execute_WhenTheFundsAreMissing_Fails() external {
        Call[] memory calls = _payment(address(0xbeef), 101 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(0xbeef), ""));
        _execute(calls);
        calls[0].allowFailure = true;
        vm.assertEq(_execute(calls), 1, "failed");
    }

    /// @dev A million bytes would cost three million gas to copy.
    function test_Execute_DoesNotPayForWhatATargetReturns() external {
        Call[] memory calls = _call(address(new Babbler()), 0, "");
        vm.prank(address(coordinator));
        (bool success,) = account.call{gas: 3_000_000}(abi.encodeCall(IGroupAccount.execute, (calls)));
        vm.assertTrue(success, "executed");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Targets without code
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Data that nothing looks at does nothing, and does not pass for done.
    function test_M5_Execute_WhenDataGoesToNoCode_Fails() external {
        Call[] memory calls = _call(address(0xbeef), 1 ether, hex"01");
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(0xbeef), ""));
        _execute(calls);
        calls[0].allowFailure = true;
        vm.assertEq(_execute(calls), 1, "failed");
        vm.assertEq(address(0xbeef).balance, 0, "and not paid");
        calls[0].allowNoCode = true;
        vm.assertEq(_execute(calls), 0, "as was decided");
        vm.assertEq(address(0xbeef).balance, 1 ether, "paid");
    }

    /// @dev What an earlier call of the same decision deploys is there.
    function test_M5_Execute_LooksForCodeWhenItIsTheCallsTurn() external {
        Creator creator = new Creator();
        address created = creator.next();
        vm.assertEq(created.code.length, 0, "not yet");
        Call[] memory calls = _join(
            _call(address(creator), 0, abi.encodeCall(Creator.create, ())),
            _call(created, 0, abi.encodeCall(Recorder.record, (1)))
        );
        calls[0].gas = 2_000_000;
        vm.assertEq(_execute(calls), 0, "done");
        vm.assertEq(Recorder(created).calls(1), 1, "called");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Gas
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Before the call: what 63 of 64 parts of the gas left have over what the call names and 40,000.
    function test_M5_Execute_RevertWhen_TooLittleGasIsLeft() external {
        Worker worker = new Worker();
        Call[] memory calls = _call(address(worker), 0, abi.encodeCall(Worker.work, (1)));
        (calls[0].gas, calls[0].allowFailure) = (500_000, true);
        bytes memory data = abi.encodeCall(IGroupAccount.execute, (calls));
        for (uint256 gas_ = 200_000; gas_ < 540_000; gas_ += 20_000) {
            vm.prank(address(coordinator));
            (bool success, bytes memory reason) = account.call{gas: gas_}(data);
            vm.assertFalse(success, "refused, although the call itself may fail");
            vm.assertEq(bytes32(bytes4(reason)), bytes32(Errors.NotEnoughGas.selector), "for want of gas");
        }
        vm.prank(address(coordinator));
        (bool done,) = account.call{gas: 570_000}(data);
        vm.assertTrue(done, "enough");
        vm.assertEq(worker.done(), 1, "done");
    }

    /// @dev What a call names it is given, whatever the 64ths (EIP-150), the value and the look at the target take.
    function test_M5_Execute_GivesWhatIsNamed() external {
        Meter meter = new Meter();
        Call[] memory calls = _call(address(meter), 1, abi.encodeCall(Meter.measure, ()));
        calls[0].gas = 8_000_000;
        bytes memory data = abi.encodeCall(IGroupAccount.execute, (calls));
        uint256 refused = 0;
        for (uint256 gas_ = 8_000_000; meter.given() == 0; gas_ += 2000) {
            vm.prank(address(coordinator));
            (bool success,) = account.call{gas: gas_}(data);
            if (!success) ++refused;
        }
        vm.assertTrue(refused > 10, "some was too little");
        // Its own first steps take some of it.
        vm.assertGe(meter.given(), 8_000_000 - 500, "given");
    }

    /// @dev A floor, and no cap: an estimate that turned out low can be helped by whoever executes.
    function test_M5_Execute_GivesAllGasThatThereIs() external {
        Worker worker = new Worker();
        Call[] memory calls = _call(address(worker), 0, abi.encodeCall(Worker.work, (20)));
        calls[0].gas = 1;
        vm.assertEq(_execute(calls), 0, "done");
        vm.assertEq(worker.done(), 1, "done");
    }

    /// @dev What names no gas needs none: a plain payment.
    function test_M5_Execute_APaymentNeedNameNone() external {
        Call[] memory calls = _payment(address(0xbeef), 1);
        bytes memory data = abi.encodeCall(IGroupAccount.execute, (calls));
        vm.prank(address(coordinator));
        (bool success,) = account.call{gas: 60_000}(data);
        vm.assertTrue(success, "paid");
    }

    // ---------------------------------------------------------------------------------------------------------
    // ERC-1271
    // ---------------------------------------------------------------------------------------------------------

    function test_L7_SetApproval_RevertWhen_NotTheAccountItself() external {
        address[4] memory callers =
            [address(this), address(coordinator), agents[0], coordinator.groupAccountImplementation()];
        for (uint256 i = 0; i < callers.length; ++i) {
            bytes memory refusal = abi.encodeWithSelector(Errors.NotSelf.selector, callers[i]);
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            _account.setApproval("hash", uint64(START));
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            _account.setTypedApproval("domain", "Order(uint256 id)", abi.encode(1), uint64(START));
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            _account.setFallbackHandler(address(this));
        }
    }

    /// @dev By a decision of the group, until its last second or until it is taken back.
    function test_SetApproval_AnswersForTheHash_ToItsEnd() external {
        _assertAnswer(_account, "hash", false);
        uint64 until = uint64(START + 100);
        vm.expectEmit(account);
        emit IGroupAccount.ApprovalSet("hash", until);
        _decide(until);
        vm.assertEq(_account.approvedUntil("hash"), until, "until");
        _assertAnswer(_account, "hash", true);
        _assertAnswer(_account, "another", false);
        vm.warp(until);
        _assertAnswer(_account, "hash", true);
        vm.warp(until + 1);
        _assertAnswer(_account, "hash", false);
    }

    function test_SetApproval_IsTakenBack() external {
        _decide(uint64(START + 100));
        vm.expectEmit(account);
        emit IGroupAccount.ApprovalSet("hash", 0);
        _decide(0);
        _assertAnswer(_account, "hash", false);
        vm.assertEq(_account.approvedUntil("hash"), 0, "none");
    }

    /// @dev A year ahead at most. What is over already is taken, and answers for nothing.
    function test_SetApproval_RevertWhen_ItEndsTooLate() external {
        uint64[2] memory ends = [uint64(START + 365 days + 1), type(uint64).max];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory refusal = abi.encodeWithSelector(Errors.InvalidApprovalEnd.selector, ends[i], START + 365 days);
            vm.expectRevert(refusal);
            vm.prank(account);
            _account.setApproval("hash", ends[i]);
            vm.expectRevert(refusal);
            vm.prank(account);
            _account.setTypedApproval("domain", "Order(uint256 id)", abi.encode(1), ends[i]);
        }
        vm.prank(account);
        _account.setApproval("hash", uint64(START + 365 days));
        vm.prank(account);
        _account.setApproval("over", uint64(START - 1));
        _assertAnswer(_account, "over", false);
    }

    /// @dev What one group approved another has not, although both delegate to the same code.
    function test_SetApproval_IsOfOneAccount() external {
        IGroupAccount other = IGroupAccount(coordinator.group(_createGroup(_members(4), _terms(), "other")).account);
        _decide(uint64(START + 100));
        _assertAnswer(other, "hash", false);
        _assertAnswer(IGroupAccount(coordinator.groupAccountImplementation()), "hash", false);
    }

    /// @dev The account works the hash out: of a domain, a type and its values, as EIP-712 has it.
    function test_SetTypedApproval_AnswersForTheMessage() external {
        bytes32 domain = keccak256("the domain separator of who asks");
        string memory typeString = "Order(address maker,uint256 amount,string note)";
        bytes memory data = abi.encode(account, 5 ether, keccak256("note"));
        bytes32 structHash = keccak256(abi.encode(keccak256(bytes(typeString)), account, 5 ether, keccak256("note")));
        bytes32 hash = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        vm.expectEmit(account);
        emit IGroupAccount.ApprovalSet(hash, uint64(START + 100));
        vm.prank(account);
        vm.assertEq(_account.setTypedApproval(domain, typeString, data, uint64(START + 100)), hash, "hash");
        _assertAnswer(_account, hash, true);
        vm.warp(START + 101);
        _assertAnswer(_account, hash, false);
    }

    function test_SetTypedApproval_RevertWhen_TheValuesAreNoWords() external {
        for (uint256 length = 31; length < 34; length += 2) {
            vm.expectRevert(abi.encodeWithSelector(Errors.InvalidTypedData.selector, length));
            vm.prank(account);
            _account.setTypedApproval("domain", "Order(uint256 id)", new bytes(length), uint64(START));
        }
        vm.prank(account);
        _account.setTypedApproval("domain", "Order()", "", uint64(START));
    }

    /// @dev A group that is a voter of another votes by such an answer: its account needs no key.
    function test_IsValidSignature_AGroupVotesInAnother() external {
        bytes32 digest = keccak256("what somebody asks the account to sign");
        vm.prank(account);
        _account.setApproval(digest, uint64(START + 1));
        vm.assertTrue(SignatureChecker.isValidSignatureNow(account, digest, ""), "without a signature");
        vm.assertTrue(SignatureChecker.isValidSignatureNow(account, digest, "any"), "with any");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The fallback handler
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A proxy has no function beyond its interface.
    function test_Fallback_RevertGiven_ThereIsNoHandler() external {
        vm.assertEq(_account.fallbackHandler(), address(0), "none");
        (bool success,) = account.call(abi.encodeCall(Recorder.record, (1)));
        vm.assertFalse(success, "refused");
    }

    /// @dev With who asks behind what it asks, and its answer handed on.
    function test_Fallback_AsksTheHandler() external {
        Handler handler = new Handler();
        _setHandler(address(handler));
        bytes memory question = abi.encodeWithSignature("onFlashLoan(uint256)", 7);
        vm.prank(address(0xbeef));
        (bool success, bytes memory answer) = account.staticcall(question);
        vm.assertTrue(success, "answered");
        vm.assertEq(abi.decode(answer, (bytes)), abi.encodePacked(question, address(0xbeef)), "asked");
        _setHandler(address(0));
        (success,) = account.call(question);
        vm.assertFalse(success, "no handler");
    }

    function test_Fallback_HandsOnTheReasonOfTheHandler() external {
        _setHandler(address(new Refuser()));
        (bool success, bytes memory reason) = account.call(hex"12345678");
        vm.assertFalse(success, "refused");
        vm.assertEq(reason, abi.encodeWithSelector(Refuser.Refused.selector, 42), "reason");
    }

    /// @dev Statically: a handler that could change something would act as the account. With a token as the handler anybody
    /// would move the group's tokens.
    function test_Fallback_TheHandlerChangesNothing() external {
        Handler handler = new Handler();
        _setHandler(address(handler));
        (bool success,) = account.call(abi.encodeCall(Handler.keep, (7)));
        vm.assertFalse(success, "static");
        vm.assertEq(handler.kept(), 0, "kept nothing");

        _setHandler(address(coin));
        uint256 before = coin.balanceOf(account);
        (success,) = account.call(abi.encodeCall(coin.transfer, (address(this), 1)));
        vm.assertFalse(success, "no transfer");
        vm.assertEq(coin.balanceOf(account), before, "nothing moved");
    }

    /// @dev It answers for what the account has not, and nothing else.
    function test_Fallback_TheAccountsOwnFunctionsAreItsOwn() external {
        _setHandler(address(new Handler()));
        _assertAnswer(_account, "hash", false);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCoordinator.selector, address(this)));
        _account.execute(_calls(1, 0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // ERC-165
    // ---------------------------------------------------------------------------------------------------------

    function test_SupportsInterface() external view {
        IERC165 asked = IERC165(account);
        vm.assertTrue(asked.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertTrue(asked.supportsInterface(type(IERC1271).interfaceId), "ERC-1271");
        vm.assertTrue(asked.supportsInterface(type(IERC721Receiver).interfaceId), "ERC-721");
        vm.assertTrue(asked.supportsInterface(type(IERC1155Receiver).interfaceId), "ERC-1155");
        vm.assertFalse(asked.supportsInterface(0xffffffff), "none");
        vm.assertFalse(asked.supportsInterface(0), "nor this");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _execute(Call[] memory calls) private returns (uint256) {
        vm.prank(address(coordinator));
        return _account.execute(calls);
    }

    /// @dev By the coordinator's hand, as a decision is.
    function _decide(uint64 until) private {
        _execute(_call(account, 0, abi.encodeCall(IGroupAccount.setApproval, ("hash", until))));
    }

    function _setHandler(address handler) private {
        vm.expectEmit(account);
        emit IGroupAccount.FallbackHandlerSet(handler);
        vm.prank(account);
        _account.setFallbackHandler(handler);
        vm.assertEq(_account.fallbackHandler(), handler, "handler");
    }

    function _assertAnswer(IGroupAccount asked, bytes32 hash, bool approved) private view {
        bytes4 expected = approved ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
        vm.assertEq(bytes32(asked.isValidSignature(hash, "")), bytes32(expected), "answer");
        vm.assertEq(bytes32(asked.isValidSignature(hash, "any")), bytes32(expected), "answer to any signature");
    }
}

/// @notice Makes a recorder at an address that is known before.
contract Creator {
    function create() external {
        new Recorder{salt: 0}();
    }

    function next() external view returns (address) {
        bytes32 codeHash = keccak256(type(Recorder).creationCode);
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), codeHash)))));
    }
}
// forge-lint: disable-end(unsafe-typecast)
