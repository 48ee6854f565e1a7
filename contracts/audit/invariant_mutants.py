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
STATUS = "invariant_Status"
WINDOWS = "invariant_Windows"
FUNDS = "invariant_Funds"
SEATS = "invariant_Seats"
INBOX = "invariant_Inbox"
FORBIDDEN = "invariant_NothingForbidden"

EXPIRED = "require(block.timestamp <= until, Errors.ExecutionExpired(proposalId, until));"
GROUPS_ACCOUNT = "require(msg.sender == group.account, Errors.NotGroupAccount(groupId, msg.sender));\n        "
REACHED = "weight != 0 && weight * WHOLE >= group.classes[class].threshold * _totalWeight(group);"
RESERVED = "payable(group.account), amount - reward"

# What is taken out; the edits as (file, text, text instead); the test that has to fail.
MUTANTS = [
    # Anchors
    ("the current epoch of a checkpoint",
     [("Anchors", "require(checkpoint.epoch == epoch, Errors.EpochMismatch(checkpoint.epoch, epoch));", "epoch;")], FORBIDDEN),
    ("a greater sequence",
     [("Anchors", "require(checkpoint.sequence > sequence, Errors.StaleSequence(checkpoint.sequence, sequence));", "sequence;")],
     FORBIDDEN),
    ("a log root", [("Anchors", "require(checkpoint.logRoot != 0, Errors.ZeroLogRoot());", "")],
     "test_Anchor_RevertWhen_TheRootIsZero"),
    ("the log extends the last", [("Anchors", "require(isConsistent, Errors.NotConsistent(lastSize, logSize));", "isConsistent;")],
     FORBIDDEN),
    ("a quorum of signatures",
     [("Anchors", "require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));", "quorum_;")], FORBIDDEN),
    ("signers ascend strictly", [("Anchors", "require(signer > previous,", "require(signer >= previous,")],
     "test_Anchor_RevertGiven_OneSignedTwice"),
    ("signatures count",
     [("Anchors", "require(_counts(group, group.seats[signer]), Errors.SignatureDoesNotCount(signer));", "group;")], FORBIDDEN),
    ("the convicted do not count", [("Groups", "== 0 || seat.convicted) return false;", "== 0) return false;")], "test_M4_TheConvicted_MakeNoQuorum"),
    ("without a bond nobody counts",
     [("Groups", "seat.bonded && (exitAt == 0 || block.timestamp < exitAt)", "exitAt == 0 || block.timestamp < exitAt")], SEATS),
    ("a notice ends", [("Groups", "seat.bonded && (exitAt == 0 || block.timestamp < exitAt)", "seat.bonded || exitAt > 2 ** 39")],
     SEATS),
    ("inbox: the count does not go back", [("Anchors", "count >= before && count <= length", "count <= length")], "test_Inbox_RevertWhen_TheCountGoesBack"),
    ("inbox: the count is not beyond the inbox", [("Anchors", "count >= before && count <= length", "count >= before")], "test_Inbox_RevertWhen_TheCountIsBeyondIt"),
    ("inbox: the hash is the chain's",
     [("Anchors", "require(checkpoint.inboxHash == inboxHash, Errors.InboxHashMismatch(groupId, inboxHash, checkpoint.inboxHash));",
       "inboxHash;")], "test_M2_RevertWhen_TheHashIsAnother"),
    ("inbox: the deadline", [("Anchors", "require(inTime, Errors.InboxOverdue(groupId, count, dueAt));", "inTime;")], FORBIDDEN),
    ("inbox: only a rotation is excused",
     [("Anchors", "(checkpoint.nextMembersHash != 0 && _isHeldUp(group))", "_isHeldUp(group)")], "test_L8_AnAnchorIsNotExcused"),
    ("inbox: only who is held up is excused",
     [("Anchors", "(checkpoint.nextMembersHash != 0 && _isHeldUp(group))", "checkpoint.nextMembersHash != 0")],
     "test_L8_AnOverdueMessage_HoldsARotationUpForAStallTime"),
    ("inbox: progress excuses", [("Anchors", "count < length && count - before < PROGRESS", "count < length")],
     "test_M8_WhatTakes64_MayLeaveOverdueOnesOut"),
    ("inbox: the log has the entry", [("Anchors", "_checkTaken(checkpoint, taken);", "")],
     "test_M2_RevertWhen_TheLogLeavesTheMessageOut"),
    ("inbox: who serves restarts the clock", [("Anchors", "group.servedAt = block.timestamp.toUint40();", "")], INBOX),
    ("inbox: the clock knows who serves", [("Inbox", "if (servedAt > since) since = servedAt;", "servedAt;")], "test_H2_AnAnchorThatTakesSome_RestartsTheClock"),
    ("inbox: each hash has the one before", [("Inbox", "keccak256(abi.encode(before, index,", "keccak256(abi.encode(bytes32(0), index,")],
     INBOX),
    ("inbox: it is told of convictions",
     [("Evidence", "_append(group, groupId, INBOX_CONVICTED, msg.sender, abi.encode(replica));", "")], INBOX),
    ("the next members are the named ones",
     [("Anchors", "require(given == nextMembersHash, Errors.MembersMismatch(nextMembersHash, given));", "given;")],
     "test_RevertWhen_TheMembersAreOthers"),
    ("former members lose their seats", [("Members", "_unseat(group, members_);\n        uint256", "uint256")], SEATS),
    # Mandates
    ("weights change by a mandate", [("Anchors", "_requireMandate(group, checkpoint.groupId, nextMembers, mandate);", "mandate;")],
     FORBIDDEN),
    ("mandate: each weight is looked at",
     [("Mandates", "seat.flags & FLAG_VOTER == 0 || seat.weight != member.weight", "seat.flags & FLAG_VOTER == 0")],
     "test_M3_RevertWhen_TheSumIsTheSame"),
    ("mandate: nobody is left out",
     [("Mandates", "return (sum != group.epochs[group.epoch].totalWeight, address(0));", "sum; return (false, address(0));")],
     "testFuzz_M3_AnyList"),
    ("mandate: a ballot counts once", [("Mandates", "own == 0 || voter <= previous", "own == 0")],
     "test_Mandate_RevertWhen_ABallotIsThereTwice"),
    ("mandate: the voter signed",
     [("Mandates", "if (_recover(_digest(structHash), ballot.signature) != voter) continue;", "structHash;")],
     "test_Mandate_RevertWhen_TheVoteIsAnother"),
    ("mandate: the class", [("Mandates", "class.escape && class.scope == Scope.Anything", "true")],
     "test_Mandate_RevertWhen_TheClassHasNoEscapeOrMayNotDoAnything"),
    ("mandate: the threshold", [("Mandates", "weight != 0 && weight * WHOLE >= class.threshold * total;", "weight != 0; total;")],
     "test_Mandate_ReachesThePartOfAllWeight"),
    # The anchored lane
    ("the proof of a decision",
     [("AnchoredLane", "MerkleLog.verify(logRoot, anchoredSize, index, leaf, proof),", "leaf != logRoot || proof.length != 0,")],
     FORBIDDEN),
    ("executing by proof marks", [("AnchoredLane", "record.status = Status.Executed;\n        _run(group, class,", "_run(group, class,")],
     ONCE),
    ("executing in a batch marks",
     [("AnchoredLane", "record.status = Status.Executed;\n        _run(group, group", "_run(group, group")], ONCE),
    ("what is over is not executed by proof",
     [("AnchoredLane", "require(!_isOver(status), Errors.WrongStatus(proposalId, status));", "status;")], ONCE),
    ("what is over is passed over", [("AnchoredLane", "if (_isOver(status)) {", "if (false) {")], ONCE),
    ("a decision ends by the log",
     [("AnchoredLane", EXPIRED + "\n        uint64 epoch", "uint64 epoch")], "test_M3_RevertWhen_ItsTimeIsOver"),
    ("a decision ends by its epoch",
     [("AnchoredLane", "until = uint256(next.startedAt) + expiry;\n        " + EXPIRED, "")],
     "test_M3_WhatIsDatedAhead_EndsWithItsEpoch"),
    ("an entry is not of an earlier epoch",
     [("AnchoredLane", "require(index >= group.epochFrom, Errors.NotInEpoch(index, epoch));", "")],
     "test_M3_RevertWhen_TheEntryIsNotOfTheEpoch"),
    ("an entry is of the epoch that it names",
     [("AnchoredLane", "require(isOfEpoch, Errors.NotInEpoch(index, epoch));", "isOfEpoch;")],
     "test_M3_RevertWhen_TheEntryIsNotOfTheEpoch"),
    ("what waits is not executed by proof",
     [("AnchoredLane", "require(timelock == 0, Errors.HasTimelock(groupId, at));", "timelock;")], FORBIDDEN),
    ("what does not wait is not queued",
     [("AnchoredLane", "require(timelock != 0, Errors.NoTimelock(groupId, approval.class));", "")],
     "test_Queue_RevertWhen_TheClassHasNoTimelock"),
    ("what is over is not queued",
     [("AnchoredLane", "require(status != Status.Approved && !_isOver(status), Errors.WrongStatus(proposalId, status));", "status;")],
     "test_M6_Queue_RevertWhen_Revoked"),
    ("the class permits what is executed by proof", [("AnchoredLane", "_permit(group, class, calls, true);", "calls; class;")],
     FORBIDDEN),
    ("the class permits what is queued", [("AnchoredLane", "_permit(group, class, approval.calls, false);", "")],
     "test_M3_RevertWhen_TheClassDoesNotPermitTheCalls"),
    # Permissions
    ("what is executed counts in its window", [("AnchoredLane", "_permit(group, class, calls, true);", "_permit(group, class, calls, false);")],
     "test_M3_RevertWhen_TheWindowLeavesLess"),
    ("the limit of a decision", [("Permissions", "require(sum <= perDecision, Errors.AboveLimit(asset, sum, perDecision));", "perDecision;")],
     FORBIDDEN),
    ("the limit of a window", [("Permissions", "require(sum <= left, Errors.AboveWindow(asset, sum, left));", "left;")], "test_M3_RevertWhen_TheWindowLeavesLess"),
    ("a window is as long as it says", [("Permissions", "if (bucket == last + 1) return (spent.current, 0);", "")], "testFuzz_L7_Window_NoIntervalExceeds"),
    ("coordinator and account are for anything alone",
     [("Permissions", "require(target != address(this) && target != group.account, Errors.CallNotPermitted(position));", "group;")],
     "test_L7_TheGroupItself_IsForAnythingAlone"),
    ("the list", [("Permissions", "_isListed(class, target, data), Errors", "(_isListed(class, target, data) || true), Errors")],
     "test_L7_ListedCalls_AreTheListedOnes"),
    ("a call with data names its gas",
     [("Permissions", "require(gas != 0 || (length == 0 && !call.allowFailure), Errors.GasNotNamed(position));", "position;")],
     "test_M5_Calls_RevertWhen_NoGasIsNamed"),
    # Votes
    ("only voters vote", [("Voting", "if (_voterWeight(group, voter) == 0) return (false, Skip.NotVoter);", "")],
     "test_Vote_RevertWhen_NoVoter"),
    ("who has left has no vote", [("Groups", "return seat.left ? 0 : seat.weight;", "return seat.weight;")], FORBIDDEN),
    ("votes change only where they may",
     [("Voting", "(cast.choice == choice || !group.classes[record.class].revotes)", "cast.choice == choice")], "test_Revote_RevertWhen_TheClassDoesNotAllowIt"),
    ("an old vote makes place for the new one", [("Voting", "if (count != 0) _count(record, before, weight, false);", "before;")],
     "test_Revote_TakesTheLastVotesPlace"),
    ("the nonce of a signed vote",
     [("Voting", "record.votingEnds, record.casts[ballot.voter].count", "record.votingEnds, 0")],
     "test_VoteBySigs_GivenTheVoteWasChanged_NoOldSignatureCounts"),
    ("a voter counts once", [("Voting", "if (voter <= previous) return (false, Skip.NotAscending);", "previous;")],
     "test_Veto_RevertWhen_OneObjectsTwice"),
    ("the threshold", [("Policies", "inFavour * WHOLE >= rule.threshold * base", "inFavour * WHOLE * 2 >= rule.threshold * base")],
     "test_Verdict_OfAllWeight"),
    ("the turnout", [("Policies", "bool turnedOut = cast * WHOLE >= rule.turnout * total;", "bool turnedOut = true;")], STATUS),
    ("the veto", [("Policies", "if (rule.veto != 0 && against * WHOLE >= rule.veto * total) return Verdict.Rejected;", "")], "test_Verdict_WithVeto"),
    ("where votes change, nothing is settled early", [("Policies", "if (rule.revotes) return Verdict.Open;", "")], "test_Revote_GivenAllAreForIt_ItStaysOpen"),
    ("a change of weights ends the voting",
     [("Records", "if (next != 0 && group.epochs[next].startedAt < votingEnds) return Status.Expired;", "next;")], STATUS),
    ("the first change of weights does", [("Members", "group.nextVoters[group.votersSince] = since;", "")],
     "test_End_GivenWeightsChangeBefore_ItHasExpired"),
    ("a rotation that leaves the weights alone does not", [("Anchors", "if (altersWeights) _beginVoters", "_beginVoters")],
     "test_End_GivenEpochsEndBefore_TheVotingGoesOn"),
    ("a recovery is of its voters",
     [("OnChainLane", "require(epoch == group.votersSince, Errors.EpochMismatch(epoch, group.votersSince));", "")],
     "test_M7_ARecoveryIsOfItsVoters"),
    ("a log that an epoch can begin behind",
     [("Anchors", "require(checkpoint.logSize <= type(uint48).max, Errors.LogTooLarge(checkpoint.logSize));", "")],
     "test_M7_RevertWhen_TheLogIsLargerThanALogCanBe"),
    ("what may fail gets what it names", [("GroupAccount", "if (call.allowFailure) most = call.gas;", "")],
     "test_M5_PayeesThatBurn_HoldUpNobody"),
    ("the end of the voting", [("Records", "if (block.timestamp < votingEnds) return Status.Open;",
                                "if (block.timestamp < votingEnds + 1 days) return Status.Open;")], STATUS),
    ("the end of the time for execution", [("Records", "if (block.timestamp > until) status = Status.Expired;", "until;")], STATUS),
    # The on-chain lane
    ("a closed lane", [("OnChainLane", "require(isOpen, Errors.LaneClosed(groupId, class));", "isOpen;")], FORBIDDEN),
    ("the escape lane: stalled", [("OnChainLane", "require(_hasStalled(group), Errors.NotStalled(groupId));", "")], FORBIDDEN),
    ("the escape lane: the class", [("OnChainLane", "require(state.escape, Errors.NoEscape(groupId, content.class));", "")],
     FORBIDDEN),
    ("the escape lane: the end of the voting",
     [("OnChainLane", "require(block.timestamp < votingEnds, Errors.VotingOver(votingEnds));", "")], FORBIDDEN),
    ("the escape lane: approved once", [("OnChainLane", "_requireNotApproved(group, record, proposalId);", "")],
     "test_M6_ApproveBySigs_RevertWhen_ItsTimeForExecutionIsOver"),
    ("the escape lane: what the log refused",
     [("OnChainLane", "require(!record.refusedInLog, Errors.RefusedInLog(proposalId));", "")],
     "test_M10_WhatWasRefusedInTheLog_IsNotRevivedByTheEscapeLane"),
    ("the escape lane: the threshold", [("OnChainLane", REACHED, "weight != 0;")], FORBIDDEN),
    ("the escape lane: somebody has a vote", [("OnChainLane", REACHED, REACHED.removeprefix("weight != 0 && "))],
     "test_ApproveBySigs_RevertGiven_NobodyHasAVote"),
    ("the timelock", [("OnChainLane", "require(block.timestamp >= from, Errors.TimelockNotOver(proposalId, from));", "from;")],
     FORBIDDEN),
    ("executing on-chain marks",
     [("OnChainLane", "if (_isQueued(record)) record.status = Status.Executed;\n        "
       "else _close(group, groupId, record, proposalId, Status.Executed);", "")], ONCE),
    ("the class permits what is executed on-chain",
     [("OnChainLane", "_permit(group, group.classes[content.class], content.calls, true);", "")], "test_L7_Window_BoundsAllDecisionsTogether"),
    ("only the proposer cancels",
     [("OnChainLane", "require(msg.sender == content.proposer, Errors.NotProposer(proposalId, msg.sender));", "")],
     "test_Cancel_RevertWhen_NotTheProposer"),
    ("who objects could have blocked it",
     [("OnChainLane", "require(_blocks(group, group.classes[record.class], weight), Errors.NotEnoughWeight(proposalId, weight));", "")],
     "test_M6_Veto_ByAMinorityThatCouldHaveBlockedIt"),
    ("only the group revokes", [("OnChainLane", GROUPS_ACCOUNT + "Record", "Record")], "test_Revoke_RevertWhen_NotTheGroupsAccount"),
    ("what was executed is not revoked",
     [("OnChainLane", "require(record.status != Status.Executed, Errors.WrongStatus(proposalId, Status.Executed));", "")],
     "test_Revoke_RevertWhen_Executed"),
    ("only the group recovers", [("OnChainLane", GROUPS_ACCOUNT + "require(epoch", "require(epoch")],
     "test_Recover_RevertWhen_NotTheGroupsAccount"),
    ("only the dead are recovered",
     [("OnChainLane", "require(recoveryTime != 0 && _hasWaited(group, recoveryTime), Errors.NotDead(groupId));", "recoveryTime;")],
     "test_Recover_RevertWhen_TheGroupIsNotDead"),
    # Evidence and bonds
    ("evidence: a contradiction", [("Evidence", "require(contradict, Errors.NoContradiction());", "contradict;")],
     "test_Report_RevertWhen_OnePrecedesTheOther"),
    ("evidence: of one signer", [("Evidence", "require(replica == other, Errors.DifferentSigners(replica, other));", "other;")],
     "test_Report_RevertWhen_TwoSigned"),
    ("evidence: its window", [("Evidence", "require(block.timestamp <= until, Errors.EvidenceTooOld(later, until));", "until;")],
     "test_Report_RevertWhen_TheEvidenceIsTooOld"),
    ("evidence: of whom it concerns", [("Evidence", "require(had, Errors.NotConvictable(first.groupId, replica));", "had;")],
     "test_L4_RevertWhen_TheSignerHasNeitherSeatNorBond"),
    ("evidence: convicted once",
     [("Evidence", "require(!seat.convicted, Errors.AlreadyConvicted(groupId, replica));", "")], "test_Report_RevertWhen_ConvictedBefore"),
    ("bonds: what is forfeited is gone", [("Evidence", "delete group.bonds[replica];", "")], SEATS),
    ("bonds: the rest is the group's", [("Evidence", RESERVED, "payable(msg.sender), amount - reward")], FUNDS),
    ("bonds: the shares are the whole", [("Evidence", RESERVED, RESERVED + " - 1")], FUNDS),
    ("bonds: what is withdrawn is gone", [("Bonds", "delete state.bonds[msg.sender];", "")], SEATS),
    ("bonds: the waiting time",
     [("Bonds", "require(block.timestamp >= bond.releasedAt, Errors.BondNotReleased(groupId, msg.sender, bond.releasedAt));", "")],
     FORBIDDEN),
    ("bonds: nothing is left of one that is sent", [("Bonds", "delete state.bonds[msg.sender];", "")], "test_Withdraw_FromWithin"),
    ("an account has one driver", [("GroupAccount", "require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));", "")],
     "testFuzz_Execute_RevertWhen_NotTheCoordinator"),
    ("only the account approves hashes", [("GroupAccount", "require(msg.sender == address(this), Errors.NotSelf(msg.sender));", "")],
     "test_L7_SetApproval_RevertWhen_NotTheAccountItself"),
    ("modules work for the coordinator alone", [("Module", "require(address(this) != _self, Errors.NotDelegated());", "")],
     "test_Registry_RevertWhen_CalledByItself"),
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
