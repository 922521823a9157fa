"""Patches: diffs that `patch -p0` takes, and files that are written only where nothing changed."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.mending.candidate import Mended, Texts
from gradcheck.mending.model import Changed, Patch
from gradcheck.user.calls import Location

KEPT = ".orig"


def make_patch(mended: Mended, before: Texts) -> Patch:
    """The patch that makes a candidate of the files as they were."""
    edits, after = mended.edits, mended.texts
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
    )


def write(patch: Patch) -> list[Path]:
    """Writes the files of a patch, the originals kept beside them as `.orig`.

    Raises:
        UsageError: a file was changed meanwhile, or cannot be written.
    """
    for one in patch.changed:
        try:
            now = Path(one.path).read_bytes()
        except OSError as error:
            raise UsageError(f"{one.path} cannot be read: {error.strerror}") from None
        if now != one.before:
            raise UsageError(f"{one.path} was changed meanwhile: nothing was written")
    for one in patch.changed:
        write_atomically(Path(one.path + KEPT), one.before)
        write_atomically(Path(one.path), one.after)
    return [Path(one.path) for one in patch.changed]


def _diff(changed: Changed) -> str:
    """A unified diff with the path as seen from the working directory."""
    path = changed.path
    if Path(path).is_relative_to(Path.cwd()):
        path = os.path.relpath(path)
    before, after = (
        text.decode("utf-8").splitlines(keepends=True) for text in (changed.before, changed.after)
    )
    lines = difflib.unified_diff(before, after, path, path)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
