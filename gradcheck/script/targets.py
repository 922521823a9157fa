"""Find the targets of a command line: case files, and scripts without a case."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from gradcheck.casefiles import CaseFile, find_files, made_checks, mentions_cases
from gradcheck.options import Wishes
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.updates import has_rate, is_update
from gradcheck.script.words import ROLE, name_of
from gradcheck.trace.record.sources import parsed
from gradcheck.words import listed, verb

SUFFIXES = (".py", ".ipynb")
SHOWN = 3


def find_targets(targets: Iterable[str], wishes: Wishes) -> list[CaseFile | ScriptEntry]:
    """Return the files that targets name, not imported; one without case or check is a script.

    Raises:
        UsageError: a target does not exist.
    """
    wanted = list(targets)
    files: list[CaseFile | ScriptEntry] = [] if wanted else [*find_files([])]
    for target in wanted:
        path = Path(target)
        is_script = path.is_file() and path.suffix in SUFFIXES and not mentions_cases(path)
        if is_script and not (wishes == Wishes() and _checks(path)):
            files.append(ScriptEntry(path.resolve(), wishes))
        else:
            files += find_files([target])
    return files


def passed_over(targets: Iterable[str]) -> str:
    """Return a note on training scripts in folders of cases, which are not run; "" if none."""
    folders = [path for path in map(Path, targets) if path.is_dir()]
    paths = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        if not mentions_cases(path) and _trains(path)
    ]
    if not paths:
        return ""
    names = listed([path.name for path in paths], SHOWN)
    all_ = len(paths) > 1 and len({path.parent for path in paths}) == 1
    them, each = (paths[0].with_name("*.py"), "each") if all_ else (paths[0], "it")
    return (
        f"{names} {verb(paths, 'trains', 'train')} something and {verb(paths, 'holds', 'hold')} no "
        f"case, and {verb(paths, 'was', 'were')} not run: gradcheck run {them} checks one "
        f"iteration of {each}"
    )


def _checks(path: Path) -> bool:
    """Whether a file itself calls a check when it is run."""
    check = made_checks(path)
    return check is not None and check[2]


def _trains(path: Path) -> bool:
    """Whether a file has a loop, and a statement that looks like a parameter update."""
    nodes = list(ast.walk(parsed(path.read_text(encoding="utf-8", errors="replace"))))
    loops = any(isinstance(node, ast.For | ast.While) for node in nodes)
    updates = [node for node in nodes if is_update(node)] if loops else []
    return any(has_rate(one) or ROLE.match(name_of(getattr(one, "target", one))) for one in updates)
