"""Runs cases, and gives the outcomes to the renderers."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gradcheck.casefiles import CaseEntry, bundled_folder
from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.report.renderers import RENDERERS, TEXT
from gradcheck.script import ScriptEntry
from gradcheck.user.calls import UserCodeError

UNKNOWN = "GC999"


def check_case(entry: CaseEntry | ScriptEntry, overrides: dict[str, Any]) -> Outcome:
    """What comes of a case, whatever its code does; overrides replace arguments of its check."""
    if isinstance(entry, ScriptEntry):
        return entry.outcome(overrides)
    expectation = None
    try:
        case, expectation = entry.build()
        report = case.check(**overrides)
    except UsageError as error:
        reason = str(error)
    except UserCodeError as error:
        reason = f"{error.raised.call} raised {error.raised.summary_and_place}"
    else:
        differences = tuple(expectation.differences(report))
        return Outcome(
            entry.name,
            report,
            expectation.plain(),
            expectation.verdict,
            differences,
            repair=_command(entry) if differences and _is_mendable(report) else None,
        )
    expected = "pass" if expectation is None else expectation.plain()
    verdict = None if expectation is None else expectation.verdict
    return Outcome(entry.name, None, expected, verdict, (reason,), reason)


def _is_mendable(report: Report) -> bool:
    """Whether an edit is likely to mend what was found, or the cause is not known."""
    from gradcheck.diagnose.rules import RULES

    if report.repair is not None or not any(block.failed for block in report.blocks):
        return False
    mended = {rule.code for rule in RULES if rule.edits or rule.code == UNKNOWN}
    return any(one.code in mended and one.severity == "error" for one in report.findings)


def _command(entry: CaseEntry) -> str:
    """The command that searches for the repair of a case."""
    path = Path(inspect.unwrap(entry.make).__code__.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    bundled = path.parent.resolve() == bundled_folder()
    return f"gradcheck repair {shlex.quote(entry.name if bundled else f'{path}:{entry.variant}')}"


def run_cases(
    entries: Iterable[CaseEntry | ScriptEntry],
    overrides: dict[str, Any],
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """What comes of the cases, one by one, until the user interrupts; `done` is told of each."""
    outcomes = []
    for entry in entries:
        outcomes.append(check_case(entry, overrides))
        done(outcomes[-1])
        if outcomes[-1].interrupted:
            break
    return outcomes


def paired(formats: Sequence[str], outputs: Sequence[Path]) -> list[tuple[str, Path | None]]:
    """Which format goes where: a file has the format of its suffix, else the next one named.

    Args:
        formats: as named; none is text.
        outputs: the files to write.

    Returns:
        Formats with their files; None for the standard output.

    Raises:
        UsageError: there is more than one format for the standard output, or none for a file.
    """
    left = list(dict.fromkeys(formats))
    named = bool(left)
    pairs: list[tuple[str, Path | None]] = []
    unnamed: list[Path] = []
    for path in outputs:
        found = next(
            (name for name, row in RENDERERS.items() if path.suffix.lower() in row.suffixes), None
        )
        if found in left:
            left.remove(found)
        elif found is None or any(not RENDERERS[name].suffixes for name in left):
            unnamed.append(path)
            continue
        pairs.append((str(found), path))
    for path in unnamed:
        if not left and named:
            raise UsageError(f"--output {path}: there is no --format left for it")
        pairs.append((left.pop(0) if left else TEXT, path))
    if len(left) > 1:
        raise UsageError(
            f"--format {' and '.join(left)}: only one can be printed; give the others an --output"
        )
    return [*pairs, *((name, None) for name in left or ([] if named else [TEXT]))]


def write_files(outcomes: Sequence[Outcome], pairs: Sequence[tuple[str, Path | None]]) -> None:
    """Writes every format that has a file.

    Raises:
        UsageError: a file cannot be written, or what a format needs is not installed.
    """
    for name, path in pairs:
        if path is not None:
            write_atomically(path, RENDERERS[name].render(outcomes).rstrip("\n") + "\n")
