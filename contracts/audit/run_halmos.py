# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs halmos, and fails also when there was nothing to prove or a proof did not look at every path.

Halmos has SHA-256 take bytes where it counted bits, and stops at the first symbolic input; that is mended here.
"""

import os
import sys

import halmos.sevm as sevm
from halmos.__main__ import _main, load_config
from z3 import BitVecSort, Function


def function(name, *sorts):
    if name.startswith("f_sha256_"):
        length = int(name.removeprefix("f_sha256_"))
        sorts = (BitVecSort(8 * length), sorts[-1])
    return Function(name, *sorts)


sevm.Function = function

result = _main(sys.argv[1:])
checks = [check for contract in result.test_results.values() for check in contract] if result.test_results else []
refuted = [check.name for check in checks if check.exitcode != 0]
cut_short = [check.name for check in checks if check.exitcode == 0 and check.num_bounded_loops]
for name in cut_short:
    print(f"halmos: {name} did not look at every path: raise --loop", file=sys.stderr)
paths = sum(check.num_paths[0] for check in checks if check.num_paths)
seconds = sum(os.times()[:4])
print(
    f"halmos: {len(checks)} checks, {len(checks) - len(refuted) - len(cut_short)} proven, {len(refuted)} not, "
    f"{len(cut_short)} cut short; {paths} paths, loops to {load_config(sys.argv[1:]).loop}, {seconds:.0f} s of CPU time"
)
sys.exit(0 if checks and not (refuted or cut_short or result.exitcode) else 1)
