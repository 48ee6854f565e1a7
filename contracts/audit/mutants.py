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
SLITHER = "slither"

# What is taken out; the edits as (file, text, text instead); the check that has to fail.
MUTANTS = [
    ("the quorum's + 1", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2")], QUORUM),
    ("the quorum's rounding", [("Quorum", "(n + f) / 2 + 1", "(n + f) / 2 + 2")], QUORUM),
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
