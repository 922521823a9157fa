"""The result of a search for a repair."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.user.calls import Location


@dataclass(frozen=True)
class Changed:
    """A file as a patch leaves it.

    Attributes:
        path: of the file.
        before: what was in it when the search began.
        after: what the patch makes of it.
    """

    path: str
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Patch:
    """An edit of the user's source that was proved to make the gradient right.

    Attributes:
        words: what is edited: `np.dot(dZ1, X.T)  ->  np.dot(dZ1, X.T) / m`.
        location: the first line that changes.
        diff: a unified diff, to be applied with `patch -p0`.
        error: the largest error of the mended gradient, relative to its block's largest entry.
        points: at how many points, the user's own among them, it was proved.
        changed: the files.
        left: the names of blocks that no gradient is returned for, which is beyond an edit.
    """

    words: str
    location: Location
    diff: str
    error: float
    points: int
    changed: tuple[Changed, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair:
    """The result of a search for a repair.

    Attributes:
        patches: those that were proved, the smallest and most natural first.
        tried: how many edits were tried.
        seconds: how long that took.
        reason: why there is no patch, or None.
    """

    patches: tuple[Patch, ...] = ()
    tried: int = 0
    seconds: float = 0.0
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether a verified patch was found."""
        return bool(self.patches)

    def __str__(self) -> str:
        from gradcheck.mending.words import as_text

        return as_text(self)
