# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Takes one guard at a time out of a copy of the contracts, and sees to it that a proof, or slither, then fails.

A guard is text that occurs once in its file. Two guards of `_checkSignatures` are not here, because what they refuse is
refused behind them as well: the length that is no multiple of 65 (the slice reverts), and a signature of nobody (its
signer is zero, which is not above the one before).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIGNATURES = "check_AnAnchorHasAQuorumOfReplicas"
ROTATION_SIGNATURES = "check_ARotationHasAQuorumOfReplicas"
SUCCESSION = "check_AnAnchorSucceedsTheLast"
ROTATION = "check_ARotationSucceedsTheLast"
QUORUM = "check_QuorumsIntersectAndAreReachable"
ON_CHAIN_MARKS = "check_ExecutingOnChainMarks"
FROM_LOG_MARKS = "check_ExecutingFromLogMarks"
ANCHORED_MARKS = "check_ExecutingAnchoredMarks"
BATCH_MARKS = "check_ExecutingABatchMarks"
ON_CHAIN_AGAIN = "check_WhatIsMarkedDoesNotExecuteOnChain"
ANCHORED_AGAIN = "check_WhatIsMarkedDoesNotExecuteAnchored"
BATCH_AGAIN = "check_WhatIsMarkedDoesNotExecuteInABatch"
APPROVED_AGAIN = "check_WhatIsMarkedIsNotApproved"
MARK_STAYS = "check_NoCallTakesTheMarkAway"
MARK_STAYS_OVER_EPOCHS = "check_NoRotationTakesTheMarkAway"
MARK_STAYS_BESIDE_GROUPS = "check_NoNewGroupTakesTheMarkAway"
OVERDUE = "check_AnAnchorLeavesOutNothingOverdue"
INBOX_OF_ANCHOR = "check_TheInboxDecidesOnAnAnchor"
INBOX_OF_ROTATION = "check_TheInboxDecidesOnARotation"
MESSAGES_STAY = "check_NoCallChangesAMessage"
CONTRADICTION = "check_OnlyAContradictionConvicts"
CONVICTION = "check_AContradictionConvicts"
PAYOUT = "check_AConvictionPaysOutTheBond"
BONDS_STAY = "check_NoOtherCallTakesABond"
SLITHER = "slither"

ENOUGH = ("Anchors", "require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));", "quorum_;")
ASCENDING = "require(signer > previous, Errors.SignersNotAscending(previous, signer));"
REPLICA = (
    "Anchors",
    "require(group.seats[signer].flags & FLAG_REPLICA != 0, Errors.NotReplica(checkpoint.groupId, signer));",
    "group;",
)
MARK = "state.executed[proposalId] = true;"
MARKED = "_markExecuted(group, groupId, proposalId, Lane.OnChain);"
CALL = "_makeCalls(group.account, payload);"
UNMARKED = ("Groups", "require(!state.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));", "")
LOOK = "require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));\n        "
MARK_AFTER_CALL = [
    ("Proposals", MARKED, ""),
    ("Proposals", CALL, CALL + MARKED),
    ("Proposals", "function execute(bytes32 proposalId, Call[] calldata calls) external override nonReentrant {",
     "function execute(bytes32 proposalId, Call[] calldata calls) external override {"),
]
ANCHORING = "group.stateRoot = checkpoint.stateRoot;"
COUNTS = "count >= taken && count <= length,"
EXCUSED = "checkpoint.nextMembersHash != 0 && _hasStalled(group);"

