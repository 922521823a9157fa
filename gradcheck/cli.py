"""The command line."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck.version import __version__

if TYPE_CHECKING:
    from gradcheck.report.outcome import Outcome

UNDECIDED = 2
REPAIR_SECONDS = 10.0
COMMANDS = ("run", "list", "explain", "train", "repair", "completion")

EXAMPLES = """examples:
  gradcheck                              every bundled case
  gradcheck list                         what they are
  gradcheck explain GC303                what a rule means, with an example
  gradcheck run overfit_pixels:published one of them
  gradcheck train overfit_pixels         what the bug does to training
  gradcheck repair overfit_pixels:published   the edit that mends it, as a diff
  gradcheck run my_checks.py             the cases of your own file
  gradcheck run my_checks.py:my_network --format json
  gradcheck run my_checks.py --output report.html --output junit.xml

exit status: 0 all as expected, 1 a gradient is wrong (or a case did not come out as its author
expects), 2 it could not be decided or the call is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is returned."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in (*COMMANDS, "-h", "--help", "--version"):
        given.insert(0, "run")
    options = parser.parse_args(given)
    from gradcheck.errors import UsageError

    try:
        return int(options.command(options))
    except UsageError as error:
        print(f"gradcheck: {error}", file=sys.stderr)
        return UNDECIDED
    except BrokenPipeError:
        sys.stderr.close()
        return UNDECIDED
    except KeyboardInterrupt:
        print("gradcheck: interrupted", file=sys.stderr)
        return UNDECIDED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradcheck",
        description="Checks hand-written gradients against finite differences, and names the bug.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradcheck {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run",
        help="check bundled cases or your own case files (the default)",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a bundled case (xor, xor:published), a file (checks.py, checks.py:name) or a folder",
    )
    run.add_argument(
        "--format",
        action="append",
        choices=("text", "json", "junit", "github", "html"),
        help="of the results; may be given more than once, with an --output for all but one",
    )
    run.add_argument(
        "--output",
        action="append",
        type=Path,
        metavar="FILE",
        help="write to a file, whole or not at all; its suffix tells the format, if none is named",
    )
    run.add_argument(
        "--entries",
        help="'all', 'auto' (what fits in the budget), or so many of each block",
    )
    run.add_argument("--budget", type=float, help="seconds that 'auto' may take for a case")
    run.add_argument("--rtol", type=float, help="a relative error to accept beyond the bound")
    run.add_argument(
        "--workers", type=int, help="processes that share a slow loss (needs gradcheck[parallel])"
    )
    run.add_argument("--seed", type=int, help="of everything that is random in the check")
    run.add_argument(
        "--allow", action="append", metavar="RULE", help="a rule (code or name) to accept"
    )
    run.add_argument(
        "--repair",
        action="store_const",
        const=REPAIR_SECONDS,
        help="search the source of wrong gradients for the edit that mends them",
    )
    run.add_argument("-q", "--quiet", action="store_true", help="one line per case")
    run.add_argument("-v", "--verbose", action="store_true", help="every block, and all details")
    run.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="of the text; auto is on a terminal, unless NO_COLOR is set",
    )
    listing = commands.add_parser("list", help="the bundled cases: network, bug, source")
    listing.set_defaults(command=_list)
    explain = commands.add_parser("explain", help="the rules: what they are, and one in full")
    explain.set_defaults(command=_explain)
    explain.add_argument(
        "rule", nargs="?", metavar="RULE", help="a code or name, as GC303 or sign-flipped"
    )
    explain.add_argument("--format", choices=("text", "json"), default="text", help="of the rules")
    training = commands.add_parser(
        "train",
        help="train the published and the fixed variant of a case, and compare their losses",
    )
    training.set_defaults(command=_train)
    training.add_argument(
        "case", metavar="CASE", help="a bundled case (xor, xor:published) or a file (checks.py)"
    )
    training.add_argument(
        "--epochs", type=int, metavar="N", help="how many; the case's own number, or 100"
    )
    training.add_argument(
        "--learning-rate",
        type=float,
        metavar="X",
        help="of gradient descent; the case's own, or 0.1",
    )
    training.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of everything random in the training"
    )
    training.add_argument(
        "--plot", type=Path, metavar="FILE", help="save the curves (needs gradcheck[plots])"
    )
    repair = commands.add_parser(
        "repair",
        help="search your source for the edit that makes a wrong gradient right; print the diff",
    )
    repair.set_defaults(command=_repair)
    repair.add_argument("targets", nargs="+", metavar="TARGET", help="as of run")
    repair.add_argument(
        "--write", action="store_true", help="write the first patch; the original stays as .orig"
    )
    repair.add_argument(
        "--budget", type=float, default=REPAIR_SECONDS, help="seconds for each case (default 10)"
    )
    completion = commands.add_parser("completion", help="a script that completes these commands")
    completion.set_defaults(command=_completion)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="which to complete in")
    return parser


