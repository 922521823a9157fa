"""The cases that the targets of a command line name: bundled ones, files and folders."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gradcheck.casefiles.loading import CaseEntry, load_file, mentions_cases
from gradcheck.errors import UsageError
from gradcheck.words import with_nearest


@dataclass(frozen=True)
class CaseFile:
    """A file of cases, and the one that is wanted of it; None for all.

    Attributes:
        path: of the file.
        case: the name of the case.
        target: as it was given.
    """

    path: Path
    case: str | None
    target: str

    def entries(self) -> list[CaseEntry]:
        """The wanted cases; the file is imported for them.

        Raises:
            UsageError: it does not import, or does not hold the case.
        """
        entries = load_file(self.path)
        if self.case is None:
            return entries
        found = [entry for entry in entries if entry.variant == self.case]
        if not found:
            names = [entry.variant for entry in entries]
            there = f"There are: {', '.join(names)}"
            unknown = f"there is no case {self.target!r}"
            raise UsageError(with_nearest(unknown, self.case, names, there))
        return found


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
        UsageError: a target does not exist, does not import, or does not hold the case that is
            wanted of it; the message has the nearest names.
    """
    files = find_files(targets)
    return [
        replace(entry, name=f"{stem}:{entry.variant}")
        for file, stem in zip(files, kept_apart([one.path for one in files]), strict=True)
        for entry in file.entries()
    ]


def find_files(targets: Iterable[str]) -> list[CaseFile]:
    """The files that the targets name, none of them imported; all bundled ones where none is.

    Raises:
        UsageError: a target does not exist; the message has the nearest names.
    """
    wanted = list(targets)
    if not wanted:
        return [CaseFile(path, None, path.stem) for path in bundled_files()]
    return [file for target in wanted for file in _find(target)]


def kept_apart(files: Sequence[Path]) -> list[str]:
    """What files are called: by their stems, with the folders where two have the same."""
    paths = defaultdict(set)
    for path in files:
        paths[path.stem].add(path)
    common = {
        stem: os.path.commonpath([path.parent for path in found])
        for stem, found in paths.items()
        if len(found) > 1
    }
    return [
        path.relative_to(common[path.stem]).with_suffix("").as_posix()
        if path.stem in common
        else path.stem
        for path in files
    ]


def _find(target: str) -> list[CaseFile]:
    file, name = _split(target)
    bundled = {path.stem: path for path in bundled_files()}
    if file in bundled and not Path(file).is_dir():
        return [CaseFile(bundled[file], name, target)]
    path = Path(file)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return [CaseFile(path.resolve(), name, target)]
    listing = "`gradcheck list` shows the bundled cases"
    raise UsageError(with_nearest(f"there is no case or file {file!r}", file, bundled, listing))


def _split(target: str) -> tuple[str, str | None]:
    """`file.py:name` in two; the colon of a drive letter is not one."""
    file, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, None
    return file, name


def _from_folder(folder: Path) -> list[CaseFile]:
    """All files in a folder that mention gradcheck.case; other files are not run."""
    paths = [path for path in sorted(folder.resolve().rglob("*.py")) if mentions_cases(path)]
    if not paths:
        raise UsageError(f"no file in {folder} holds a case; mark a function with @gradcheck.case")
    return [CaseFile(path, None, str(path)) for path in paths]
