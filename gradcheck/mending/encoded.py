"""Texts of files as UTF-8 whose lines end with a newline, as `ast` counts them; and as they were.

A file may be in another encoding, begin with a mark of it, and end its lines otherwise.
"""

from __future__ import annotations

import io
import re
from difflib import SequenceMatcher
from tokenize import detect_encoding

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
END = re.compile(r"[\r\n]*\Z")


def as_utf8(raw: bytes) -> bytes:
    """The text of a file, its lines ending with a newline.

    Raises:
        SyntaxError, UnicodeDecodeError: it is not in the encoding that it names.
    """
    return re.sub(r"\r\n?", "\n", raw.decode(_encoding(raw))).encode("utf-8")


def as_in_file(after: bytes, raw: bytes) -> bytes:
    """An edited text as its file would have it: a line ends as that before it did."""
    before = as_utf8(raw)
    if before == raw:
        return after
    encoding = _encoding(raw)
    own = LINE.findall(raw.decode(encoding))
    old, now = (LINE.findall(text.decode("utf-8")) for text in (before, after))
    lines: list[str] = []
    same = SequenceMatcher(None, old, now, autojunk=False)
    for kind, i, j, k, n in same.get_opcodes():
        end = END.findall(own[min(i, len(own) - 1)])[0] or END.findall(own[0])[0] or "\n"
        lines += own[i:j] if kind == "equal" else [one.replace("\n", end) for one in now[k:n]]
    return "".join(lines).encode(encoding)


def lines_of(raw: bytes) -> list[str]:
    """The lines of a file with their ends, for a diff."""
    text = re.sub(r"\r(?!\n)", "\n", raw.decode(_encoding(raw)))
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _encoding(raw: bytes) -> str:
    return detect_encoding(io.BytesIO(raw).readline)[0]
