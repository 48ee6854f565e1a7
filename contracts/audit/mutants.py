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
ANCHORED_MARKS = "check_ExecutingAnchoredMarks"
ON_CHAIN_AGAIN = "check_WhatIsMarkedDoesNotExecuteOnChain"
ANCHORED_AGAIN = "check_WhatIsMarkedDoesNotExecuteAnchored"
MARK_STAYS = "check_NoCallTakesTheMarkAway"
MARK_STAYS_OVER_EPOCHS = "check_NoRotationTakesTheMarkAway"
SLITHER = "slither"

ENOUGH = ("Anchors", "require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));", "quorum_;")
ASCENDING = "require(signer > previous, Errors.SignersNotAscending(previous, signer));"
REPLICA = (
    "Anchors",
    "require(group.seats[signer].flags & FLAG_REPLICA != 0, Errors.NotReplica(checkpoint.groupId, signer));",
    "group;",
)
MARK = "state.executed[proposalId] = true;"
CALL = "IGroupAccount(state.account).execute(calls);"
UNMARKED = ("Groups", "require(!state.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));", "")
MARK_AFTER_CALL = [
    ("Groups", MARK, ""),
    ("Groups", CALL, CALL + MARK),
    ("Proposals", "function execute(bytes32 proposalId, Call[] calldata calls) external override nonReentrant {",
     "function execute(bytes32 proposalId, Call[] calldata calls) external override {"),
]

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
    ("the same root for the same size", [("Anchors", "root.logRoot == logRoot,", "true,")], SUCCESSION),
    ("an empty inbox", [("Anchors", "checkpoint.inboxCount == 0,", "true,")], SUCCESSION),
    ("a boundary is no mere anchor", [("Anchors", "checkpoint.nextMembersHash == 0,", "true,")], SUCCESSION),
    ("the next members are the named ones", [("Anchors", "given == nextMembersHash,", "true,")], ROTATION),
    # The first rotation is the fixture's.
    ("a rotation ends the epoch", [("Groups", "state.epoch = epoch;", "if (epoch == 1) state.epoch = epoch;")], ROTATION),
    ("executing marks", [("Groups", MARK, "")], ON_CHAIN_MARKS),
    ("executing marks", [("Groups", MARK, "")], ANCHORED_MARKS),
    ("the mark before the call, and the reentrancy guard", MARK_AFTER_CALL, ON_CHAIN_MARKS),
    ("what is marked does not execute", [UNMARKED], ANCHORED_AGAIN),
    ("the same, three times over", [
        UNMARKED,
        ("Proposals", "ProposalStatus status = _status(proposalId, state);\n        require(status == ProposalStatus.Approved",
         "ProposalStatus status = ProposalStatus.Approved;\n        require(status == ProposalStatus.Approved"),
        ("Proposals", "require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));\n"
         "        ProposalStatus", "ProposalStatus"),
    ], ON_CHAIN_AGAIN),
    ("an anchor leaves marks alone", [("Anchors", "group.stateRoot = checkpoint.stateRoot;",
     "group.stateRoot = checkpoint.stateRoot; group.executed[logRoot] = false;")], MARK_STAYS),
    ("a rotation leaves marks alone", [("Groups", "state.epoch = epoch;",
     "state.epoch = epoch; state.executed[state.stateRoot] = false;")], MARK_STAYS_OVER_EPOCHS),
    ("the caller itself as the one who drives an account", [("GroupAccount",
     "require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));",
     "require(tx.origin == coordinator, Errors.NotCoordinator(tx.origin));")], SLITHER),
]

ROOT = Path(__file__).resolve().parents[2]


def copy(to):
    """As much of the repository as the audit needs."""
    contracts = to / "contracts"
    for folder in ("src", "test", "audit"):
        shutil.copytree(ROOT / "contracts" / folder, contracts / folder)
    shutil.copytree(ROOT / "scripts", to / "scripts")
    shutil.copy(ROOT / "foundry.toml", to)
    for name in ("solc", "node_modules", ".audit-venv"):
        (contracts / name).symlink_to(ROOT / "contracts" / name)


def edit(tree, edits):
    for file, text, instead in edits:
        path = tree / "contracts/src" / f"{file}.sol"
        source = path.read_text()
        if source.count(text) != 1:
            sys.exit(f"mutants: {file}.sol has this {source.count(text)} times, not once: {text}")
        path.write_text(source.replace(text, instead))


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
    """All of them, or those whose description has the word."""
    survived = 0
    mutants = [mutant for mutant in MUTANTS if word in mutant[0]]
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
