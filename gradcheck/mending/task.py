"""What a search is given."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.compare.point import Point
from gradcheck.mending.allowance import Allowance
from gradcheck.mending.edits import Hints
from gradcheck.mending.source import Function
from gradcheck.mending.variants import Texts


@dataclass(frozen=True)
class Task:
    """What is searched, and how much that may use up."""

    point: Point
    functions: tuple[Function, ...]
    texts: Texts
    hints: Hints
    allowance: Allowance


@dataclass(frozen=True)
class Before:
    """What earlier processes did: how many candidates, the last of which hung, in how long."""

    tried: int = 0
    computed: float = 0.0
