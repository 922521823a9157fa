"""The targets of a command line: cases, and scripts that hold none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradcheck.casefiles import CaseFile, find_files, mentions_cases
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.words import Wishes

SUFFIXES = (".py", ".ipynb")


def find_targets(targets: Iterable[str], wishes: Wishes) -> list[CaseFile | ScriptEntry]:
    """The files that targets name, none of them imported; one that holds no case is a script.

    Raises:
        UsageError: a target does not exist.
    """
    wanted = list(targets)
    found: list[CaseFile | ScriptEntry] = [] if wanted else [*find_files([])]
    for target in wanted:
        path = Path(target)
        if path.is_file() and path.suffix in SUFFIXES and not mentions_cases(path):
            found.append(ScriptEntry(path.resolve(), wishes))
        else:
            found += find_files([target])
    return found
