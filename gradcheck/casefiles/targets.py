"""The cases that the targets of a command line name: bundled ones, files and folders."""

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
    """A file of cases, and the one that is wanted of it; None for all."""

    path: Path
    case: str | None
    target: str

    def entries(self) -> list[CaseEntry]:
        """The wanted cases; the file is imported for them."""
        entries = load_file(self.path)
        if self.case is None:
            return entries
        found = [entry for entry in entries if entry.variant == self.case]
        if not found:
            names = [entry.variant for entry in entries]
            raise _no_case(self.target, self.case, names, self.path.parent)
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
    """The cases that the targets of a command line name; all bundled ones where there are none."""
    files = find_files(targets)
    return [
        replace(entry, name=f"{stem}:{entry.variant}")
        for file, stem in zip(files, kept_apart([one.path for one in files]), strict=True)
        for entry in file.entries()
    ]


def find_files(targets: Iterable[str]) -> list[CaseFile]:
    """The files that the targets name, none of them imported; all bundled ones where none is."""
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
        return _from_folder(path, name, target)
    if path.is_file():
        return [CaseFile(path.resolve(), name, target)]
    listing = "`gradcheck list` shows the bundled cases"
    files = [one for one in sorted(Path().glob("*.py")) if mentions_cases(one)]
    own = [f"{one}:{file}" for one in files if file in written_names(one)]
    nearest = own[0] if own else file
    known = [*own, *bundled, *map(str, files)]
    raise UsageError(with_nearest(f"there is no case or file {file!r}", nearest, known, listing))


def _split(target: str) -> tuple[str, str | None]:
    """`file.py:name` in two; the colon of a drive letter is not one."""
    file, colon, name = target.rpartition(":")
    if not colon or "/" in name or "\\" in name:
        return target, None
    return file, name


def _from_folder(folder: Path, name: str | None, target: str) -> list[CaseFile]:
    """All files in a folder that mention gradcheck.case, or have the case; others are not run."""
    paths = [path for path in sorted(folder.resolve().rglob("*.py")) if mentions_cases(path)]
    if not paths:
        raise UsageError(f"no file in {folder} holds a case; mark a function with @gradcheck.case")
    found = [path for path in paths if name is None or name in written_names(path)]
    if name is not None and not found:
        names = [one for path in paths for one in written_names(path)]
        raise _no_case(target, name, names, folder)
    return [CaseFile(path, name, str(path)) for path in found]


def _no_case(target: str, name: str, there: Sequence[str], folder: Path) -> UsageError:
    """That a file or a folder has no case of a name, and the files beside it that have one."""
    unknown = f"there is no case {target!r}"
    beside = [path for path in sorted(folder.glob("*.py")) if name in written_names(path)]
    if beside:
        return UsageError(f"{unknown}; did you mean {' or '.join(f'{p}:{name}' for p in beside)}?")
    return UsageError(with_nearest(unknown, name, there, f"There are: {', '.join(there)}"))
