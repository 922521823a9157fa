"""Helpers for the wording of messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence, Sized
from typing import Literal

Verdict = Literal["pass", "fail", "inconclusive"]
"""The verdict of a report."""

WORST_FIRST: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")

Standing = Literal[
    "ok", "wrong", "shape", "missing", "raised", "nonfinite", "inconclusive", "not checked"
]
"""The verdict on a block."""

FEW_NAMES = 12
"""So many names are all listed for an unknown one that resembles none of them."""

NEAREST = 2
"""How many similar names are suggested for an unknown one."""


def printable(text: str) -> str:
    """Text without control characters, so that no name drives a terminal or breaks a line."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def printable_lines(text: str) -> str:
    """Text of several lines, each of them `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(name: str, most: int = 40) -> str:
    """A printable name on one line, cut to at most `most` characters."""
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 3]}..."


def indexed(name: str, index: Iterable[object]) -> str:
    """An entry as the user would write it, `W1[0, 3]`; the name alone for a scalar."""
    places = ", ".join(map(str, index))
    return f"{name}[{places}]" if places else name


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts."""
    return min(verdicts, key=WORST_FIRST.index)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as text: `W1`, `W1 and b1`, `W1, b1 and W2`; a long list is cut."""
    names = [shortened(name) for name in names]
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def verb(names: Sized, singular: str, plural: str) -> str:
    """The form of a verb that agrees with the number of names."""
    return singular if len(names) == 1 else plural


def gradient_of(names: Sequence[str]) -> str:
    """Subject and verb: `the gradient of W1 is`, `the gradients of W1 and b1 are`."""
    if len(names) == 1:
        return f"the gradient of {shortened(names[0])} is"
    return f"the gradients of {listed(names)} are"


def with_nearest(sentence: str, name: str, known: Iterable[str], then: str = "") -> str:
    """A sentence about an unknown name, with the nearest known names as suggestions, or a few all.

    `then` says what else the reader can do. Upper and lower case count as the same.
    """
    spelled = {each.lower(): each for each in known}
    near = [spelled[key] for key in difflib.get_close_matches(name.lower(), spelled, NEAREST)]
    is_few = not then and 1 < len(spelled) <= FEW_NAMES
    few = f"there are {', '.join(spelled.values())}" if is_few else ""
    hint = f"did you mean {' or '.join(near)}?" if near else few
    return "; ".join(filter(None, (sentence, " ".join(filter(None, (hint, then))))))
