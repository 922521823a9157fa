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
    chosen = _named_by_suffix(left, outputs)
    left = [name for name in left if name not in chosen.values()]
    for path in outputs:
        usual = None if path in chosen else _usual(path, left, bool(formats))
        if usual is not None:
            chosen[path] = usual
    for path in outputs:
        if path not in chosen and formats and not left:
            raise UsageError(f"--output {path}: there is no --format left for it")
        if path not in chosen:
            chosen[path] = left.pop(0) if left else TEXT
    if len(left) > 1:
        raise UsageError(
            f"--format {' and '.join(left)}: only one can be printed; give the others an --output"
        )
    printed = left or ([] if formats else [TEXT])
    return [*((chosen[path], path) for path in outputs), *((name, None) for name in printed)]


def _named_by_suffix(named: Sequence[str], outputs: Sequence[Path]) -> dict[Path, str]:
    """Return the named formats by the files whose suffix they fit; single choices first."""
    left, chosen = list(named), {}
    for only_one in (True, False):
        for path in outputs:
            fitting = [name for name in left if RENDERERS[name].fits(path)]
            if path not in chosen and fitting and not (only_one and len(fitting) > 1):
                chosen[path] = fitting[0]
                left.remove(fitting[0])
    return chosen


def _usual(path: Path, left: Sequence[str], is_named: bool) -> str | None:
    """Return the format that is usual for the suffix; None if the next named one is meant."""
    usual = [name for name, row in RENDERERS.items() if path.suffix.lower() in row.suffixes]
    if not usual and not is_named and path.suffix:
        known = ", ".join(one for row in RENDERERS.values() for one in row.suffixes)
        raise UsageError(
            f"--output {path}: no format is written to {path.suffix} files; there are {known}, "
            "or name one with --format"
        )
    is_next = any(not RENDERERS[name].suffixes for name in left)
    return usual[0] if usual and not is_next else None


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
