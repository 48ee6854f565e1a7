# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Takes one guard at a time out of a copy of the contracts, and sees to it that a proof, or slither, then fails.

A guard is text that occurs once in its file. Guards that invariants and unit tests hold are in `invariant_mutants.py`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUORUM = "check_QuorumsIntersectAndAreReachable"
SYMMETRIC = "check_ContradictionIsSymmetric"
IRREFLEXIVE = "check_TheOrderIsIrreflexive"
TRANSITIVE = "check_TheOrderIsTransitive"
ORDER = "check_AContradictionIsWhatTheOrderForbids"
WINDOW = "check_NoMoreThanAWindowLeaves"
LANE_ALONE = "check_TheLaneWorksForTheCoordinatorAlone"
REGISTRY_ALONE = "check_TheRegistryWorksForTheCoordinatorAlone"
SIGNATURES = "check_AnAnchorHasAQuorumThatCounts"
INBOX_OF_ANCHOR = "check_TheInboxDecidesOnAnAnchor"
INBOX_OF_ROTATION = "check_TheInboxDecidesOnARotation"
MANDATE = "check_NoWeightChangesWithoutAMandate"
RECOVERY = "check_OnlyTheDeadAreRecovered"
BONDS_STAY = "check_NobodyElseTakesABondByTheRest"
PAYOUT = "check_AContradictionPaysOutTheBond"
ON_CHAIN_MARKS = "check_ExecutingOnChainMarks"
SIGNATURES_MARK = "check_ExecutingFromSignaturesMarks"
QUEUED_MARKS = "check_ExecutingWhatWasQueuedMarks"
PROOF_MARKS = "check_ExecutingByProofMarks"
BATCH_MARKS = "check_ExecutingInABatchMarks"
OVER = "check_WhatIsOverIsNotExecuted"
OVER_QUEUED = "check_WhatIsOverIsNotQueued"
MARK_STAYS = "check_NoCallOfTheOnChainLaneTakesTheMarkAway"
SLITHER = "slither"

MARK = "record.status = Status.Executed;\n        "
EXCUSE = "(checkpoint.nextMembersHash != 0 && _isHeldUp(group))"

# What is taken out; the edits as (file, text, text instead); the check that has to fail.
MUTANTS = [
    ("the quorum's + 1", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2")], QUORUM),
    ("the quorum's rounding", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2 + 2")], QUORUM),
    ("the caller itself as the one who drives an account", [("GroupAccount",
     "require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));",
     "require(tx.origin == coordinator, Errors.NotCoordinator(tx.origin));")], SLITHER),
    # The order
    ("either may precede the other", [("Contradictions", " && !_precedes(second, first);", ";")], SYMMETRIC),
    ("nothing precedes itself", [("Contradictions", "x.sequence < y.sequence", "x.sequence <= y.sequence")], IRREFLEXIVE),
    ("epochs go on", [("Contradictions", "x.epoch <= y.epoch", "x.epoch == y.epoch")], TRANSITIVE),
    ("a log does not shrink", [("Contradictions", "x.logSize <= y.logSize && ", "")], ORDER),
    # Windows and modules
    ("the bucket before counts", [("Permissions", "if (bucket == last + 1) return (spent.current, 0);", "")], WINDOW),
    ("the limit of a window", [("Permissions", "require(sum <= left, Errors.AboveWindow(asset, sum, left));", "left;")], WINDOW),
    ("one function of the lane looks", [("OnChainLane",
     "function cancel(bytes32 groupId, Content calldata content) external override onlyDelegated {",
     "function cancel(bytes32 groupId, Content calldata content) external override {")], LANE_ALONE),
    ("one function of the registry looks", [("GroupRegistry",
     "function register(bytes32 key) external override onlyDelegated {",
     "function register(bytes32 key) external override {")], REGISTRY_ALONE),
    # Anchors
    ("signatures count", [("Anchors",
     "require(_counts(group, group.seats[signer]), Errors.SignatureDoesNotCount(signer));", "group;")], SIGNATURES),
    ("the convicted do not count", [("Groups", "== 0 || seat.convicted) return false;", "== 0) return false;")], SIGNATURES),
    ("a quorum of them", [("Anchors", "require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));", "quorum_;")],
     SIGNATURES),
    ("the inbox: its hash is the contract's", [("Anchors",
     "require(checkpoint.inboxHash == inboxHash, Errors.InboxHashMismatch(groupId, inboxHash, checkpoint.inboxHash));",
     "inboxHash;")], INBOX_OF_ANCHOR),
    ("the inbox: only a rotation is excused", [("Anchors", EXCUSE, "_isHeldUp(group)")], INBOX_OF_ANCHOR),
    ("the inbox: only who is held up is excused", [("Anchors", EXCUSE, "checkpoint.nextMembersHash != 0")], INBOX_OF_ROTATION),
    # Epochs
    ("a mandate", [("Anchors", "_requireMandate(group, checkpoint.groupId, nextMembers, mandate);", "mandate.ballots.length != 0;")], MANDATE),
    ("the mandate's threshold", [("Mandates", "weight != 0 && weight * WHOLE >= class.threshold * total;", "weight != 0; total;")],
     MANDATE),
    ("only the dead are recovered", [("OnChainLane",
     "require(recoveryTime != 0 && _hasWaited(group, recoveryTime), Errors.NotDead(groupId));", "recoveryTime;")], RECOVERY),
    # Bonds
    ("a bond is released", [("Bonds",
     "require(block.timestamp >= bond.releasedAt, Errors.BondNotReleased(groupId, msg.sender, bond.releasedAt));", "")],
     BONDS_STAY),
    ("the rest of a bond is the group's",
     [("Evidence", "payable(group.account), amount - reward", "payable(msg.sender), amount - reward")], PAYOUT),
    # Executions
    ("executing on-chain marks",
     [("OnChainLane", "else _close(group, groupId, record, proposalId, Status.Executed);", "")], ON_CHAIN_MARKS),
    ("executing on-chain marks",
     [("OnChainLane", "else _close(group, groupId, record, proposalId, Status.Executed);", "")], SIGNATURES_MARK),
    ("executing what was queued marks",
     [("OnChainLane", "if (_isQueued(record)) record.status = Status.Executed;\n        else _close", "if (!_isQueued(record)) _close")],
     QUEUED_MARKS),
    ("executing by proof marks", [("AnchoredLane", MARK + "_run(group, class,", "_run(group, class,")], PROOF_MARKS),
    ("executing in a batch marks", [("AnchoredLane", MARK + "_run(group, group", "_run(group, group")], BATCH_MARKS),
    ("what is over is not executed by proof",
     [("AnchoredLane", "require(!_isOver(status), Errors.WrongStatus(proposalId, status));", "status;")], OVER),
    ("what is over is not queued", [("AnchoredLane",
     "require(status != Status.Approved && !_isOver(status), Errors.WrongStatus(proposalId, status));", "status;")], OVER_QUEUED),
    ("what was executed is not revoked",
     [("OnChainLane", "require(record.status != Status.Executed, Errors.WrongStatus(proposalId, Status.Executed));", "")],
     MARK_STAYS),
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
