"""Fit text to the width of the terminal: prose is wrapped, tables lose their least columns."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from tabulate import tabulate

NARROWEST = 20

TELLING = 12
"""Smallest length of a cut cell that is still informative."""


def wrapped(line: str, width: int | None) -> str:
    """Wrap a line of prose; further lines are indented like the first, and by two more."""
    if width is None or len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip())
    lines = wrap(
        line.strip(),
        max(width, NARROWEST),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def fitted_table(
    rows: Sequence[Sequence[str]],
    headers: Sequence[str],
    width: int | None,
    gives_way: Sequence[str],
) -> str:
    """Return a table; columns are left out until it fits, and then cells are cut.

    The first column holds names, which are cut last. `gives_way` are the headers of columns that
    may be left out, the least important first.
    """
    shown = list(headers)
    for missed in ("", *gives_way):
        shown = [header for header in shown if header != missed]
        places = [headers.index(header) for header in shown]
        table = _table([[row[place] for place in places] for row in rows], shown)
        if width is None or max(map(len, table.split("\n"))) <= width:
            return table
    longest = max(len(cell) for row in rows for cell in row)
    for first, least in ((longest, TELLING), (0, 4)):  # at first without cutting names
        for most in range(longest, least - 1, -1):
            lengths = [max(first, most), *(most for _ in places[1:])]
            table = _table(
                [[*map(_cut, map(row.__getitem__, places), lengths)] for row in rows], shown
            )
            if width is None or max(map(len, table.split("\n"))) <= width:
                return table
    return "\n".join(line[:width] for line in table.split("\n"))


def _cut(cell: str, most: int) -> str:
    return cell if len(cell) <= most else f"{cell[: most - 1]}\u2026"


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="plain", disable_numparse=True)
