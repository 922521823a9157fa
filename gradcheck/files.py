"""Files: written whole or not at all, and named as seen from here."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from gradcheck.errors import UsageError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes beside the file first, then puts it in its place, with its mode if there was one.

    Raises:
        UsageError: the folder does not exist or cannot be written to.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = None
    try:
        path = path.resolve()  # what a link leads to is written, and the link stays
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
        Path(temporary).chmod(_mode(path))
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise UsageError(f"{path} could not be written: {error.strerror or error}") from None


def from_here(path: Path) -> Path:
    """A path as seen from the working directory, where it lies below that; else as it is."""
    with contextlib.suppress(OSError):  # the working directory may be gone
        folder = Path.cwd()
        return path.relative_to(folder) if path.is_relative_to(folder) else path
    return path


def _mode(path: Path) -> int:
    """That of the file, or that of a new one that is opened for writing."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
