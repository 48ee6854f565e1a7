// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice The least that a vote of a group on-chain takes: a proposal with its calls in storage, a vote a member, and an
/// execution. What a group would write for itself; a yardstick for gas, and nothing else.
contract BareVoting {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    struct Proposal {
        Call[] calls;
        uint64 votes;
        bool executed;
        mapping(address => bool) voted;
    }

    mapping(address => bool) private _isMember;
    uint64 private immutable _threshold;
    Proposal[] private _proposals;

    constructor(address[] memory members, uint64 threshold) payable {
        for (uint256 i = 0; i < members.length; ++i) {
            _isMember[members[i]] = true;
        }
        _threshold = threshold;
    }

    function propose(Call[] calldata calls) external returns (uint256 id) {
        require(_isMember[msg.sender], "no member");
        id = _proposals.length;
        Proposal storage proposal = _proposals.push();
        for (uint256 i = 0; i < calls.length; ++i) {
            proposal.calls.push(calls[i]);
        }
    }

    function vote(uint256 id) external {
        Proposal storage proposal = _proposals[id];
        require(_isMember[msg.sender] && !proposal.voted[msg.sender], "no vote");
        proposal.voted[msg.sender] = true;
        ++proposal.votes;
    }

    function execute(uint256 id) external {
        Proposal storage proposal = _proposals[id];
        require(proposal.votes >= _threshold && !proposal.executed, "not approved");
        proposal.executed = true;
        for (uint256 i = 0; i < proposal.calls.length; ++i) {
            Call storage call = proposal.calls[i];
            (bool success,) = call.target.call{value: call.value}(call.data);
            require(success, "call failed");
        }
    }
}
