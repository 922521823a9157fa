"""Find the cases that the targets of a command line name: bundled cases, files and folders."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gradcheck.casefiles.loading import CaseEntry, load_file, mentions_cases, written_names
from gradcheck.errors import UsageError
from gradcheck.words import with_nearest


@dataclass(frozen=True)
class CaseFile:
    """A file of cases, and the name of the case to use; None for all of them."""

    path: Path
    case: str | None
    target: str

    def entries(self) -> list[CaseEntry]:
        """Import the file, and return the cases to use."""
        entries = load_file(self.path)
        if self.case is None:
            return entries
        matches = [entry for entry in entries if entry.variant == self.case]
        if not matches:
            names = [entry.variant for entry in entries]
            raise _no_case(self.target, self.case, names, self.path.parent)
        return matches


def bundled_folder() -> Path:
    """Return the folder of the bundled cases: in the installed package, or beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "cases"
    return inside if inside.is_dir() else package.parent / "cases"


def bundled_files() -> list[Path]:
    """Return the files of the bundled cases."""
    return sorted(path for path in bundled_folder().glob("*.py") if not path.name.startswith("_"))


def find_cases(targets: Iterable[str]) -> list[CaseEntry]:
    """Return the cases that the targets name; without targets, all bundled cases."""
    files = find_files(targets)
    return [
        replace(entry, name=f"{stem}:{entry.variant}")
        for file, stem in zip(files, kept_apart([one.path for one in files]), strict=True)
        for entry in file.entries()
    ]


def find_files(targets: Iterable[str]) -> list[CaseFile]:
    """Return the files that the targets name, without importing them; without targets, bundled."""
    wanted = list(targets)
    if not wanted:
        return [CaseFile(path, None, path.stem) for path in bundled_files()]
    return [file for target in wanted for file in _find(target)]


def kept_apart(files: Sequence[Path]) -> list[str]:
    """Return a unique name for each file: its stem, with folders where two stems are equal."""
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
        return _from_folder(path, name, target)
    if path.is_file():
        return [CaseFile(path.resolve(), name, target)]
    listing = "`gradcheck list` shows the bundled cases"
    files = sorted(Path().glob("*.py"))
    cases = [f"{one}:{file}" for one in files if mentions_cases(one) and file in written_names(one)]
    nearest = cases[0] if cases else file
    known = [*cases, *bundled, *map(str, files)]
    raise UsageError(with_nearest(f"there is no case or file {file!r}", nearest, known, listing))


def _split(target: str) -> tuple[str, str | None]:
    """Split `file.py:name`; the colon of a drive letter does not count."""
    file, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, None
    return file, name


def _from_folder(folder: Path, name: str | None, target: str) -> list[CaseFile]:
    """Return the files in a folder that mention gradcheck.case, or hold the named case."""
    paths = [path for path in sorted(folder.resolve().rglob("*.py")) if mentions_cases(path)]
    if not paths:
        raise UsageError(f"no file in {folder} holds a case; mark a function with @gradcheck.case")
    matches = [path for path in paths if name is None or name in written_names(path)]
    if name is not None and not matches:
        names = [one for path in paths for one in written_names(path)]
        raise _no_case(target, name, names, folder)
    return [CaseFile(path, name, str(path)) for path in matches]


def _no_case(target: str, name: str, there: Sequence[str], folder: Path) -> UsageError:
    """Return an error for a missing case; it names files nearby that have one of that name."""
    unknown = f"there is no case {target!r}"
    beside = [path for path in sorted(folder.glob("*.py")) if name in written_names(path)]
    if beside:
        return UsageError(f"{unknown}; did you mean {' or '.join(f'{p}:{name}' for p in beside)}?")
    return UsageError(with_nearest(unknown, name, there, f"There are: {', '.join(there)}"))
