"""The cases that the targets of a command line name: bundled ones, files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradcheck.casefiles.loading import CaseEntry, load_file, mentions_cases
from gradcheck.errors import UsageError
from gradcheck.words import with_nearest


def bundled_folder() -> Path:
    """Where the bundled cases are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "cases"
    return inside if inside.is_dir() else package.parent / "cases"


def bundled_files() -> list[Path]:
    """The files of the bundled cases."""
    return sorted(path for path in bundled_folder().glob("*.py") if not path.name.startswith("_"))


def find_cases(targets: Iterable[str]) -> list[CaseEntry]:
    """The cases that the targets of a command line name; all bundled ones where there are none.

    Raises:
        UsageError: a target does not exist; the message has the nearest names.
    """
    wanted = list(targets)
    if not wanted:
        return [entry for path in bundled_files() for entry in load_file(path)]
    return [entry for target in wanted for entry in _find(target)]


def _find(target: str) -> list[CaseEntry]:
    file, name = _split(target)
    bundled = {path.stem: path for path in bundled_files()}
    if file in bundled and not Path(file).is_dir():
        return _named(load_file(bundled[file]), name, target)
    path = Path(file)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return _named(load_file(path.resolve()), name, target)
    listing = "`gradcheck list` shows the bundled cases"
    raise UsageError(with_nearest(f"there is no case or file {file!r}", file, bundled, listing))


def _split(target: str) -> tuple[str, str | None]:
    """`file.py:name` in two; the colon of a drive letter is not one."""
    file, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, None
    return file, name


def _named(entries: list[CaseEntry], name: str | None, target: str) -> list[CaseEntry]:
    if name is None:
        return entries
    found = [entry for entry in entries if entry.variant == name]
    if not found:
        names = [entry.variant for entry in entries]
        there = f"There are: {', '.join(names)}"
        raise UsageError(with_nearest(f"there is no case {target!r}", name, names, there))
    return found


def _from_folder(folder: Path) -> list[CaseEntry]:
    """The cases of all files in a folder that mention gradcheck.case; other files are not run."""
    entries = []
    for path in sorted(folder.resolve().rglob("*.py")):
        if mentions_cases(path):
            entries += load_file(path)
    if not entries:
        raise UsageError(f"no file in {folder} holds a case; mark a function with @gradcheck.case")
    return entries
