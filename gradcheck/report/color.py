"""Colour for text that is laid out already: a few words at the beginnings of lines."""

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
"""What is coloured how; of each line, the first that matches."""


def colored(text: str) -> str:
    """The text with the codes of ANSI terminals."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    for pattern, style in STYLES:
        match = pattern.search(line)
        if match:
            start, end = match.span()
            return f"{line[:start]}{style}{line[start:end]}{RESET}{line[end:]}"
    return line
