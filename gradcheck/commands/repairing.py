"""`gradcheck repair`: search for the edit that corrects a wrong gradient, and print a diff."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from gradcheck.commands.command import Command, tell
from gradcheck.options import REPAIR_SECONDS, Wishes
from gradcheck.report.outcome import UNDECIDED, Outcome


def _repair_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "targets",
        nargs="+",
        metavar="TARGET",
        help="a training script, a bundled case (xor:published) or a file of cases (checks.py)",
    )
    add("--write", action="store_true", help="write the first patch; the original stays as .orig")
    add("-v", "--verbose", action="store_true", help="every patch, not only the first")
    seconds = "seconds for each case (default 10)"
    add("--budget", type=float, default=REPAIR_SECONDS, help=seconds)


def _repair(options: argparse.Namespace) -> int:
    from gradcheck.isolation import threads_of

    with threads_of(1):  # before numpy is imported
        return _repair_all(options)


def _repair_all(options: argparse.Namespace) -> int:
    from gradcheck.mending.patches import Originals, write
    from gradcheck.words import printable

    statuses, originals = [], Originals()
    for outcome in _outcomes(options.targets, {"repair": options.budget}):
        repair = outcome.report_or_reason.repair
        if repair is None:
            reason = outcome.report_or_reason.could_not_check or "interrupted"
            print(f"{printable(outcome.name)}: could not check: {printable(reason)}")
            statuses.append(UNDECIDED)
            continue
        print(f"{printable(outcome.name)}: {repair.text(options.verbose)}\n")
        statuses.append(0 if repair.ok else 1)
        if repair.ok and options.write:
            for path, original in write(repair.patches[0], originals):
                tell(f"{path} was written; {original} is as it was")
    return max(statuses)


def _outcomes(targets: list[str], overrides: dict[str, Any]) -> Iterator[Outcome]:
    from gradcheck.casefiles import find_cases
    from gradcheck.running import check_case
    from gradcheck.script import ScriptEntry, find_targets

    for target in targets:
        scripts = [one for one in find_targets([target], Wishes()) if isinstance(one, ScriptEntry)]
        for script in scripts:
            yield script.outcome(overrides)
        for entry in [] if scripts else find_cases([target]):
            yield check_case(entry, overrides)


COMMAND = Command(
    "search your source for the edit that makes a wrong gradient right; print the diff",
    _repair,
    _repair_arguments,
)
