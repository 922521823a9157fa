"""Colour a few words at the beginning of lines of text that is already laid out."""

from __future__ import annotations

import re

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
