"""One training step: its learning rates and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gradcheck.script.rates import Rate
from gradcheck.script.state import Path, Snapshot


@dataclass
class Step:
    """One training step, as an iteration of a loop carries it out.

    Attributes:
        loop: the number of the loop.
        rate: the learning rate.
        paths: the paths of the parameters.
        changed: the paths of all numbers that an iteration changes.
        words: a description, where the step is not an iteration of a loop.
        own: the rates of the parameters that have another one.
    """

    loop: int
    rate: Rate
    paths: list[Path]
    changed: list[Path] = field(default_factory=list)
    words: str = ""
    own: dict[Path, Rate] = field(default_factory=dict)

    @property
    def rates(self) -> Rate:
        """All rates, to be scaled together."""
        own = [part for one in self.own.values() for part in (one, *one.others)]
        return replace(self.rate, others=(*self.rate.others, *dict.fromkeys(own)))

    def at(self, snapshot: Snapshot, used: Mapping[int, float]) -> Step:
        """Return the step of one iteration; `used` are the values of the rates at their marks."""
        return replace(
            self,
            rate=self.rate.at(snapshot, used),
            paths=[path for path in self.paths if snapshot.state.number(path) is not None],
            own={path: rate.at(snapshot, used) for path, rate in self.own.items()},
        )

    def relative(self, path: Path) -> float:
        """Return the rate of a parameter, relative to that of the step."""
        return self.own.get(path, self.rate).value / self.rate.value
