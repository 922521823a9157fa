"""gradcheck in pytest: a fixture, the cases of `gradcheck_*.py` files as tests, and a summary.

pytest loads this module in every run, so the checks themselves are imported where they are used.
"""

from __future__ import annotations

import argparse
import inspect
from collections import Counter
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.casefiles import CaseEntry
    from gradcheck.report.model import Report

RULE = "gradcheck.rule"
VERDICT = "gradcheck.verdict"
SHOWN = "call", "gradcheck"
"""The phase of a test, and the title under which pytest shows a report if the test fails."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--gradcheck-seed` and `--gradcheck-repair`."""
    group = parser.getgroup("gradcheck")
    group.addoption(
        "--gradcheck-repair",
        action="store_true",
        help="search the source of wrong gradients for the edit that mends them, and show it",
    )
    group.addoption(
        "--gradcheck-seed",
        type=_seed,
        metavar="N",
        help="seed of gradient checks that name none, and of all cases (default: 0, or the case's)",
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"it must be a whole number of at least 0, not {text!r}")
    return int(text)


def _asked(config: pytest.Config) -> dict[str, Any]:
    """The arguments that the command line sets; others are left out, so that defaults hold."""
    from gradcheck.options import REPAIR_SECONDS

    seed = config.getoption("gradcheck_seed")
    given = {} if seed is None else {"seed": seed}
    return {**given, "repair": REPAIR_SECONDS} if config.getoption("gradcheck_repair") else given


def _record(item: pytest.Item, report: Report) -> None:
    from gradcheck.report.closing import summary_line
    from gradcheck.words import printable

    properties = [(VERDICT, summary_line(report))]
    for finding in report.findings:
        properties.append((RULE, f"{finding.code} {finding.rule}: {', '.join(finding.blocks)}"))
    for name, text in properties:
        item.user_properties.append((name, printable(text.replace("\n", " "))))


class Checker:
    """The functions of gradcheck with the command line's arguments; findings are recorded.

    Args:
        item: the test that the findings are recorded for.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def check(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.check`."""
        return self._run("check", arguments, options)

    def check_layer(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.check_layer`."""
        return self._run("check_layer", arguments, options)

    def check_step(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.check_step`."""
        return self._run("check_step", arguments, options)

    def assert_gradients(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.assert_gradients`."""
        return self._run("assert_gradients", arguments, options)

    def assert_layer(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.assert_layer`."""
        return self._run("assert_layer", arguments, options)

    def assert_step(self, *arguments: Any, **options: Any) -> Report:
        """As `gradcheck.assert_step`."""
        return self._run("assert_step", arguments, options)

    def _run(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Report:
        from gradcheck import api
        from gradcheck.errors import GradientMismatch
        from gradcheck.words import printable_lines

        try:
            report: Report = getattr(api, name)(
                *arguments, **{**_asked(self._item.config), **options}
            )
        except GradientMismatch as error:
            _record(self._item, error.report)
            raise
        _record(self._item, report)
        if not report.ok:  # `assert check(...).ok` does not say why
            self._item.add_report_section(*SHOWN, printable_lines(str(report)))
        return report


@pytest.fixture(name="gradcheck")
def _checker(request: pytest.FixtureRequest) -> Checker:
    """The check and assert functions of gradcheck, recorded for reports."""
    return Checker(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Collects `gradcheck_*.py`, unless the project's python_files makes it a test module."""
    collectors = yield
    patterns = parent.config.getini("python_files")
    if not file_path.match("gradcheck_*.py") or any(map(file_path.match, patterns)):
        return collectors
    # pytest takes a file named on the command line for a test module and would import it again
    others = [collector for collector in collectors if type(collector) is not pytest.Module]
    return [*others, CaseFile.from_parent(parent, path=file_path)]


class CaseFile(pytest.File):
    """A file with functions marked `@gradcheck.case`."""

    def collect(self) -> Iterable[CaseItem]:
        """Yields the cases of the file; the file is imported only if it mentions cases."""
        from gradcheck.casefiles import load_file, mentions_cases
        from gradcheck.errors import UsageError
        from gradcheck.words import printable

        if not mentions_cases(self.path):
            return
        try:
            entries = load_file(self.path)
        except UsageError as error:
            raise self.CollectError(printable(str(error))) from None
        for entry in entries:
            yield CaseItem.from_parent(self, name=entry.variant, entry=entry)


class CaseItem(pytest.Item):
    """One case, which passes if its check has the outcome that its author expects.

    Args:
        entry: the case.
        options: the arguments that pytest passes to every item.
    """

    def __init__(self, *, entry: CaseEntry, **options: Any) -> None:
        super().__init__(**options)
        self.entry = entry

    def runtest(self) -> None:
        """Builds the case and checks it."""
        from gradcheck.report.closing import cause_line
        from gradcheck.report.text import report_text
        from gradcheck.running import check_case

        outcome = check_case(self.entry, _asked(self.config))
        if outcome.report is None:
            raise _failure(outcome.error or "")
        _record(self, outcome.report)
        if outcome.differences:
            text = report_text(outcome.report, self.entry.name)
            passes = outcome.expected == "pass"
            differences = [cause_line(outcome.report)] if passes else outcome.differences
            raise _failure("\n".join([*differences, "", text]))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The place of the case in its file."""
        code = getattr(inspect.unwrap(self.entry.make), "__code__", None)
        return self.path, code.co_firstlineno - 1 if code else None, self.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Removes gradcheck's frames from tracebacks and cuts failure summaries to one line."""
    from gradcheck.errors import GradientMismatch, UsageError

    error = None if call.excinfo is None else call.excinfo.value
    own = isinstance(error, GradientMismatch | UsageError)
    if error is not None and own:
        frames = _frames_outside(error.__traceback__)
        call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(frames))
    report = yield
    if own:  # its message is the whole report, or it has none
        report.sections = [
            one for one in report.sections if not one[0].startswith(f"Captured {SHOWN[1]} ")
        ]
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and (own or isinstance(item, CaseItem)):
        crash.message = crash.message.partition("\n")[0]
    return report


def _frames_outside(traceback: TracebackType | None) -> TracebackType | None:
    """The frames of a traceback without those of this package."""
    if traceback is None:
        return None
    deeper, frame = _frames_outside(traceback.tb_next), traceback.tb_frame
    if frame.f_globals.get("__name__", "").partition(".")[0] == "gradcheck":
        return deeper
    return TracebackType(deeper, frame, traceback.tb_lasti, traceback.tb_lineno)


def _failure(text: str) -> BaseException:
    """A failure that is shown as its text alone; a traceback would only show this file."""
    from gradcheck.words import printable_lines

    return pytest.fail.Exception(printable_lines(text), pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts the gradient checks of the run by verdict, and names those that did not pass."""
    stats = terminalreporter.stats
    verdicts = [
        (report.nodeid, text)
        for reports in stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"  # the report that every test has, last
        for name, text in report.user_properties
        if name == VERDICT
    ]
    if not verdicts:
        return
    count = Counter(text.partition(":")[0] for _, text in verdicts)
    checks = "gradient check" if len(verdicts) == 1 else "gradient checks"
    terminalreporter.section("gradcheck")
    terminalreporter.line(
        f"{len(verdicts)} {checks}: {count['pass']} passed, {count['fail']} failed, "
        f"{count['inconclusive']} inconclusive"
    )
    passed = {report.nodeid for report in stats.get("passed", ())}
    for nodeid, text in verdicts:
        if not text.startswith("pass:"):
            expected = " (and the test passed)" if nodeid in passed else ""
            terminalreporter.line(f"{nodeid}: {text}{expected}")
