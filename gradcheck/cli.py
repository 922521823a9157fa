"""The command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradcheck.version import __version__

if TYPE_CHECKING:
    from gradcheck.casefiles import CaseEntry, Expectation
    from gradcheck.report.model import Report

AS_EXPECTED, WRONG, UNDECIDED = 0, 1, 2

EXAMPLES = """examples:
  gradcheck                              every bundled case
  gradcheck list                         what they are
  gradcheck explain GC303                what a rule means, with an example
  gradcheck run overfit_pixels:published one of them
  gradcheck run my_checks.py             the cases of your own file
  gradcheck run my_checks.py:my_network --format json

exit status: 0 all as expected, 1 a gradient is wrong (or a case did not come out as its author
expects), 2 it could not be decided or the call is wrong
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        name: of the case.
        expectation: what its author expects, where that could be read.
        report: what was found, or None where nothing could be.
        error: why there is no report, or None.
    """

    name: str
    expectation: Expectation | None
    report: Report | None
    error: str | None = None

    @property
    def differences(self) -> tuple[str, ...]:
        """What did not come out as expected."""
        if self.report is None or self.expectation is None:
            return (self.error or "",)
        return tuple(self.expectation.differences(self.report))

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the check."""
        return self.report is not None and self.report.coverage.interrupted

    @property
    def status(self) -> int:
        """The exit status of this case alone."""
        if self.report is None or self.expectation is None or self.interrupted:
            return UNDECIDED
        if not self.differences:
            return AS_EXPECTED
        undecided = self.report.verdict == "inconclusive" and self.expectation.verdict == "pass"
        return UNDECIDED if undecided else WRONG


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status is returned."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in ("run", "list", "explain", "-h", "--help", "--version"):
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
    run.add_argument("--format", choices=("text", "json"), default="text", help="of the results")
    run.add_argument("--entries", help="'all', 'auto' (what fits in the budget) or so many a block")
    run.add_argument("--budget", type=float, help="seconds that 'auto' may take for a case")
    run.add_argument("--rtol", type=float, help="a relative error to accept beyond the bound")
    run.add_argument(
        "--workers", type=int, help="processes that share a slow loss (needs gradcheck[parallel])"
    )
    run.add_argument("--seed", type=int, help="of everything that is random in the check")
    run.add_argument(
        "--allow", action="append", metavar="RULE", help="a rule (code or name) to accept"
    )
    run.add_argument("-q", "--quiet", action="store_true", help="one line per case")
    listing = commands.add_parser("list", help="the bundled cases: network, bug, source")
    listing.set_defaults(command=_list)
    explain = commands.add_parser("explain", help="the rules: what they are, and one in full")
    explain.set_defaults(command=_explain)
    explain.add_argument(
        "rule", nargs="?", metavar="RULE", help="a code or name, as GC303 or sign-flipped"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    from gradcheck.casefiles import find_cases

    entries = find_cases(options.targets)
    overrides = _overrides(options)
    outcomes = []
    for entry in entries:
        outcome = _check(entry, overrides)
        outcomes.append(outcome)
        if options.format == "text":
            _print_text(outcome, options.quiet)
        if outcome.interrupted:
            print("gradcheck: interrupted; the other cases were not run", file=sys.stderr)
            break
    if options.format == "json":
        _print_json(outcomes)
    elif len(outcomes) > 1:
        _print_summary(outcomes)
    statuses = {outcome.status for outcome in outcomes}
    return next((status for status in (WRONG, UNDECIDED) if status in statuses), AS_EXPECTED)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    named = {
        name: getattr(options, name) for name in ("budget", "rtol", "workers", "seed", "allow")
    }
    entries = options.entries
    if entries is not None:
        named["entries"] = int(entries) if entries.isdigit() else entries
    return {name: value for name, value in named.items() if value is not None}


def _check(entry: CaseEntry, overrides: dict[str, Any]) -> Outcome:
    from gradcheck.errors import UsageError
    from gradcheck.usercode import UserCodeError

    expectation = None
    try:
        case, expectation = entry.build()
        return Outcome(entry.name, expectation, case.check(**overrides))
    except UsageError as error:
        return Outcome(entry.name, expectation, None, str(error))
    except UserCodeError as error:
        frames = error.raised.frames
        where = f" ({frames[-1].file}:{frames[-1].line})" if frames else ""
        reason = f"{error.raised.call} raised {error.raised.summary}{where}"
        return Outcome(entry.name, expectation, None, reason)


def _print_text(outcome: Outcome, quiet: bool) -> None:
    from gradcheck.report.text import printable, render, summary_line

    if outcome.report is None:
        print(f"{printable(outcome.name)}: could not check: {printable(outcome.error or '')}")
    elif quiet:
        print(
            f"{printable(outcome.name)}: {printable(summary_line(outcome.report))}{_how(outcome)}"
        )
    else:
        print(render(outcome.report, outcome.name))
        print(f"{_how(outcome).strip(' ()')}\n" if _how(outcome) else "")


def _how(outcome: Outcome) -> str:
    """Whether the case came out as expected, where that is worth saying."""
    if outcome.expectation is None or outcome.report is None:
        return ""
    if outcome.differences:
        return f" (NOT as expected: {'; '.join(outcome.differences)})"
    return "" if outcome.expectation.verdict == "pass" else " (as its author expects)"


def _print_summary(outcomes: Sequence[Outcome]) -> None:
    expected = sum(outcome.status == AS_EXPECTED for outcome in outcomes)
    print(f"{expected} of {len(outcomes)} cases came out as expected")
    for outcome in outcomes:
        if outcome.status != AS_EXPECTED:
            print(f"  {outcome.name}: {'; '.join(outcome.differences)}")


def _print_json(outcomes: Sequence[Outcome]) -> None:
    from gradcheck.report.json import error_dict, render, report_dict

    cases = []
    for outcome in outcomes:
        expected = "pass" if outcome.expectation is None else outcome.expectation.plain()
        if outcome.report is None:
            cases.append(error_dict(outcome.name, expected, outcome.error or ""))
        else:
            cases.append(
                report_dict(
                    outcome.report,
                    name=outcome.name,
                    expected=expected,
                    as_expected=not outcome.differences,
                )
            )
    print(render(cases))


def _list(options: argparse.Namespace) -> int:
    from tabulate import tabulate

    from gradcheck.casefiles import find_cases

    rows = [(entry.name, entry.network, entry.summary, entry.source) for entry in find_cases([])]
    print(tabulate(rows, ("case", "network", "bug", "source"), tablefmt="plain"))
    return AS_EXPECTED


def _explain(options: argparse.Namespace) -> int:
    from gradcheck.diagnose.rules import RULES
    from gradcheck.report.explain import catalogue, explain

    print(catalogue(RULES) if options.rule is None else explain(RULES, options.rule))
    return AS_EXPECTED
