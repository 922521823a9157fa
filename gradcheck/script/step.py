"""One training step: its learning rates and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck.script.rates import Rate
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State

MOST_NUMBERS, DRAWN = 40, 24
"""Of more single numbers than the first, so many are drawn."""

MANY, FEW = 1000, 12
"""The same of an engine whose passes take seconds each."""


@dataclass
class Step:
    """One training step, as an iteration of a loop carries it out.

    Attributes:
        loop: the number of the loop.
        rate: the learning rate.
        paths: the paths of the parameters.
        changed: the paths of all numbers that an iteration changes.
        own: the rates of the parameters that have another one.
        left_out: the paths of parameters that are not checked, as others are drawn for them.
    """

    loop: int
    rate: Rate
    paths: list[Path]
    changed: list[Path] = field(default_factory=list)
    own: dict[Path, Rate] = field(default_factory=dict)
    left_out: list[Path] = field(default_factory=list)

    @property
    def rates(self) -> Rate:
        """All rates, to be scaled together."""
        own = [part for one in self.own.values() for part in (one, *one.others)]
        return replace(self.rate, others=(*self.rate.others, *dict.fromkeys(own)))

    @property
    def all_paths(self) -> list[Path]:
        """The paths of all parameters, whether they are checked or not."""
        return [*self.paths, *self.left_out]

    def at(self, snapshot: Snapshot, used: Mapping[int, float]) -> Step:
        """Return the step of one iteration; `used` are the values of the rates at their marks."""
        return replace(
            self,
            rate=self.rate.at(snapshot, used),
            paths=[path for path in self.paths if snapshot.state.number(path) is not None],
            own={path: rate.at(snapshot, used) for path, rate in self.own.items()},
        )

    def drawn(self, state: State) -> Step:
        """Return the step with some of its parameters only, where many are single numbers.

        So it is in an engine: the same operations lead to all of them.
        """
        numbers = [path for path in self.paths if np.ndim(state.get(path)) == 0]
        if len(numbers) <= (DRAWN if self.left_out else MOST_NUMBERS):
            return self
        drawn = FEW if len(numbers) > MANY else DRAWN
        spread = np.linspace(0, len(numbers) - 1, drawn).astype(int)
        rest = set(numbers).difference(numbers[index] for index in spread)
        paths = [path for path in self.paths if path not in rest]
        left_out = [path for path in self.paths if path in rest]
        return replace(self, paths=paths, left_out=[*self.left_out, *left_out])

    def relative(self, path: Path) -> float:
        """Return the rate of a parameter, relative to that of the step."""
        return self.own.get(path, self.rate).value / self.rate.value
