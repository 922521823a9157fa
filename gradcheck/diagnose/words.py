"""Small words that messages are made of."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.user.blocks import printable


def listed(names: Sequence[str], most: int = 6) -> str:
    """`W1`, `W1 and b1`, `W1, b1 and W2`; a long list is cut."""
    names = [shortened(name) for name in names]
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def shortened(name: str, most: int = 40) -> str:
    """A name that fits on a line, and is one."""
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 3]}..."


def verb(names: Sequence[str], singular: str, plural: str) -> str:
    """The form of a verb that fits the number of names."""
    return singular if len(names) == 1 else plural


def gradient_of(names: Sequence[str]) -> str:
    """`the gradient of W1 is`, `the gradients of W1 and b1 are`."""
    if len(names) == 1:
        return f"the gradient of {shortened(names[0])} is"
    return f"the gradients of {listed(names)} are"
