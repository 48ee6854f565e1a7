# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Takes one guard at a time out of a copy of the contracts, and sees to it that an invariant, or a unit test, then fails.

Compiled by the profile `quick`. A guard is text that occurs once in its file.

    contracts/audit/invariant_mutants.py            all of them
    contracts/audit/invariant_mutants.py inbox      those whose description has the word
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONCE = "invariant_Once"
TALLIES = "invariant_Tallies"
STATUS = "invariant_Status"
FORWARD = "invariant_Forward"
FUNDS = "invariant_Funds"
BONDS = "invariant_Bonds"
INBOX = "invariant_Inbox"
EPOCHS = "invariant_Epochs"
FORBIDDEN = "invariant_NothingForbidden"

WINDOW = "(uint64 from, uint64 until) = (approval.executableFrom, approval.executableUntil);"

# What is taken out; the edits as (file, text, text instead); the test that has to fail.
MUTANTS = [
    ("what is marked does not execute",
     [("Groups", "require(!state.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));", "")], ONCE),
    ("executing marks", [("Groups", "state.executed[proposalId] = true;", "")], ONCE),
    ("an old vote makes place for the new one",
     [("Proposals", "_count(state, cast.choice, weight, false);", "")], TALLIES),
    ("a vote has its weight", [("Proposals", "_count(state, choice, weight, true);", "_count(state, choice, 1, true);")],
     TALLIES),
    ("votes change only where they may",
     [("Proposals", "require(policy.revotes && cast.choice != choice, Errors.AlreadyVoted(proposalId, voter));", "")],
     FORBIDDEN),
    ("the nonce of a signed vote",
     [("Proposals", "_checkVote(_votes(proposalId, state), voter, choice, state.casts[voter].count, signature);",
       "_checkVote(_votes(proposalId, state), voter, choice, 0, signature);")], FORBIDDEN),
    ("who has left has no vote", [("Groups", "seat.flags & FLAG_VOTER != 0 && !seat.left,", "seat.flags & FLAG_VOTER != 0,")],
     FORBIDDEN),
    ("only voters vote", [("Groups", "require(seat.flags & FLAG_VOTER != 0 && !seat.left, Errors.NotVoter(groupId, account));", "groupId;")],
     FORBIDDEN),
    ("only the proposer cancels",
     [("Proposals", "require(msg.sender == state.proposer, Errors.NotProposer(proposalId, msg.sender));", "")], FORBIDDEN),
    ("the threshold", [("Policies", "inFavour * WHOLE >= rule.threshold * base", "inFavour * WHOLE * 2 >= rule.threshold * base")],
     STATUS),
    ("the turnout", [("Policies", "bool turnedOut = cast * WHOLE >= rule.turnout * total;", "bool turnedOut = true;")], STATUS),
    ("the veto", [("Policies", "if (rule.veto != 0 && against * WHOLE >= rule.veto * total) return ProposalStatus.Rejected;", "")],
     STATUS),
    ("where votes change, nothing is settled early", [("Policies", "if (rule.revotes) return ProposalStatus.Open;", "")],
     STATUS),
    ("the end of the epoch ends the voting", [("Proposals", "if (overtaken) return ProposalStatus.Expired;", "overtaken;")],
     EPOCHS),
    ("the end of the voting", [("Proposals", "if (block.timestamp < state.votingEnds) return ProposalStatus.Open;",
                                "if (block.timestamp < state.votingEnds + 1 days) return ProposalStatus.Open;")], STATUS),
    ("the end of the time for execution",
     [("Proposals", "return until != 0 && block.timestamp > until ? ProposalStatus.Expired : ProposalStatus.Approved;",
       "return ProposalStatus.Approved;"), ("Proposals", "(, uint256 until) = _window(state, policy);", "policy;")], STATUS),
    ("the timelock", [("Proposals", "require(block.timestamp >= from, Errors.TimelockNotOver(proposalId, from));", "from;")],
     FORBIDDEN),
    ("a closed lane",
     [("Proposals", "require(!policy.onlyStalled || _hasStalled(group), Errors.LaneClosed(groupId, class));", "")], FORBIDDEN),
    ("the limit of a class", [("Policies", "require(call.value <= left, Errors.ValueNotPermitted(i, left));", "")], FORBIDDEN),
    ("the escape lane: stalled", [("Proposals", "require(_hasStalled(group), Errors.NotStalled(groupId));", "")], FORBIDDEN),
    ("the escape lane: the class", [("Proposals", "require(policy.escape, Errors.NoEscape(groupId, content.class));", "")],
     FORBIDDEN),
    ("the escape lane: the end of the voting",
     [("Proposals", "require(block.timestamp < votingEnds, Errors.VotingOver(votingEnds));", "")], FORBIDDEN),
    ("the escape lane: the threshold",
     [("Proposals", "bool reached = weight != 0 && weight * Policies.WHOLE >= needed;", "bool reached = true; needed;")],
     FORBIDDEN),
    ("the escape lane: the voters' signatures",
     [("Proposals", "_checkVote(votes, ballot.voter, CHOICE_FOR, 0, ballot.signature);", "")], FORBIDDEN),
    ("the escape lane: the same proposal",
     [("Proposals", "require(state.proposer == address(0), Errors.ProposalExists(proposalId));", "")], FORBIDDEN),
    ("the current epoch of a checkpoint", [("Anchors", "checkpoint.epoch == epoch,", "true,")], FORBIDDEN),
    ("a greater sequence", [("Anchors", "checkpoint.sequence > head.sequence,", "true,")], FORBIDDEN),
    ("a log that is not smaller", [("Anchors", "checkpoint.logSize >= head.logSize,", "true,")], FORBIDDEN),
    ("the same root for the same size", [("Anchors", "anchored == logRoot,", "true,")], FORBIDDEN),
    ("a root stays", [("Anchors", "if (anchored == 0) {", "if (group.roots[logSize] == 0 || logSize > 0) {")], FORWARD),
    ("a quorum of signatures", [("Anchors", "require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));", "quorum_;")],
     FORBIDDEN),
    ("signers are replicas",
     [("Anchors", "require(group.seats[signer].flags & FLAG_REPLICA != 0, Errors.NotReplica(checkpoint.groupId, signer));",
       "group;")], FORBIDDEN),
    ("the next members are the named ones", [("Anchors", "given == nextMembersHash,", "true,")], FORBIDDEN),
    ("former members lose their seats", [("Groups", "_unseat(state, members_);\n        uint256", "uint256")], EPOCHS),
    ("inbox: the count does not go back", [("Anchors", "count >= taken && count <= length,", "count <= length,")], FORBIDDEN),
    ("inbox: the count is not beyond the inbox", [("Anchors", "count >= taken && count <= length,", "count >= taken,")],
     FORBIDDEN),
    ("inbox: the deadline", [("Anchors", "block.timestamp <= dueAt || excused,", "true || excused,")], FORBIDDEN),
    ("inbox: only the stalled are excused",
     [("Anchors", "checkpoint.nextMembersHash != 0 && _hasStalled(group);", "checkpoint.nextMembersHash != 0;")], FORBIDDEN),
    ("inbox: only a rotation is excused",
     [("Anchors", "checkpoint.nextMembersHash != 0 && _hasStalled(group);", "_hasStalled(group);")], FORBIDDEN),
    ("inbox: each hash has the one before", [("Groups", "keccak256(abi.encode(before, index,", "keccak256(abi.encode(bytes32(0), index,")],
     INBOX),
    ("inbox: it is told of executions from the log", [("Proposals", "if (state.fromLog) _append", "if (false) _append")], INBOX),
    ("inbox: it is told of convictions",
     [("Bonds", "_append(group, groupId, INBOX_CONVICTED, msg.sender, abi.encode(replica));", "")], INBOX),
    ("a decision's earliest time", [("Anchors", WINDOW, WINDOW + " from = 0;")], FORBIDDEN),
    ("a decision's latest time", [("Anchors", WINDOW, WINDOW + " until = 0;")], FORBIDDEN),
    ("the proof of a decision",
     [("Anchors", "MerkleLog.verify(logRoot, anchoredSize, approval.index, leaf, proof),", "leaf != logRoot || proof.length != 0,")],
     FORBIDDEN),
    ("bonds: what is withdrawn is gone", [("Bonds", "delete group.bonds[msg.sender];", "")], BONDS),
    ("bonds: what is forfeited is gone", [("Bonds", "delete group.bonds[replica];", "")], BONDS),
    ("bonds: the waiting time",
     [("Bonds", "require(block.timestamp >= bond.releasedAt, Errors.BondNotReleased(groupId, msg.sender, bond.releasedAt));", "")],
     FORBIDDEN),
    ("bonds: a withdrawal is asked for",
     [("Bonds", "require(bond.releasedAt != 0, Errors.WithdrawalNotAskedFor(groupId, msg.sender));", "")], FORBIDDEN),
    ("bonds: a replica's stays",
     [("Bonds", "require(group.seats[account].flags & FLAG_REPLICA == 0, Errors.StillReplica(groupId, account));",
       "group; groupId; account;")], FORBIDDEN),
    ("bonds: becoming a replica again takes the request back",
     [("Groups", "if (bond.releasedAt != 0) bond.releasedAt = 0;", "bond;")], BONDS),
    ("bonds: the shares are the whole",
     [("Bonds", "Address.sendValue(payable(group.account), amount - reward);",
       "Address.sendValue(payable(group.account), amount - reward - 1);")], BONDS),
    ("bonds: convicted once", [("Bonds", "group.convicted[replica] = true;", "")], BONDS),
    ("bonds: two different checkpoints", [("Bonds", "&& firstDigest != secondDigest;", ";")], FORBIDDEN),
    ("bonds: of one sequence", [("Bonds", "&& first.sequence == second.sequence\n", "\n")], FORBIDDEN),
    ("bonds: of one epoch", [("Bonds", "&& first.epoch == second.epoch ", "")], FORBIDDEN),
    ("bonds: of one group", [("Bonds", "second.groupId == groupId && ", "")], FORBIDDEN),
    ("bonds: of one signer", [("Bonds", "require(replica == other, Errors.DifferentSigners(replica, other));", "other;")],
     FORBIDDEN),
    ("bonds: the evidence window", [("Bonds", "require(block.timestamp <= until, Errors.EvidenceTooOld(epoch, until));", "until;")],
     FORBIDDEN),
    ("bonds: a signer who is related",
     [("Bonds", "require(isReplica || amount != 0, Errors.NotReplica(groupId, replica));", "isReplica;")], FORBIDDEN),
    ("bonds: the rest is the group's",
     [("Bonds", "Address.sendValue(payable(group.account), amount - reward);",
       "Address.sendValue(payable(msg.sender), amount - reward);")], FUNDS),
    ("a proposal's calls are made once",
     [("Proposals", "_makeCalls(group.account, payload);",
       "_makeCalls(group.account, payload); _makeCalls(group.account, payload);")], FUNDS),
    # What no run of the handler reaches, unit tests do.
    ("an account has one driver", [("GroupAccount", "require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));", "")],
     "testFuzz_Execute_RevertWhen_NotTheCoordinator"),
    ("only the account approves hashes", [("GroupAccount", "require(msg.sender == address(this), Errors.NotSelf(msg.sender));", "")],
     "test_SetApproval_RevertWhen_NotTheAccountItself"),
    ("the registry works for the coordinator alone",
     [("GroupRegistry", "require(address(this) != _self, Errors.NotDelegated());", "")], "test_Registry_RevertWhen_CalledByItself"),
    ("withdraw takes no calls from within",
     [("Bonds", "function withdraw(bytes32 groupId) external override nonReentrant {",
       "function withdraw(bytes32 groupId) external override {")], "test_Withdraw_FromWithin"),
    ("where nobody has a vote, nothing is approved",
     [("Proposals", "bool reached = weight != 0 && weight", "bool reached = weight")],
     "test_ApproveFromLog_RevertGiven_NobodyHasAVote"),
    ("signers ascend strictly", [("Anchors", "require(signer > previous, Errors.SignersNotAscending(previous, signer));",
                                  "require(signer >= previous, Errors.SignersNotAscending(previous, signer));")],
     "test_Anchor_RevertGiven_OneSignedTwice"),
    ("a voter counts once in the escape lane",
     [("Proposals", "require(ballot.voter > previous, Errors.VotersNotAscending(previous, ballot.voter));", "")],
     "test_ApproveFromLog_RevertWhen_VotersDoNotAscend"),
]

