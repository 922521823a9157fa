"""The targets of a command line: cases, and scripts that hold none."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from gradcheck.casefiles import CaseFile, find_files, made_checks, mentions_cases
from gradcheck.options import Wishes
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.words import ROLE, has_rate, is_update, name_of
from gradcheck.trace.record.sources import parsed
from gradcheck.words import listed, verb

SUFFIXES = (".py", ".ipynb")
SHOWN = 3


def find_targets(targets: Iterable[str], wishes: Wishes) -> list[CaseFile | ScriptEntry]:
    """The files that targets name, none imported; one without a case or a check is a script.

    Raises:
        UsageError: a target does not exist.
    """
    wanted = list(targets)
    found: list[CaseFile | ScriptEntry] = [] if wanted else [*find_files([])]
    for target in wanted:
        path = Path(target)
        is_script = path.is_file() and path.suffix in SUFFIXES and not mentions_cases(path)
        if is_script and not (wishes == Wishes() and _checks(path)):
            found.append(ScriptEntry(path.resolve(), wishes))
        else:
            found += find_files([target])
    return found


def passed_over(targets: Iterable[str]) -> str:
    """What to say of the training scripts in folders of cases, none of which is run; else ""."""
    folders = [path for path in map(Path, targets) if path.is_dir()]
    found = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        if not mentions_cases(path) and _trains(path)
    ]
    if not found:
        return ""
    names = listed([path.name for path in found], SHOWN)
    return (
        f"{names} {verb(found, 'trains', 'train')} something and {verb(found, 'holds', 'hold')} no "
        f"case, and {verb(found, 'was', 'were')} not run: gradcheck run {found[0]} checks one "
        "iteration of it"
    )


def _checks(path: Path) -> bool:
    """Whether a file makes checks of its own when it is run."""
    check = made_checks(path)
    return check is not None and check[2]


def _trains(path: Path) -> bool:
    """Whether a loop of a file, or a function of it, makes what looks like an update."""
    nodes = list(ast.walk(parsed(path.read_text(encoding="utf-8", errors="replace"))))
    loops = any(isinstance(node, ast.For | ast.While) for node in nodes)
    updates = [node for node in nodes if is_update(node)] if loops else []
    return any(has_rate(one) or ROLE.match(name_of(getattr(one, "target", one))) for one in updates)
