"""Try replacements: first all at once against the projections, then by execution."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import products
from gradcheck.trace.adjoints.quantities import NO_OTHER, VALUE
from gradcheck.trace.adjoints.reverse import Edge
from gradcheck.trace.locating.batches import AT_ONCE, run_each
from gradcheck.trace.locating.candidates import Candidate, Candidates, Table
from gradcheck.trace.locating.constants import agreed, in_a_row
from gradcheck.trace.locating.linearity import Linearity, Reached
from gradcheck.trace.locating.projections import (
    FIT,
    Projection,
    fitting,
    projections_of,
    weight_of,
    with_fixed,
)
from gradcheck.trace.locating.replaceable import units_of
from gradcheck.trace.locating.state import Replacement, State
from gradcheck.trace.locating.units import OWN, ZERO, ByPoint, Mend, Unit
from gradcheck.trace.locating.view import View

EXECUTIONS = 4000
"""A unit is not tried if its candidates would need more operations than this."""

STACKED, ENTRIES = 10, 1000
"""An operation on a stack takes the time of so many, and of one more for so many entries."""

OUTPUTS = 2
"""The number of outputs by which replacements of a whole loop are judged before execution."""

FEWER = 2
"""The number of points for the same purpose; two suffice for any constant."""


@dataclass(frozen=True)
class Deadline:
    """The end of a search, which has passed when it has on both clocks.

    The thread's own time makes results independent of other load; the wall clock is read faster.
    """

    wall: float
    own: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that gives this thread so many seconds of work."""
        return cls(time.perf_counter() + seconds, time.thread_time() + seconds)

    @property
    def has_passed(self) -> bool:
        """True if the time is over."""
        return time.perf_counter() > self.wall and time.thread_time() > self.own


