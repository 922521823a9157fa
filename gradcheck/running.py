"""Runs cases, and gives the outcomes to the renderers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from gradcheck.casefiles import CaseEntry, CaseFile, bundled_folder, kept_apart
from gradcheck.errors import UsageError
from gradcheck.files import from_here, write_atomically
from gradcheck.isolation import Call, Lost, Workers
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.report.renderers import RENDERERS, TEXT
from gradcheck.script import ScriptEntry
from gradcheck.user.calls import UserCodeError

UNKNOWN = "GC999"

Target = CaseFile | ScriptEntry


def check_case(entry: CaseEntry, overrides: dict[str, Any]) -> Outcome:
    """What comes of a case, whatever its code does; overrides replace arguments of its check."""
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
    from gradcheck.diagnose.rule import Traced, detectors
    from gradcheck.diagnose.rules import RULES

    if report.unsearched or report.repair is not None:
        return False
    if not any(block.failed for block in report.blocks):
        return False
    followed = {rule.code for rule, _ in detectors(RULES, Traced)}
    mended = {UNKNOWN, *followed, *(rule.code for rule in RULES if rule.edits)}
    return any(one.code in mended for one in report.errors)


def _command(entry: CaseEntry) -> str:
    path = Path(entry.file)
    bundled = path.parent.resolve() == bundled_folder()
    target = entry.name if bundled else f"{from_here(path)}:{entry.variant}"
    return f"gradcheck repair {shlex.quote(target)}"


def run_cases(targets: Sequence[Target], overrides: dict[str, Any]) -> Iterator[Outcome]:
    """What comes of the cases of files, and of scripts, one by one, in this process.

    Raises:
        UsageError: a file does not import, or does not hold the case that is wanted of it.
        KeyboardInterrupt: the user stopped a check; what had been measured came before.
    """
    for target, stem in zip(targets, _names(targets), strict=True):
        if isinstance(target, ScriptEntry):
            outcomes = iter([_of_script(target, stem, overrides)])
        else:
            count = len(_entries(target))
            outcomes = (_of_case(target, number, stem, overrides) for number in range(count))
        for outcome in outcomes:
            yield outcome
            if outcome.interrupted:
                raise KeyboardInterrupt


def run_isolated(
    targets: Sequence[Target], overrides: dict[str, Any], workers: Workers
) -> Iterator[Outcome]:
    """The same in processes of their own; a file that does not load is an outcome of its own.

    Raises:
        KeyboardInterrupt: the user interrupted; what is finished came before.
    """
    calls: list[Call] = []
    planned: list[tuple[str, str | None]] = []  # names, and why there is no call
    files = [target for target in targets if isinstance(target, CaseFile)]
    variants = workers.run([(_variants, (file,)) for file in files])
    for target, stem in zip(targets, _names(targets), strict=True):
        if isinstance(target, ScriptEntry):
            planned.append((stem, None))
            calls.append((_of_script, (target, stem, overrides)))
            continue
        found = next(variants)
        if isinstance(found, UsageError | Lost):
            why = found.reason if isinstance(found, Lost) else str(found)
            planned.append((f"{stem}:{target.case}" if target.case else stem, why))
            continue
        for number, variant in enumerate(found):
            planned.append((f"{stem}:{variant}", None))
            calls.append((_of_case, (target, number, stem, overrides)))
    next(variants, None)  # which raises, if the user interrupted the last ones
    answers = workers.run(calls)
    for name, reason in planned:
        answer = next(answers) if reason is None else Lost(reason)
        if isinstance(answer, Lost):
            answer = Outcome(name, None, differences=(answer.reason,), error=answer.reason)
        yield answer
    next(answers, None)


def _names(targets: Sequence[Target]) -> list[str]:
    return kept_apart([target.path for target in targets])


@cache
def _entries(file: CaseFile) -> list[CaseEntry]:
    return file.entries()


def _variants(file: CaseFile) -> list[str]:
    return [entry.variant for entry in _entries(file)]


def _of_case(file: CaseFile, number: int, stem: str, overrides: dict[str, Any]) -> Outcome:
    entry = _entries(file)[number]
    return check_case(replace(entry, name=f"{stem}:{entry.variant}"), overrides)


def _of_script(script: ScriptEntry, name: str, overrides: dict[str, Any]) -> Outcome:
    outcome = script.outcome(overrides)
    may_mend = outcome.report is not None and outcome.differences and _is_mendable(outcome.report)
    command = f"gradcheck repair {shlex.quote(str(from_here(script.path)))}"
    return replace(outcome, name=name, repair=command if may_mend else None)


def paired(formats: Sequence[str], outputs: Sequence[Path]) -> list[tuple[str, Path | None]]:
    """Which format goes where: a file has the next one named that its suffix may have.

    Returns:
        Formats with their files; None for the standard output.
    """
    for path in outputs:
        if not path.parent.is_dir():
            raise UsageError(f"--output {path}: there is no folder {path.parent}")
    left = list(dict.fromkeys(formats))
    named = bool(left)
    found: dict[Path, str] = {}
    for only_one in (True, False):
        for path in outputs:
            fitting = [name for name in left if RENDERERS[name].fits(path)]
            if path not in found and fitting and not (only_one and len(fitting) > 1):
                found[path] = fitting[0]
                left.remove(fitting[0])
    unnamed = []
    for path in outputs:
        own = [name for name, row in RENDERERS.items() if path.suffix.lower() in row.suffixes]
        if path in found:
            continue
        if not own and not named and path.suffix:
            known = ", ".join(one for row in RENDERERS.values() for one in row.suffixes)
            raise UsageError(
                f"--output {path}: no format is written to {path.suffix} files; there are {known}, "
                "or name one with --format"
            )
        if not own or any(not RENDERERS[name].suffixes for name in left):
            unnamed.append(path)
        else:
            found[path] = own[0]
    for path in unnamed:
        if not left and named:
            raise UsageError(f"--output {path}: there is no --format left for it")
        found[path] = left.pop(0) if left else TEXT
    if len(left) > 1:
        raise UsageError(
            f"--format {' and '.join(left)}: only one can be printed; give the others an --output"
        )
    printed = left or ([] if named else [TEXT])
    return [*((found[path], path) for path in outputs), *((name, None) for name in printed)]


def write_files(
    outcomes: Sequence[Outcome], pairs: Sequence[tuple[str, Path | None]], hints: str | None
) -> None:
    """Writes every format that has a file."""
    for name, path in pairs:
        if path is not None:
            write_atomically(
                path, RENDERERS[name].render(outcomes, hints=hints).rstrip("\n") + "\n"
            )


def write_pages(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Writes a page for each file of cases, and index.html with the totals."""
    from gradcheck.report.html import pages

    found = pages(outcomes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} could not be made: {error.strerror}") from None
    for name, text in found.items():
        write_atomically(folder / name, text)