# What is taken out; the edits as (file, text, text instead); the check that has to fail.
MUTANTS = [
    ("a quorum of signatures", [ENOUGH], SIGNATURES),
    ("a quorum of signatures", [ENOUGH], ROTATION_SIGNATURES),
    ("signers ascend", [("Anchors", ASCENDING, "")], SIGNATURES),
    ("signers ascend strictly", [("Anchors", ASCENDING, ASCENDING.replace(">", ">="))], SIGNATURES),
    ("signers are replicas", [REPLICA], SIGNATURES),
    ("former replicas lose their seats", [("Groups", "_unseat(state, members_);\n        uint256", "uint256")], SIGNATURES),
    ("the quorum's + 1", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2")], QUORUM),
    ("the quorum's rounding", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2 + 2")], QUORUM),
    ("the current epoch", [("Anchors", "checkpoint.epoch == epoch,", "true,")], SUCCESSION),
    ("a greater sequence", [("Anchors", "checkpoint.sequence > head.sequence,", "checkpoint.sequence >= head.sequence,")],
     SUCCESSION),
    ("a log that is not smaller", [("Anchors", "checkpoint.logSize >= head.logSize,", "true,")], SUCCESSION),
    ("the same root for the same size", [("Anchors", "anchored == logRoot,", "true,")], SUCCESSION),
    ("a root at all", [("Anchors", "checkpoint.logRoot != 0,", "true,")], SUCCESSION),
    ("a boundary is no mere anchor", [("Anchors", "checkpoint.nextMembersHash == 0,", "true,")], SUCCESSION),
    ("the next members are the named ones", [("Anchors", "given == nextMembersHash,", "true,")], ROTATION),
    # The first rotation is the fixture's.
    ("a rotation ends the epoch", [("Groups", "state.epoch = epoch;", "if (epoch == 1) state.epoch = epoch;")], ROTATION),
    ("executing marks", [("Groups", MARK, "")], ON_CHAIN_MARKS),
    ("executing marks", [("Groups", MARK, "")], FROM_LOG_MARKS),
    ("executing marks", [("Groups", MARK, "")], ANCHORED_MARKS),
    ("executing marks", [("Groups", MARK, "")], BATCH_MARKS),
    ("the mark before the call, and the reentrancy guard", MARK_AFTER_CALL, ON_CHAIN_MARKS),
    ("the inbox is told of executions from the log", [("Proposals", "if (state.fromLog) _append", "if (false) _append")],
     FROM_LOG_MARKS),
    ("what is marked does not execute", [UNMARKED], ANCHORED_AGAIN),
    ("what is marked does not execute", [UNMARKED], BATCH_AGAIN),
    ("the same, three times over", [
        UNMARKED,
        ("Proposals", "ProposalStatus status = _status(proposalId, state);\n        require(status == ProposalStatus.Approved",
         "ProposalStatus status = ProposalStatus.Approved;\n        require(status == ProposalStatus.Approved"),
        ("Proposals", LOOK + "ProposalStatus", "ProposalStatus"),
    ], ON_CHAIN_AGAIN),
    ("what is marked is not approved", [("Proposals", LOOK + "state.groupId", "state.groupId")], APPROVED_AGAIN),
    ("an anchor leaves marks alone", [("Anchors", ANCHORING, ANCHORING + " group.executed[logRoot] = false;")], MARK_STAYS),
    ("the registry leaves marks alone", [("GroupRegistry", "return _append(state, groupId, INBOX_COMMAND, msg.sender, command);",
     "state.executed[bytes32(command[:32])] = false; return _append(state, groupId, INBOX_COMMAND, msg.sender, command);")],
     MARK_STAYS),
    ("a rotation leaves marks alone", [("Groups", "state.epoch = epoch;",
     "state.epoch = epoch; state.executed[state.stateRoot] = false;")], MARK_STAYS_OVER_EPOCHS),
    ("a group is made once", [("GroupRegistry", "require(state.account == address(0), Errors.GroupExists(groupId));", "")],
     MARK_STAYS_BESIDE_GROUPS),
    ("the inbox' count does not go back", [("Anchors", COUNTS, "count <= length,")], OVERDUE),
    ("the inbox' count is not beyond the inbox", [("Anchors", COUNTS, "count >= taken,")], OVERDUE),
    ("the inbox' count is kept", [("Anchors", "if (count != taken) group.inboxTaken = count;", "")], OVERDUE),
    ("the inbox' deadline", [("Anchors", "block.timestamp <= dueAt || excused,", "true || excused,")], OVERDUE),
    ("the inbox: only a rotation is excused", [("Anchors", EXCUSED, "_hasStalled(group);")], OVERDUE),
    ("the inbox: not a second less than the deadline", [("Anchors", "block.timestamp <= dueAt", "block.timestamp < dueAt")],
     INBOX_OF_ANCHOR),
    ("the inbox: the first left out", [("Anchors", "group.messages[count].enqueuedAt", "group.messages[taken].enqueuedAt")],
     INBOX_OF_ANCHOR),
    ("the inbox: only the stalled are excused", [("Anchors", EXCUSED, "checkpoint.nextMembersHash != 0;")],
     INBOX_OF_ROTATION),
    ("the inbox: the stalled are excused", [("Anchors", EXCUSED, "false;")], INBOX_OF_ROTATION),
    ("the inbox: stalled since the group was made", [("Groups", "(anchoredAt == 0 ? state.createdAt : anchoredAt)", "anchoredAt")],
     INBOX_OF_ROTATION),
    ("the inbox: a message is of the present", [("Groups", "enqueuedAt: enqueuedAt});", "enqueuedAt: 0});")], MESSAGES_STAY),
    ("the inbox: a message comes to the end", [("Groups", "index = group.inboxLength;", "index = group.inboxTaken;")],
     MESSAGES_STAY),
    ("evidence: one group", [("Bonds", "second.groupId == groupId && ", "")], CONTRADICTION),
    ("evidence: one epoch", [("Bonds", "&& first.epoch == second.epoch ", "")], CONTRADICTION),
    ("evidence: one sequence", [("Bonds", "&& first.sequence == second.sequence\n", "\n")], CONTRADICTION),
    ("evidence: two checkpoints", [("Bonds", "&& firstDigest != secondDigest;", ";")], CONTRADICTION),
    ("evidence: one signer", [("Bonds", "require(replica == other, Errors.DifferentSigners(replica, other));", "other;")],
     CONTRADICTION),
    ("evidence: a signature of somebody", [("Bonds",
     "require(failure == ECDSA.RecoverError.NoError, Errors.InvalidSignature(position));", "failure; position;")], CONTRADICTION),
    ("evidence: an epoch that has begun",
     [("Bonds", "require(epoch <= group.epoch, Errors.EpochMismatch(epoch, group.epoch));", "")], CONTRADICTION),
    ("evidence: its window",
     [("Bonds", "require(block.timestamp <= until, Errors.EvidenceTooOld(epoch, until));", "until;")], CONTRADICTION),
    ("evidence: convicted once",
     [("Bonds", "require(!group.convicted[replica], Errors.AlreadyConvicted(groupId, replica));\n        _convict", "_convict")],
     CONTRADICTION),
    ("evidence: a replica, or a bond",
     [("Bonds", "require(isReplica || amount != 0, Errors.NotReplica(groupId, replica));", "isReplica;")], CONTRADICTION),
    ("conviction: the bond is gone", [("Bonds", "delete group.bonds[replica];", "")], PAYOUT),
    ("conviction: the shares are the whole", [("Bonds", "Address.sendValue(payable(group.account), amount - reward);",
     "Address.sendValue(payable(group.account), amount - reward - 1);")], PAYOUT),
    ("conviction: the share is agreed on", [("Bonds", "amount * group.reporterShare / Policies.WHOLE", "amount / 2")], PAYOUT),
    ("conviction: it is kept", [("Bonds", "group.convicted[replica] = true;", "")], CONVICTION),
    ("conviction: the inbox is told",
     [("Bonds", "_append(group, groupId, INBOX_CONVICTED, msg.sender, abi.encode(replica));", "")], CONVICTION),
    ("an anchor leaves bonds alone", [("Anchors", ANCHORING, ANCHORING + " delete group.bonds[msg.sender];")], BONDS_STAY),
    ("an anchor leaves convictions alone",
     [("Anchors", ANCHORING, ANCHORING + " group.convicted[msg.sender] = false;")], BONDS_STAY),
    ("the caller itself as the one who drives an account", [("GroupAccount",
     "require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));",
     "require(tx.origin == coordinator, Errors.NotCoordinator(tx.origin));")], SLITHER),
]

ROOT = Path(__file__).resolve().parents[2]


def copy(to):
    """As much of the repository as the audit needs, with what was built before."""
    contracts = to / "contracts"
    for folder in ("src", "test", "audit", "out/audit", "cache/audit"):
        shutil.copytree(ROOT / "contracts" / folder, contracts / folder)
    shutil.copytree(ROOT / "scripts", to / "scripts")
    shutil.copy(ROOT / "foundry.toml", to)
    for name in ("solc", "node_modules", ".audit-venv"):
        (contracts / name).symlink_to(ROOT / "contracts" / name)


def edited(source, file, text, instead):
    if source.count(text) != 1:
        sys.exit(f"mutants: {file}.sol has this {source.count(text)} times, not once: {text}")
    return source.replace(text, instead)


def edit(tree, edits):
    for file, text, instead in edits:
        path = tree / "contracts/src" / f"{file}.sol"
        path.write_text(edited(path.read_text(), file, text, instead))


def fails(tree, check):
    """Whether the check was run and found fault; None when something else went wrong."""
    command = ["slither"] if check == SLITHER else ["prove", "--match-test", f"^{check}\\(", "--early-exit"]
    run = subprocess.run(["scripts/audit", *command], cwd=tree, capture_output=True, text=True)
    output = run.stdout + run.stderr
    found = r"explained, others remain" if check == SLITHER else rf"\[FAIL\].*{check}\("
    held = r"explained, no other" if check == SLITHER else r"1 checks, 1 proven"
    if run.returncode != 0 and re.search(found, output):
        return True
    if run.returncode == 0 and re.search(held, output):
        return False
    print(output, file=sys.stderr)
    return None


def main(word):
    """All of them, or those whose description or check has the word."""
    survived = 0
    mutants = [mutant for mutant in MUTANTS if word in mutant[0] or word in mutant[2]]
    # All are looked for before the first is tried.
    for _, edits, _ in mutants:
        for file, text, instead in edits:
            edited((ROOT / "contracts/src" / f"{file}.sol").read_text(), file, text, instead)
    # A copy then compiles what the guard is in, and no more.
    subprocess.run(["scripts/forge", "build"], cwd=ROOT, env={**os.environ, "FOUNDRY_PROFILE": "audit"}, check=True)
    for what, edits, check in mutants:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            copy(tree)
            edit(tree, edits)
            since = time.monotonic()
            failed = fails(tree, check)
            survived += failed is not True
            verdict = {True: "fails", False: "HOLDS", None: "ERROR"}[failed]
            print(f"{verdict}  {check:<40}  without: {what}  ({time.monotonic() - since:.0f} s)", flush=True)
    print(f"mutants: {len(mutants)} guards taken out, {len(mutants) - survived} noticed, {survived} not")
    return 1 if survived or not mutants else 0


if __name__ == "__main__":
    os.environ.pop("FOUNDRY_PROFILE", None)
    sys.exit(main(" ".join(sys.argv[1:])))
