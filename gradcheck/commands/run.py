"""`gradcheck run`: checks cases, prints the results, and writes them to files."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck.commands.command import Command, tell
from gradcheck.options import REPAIR_SECONDS, Options
from gradcheck.report.renderers import RENDERERS, TEXT

if TYPE_CHECKING:
    from gradcheck.report.outcome import Outcome


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a bundled case (xor, xor:published), a file (checks.py, checks.py:name) or a folder",
    )
    add(
        "--format",
        action="append",
        choices=tuple(RENDERERS),
        help="format of the results; may be repeated, with an --output for all but one",
    )
    add(
        "--output",
        action="append",
        type=Path,
        metavar="FILE",
        help="write to a file, whole or not at all; its suffix tells the format, if none is named",
    )
    add(
        "--entries",
        type=lambda text: int(text) if text.isdigit() else text,
        help="'all', 'auto' (what fits in the budget), or a number per block",
    )
    add("--budget", type=float, help="seconds that 'auto' may take for a case")
    add("--rtol", type=float, help="a relative error to accept beyond the bound")
    add("--noise", type=float, help="how far a value of the loss may be off, where that is known")
    add("--workers", type=int, help="processes that share a slow loss (needs gradcheck[parallel])")
    add("--seed", type=int, help="seed of everything that is random in the check")
    add("--allow", action="append", metavar="RULE", help="a rule (code or name) to accept")
    add(
        "--no-diagnosis",
        dest="diagnose",
        action="store_const",
        const=False,
        help="the verdicts alone, for large sweeps: no causes are looked for",
    )
    add(
        "--repair",
        action="store_const",
        const=REPAIR_SECONDS,
        help="search the source of wrong gradients for the edit that mends them",
    )
    add("-q", "--quiet", action="store_true", help="one line per case")
    add("-v", "--verbose", action="store_true", help="every block, and all details")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour of the text; auto: on a terminal, unless NO_COLOR is set",
    )


def _run(options: argparse.Namespace) -> int:
    from gradcheck.casefiles import find_cases
    from gradcheck.report.outcome import exit_status
    from gradcheck.report.text import summary
    from gradcheck.running import paired, run_cases, write_files

    pairs = paired(options.format or [], options.output or [])
    printed = next((name for name, path in pairs if path is None), None)
    given = {field.name: getattr(options, field.name) for field in fields(Options)}
    overrides = {name: value for name, value in given.items() if value is not None}

    def show(outcome: Outcome) -> None:
        if printed == TEXT:
            print(_shown(outcome, options))

    outcomes = run_cases(find_cases(options.targets), overrides, show)
    if outcomes[-1].interrupted:
        tell("interrupted; the other cases were not run")
    if printed not in (TEXT, None):
        print(RENDERERS[printed].render(outcomes))
    elif printed == TEXT and len(outcomes) > 1:
        print(summary(outcomes))
    write_files(outcomes, pairs)
    return exit_status(outcomes)


def _shown(outcome: Outcome, options: argparse.Namespace) -> str:
    """The text of an outcome, laid out and coloured for where it is printed."""
    from gradcheck.report.color import colored
    from gradcheck.report.text import Style, outcome_text

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    text = outcome_text(outcome, Style(width, options.verbose), options.quiet)
    wanted = {"always": True, "never": False}.get(
        options.color, terminal and not os.environ.get("NO_COLOR")
    )
    return colored(text) if wanted else text


COMMAND = Command("check bundled cases or your own case files (the default)", _run, _run_arguments)
