"""Files that are written whole or not at all, and paths relative to the working directory."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from gradcheck.errors import UsageError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a temporary file beside `path`, then replaces `path` with it; mode and owner are kept.

    Raises:
        UsageError: the folder does not exist or cannot be written to.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = None
    try:
        path = path.resolve()  # writes the target of a link and keeps the link
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
        if path.exists() and hasattr(os, "chown"):
            with contextlib.suppress(OSError):  # only root may give a file away
                os.chown(temporary, path.stat().st_uid, path.stat().st_gid)
        Path(temporary).chmod(_mode(path))
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise UsageError(f"{path} could not be written: {error.strerror or error}") from None


def from_here(path: Path) -> Path:
    """The path relative to the working directory if it lies below it, else unchanged."""
    with contextlib.suppress(OSError):  # the working directory may be gone
        folder = Path.cwd()
        return path.relative_to(folder) if path.is_relative_to(folder) else path
    return path


def _mode(path: Path) -> int:
    """The mode of an existing file, or the mode that a newly created file would get."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
