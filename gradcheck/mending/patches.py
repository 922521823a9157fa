"""Patches: diffs for `patch -p0`, and files that are written only if nothing has changed."""

from __future__ import annotations

import difflib
import io
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.mending.candidate import Mended
from gradcheck.mending.model import Changed, Patch
from gradcheck.mending.source import encoding_of
from gradcheck.mending.variants import Texts
from gradcheck.user.calls import Location, cell_name

KEPT = ".orig"


def make_patch(mended: Mended, before: Texts) -> Patch:
    """Return the patch that makes a candidate of the original files."""
    edits = mended.edits
    after = {
        path: text.decode().encode(encoding_of(before[path])) for path, text in mended.texts.items()
    }
    changed = tuple(
        Changed(path, before[path], after[path]) for path in before if before[path] != after[path]
    )
    return Patch(
        "\n".join(edit.words for edit in edits),
        Location(edits[0].path, edits[0].line),
        "".join(map(_diff, changed)),
        mended.error,
        mended.points,
        changed,
        mended.left,
        mended.varied,
    )


class Originals:
    """The files before the first patch, kept beside them as `.orig`.

    An existing `.orig` is somebody's, or of an earlier repair: the next one gets a number.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, Path] = {}

    def keep(self, path: Path, content: bytes) -> Path:
        """Return the path of the original, with its mode and times; write it unless it exists.

        Raises:
            UsageError: it cannot be written.
        """
        if path not in self._kept:
            original = next(one for one in _numbered(path) if _is_free(one, content))
            if not original.exists():
                write_atomically(original, content)
                shutil.copystat(path, original)
            self._kept[path] = original
        return self._kept[path]


def write(patch: Patch, originals: Originals | None = None) -> list[tuple[Path, Path]]:
    """Write the files of a patch; return each with the path of its original.

    Raises:
        UsageError: a file was changed meanwhile, or cannot be written.
    """
    originals = originals or Originals()
    for one in patch.changed:
        path = Path(one.path)
        cell = cell_name(one.path)
        if cell is not None:
            raise UsageError(f"{cell} is in a notebook: change it there; nothing was written")
        try:
            now = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{one.path} cannot be read: {error.strerror}") from None
        if now != one.before:
            raise UsageError(f"{one.path} was changed meanwhile: nothing was written")
    kept = [(Path(one.path), originals.keep(Path(one.path), one.before)) for one in patch.changed]
    for one in patch.changed:
        write_atomically(Path(one.path), one.after)
    return kept


def _numbered(path: Path) -> Iterator[Path]:
    yield Path(f"{path}{KEPT}")
    for number in count(1):
        yield Path(f"{path}{KEPT}.{number}")


def _is_free(original: Path, content: bytes) -> bool:
    """True if nothing is there, or a file of the same content."""
    if original.is_symlink() or original.exists():
        return original.is_file() and original.read_bytes() == content
    return True


def _diff(changed: Changed) -> str:
    """Return a unified diff, with the path as seen from the working directory."""
    path = cell_name(changed.path) or changed.path
    if Path(path).is_relative_to(Path.cwd()):
        path = os.path.relpath(path)
    encoding = encoding_of(changed.before)
    before, after = (
        io.StringIO(text.decode(encoding), "\n").readlines()
        for text in (changed.before, changed.after)
    )
    lines = difflib.unified_diff(before, after, path, path)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