@dataclass
class Trials:
    """The trials of replacements on the state of a view.

    Attributes:
        view: the state, and what is known about its values.
        wrong: the names of the wrong outputs.
        candidates: the replacements to try.
        deadline: the end of the search.
    """

    view: View
    wrong: frozenset[str]
    candidates: Candidates
    deadline: Deadline
    _reached: dict[Unit, Reached] = field(default_factory=dict)
    _fixed: dict[Unit, list[list[Projection]]] = field(default_factory=dict)
    _without: dict[Unit, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The state of the view."""
        return self.view.state

    @cached_property
    def projections(self) -> dict[str, list[Projection]]:
        """The projections of the wrong outputs, by output."""
        return projections_of(self.state, self.wrong, np.random.default_rng(5))

    @cached_property
    def units(self) -> list[Unit]:
        """All units, in the order in which they are tried."""
        return units_of(self.view)

    @cached_property
    def linearity(self) -> Linearity:
        """The linear parts of the tape."""
        return Linearity(self.state)

    @property
    def is_late(self) -> bool:
        """True if the time is over."""
        return self.deadline.has_passed

    def reached(self, unit: Unit) -> Reached:
        """Return the operations that a replacement of the unit reaches."""
        if unit not in self._reached:
            self._reached[unit] = self.linearity.reached(unit.nodes, unit.uses)
        return self._reached[unit]

    def actual(self, unit: Unit) -> list[NDArray[np.float64]]:
        """Return the values that a unit replaces, flat, by point; once for uses of one value."""
        members = unit.replaced if unit.is_series or unit.nodes else unit.replaced[:1]
        return [in_a_row([values[index] for index in members]) for values in self.state.values]

    def survivors(
        self, unit: Unit, table: Table, allowed: NDArray[np.bool_] | None = None
    ) -> list[Candidate]:
        """Return the candidates, or the allowed ones among them, that may be right for a unit."""
        if not table.candidates:
            return []
        reached = self.reached(unit)
        possible = np.zeros(len(table.candidates), dtype=bool)
        if reached.region:
            rows = np.arange(possible.size) if allowed is None else np.flatnonzero(allowed)
            if self._executions(reached, len(rows)) <= EXECUTIONS:
                self._try_region(unit, table, rows, possible)
        else:
            actual = self.actual(unit)
            for projections in self._projections(unit):
                pairs = [
                    self._effects(unit, item, table.entries[item.point], actual[item.point])
                    for item in projections
                ]
                reaching = [pair for pair in pairs if pair is not None]
                if reaching and len(reaching) == len(pairs):
                    effects = np.stack([effect for effect, _ in reaching], axis=1)
                    possible |= fitting(effects, np.array([wanted for _, wanted in reaching]))
        if allowed is not None:
            possible &= allowed
        return [table.candidates[number] for number in np.flatnonzero(possible)]

    def _executions(self, reached: Reached, count: int) -> int:
        """Return how many operations `count` replacements need, or take the time of."""
        nodes = (self.state.tape[index] for index in reached.region)
        return len(reached.uses) + sum(
            min(count, STACKED + count * node.value.size // ENTRIES)
            if node.operation in AT_ONCE
            else count
            for node in nodes
        )

    def _projections(self, unit: Unit) -> list[list[Projection]]:
        """Return the projections by output, with the unit's values independent of each other."""
        members: frozenset[int | Edge] = frozenset(unit.nodes or unit.uses)
        starts = unit.nodes or tuple(consumer for consumer, _ in unit.uses)
        mask = sum(1 << index for index in set(starts))
        itself = [1 << index if unit.nodes else 0 for index in unit.replaced]
        above = [self.state.above[index] for index in unit.replaced]
        if not any(made & ~bit & mask for made, bit in zip(above, itself, strict=True)):
            return list(self.projections.values())
        if unit not in self._fixed:
            reached = [
                several
                for several in self.projections.values()
                if any(weight_of(item, unit.nodes, unit.uses, self.state).any() for item in several)
            ]
            reached.sort(key=self._depth)  # further on, another bug may add to this one
            below = frozenset(self.state.below(starts))
            self._fixed[unit] = [
                [with_fixed(item, members, below, self.state) for item in several[:FEWER]]
                for several in reached[:OUTPUTS]
            ]
        return self._fixed[unit]

    def _depth(self, projections: Sequence[Projection]) -> int:
        """Return how many operations make the output of some projections."""
        return sum(self.state.above[node].bit_count() for node in projections[0].seed)

    def _effects(
        self, unit: Unit, projection: Projection, entries: NDArray[Any], actual: NDArray[Any]
    ) -> tuple[NDArray[np.float64], float] | None:
        """Return the effects of candidates on a projection and the right one; None without any."""
        weight = weight_of(projection, unit.nodes, unit.uses, self.state)
        if not weight.any():
            return None
        if weight.size != actual.size:  # several uses of one value
            weight = weight.reshape(-1, actual.size).sum(axis=0)
        return products(entries, weight), projection.gap + float(products(weight, actual))

    def own(self, unit: Unit) -> Mend | None:
        """Return the mend by the unit's own values times a constant, or None."""
        if self.reached(unit).region:
            return None  # no constant can be computed if the rest is not linear
        actual = self.actual(unit)
        table = Table((Candidate(OWN, -1, NO_OTHER, 0),), tuple(value[None] for value in actual))
        return self.attempt(unit, actual, OWN) if self.survivors(unit, table) else None

    def _try_region(
        self, unit: Unit, table: Table, rows: NDArray[np.intp], possible: NDArray[np.bool_]
    ) -> None:
        """Execute the nonlinear region for all candidates, and mark those that may be right."""
        reached = self.reached(unit)
        projections = [several[0] for several in self.projections.values()]
        base = self.state.values[0]
        stacks = self.replacement(unit, table.entries[0][rows], 0, 1.0)
        values = run_each(self.state, stacks.nodes, stacks.uses, reached.region)
        weighted = {use for item in projections for use in item.weights.of_edges}
        leaving = [use for use in reached.uses if use in weighted and base[use[1]].size]
        if not leaving:
            return
        effects = np.zeros((len(rows), len(projections)))
        for use in leaving:
            made = use[1]
            value = stacks.uses.get(use, values.get(made, base[made]))
            change = value.reshape(-1, base[made].size) - base[made].reshape(-1)
            for number, item in enumerate(projections):
                if use in item.weights.of_edges:
                    effects[:, number] += products(change, item.weights.of_edges[use].reshape(-1))
        gaps = np.array([item.gap for item in projections])
        near = np.abs(effects - gaps) <= FIT * np.maximum(np.abs(gaps), 1e-12)
        possible[rows] = np.any(near, axis=1)

    def replacement(
        self, unit: Unit, values: NDArray[np.float64], point: int, factor: float
    ) -> Replacement:
        """Return the replacement of the unit's members by flat values times a factor."""
        present = self.state.values[point]
        parts = unit.split(values if factor == 1 else factor * values, present)
        return Replacement(
            dict(zip(unit.nodes, parts, strict=False)), dict(zip(unit.uses, parts, strict=False))
        )

    def attempt(
        self, unit: Unit, values: ByPoint, how: str, candidate: Candidate | None = None
    ) -> Mend | None:
        """Return the mend by values times some constant, 1 before a nonlinear region, or None."""
        if candidate is not None and candidate.kind != VALUE and self._decides_only(unit):
            return None  # whatever is positive in the same places would do
        reached = self.reached(unit)
        if how == ZERO:
            factors = [0.0]
        elif reached.region:
            factors = [1.0]
        else:
            factors = self._factors(unit, values, reached)
        best: Mend | None = None
        # of factors that add up from layer to layer, first the one of a single layer
        factors.sort(key=lambda factor: abs(np.log(abs(factor))) if factor else 0.0)
        for factor in factors:
            replacements = tuple(
                self.replacement(unit, values[point], point, factor) for point in self.state.points
            )
            outputs = self.state.mended_by(replacements, self.wrong)
            if outputs and (best is None or len(outputs) > len(best.outputs)):
                expected = [factor * value for value in values]
                actual = self.actual(unit)
                best = Mend(unit, how, factor, outputs, candidate, actual, expected, replacements)
        return best

    def _decides_only(self, unit: Unit) -> bool:
        users = [user for index in unit.nodes for user in self.state.consumers[index]]
        return self.state.is_only_compared(users or [user for user, _ in unit.uses])

    def _factors(self, unit: Unit, values: ByPoint, reached: Reached) -> list[float]:
        """Return the constants that make some output right at the first point; all is linear."""
        if unit not in self._without:
            nothing = self.replacement(unit, values[0], 0, 0.0)
            self._without[unit] = self.state.run(0, nothing, reached.order)
        without = self._without[unit]
        once = self.state.run(0, self.replacement(unit, values[0], 0, 1.0), reached.order)
        if without is None or once is None:
            return []
        found: list[tuple[float, int]] = []
        order = set(reached.order)
        for output in self.state.outputs:
            if output.name not in self.wrong or output.node not in order:
                continue
            start, end = output.part(without[output.node]), output.part(once[output.node])
            true = output.true[0]
            if start.shape != true.shape or end.shape != true.shape:
                continue
            change = end - start
            size = float(np.vdot(change, change))
            if not np.isfinite(size) or size == 0:
                continue
            factor = float(np.vdot(change, true - start) / size)
            if abs(factor) < 1e-12 or not output.agrees(0, start + factor * change):
                continue
            if abs(factor - round(factor)) < output.tolerance and round(factor):
                factor = float(round(factor))
            found.append((factor, true.size))
        return agreed(found)
