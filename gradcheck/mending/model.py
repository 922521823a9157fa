"""The result of a search for a repair, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gradcheck.mending.sizes import OTHER_BATCH, OTHER_SIZES
from gradcheck.user.calls import Location, place
from gradcheck.words import listed


@dataclass(frozen=True)
class Changed:
    """A file before and after a patch."""

    path: str
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Patch:
    """An edit of the user's source that was proved to make the gradient right.

    Example:
        >>> import gradcheck
        >>> def write_out(repair: gradcheck.Repair) -> str:
        ...     return "".join(patch.diff for patch in repair.patches)

    Attributes:
        words: the edit: `np.dot(dZ1, X.T)  ->  np.dot(dZ1, X.T) / m`.
        location: the first line that changes.
        diff: a unified diff, to be applied with `patch -p0`.
        error: the largest error of the mended gradient, relative to its block's largest entry.
        points: the number of points at which it was proved, the user's own among them.
        changed: the changed files.
        left: the names of blocks for which no gradient is returned, which is beyond an edit.
        varied: what was changed at some of the points besides the parameters ("other x and y",
            "other sizes"); empty if it was proved with the same data.
    """

    words: str
    location: Location
    diff: str
    error: float
    points: int
    changed: tuple[Changed, ...] = field(repr=False)
    left: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()

    @property
    def proof(self) -> str:
        """The proof, in words."""
        data = f"with {listed(self.varied)} too" if self.varied else "with the same data"
        sizes = {OTHER_SIZES: "", OTHER_BATCH: ", otherwise of the same sizes"}
        same = ", of the same sizes" if self.varied else ""
        every = " ".join(self.varied)
        left = next((text for words, text in sizes.items() if words in every), same)
        return f"agrees to {self.error:.1e} at {self.points} points, {data}{left}"


@dataclass(frozen=True)
class Repair:
    """The result of a search for a repair.

    Example:
        >>> import numpy as np, gradcheck
        >>> repair = gradcheck.repair(lambda w: np.sum(w**2), np.ones(3), lambda w: 2 * w)
        >>> repair.ok, repair.patches
        (False, ())

    Attributes:
        patches: the proved patches, the smallest and most natural first.
        tried: the number of edits tried.
        seconds: the time that this took.
        reason: why there is no patch, or None.
        refused: the number of edits dropped because they would have written, removed or started
            something.
    """

    patches: tuple[Patch, ...] = ()
    tried: int = 0
    seconds: float = 0.0
    reason: str | None = None
    refused: int = field(default=0, repr=False)

    @property
    def ok(self) -> bool:
        """True if a proved patch was found."""
        return bool(self.patches)

    def __str__(self) -> str:
        return self.text()

    def text(self, verbose: bool = False) -> str:
        """Return the most natural patch, or all of them; or why there is none."""
        refused = f", {self.refused:,} refused for reaching files" if self.refused else ""
        effort = f"{self.tried:,} edits tried in {self.seconds:.1f} s{refused}"
        if not self.patches:
            return f"no repair: {self.reason} ({effort})"
        count = len(self.patches)
        head = "one patch makes" if count == 1 else f"{count} patches, each of which makes"
        left = self.patches[0].left
        what = "every gradient that is returned" if left else "every gradient"
        parts = [f"{head} {what} right ({effort})"]
        if left:
            parts.append(nothing_returned_for(left))
        shown = self.patches if verbose else self.patches[:1]
        parts += [_patch(patch, number) for number, patch in enumerate(shown, start=1)]
        if len(shown) < count:
            parts.append(f"and {count - 1} more (-v shows {'it' if count == 2 else 'them'})")
        return "\n\n".join(parts)


def nothing_returned_for(names: Sequence[str]) -> str:
    """Return a sentence about blocks for which no gradient is returned."""
    beyond = "a part of the backward pass is missing, which is beyond an edit"
    return f"no gradient is returned for {listed(names)}: {beyond}"


def _patch(patch: Patch, number: int) -> str:
    words = "\n   ".join(patch.words.split("\n"))
    head = f"{number}. {place(patch.location)}: {words}"
    return f"{head}\n   {patch.proof}\n\n{patch.diff.rstrip()}"
