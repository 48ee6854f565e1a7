# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs slither, and fails also when it did not understand what it read.

Slither finds a library by its name alone, among all that a file's imports bring along. There are two libraries
`Errors`, ours and one of OpenZeppelin's. Where it takes theirs, it says "Impossible to generate IR" for nearly every
function of ours, passes over them, and reports nothing. So here a name means our contract where both have it, and a
function of ours that was passed over is a failure.
"""

import logging
import sys

import slither.slither as loader
from slither.__main__ import main
from slither.core.slither_core import SlitherCore

OURS = "contracts/src/"
THEIRS = "contracts/node_modules/"

units = []
passed_over = []
passed_over_theirs = set()
explained = []


class PassedOver(logging.Handler):
    """Keeps each error of slither's, by whose function it is about."""

    def emit(self, record):
        message = record.getMessage()
        if THEIRS in message:
            passed_over_theirs.add(message[message.index(THEIRS) :])
        else:
            passed_over.append(message)


def is_in(folder, filename):
    return filename.relative.startswith(folder)


def prefer_ours(parser, update=loader._update_file_scopes):
    update(parser)
    units.append(parser.compilation_unit)
    for scope in parser.compilation_unit.scopes.values():
        if is_in(THEIRS, scope.filename):
            continue
        for identifier in scope.exported_symbols:
            contract = parser.contracts_by_id.get(identifier)
            if contract is not None and is_in(OURS, contract.source_mapping.filename):
                scope.contracts[contract.name] = contract


def unused_explanations(self, unused=SlitherCore.get_unused_ignore_comments):
    """Explanations of ours that explain nothing any more. OpenZeppelin has some for other uses of its files."""
    return [comment for comment in unused(self) if THEIRS not in comment["file"]]


def note_explained(self, finding, has_ignore_comment=SlitherCore.has_ignore_comment):
    ignored = has_ignore_comment(self, finding)
    if ignored:
        explained.append(finding)
    return ignored


def run():
    """Slither's exit code, with its own report printed."""
    loader._update_file_scopes = prefer_ours
    SlitherCore.has_ignore_comment = note_explained
    SlitherCore.get_unused_ignore_comments = unused_explanations
    root = logging.getLogger()
    for handler in root.handlers:
        handler.addFilter(lambda record: record.levelno < logging.ERROR)
    root.addHandler(PassedOver(level=logging.ERROR))
    try:
        main()
    except SystemExit as exit:
        return exit.code or 0
    return 0


def read():
    """How many contracts and functions of ours slither read."""
    contracts = [c for u in units for c in u.contracts if is_in(OURS, c.source_mapping.filename)]
    functions = [f for c in contracts for f in c.functions_declared if f.is_implemented]
    return len(contracts), len(functions)


code = run()
contracts, functions = read()
if passed_over_theirs:
    print(f"slither passed over {len(passed_over_theirs)} functions that we inherit from OpenZeppelin")
for message in passed_over:
    print(f"slither: {message}", file=sys.stderr)
if not functions:
    print(f"slither read no function in {OURS}", file=sys.stderr)
print(
    f"slither: {contracts} contracts and libraries, {functions} functions read; "
    f"{len(explained)} findings explained, {'others remain' if code else 'no other'}"
)
sys.exit(1 if code or passed_over or not functions else 0)
