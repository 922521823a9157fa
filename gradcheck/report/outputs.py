"""Decide which format is written to which file, and write the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.report.outcome import Outcome
from gradcheck.report.renderers import RENDERERS, TEXT


def paired(formats: Sequence[str], outputs: Sequence[Path]) -> list[tuple[str, Path | None]]:
    """Pair formats with files: a file gets the next named format that fits its suffix.

    Returns:
        (format, file) pairs; None stands for the standard output.
    """
    for path in outputs:
        if not path.parent.is_dir():
            raise UsageError(f"--output {path}: there is no folder {path.parent}")
    left = list(dict.fromkeys(formats))
    named = bool(left)
    found: dict[Path, str] = {}
    for only_one in (True, False):
        for path in outputs:
            fitting = [name for name in left if RENDERERS[name].fits(path)]
            if path not in found and fitting and not (only_one and len(fitting) > 1):
                found[path] = fitting[0]
                left.remove(fitting[0])
    unnamed = []
    for path in outputs:
        own = [name for name, row in RENDERERS.items() if path.suffix.lower() in row.suffixes]
        if path in found:
            continue
        if not own and not named and path.suffix:
            known = ", ".join(one for row in RENDERERS.values() for one in row.suffixes)
            raise UsageError(
                f"--output {path}: no format is written to {path.suffix} files; there are {known}, "
                "or name one with --format"
            )
        if not own or any(not RENDERERS[name].suffixes for name in left):
            unnamed.append(path)
        else:
            found[path] = own[0]
    for path in unnamed:
        if not left and named:
            raise UsageError(f"--output {path}: there is no --format left for it")
        found[path] = left.pop(0) if left else TEXT
    if len(left) > 1:
        raise UsageError(
            f"--format {' and '.join(left)}: only one can be printed; give the others an --output"
        )
    printed = left or ([] if named else [TEXT])
    return [*((found[path], path) for path in outputs), *((name, None) for name in printed)]


def write_files(
    outcomes: Sequence[Outcome], pairs: Sequence[tuple[str, Path | None]], hints: str | None
) -> None:
    """Writes every format that has a file."""
    for name, path in pairs:
        if path is not None:
            write_atomically(
                path, RENDERERS[name].render(outcomes, hints=hints).rstrip("\n") + "\n"
            )


def write_pages(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Writes a page for each file of cases, and index.html with the totals."""
    from gradcheck.report.html import pages

    found = pages(outcomes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} could not be made: {error.strerror}") from None
    for name, text in found.items():
        write_atomically(folder / name, text)
