"""`gradcheck run`: checks cases, prints the results, and writes them to files."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck.commands.command import Command, tell
from gradcheck.commands.initialising import add_wishes
from gradcheck.options import CASE_SECONDS, REPAIR_SECONDS, Options, Wishes
from gradcheck.report.outcome import AS_EXPECTED, UNDECIDED
from gradcheck.report.renderers import RENDERERS, TEXT

if TYPE_CHECKING:
    from gradcheck.report.outcome import Outcome

BUNDLED_JOBS = 2
"""So many bundled cases are checked at a time, where all are and nothing else is said."""

ISOLATED = True
"""Whether a case is checked in a process of its own, where nothing else is said."""


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a bundled case (xor, xor:published), a file (checks.py, checks.py:name), a folder, "
        "or a training script that holds no case: one iteration of its loop, or its only pass, is "
        "checked",
    )
    add_wishes(parser)
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
        "--pages",
        type=Path,
        metavar="FOLDER",
        help="write a page for each file of cases, and index.html with the totals",
    )
    add(
        "--hints",
        choices=("none", "where", "full"),
        help="gradescope: whether a student is told the place (default) or the whole report, too",
    )
    _check_arguments(parser)
    add("-q", "--quiet", action="store_true", help="one line per case")
    add("-v", "--verbose", action="store_true", help="every block, and all details")
    add(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour of the text; auto: on a terminal, unless NO_COLOR is set",
    )


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
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
    add(
        "--timeout",
        type=_seconds,
        default=CASE_SECONDS,
        metavar="S",
        help="seconds for each case, in a process of its own; one that runs out is inconclusive",
    )
    add(
        "--jobs",
        type=_count,
        metavar="N",
        help=f"cases that are checked at a time: 1, or {BUNDLED_JOBS} of the bundled ones",
    )
    add(
        "--no-isolation",
        dest="isolated",
        action="store_false",
        default=ISOLATED,
        help="check in this process, for debuggers: a case that hangs or ends it is not survived",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"it must be a positive number of seconds, not {text!r}")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it must be a whole number of at least 1, not {text!r}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from gradcheck.report.outcome import exit_status
    from gradcheck.report.outputs import paired, write_files, write_pages
    from gradcheck.report.text import summary

    pairs = paired(options.format or [], options.output or [])
    printed = next((name for name, path in pairs if path is None), None)
    drawn = options.pages is not None or any(RENDERERS[name].draws for name, _ in pairs)
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        with _cancelled_as_interrupted(), contextlib.closing(_outcomes(options, drawn)) as found:
            for outcome in found:
                outcomes.append(outcome)
                if printed == TEXT:
                    print(_shown(outcome, options), flush=True)
    except KeyboardInterrupt:
        interrupted = True
        tell("interrupted; the other cases were not run")
    finally:
        if outcomes:
            write_files(outcomes, pairs, options.hints)
            if options.pages is not None:
                write_pages(outcomes, options.pages)
    if printed not in (TEXT, None):
        print(RENDERERS[printed].render(outcomes, hints=options.hints))
    elif printed == TEXT and len(outcomes) > 1:
        print(summary(outcomes))
    return exit_status(outcomes) or (UNDECIDED if interrupted else AS_EXPECTED)


@contextlib.contextmanager
def _cancelled_as_interrupted() -> Iterator[None]:
    """SIGTERM, with which CI cancels a job, as Ctrl-C: what is finished is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _outcomes(options: argparse.Namespace, drawn: bool) -> Generator[Outcome]:
    from gradcheck.isolation import Workers, prepare

    jobs = options.jobs or (1 if options.targets else min(BUNDLED_JOBS, os.cpu_count() or 1))
    if options.isolated:
        prepare(jobs)
    from gradcheck.commands.outcomes import outcomes_apart, outcomes_here

    given = {field.name: getattr(options, field.name) for field in fields(Options)}
    overrides = {name: value for name, value in given.items() if value is not None}
    _require_valid(overrides)
    _tell_passed_over(options.targets)
    wishes = Wishes.of(options.loss, options.params, options.lr, options.timeout)
    asked = tuple(options.targets), wishes
    if not options.isolated:
        yield from outcomes_here(asked, overrides)
        return
    with Workers(jobs, options.timeout) as workers:
        yield from outcomes_apart(asked, overrides, drawn, workers)


def _tell_passed_over(targets: Sequence[str]) -> None:
    """Says which training scripts lie in folders of cases, and are not run."""
    if any(Path(target).is_dir() for target in targets):
        from gradcheck.script import passed_over

        if said := passed_over(targets):
            tell(said)


def _require_valid(overrides: Mapping[str, Any]) -> None:
    """Refuses what every case would refuse, once."""
    if Options.of(overrides).allow:
        from gradcheck.diagnose.engine import require_rules

        require_rules(overrides["allow"])


def _shown(outcome: Outcome, options: argparse.Namespace) -> str:
    """The text of an outcome, laid out and coloured for where it is printed."""
    from gradcheck.report.text import Style, outcome_text
    from gradcheck.report.width import colored

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    text = outcome_text(outcome, Style(width, options.verbose), options.quiet)
    wanted = {"always": True, "never": False}.get(
        options.color, terminal and not os.environ.get("NO_COLOR")
    )
    return colored(text) if wanted else text


COMMAND = Command(
    "check a training script, your own case files or the bundled cases (the default)",
    _run,
    _run_arguments,
)