ROOT = Path(__file__).resolve().parents[2]


def copy(to):
    """As much of the repository as the tests need."""
    contracts = to / "contracts"
    for folder in ("src", "test"):
        shutil.copytree(ROOT / "contracts" / folder, contracts / folder)
    shutil.copytree(ROOT / "scripts", to / "scripts")
    shutil.copytree(ROOT / "tests/vectors", to / "tests/vectors")
    shutil.copy(ROOT / "foundry.toml", to)
    for name in ("solc", "node_modules", "artifacts"):
        (contracts / name).symlink_to(ROOT / "contracts" / name)


def edited(source, file, text, instead):
    if source.count(text) != 1:
        sys.exit(f"invariant_mutants: {file}.sol has this {source.count(text)} times, not once: {text}")
    return source.replace(text, instead)


def fails(tree, edits, test):
    """Whether the test was run and failed; None when something else went wrong."""
    before = {}
    for file, text, instead in edits:
        path = tree / "contracts/src" / f"{file}.sol"
        before.setdefault(path, path.read_text())
        path.write_text(edited(path.read_text(), file, text, instead))
    # Failures that were found before would be tried first.
    shutil.rmtree(tree / "contracts/cache/quick/invariant", ignore_errors=True)
    run = subprocess.run(["scripts/forge", "test", "--match-test", f"^{test}\\("], cwd=tree, capture_output=True, text=True)
    for path, source in before.items():
        path.write_text(source)
    output = run.stdout + run.stderr
    # Of an invariant, the calls that led there stand between the two.
    if run.returncode != 0 and "[FAIL" in output and re.search(rf"^(\[FAIL.*\])? {test}\(", output, re.MULTILINE):
        return True
    if run.returncode == 0 and re.search(rf"^\[PASS\] {test}\(", output, re.MULTILINE):
        return False
    print(output, file=sys.stderr)
    return None


