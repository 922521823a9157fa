"""The lists to which a layer's forward pass appends what it computes, in every call of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gradcheck.user.calls import LEAVING
from gradcheck.user.draws import reached


@dataclass(frozen=True)
class KeptLists:
    """Lists, each with the number of the items that it holds before a call."""

    lists: tuple[tuple[list[Any], int], ...] = ()

    @classmethod
    def of(cls, owner: Any) -> KeptLists:
        """Those in a layer's object."""
        return cls(tuple((each, len(each)) for each in reached(owner, list)))

    def growing(self, owner: Any, again: Callable[[], Any]) -> KeptLists:
        """Those that a call since then has made longer, and that `again` makes longer as well.

        A list that is filled once, as that of the layers of a network, is none of them.
        """
        before = {id(each): size for each, size in self.lists}
        now = [(each, before.get(id(each), 0), len(each)) for each in reached(owner, list)]
        longer = [(each, size, length) for each, size, length in now if length > size]
        with suppress(*LEAVING):  # the check reports it
            if longer:
                again()
        grown = [(each, size) for each, size, now in longer if len(each) - now == now - size]
        return KeptLists(tuple(grown))

    def cut(self) -> None:
        """Leaves in each what it held before, so that no call sees what others computed."""
        for each, size in self.lists:
            del each[size:]