def _run(options: argparse.Namespace) -> int:
    from gradcheck.casefiles import find_cases
    from gradcheck.report.outcome import AS_EXPECTED, UNDECIDED, WRONG
    from gradcheck.report.renderers import RENDERERS, summary
    from gradcheck.running import check_case, paired, write_files

    pairs = paired(options.format or [], options.output or [])
    printed = next((name for name, path in pairs if path is None), None)
    entries = find_cases(options.targets)
    overrides = _overrides(options)
    outcomes = []
    for entry in entries:
        outcome = check_case(entry, overrides)
        outcomes.append(outcome)
        if printed == "text":
            _print_outcome(outcome, options)
        if outcome.interrupted:
            print("gradcheck: interrupted; the other cases were not run", file=sys.stderr)
            break
    if printed not in ("text", None):
        print(RENDERERS[printed].render(outcomes))
    elif printed == "text" and len(outcomes) > 1:
        print(summary(outcomes))
    write_files(outcomes, pairs)
    statuses = {outcome.status for outcome in outcomes}
    return next((status for status in (WRONG, UNDECIDED) if status in statuses), AS_EXPECTED)


def _print_outcome(outcome: Outcome, options: argparse.Namespace) -> None:
    from gradcheck.report.color import colored
    from gradcheck.report.renderers import outcome_text
    from gradcheck.report.text import Style

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    text = outcome_text(outcome, Style(width, options.verbose), options.quiet)
    wanted = {"always": True, "never": False}.get(
        options.color, terminal and not os.environ.get("NO_COLOR")
    )
    print(colored(text) if wanted else text)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    names = ("budget", "rtol", "workers", "seed", "allow", "repair")
    named = {name: getattr(options, name) for name in names}
    entries = options.entries
    if entries is not None:
        named["entries"] = int(entries) if entries.isdigit() else entries
    return {name: value for name, value in named.items() if value is not None}


def _list(options: argparse.Namespace) -> int:
    from tabulate import tabulate

    from gradcheck.casefiles import find_cases

    rows = [(entry.name, entry.network, entry.summary, entry.source) for entry in find_cases([])]
    print(tabulate(rows, ("case", "network", "bug", "source"), tablefmt="plain"))
    return 0


def _explain(options: argparse.Namespace) -> int:
    from gradcheck.diagnose.rules import RULES
    from gradcheck.report.explain import as_json, catalogue, explain

    if options.format == "json":
        print(as_json(RULES, options.rule))
        return 0
    print(catalogue(RULES) if options.rule is None else explain(RULES, options.rule))
    return 0


def _repair(options: argparse.Namespace) -> int:
    from gradcheck.casefiles import find_cases
    from gradcheck.repair.patches import write
    from gradcheck.running import check_case
    from gradcheck.words import printable

    statuses = []
    for entry in find_cases(options.targets):
        outcome = check_case(entry, {"repair": options.budget})
        found = None if outcome.report is None else outcome.report.repair
        if found is None:
            reason = outcome.error or "interrupted"
            if outcome.report is not None:
                reason = outcome.report.could_not_check or reason
            print(f"{printable(outcome.name)}: could not check: {printable(reason)}")
            statuses.append(UNDECIDED)
            continue
        print(f"{printable(outcome.name)}: {found}\n")
        statuses.append(0 if found.ok else 1)
        if found.ok and options.write:
            for path in write(found.patches[0]):
                print(f"gradcheck: {path} was written; {path}.orig is as it was", file=sys.stderr)
    return max(statuses)


def _train(options: argparse.Namespace) -> int:
    from gradcheck.pictures.curves import plot, require_plots, table
    from gradcheck.progress import progress_bar
    from gradcheck.train import INTERRUPTED, train_case

    if options.plot is not None:
        require_plots(options.plot)
    with progress_bar() as begin:
        curves = train_case(
            options.case,
            seed=options.seed,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            begin=begin,
        )
    print(table(curves))
    if options.plot is not None:
        plot(curves, options.plot)
        print(f"gradcheck: the plot is in {options.plot}", file=sys.stderr)
    if curves[-1].ended == INTERRUPTED:
        print("gradcheck: interrupted; these are the curves so far", file=sys.stderr)
        return UNDECIDED
    return 0 if any(curve.losses for curve in curves) else UNDECIDED


def _completion(options: argparse.Namespace) -> int:
    from gradcheck.errors import UsageError

    try:
        import shtab
    except ImportError:
        raise UsageError("completion needs shtab: pip install 'gradcheck[completion]'") from None
    print(shtab.complete(_parser(), shell=options.shell))
    return 0
