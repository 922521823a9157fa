"""The targets of a command line: cases, and scripts that hold none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradcheck.casefiles import CaseEntry, find_cases, mentions_cases
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.words import Wishes

SUFFIXES = (".py", ".ipynb")


def find_targets(targets: Iterable[str], wishes: Wishes) -> list[CaseEntry | ScriptEntry]:
    """The cases that targets name; a file that holds none is a script.

    Raises:
        UsageError: a target does not exist.
    """
    wanted = list(targets)
    if not wanted:
        return [*find_cases([])]
    found: list[CaseEntry | ScriptEntry] = []
    for target in wanted:
        path = Path(target)
        if path.is_file() and path.suffix in SUFFIXES and not mentions_cases(path):
            found.append(ScriptEntry(path.resolve(), wishes))
        else:
            found += find_cases([target])
    return found
