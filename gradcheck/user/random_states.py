"""The global random states of numpy, Python and torch, which the user's code may draw from."""

from __future__ import annotations

import ctypes
import random
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MERSENNE = "MT19937"
SIZE = 4 * (624 + 1)
"""Bytes of its state: 624 words, and the position among them."""

HAS_NORMAL = "has_gauss"
"""What numpy's state says if a normal number was drawn that is still to be handed out."""


def _numpy_state() -> Any:
    return np.random.get_state(legacy=False)  # noqa: NPY002  # the user's code may use it


def _torch_state() -> Any:
    torch: Any = sys.modules.get("torch")
    return torch.get_rng_state() if hasattr(torch, "get_rng_state") else None


def _words() -> bytes:
    """The words of numpy's generator, read where they lie; none of another generator.

    A pass of a script takes as long as numpy's own way to get the state and set it again.
    """
    module: Any = np.random  # whose type stubs lack this
    generator = module.get_bit_generator()
    if type(generator).__name__ != MERSENNE:
        return b""
    return ctypes.string_at(generator.ctypes.state_address, SIZE)


@dataclass(frozen=True)
class RandomStates:
    """The global random states of numpy, Python, and torch if it is loaded."""

    of_numpy: Any = field(default_factory=_numpy_state)
    of_python: Any = field(default_factory=random.getstate)
    of_torch: Any = field(default_factory=_torch_state)
    words: bytes = field(default_factory=_words)

    def now(self) -> RandomStates:
        """The present states."""
        if self._is_where_numpy_is():
            return RandomStates(of_numpy=self.of_numpy, words=self.words)
        return RandomStates()

    def restore(self) -> None:
        """Put them back."""
        if not self._is_where_numpy_is():
            np.random.set_state(self.of_numpy)  # noqa: NPY002  # as above
        random.setstate(self.of_python)
        if self.of_torch is not None:
            sys.modules["torch"].set_rng_state(self.of_torch)

    def _is_where_numpy_is(self) -> bool:
        """Whether nothing was drawn since: a second normal number comes without another word."""
        return bool(self.words) and not self.of_numpy[HAS_NORMAL] and self.words == _words()
