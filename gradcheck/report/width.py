"""Fit text to the terminal, and colour it: prose is wrapped, tables lose their least columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap

from tabulate import tabulate

NARROWEST = 20

TELLING = 12
"""Smallest length of a cut cell that is still informative."""


RESET = "\x1b[0m"

RED, GREEN, YELLOW, BLUE, CYAN, BOLD_RED = (
    f"\x1b[{code}m" for code in ("31", "32", "33", "34", "36", "1;31")
)

STYLES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^error\[GC\d+\] [\w-]+"), BOLD_RED),
    (re.compile(r"^warning\[GC\d+\] [\w-]+"), YELLOW),
    (re.compile(r"^(?:fail|NOT as expected)\b"), BOLD_RED),
    (re.compile(r"^pass\b"), GREEN),
    (re.compile(r"^(?:inconclusive|could not check)\b"), YELLOW),
    (re.compile(r"^note\b"), CYAN),
    (re.compile(r"^  -->"), BLUE),
    (re.compile(r"^  fix:"), GREEN),
    (re.compile(r"(?<=  )WRONG in .*$"), RED),
    (re.compile(r"(?<=  )(?:raised|nonfinite|missing)$|(?<=  )shape: .*$"), RED),
    (re.compile(r"(?<=  )ok$"), GREEN),
    (re.compile(r"(?<=  )inconclusive$"), YELLOW),
)
"""Patterns and their colours; in each line only the first match is coloured."""


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


def colored(text: str) -> str:
    """Return the text with ANSI colour codes."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    for pattern, style in STYLES:
        match = pattern.search(line)
        if match:
            start, end = match.span()
            return f"{line[:start]}{style}{line[start:end]}{RESET}{line[end:]}"
    return line