def main(word):
    """All of them, or those whose description has the word."""
    mutants = [mutant for mutant in MUTANTS if word in mutant[0]]
    # All are looked for before the first is tried.
    for _, edits, _ in mutants:
        for file, text, instead in edits:
            edited((ROOT / "contracts/src" / f"{file}.sol").read_text(), file, text, instead)
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy(tree)
        for what, edits, test in mutants:
            since = time.monotonic()
            failed = fails(tree, edits, test)
            survived += failed is not True
            verdict = {True: "fails", False: "HOLDS", None: "ERROR"}[failed]
            print(f"{verdict}  {test:<48}  without: {what}  ({time.monotonic() - since:.0f} s)", flush=True)
    print(f"invariant_mutants: {len(mutants)} guards taken out, {len(mutants) - survived} noticed, {survived} not")
    return 1 if survived or not mutants else 0


if __name__ == "__main__":
    os.environ["FOUNDRY_PROFILE"] = "quick"
    os.environ["COORDINATOR"] = "sources"
    # The runs take longer than what the optimizer takes. (Dynamic test linking would compile less, and leaves contracts as
    # they were when only what they inherit from has changed.)
    os.environ["FOUNDRY_OPTIMIZER"] = "true"
    # Four times what the tests run, so that another order of calls does not hide a guard. That it fails is enough.
    os.environ["FOUNDRY_INVARIANT_RUNS"] = "128"
    os.environ["FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT"] = "0"
    sys.exit(main(" ".join(sys.argv[1:])))
