"""An iteration of one loop, replayed with other learning rates and other parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.script.averages import averages
from gradcheck.script.marks import INCREMENT, LITERAL
from gradcheck.script.rates import Rate, candidates, increments, uses
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State, alike, last_name, leaves, movement, plain
from gradcheck.script.words import RATE, ROLE, may_be_loss
from gradcheck.trace.record.graph import grouped
from gradcheck.user.blocks import Array

MOST_ALONE, NUDGE, FAR = 40, 1e-3, 10.0


@dataclass
class Trial:
    """An iteration of one loop, replayed with other rates and parameters."""

    run: Run
    number: int
    snapshot: Snapshot
    after: State
    changed: dict[Path, Array]

    @cached_property
    def trained(self) -> dict[Path, Array]:
        """What the iteration changes, except moving averages."""
        after = self.after_nudge
        out = averages(self.nudged([*self.changed]), after) if after else ()
        return {path: value for path, value in self.changed.items() if path not in out}

    def rate(self, given: float | None) -> tuple[Rate, list[Path]] | None:
        """Return the rate that keeps the most numbers unchanged when set to 0, and their paths.

        A schedule, whose steps are always the same, comes last.
        """
        possible = self.possible_rates()
        self.replayed(None, 1.0)
        best = self._best([*possible, *uses(self.run.rates(), self.run.marked.sites)], given)
        best = best or self._increments(1.0 if given is None else given)
        paths = self.without_sums(*best) if best else []
        return (self._alone(best[0], paths), paths) if best and paths else None

    def possible_rates(self) -> list[Rate]:
        """Return the numbers that may be the rate, the likeliest first."""
        marked = self.run.marked
        within = marked.of_kind(self.number, LITERAL)
        return candidates(self.snapshot, self.run.all_names, marked.sites, within)

    def _best(self, rates: list[Rate], given: float | None) -> tuple[Rate, list[Path]] | None:
        best: tuple[Rate, list[Path]] | None = None
        worth, sure = (False, 0, 0), False
        for rate in rates:
            if given is not None and not np.isclose(rate.value, given):
                continue
            paths = self.frozen(rate, list(self.trained))
            if rate.marks and not all(np.any(self.changed[path]) for path in paths):
                paths = self.staying(rate, paths)  # a gradient of 0 before the pass is none
            if self._is_parameter(rate, paths):
                continue
            halved = self.halved(rate, paths)
            named = sum(bool(ROLE.match(last_name(path))) for path in paths)
            own_worth = (self.depends(paths), len(paths), named) if halved else worth
            is_better, exact = own_worth > worth, halved >= 1
            if best and halved and rate.marks and paths == best[1]:
                # the bounds of a clip scale what they cut off alone
                spares = exact == sure and self._spares_more(rate, best[0], paths)
                is_better |= exact > sure or spares
            if is_better:
                best, worth, sure = (rate, paths), own_worth, exact
                if rate.path is not None and halved >= 2 and worth[0]:
                    break
        return best

    def _alone(self, rate: Rate, paths: list[Path]) -> Rate:
        """Return the one place of several of a name and value that scales all steps, if it does.

        A trainer may keep the rate that it has given to its optimiser, and change its own.
        """
        places = [replace(one, others=()) for one in (rate, *rate.others)]
        whole = [one for one in places if len(places) > 1 and self.frozen(one, paths) == paths]
        return whole[0] if len(whole) == 1 else rate

    def _spares_more(self, rate: Rate, other: Rate, paths: list[Path]) -> bool:
        """Whether a literal scales the steps only, and another one what they are computed of too.

        The 0.5 of a squared error may scale gradients that begin at 0, and the loss; a literal may
        stand in the penalty of the loss as well.
        """
        sites = self.run.marked.sites
        updates = {(one.file, one.line) for one in sites if one.kind == INCREMENT}
        updates -= {(one.file, one.line) for one in sites if may_be_loss(one.name)}
        more = {(sites[one].file, sites[one].line) for one in {*other.marks} - {*rate.marks}}
        if {*rate.marks} < {*other.marks} and updates.isdisjoint(more):
            return True
        states = [self.replayed(one, 0.0) for one in (rate, other)]
        ends = [path for path in leaves(self.after) if path not in paths]
        kept, of_other = (
            sum(alike(state.number(path), self.after.number(path)) for path in ends if state)
            for state in states
        )
        return kept > of_other

    def _is_parameter(self, rate: Rate, paths: list[Path]) -> bool:
        """Whether a number that nothing calls a rate moves with the parameters, as one of them."""
        if rate.path not in self.changed or RATE.match(last_name(rate.path)):
            return False
        after = self.after_nudge_of(paths)
        return after is not None and not alike(
            after.number(rate.path), self.after.number(rate.path)
        )

    def as_used(self, rate: Rate, paths: list[Path]) -> tuple[Rate, list[Path]]:
        """Return the rate as the updates use it; the loop may have computed it from `rate`."""
        self.replayed(rate, 1.0)
        whole = self.run.rates()
        self.replayed(rate, 0.5)
        half = self.run.rates()
        marks = (mark for mark, value in whole.items() if half.get(mark) == 0.5 * value > 0)
        groups = grouped((whole[mark], mark) for mark in marks) if rate.words else {}
        for value, own in reversed(groups.items()):  # what is used first may only be passed on
            used = Rate(value, self.run.marked.sites[own[0]].name, marks=tuple(own))
            self.replayed(used, 0.5)
            first = self.run.rates()  # marks that merely pass on a scaled value drop out
            used = replace(used, marks=tuple(one for one in own if first.get(one) == whole[one]))
            if set(self.frozen(used, list(self.changed))) >= set(paths):
                return used, paths
        return rate, paths

    def _increments(self, value: float) -> tuple[Rate, list[Path]] | None:
        """Return the increments of all changes as the rate, where the code has no learning rate."""
        marks: list[int] = []
        paths: list[Path] = []
        for rate in increments(self.run.marked.sites):
            left = [path for path in self.trained if path not in paths]
            more = self.frozen(rate, left)
            if self.halved(rate, more):  # the step of a difference freezes, but does not scale
                marks += rate.marks
                paths += more
        words = "" if value == 1.0 else f"{value:g}, as you say"
        return (Rate(value, words, marks=tuple(marks)), paths) if paths else None

    def without_sums(self, rate: Rate, paths: list[Path]) -> list[Path]:
        """Return the paths without those of mere sums, which no rate of the code scales."""
        return paths if rate.words else [one for one in paths if not self._only_adds_up(one)]

    def _only_adds_up(self, path: Path) -> bool:
        """Whether nothing in an iteration depends on a single number, as on a sum of accuracies."""
        value = self.changed[path]
        if value.size > 1 or ROLE.match(last_name(path)):
            return False
        for by in (FAR, -FAR):
            (far,) = self.nudged([path], by).values()
            after = self.replayed(None, 1.0, {path: plain(far)})
            if after is None or self.steps_otherwise(after.number(path), path, far):
                return False
            rest = (one for one in self.changed if one != path)
            if not all(alike(after.number(one), self.after.number(one)) for one in rest):
                return False
        return True

    def replayed(
        self, rate: Rate | None, scale: float, values: dict[Path, Any] | None = None
    ) -> State | None:
        """Return the variables after an iteration with other numbers and another rate, if any."""
        return self.run.replayed(self.number, self.snapshot, values, rate, scale)

    def frozen(
        self, rate: Rate, paths: list[Path], moved: dict[Path, Array] | None = None
    ) -> list[Path]:
        """Return the paths whose numbers an iteration leaves unchanged at a rate of 0.

        `moved` puts other numbers there beforehand. A sum of losses is none: it is added to, but is
        no parameter.
        """
        values = {} if moved is None else {path: plain(moved[path]) for path in paths}
        after, before = self.replayed(rate, 0.0, values), moved or self.changed
        if after is None:
            return []
        return [
            path
            for path in paths
            if path != rate.path
            and not (may_be_loss(last_name(path)) and before[path].size == 1)
            and alike(after.number(path), before[path])
        ]

    def halved(self, rate: Rate, paths: list[Path]) -> float:
        """Count the numbers that move half as far at half the rate; 0.5 if some do about so."""
        half = self.replayed(rate, 0.5) if paths else None
        if half is None:
            return 0
        exact, rough = 0, False
        for path in paths:
            whole = movement(self.after, self.snapshot.state, path)
            part = movement(half, self.snapshot.state, path)
            if whole is None or part is None or whole.shape != part.shape:
                continue
            size = float(np.max(np.abs(whole), initial=0.0))
            rounding = 1e-13 * float(np.max(np.abs(self.changed[path]), initial=0.0))
            off = float(np.max(np.abs(whole - 2 * part), initial=0.0))
            exact += int(off <= 1e-6 * size + rounding)
            if np.any(whole):
                rough |= bool(0.3 < np.linalg.norm(part) / np.linalg.norm(whole) < 0.7)
        return exact or 0.5 * rough

    def staying(self, rate: Rate, paths: list[Path]) -> list[Path]:
        """Return the paths whose numbers stay put at a rate of 0, even if nudged beforehand."""
        for moved in self.nudged_both_ways(paths):
            staying = self.frozen(rate, paths, moved)
            if len(staying) < len(paths) <= MOST_ALONE:  # one nudge may move others: velocities do
                alone = [path for path in paths if self.frozen(rate, [path], moved)]
                staying = self.frozen(rate, alone, moved)
            paths = staying
        return paths

    def depends(self, paths: list[Path]) -> bool:
        """Whether the step depends on the parameters; far off if need be, as for mean |error|."""
        sizes = (NUDGE, FAR) if self.run.marked.has_errors(self.number) else (NUDGE,)
        return any(self._depends(self.nudged(paths, size)) for size in sizes)

    def _depends(self, moved: dict[Path, Array]) -> bool:
        after = self.replayed(None, 1.0, {path: plain(value) for path, value in moved.items()})
        return after is not None and any(
            self.steps_otherwise(after.number(path), path, value) for path, value in moved.items()
        )

    def steps_otherwise(self, now: Array | None, path: Path, begun: Array) -> bool:
        """Whether the number at a path makes another step from `begun`, and so ends as `now`."""
        step = movement(self.after, self.snapshot.state, path)
        if step is None or now is None or now.shape != step.shape != begun.shape:
            return True
        arrays = now - begun - step, step, self.changed[path]
        off, size, begins = (float(np.max(np.abs(one), initial=0.0)) for one in arrays)
        return off > 1e-6 * size + 1e-12 * begins

    @cached_property
    def after_nudge(self) -> State | None:
        """The variables after an iteration with all that it changes nudged; None if it raises."""
        return self.after_nudge_of([*self.changed])

    def after_nudge_of(self, paths: list[Path]) -> State | None:
        """Return the same with the numbers at some paths nudged."""
        values = {path: plain(value) for path, value in self.nudged(paths).items()}
        return self.replayed(None, 1.0, values)

    def nudged_both_ways(self, paths: list[Path]) -> list[dict[Path, Array]]:
        """Return the numbers at these paths moved a little, and moved the other way.

        What is kept only if it lowers a loss, as the best one so far, is written after one of them.
        """
        return [self.nudged(paths, by) for by in (NUDGE, -NUDGE)]

    def nudged(self, paths: list[Path], by: float = NUDGE) -> dict[Path, Array]:
        """Return the numbers at these paths, with every entry moved a little, or by its size."""
        rng = np.random.default_rng(0)
        moved = {}
        for path in paths:
            value = self.changed[path]
            size = np.abs(value) + 0.1 * (float(np.std(value)) or 1.0)
            moved[path] = np.asarray(value + by * size * rng.standard_normal(value.shape))
        return moved
