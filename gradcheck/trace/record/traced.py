"""The base of traced arrays: what they hold, before they can do anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.storage import Storage


class Traced(np.ndarray[Any, Any]):
    """An array or number that belongs to a tape.

    Attributes:
        tape: where its operations are recorded.
        storage: its memory; None for a number.
        node: the index of its value, or None where that is still to be read.
        version: the storage's version when `node` was read.
        scalar: the number that it stands for; None for an array.
    """

    tape: Tape | None = None
    storage: Storage | None = None
    node: int | None = None
    version: int = 0
    scalar: Any = None

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Traced):
            self.tape, self.storage = source.tape, source.storage
