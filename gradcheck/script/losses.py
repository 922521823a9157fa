"""The numbers of an iteration that may be its loss, and their derivatives by the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import one_factor
from gradcheck.script.inferred import Family, families
from gradcheck.script.loops import plain
from gradcheck.script.marks import ASSIGNED, DIFFERENCE, PRINTED, RETURNED, Seen, Site
from gradcheck.script.rates import Step
from gradcheck.script.running import Run
from gradcheck.script.state import Path, Snapshot, State, numbers
from gradcheck.script.words import CLIMBED, ELSEWHERE, STRONG
from gradcheck.user.blocks import Array

MOST_BLOCKS, DIRECTIONS = 14, 2
CLOSE, TINY, TWICE = 2e-3, 1e-11, 2


@dataclass(frozen=True)
class Loss:
    """A candidate for the loss.

    Attributes:
        number: the number of the mark that sees it.
        count: how many values the mark has seen in the iteration when it sees the loss.
        site: the place and the expression of the mark.
        slopes: its derivatives along the trial directions.
        strong: whether its name suffices to believe that it is the loss.
        order: how many other candidates are computed before it.
        family: the loss inferred from a marked difference; None if the script computes the loss.
        side: which operand of the difference is the output.
        agreeing: the number of blocks whose slopes agree with the gradient.
        alike: the number of blocks whose slopes are a multiple of the gradient, as of one clipped.
        blocks: the number of blocks that were compared.
        common: the ratio of the gradient to its slopes; None if it differs between blocks.
        middle: the median of these ratios; 0 if there are none.
        climbed: whether the steps climb it, a negative number, so that its negative is checked.
    """

    number: int
    count: int
    site: Site
    slopes: Array
    strong: bool = False
    order: int = 0
    family: Family | None = None
    side: int = 0
    agreeing: int = 0
    alike: int = 0
    blocks: int = 0
    common: float | None = None
    middle: float = 0.0
    climbed: bool = False

    @property
    def words(self) -> str:
        """The name of the loss, for messages."""
        return f"{self.family.words} of {self.site.name}" if self.family else self.site.name

    @property
    def agrees(self) -> bool:
        """Whether all blocks agree with the gradient."""
        return 0 < self.agreeing == self.blocks

    @property
    def has_constant(self) -> bool:
        """Whether its size is known: a line computes it, or gradients are a multiple of its own."""
        return not self.family or self.agreeing > 0 or self.common is not None

    def value(self, seen: Seen) -> Any:
        """Return the loss of a replay that was stopped at its mark."""
        records = seen.records.get(self.number, [])
        if self.family:
            return self.of(records)
        value: Any = records[-1] if len(records) == self.count else None
        return -value if self.climbed else value

    def of(self, pairs: Sequence[tuple[Any, Any]]) -> Any:
        """Return the inferred loss of the operands of a difference."""
        assert self.family is not None
        return self.family.value([(pair[self.side], pair[1 - self.side]) for pair in pairs])


Gradients = Mapping[Path, Array]


@dataclass(frozen=True)
class Point:
    """One iteration, and the variables that it begins with.

    Attributes:
        run: the script.
        step: the training step that the iteration carries out.
        snapshot: the variables before the iteration.
        extra: values put into them, such as velocities of 0.
        tolerant: whether the iteration is known to raise an exception.
    """

    run: Run
    step: Step
    snapshot: Snapshot
    extra: Mapping[Path, Any]
    tolerant: bool = False

    @property
    def start(self) -> dict[Path, Array]:
        """The values of the parameters."""
        state = self.snapshot.state
        return {path: numbers(state.get(path)) for path in self.step.paths}

    def seen(self, values: Mapping[Path, Any]) -> Seen:
        """Return what the marks see in an iteration without an update."""
        seen = Seen()
        self.after(values, seen)
        return seen

    def on_both_sides(self, path: Path, move: Array) -> tuple[Seen, Seen]:
        """Return what the marks see with a parameter moved by `move`, and by -`move`."""
        start = self.start[path]
        return self.seen({path: plain(start + move)}), self.seen({path: plain(start - move)})

    def value(self, loss: Loss, values: Mapping[Path, Any]) -> Any:
        """Return the loss with other values; the iteration is stopped once the loss is known."""
        seen = Seen(wanted=(loss.number, loss.count))
        changed = {**self.extra, **values}
        self.run.replay(self.step.loop, self.snapshot, changed, self.step.rate, 0.0, seen)
        return loss.value(seen)

    def after(self, values: Mapping[Path, Any], seen: Seen | None = None) -> State:
        """Return the variables after an iteration without an update, whose marks write to `seen`.

        Raises:
            Exception: any exception of the script, unless the point is tolerant.
        """
        changed = {**self.extra, **values}
        try:
            return self.run.replay(
                self.step.loop, self.snapshot, changed, self.step.rate, 0.0, seen
            )
        except Exception:
            if not self.tolerant:
                raise
        return self.snapshot.copied(changed)


def candidates(point: Point, gradients: Gradients) -> list[Loss]:
    """Return the numbers of an iteration that depend on the parameters and may be its loss."""
    start = point.start
    rng = np.random.default_rng(1)
    paths = list(start)
    if len(paths) > MOST_BLOCKS:
        sample = rng.choice(len(paths), MOST_BLOCKS, replace=False)
        paths = [paths[place] for place in sorted(sample)]
    base = point.seen({})
    trials = []
    for path in paths:
        for _ in range(DIRECTIONS):
            direction = rng.standard_normal(start[path].shape)
            size = max(float(np.max(np.abs(start[path]), initial=0.0)), 0.1)
            width = 1e-5 * size / max(float(np.max(np.abs(direction))), 1e-9)
            slope = None
            if path in gradients and gradients[path].shape == direction.shape:
                slope = float(np.sum(gradients[path].real * direction))
            trials.append(_Trial(path, width, *point.on_both_sides(path, width * direction), slope))
    losses = list(_numbers(point.run.marked.sites, base, trials))
    wholes = _with_wholes(losses, base)
    return [_compared(one, trials, not one.family and base.last(one.number) < 0) for one in wholes]


@dataclass(frozen=True)
class _Trial:
    """An iteration on both sides of the point along a direction, and the gradient's slope."""

    path: Path
    width: float
    ahead: Seen
    behind: Seen
    slope: float | None


def _numbers(sites: Sequence[Site], base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    errors = {
        abs(float(np.ravel(one)[0] - np.ravel(other)[0]))
        for number, pairs in base.records.items()
        if sites[number].kind == DIFFERENCE
        for one, other in pairs
        if np.size(one) == 1
    }
    for order, (number, records) in enumerate(base.records.items()):
        site, count = sites[number], len(records)
        if site.kind == DIFFERENCE:
            yield from _inferred(number, site, base, trials)
            continue
        strong = site.kind != PRINTED and bool(STRONG.search(site.name))
        believed = strong and (site.kind != RETURNED or "abs" in site.text)
        if not believed and abs(records[-1]) in errors:
            continue  # a signed error, or the derivative that a loss function returns on request
        slopes = _slopes(trials, lambda seen, number=number: seen.records[number][-1])
        if slopes is not None:
            strong = strong and not ELSEWHERE.search(site.name)
            if count == TWICE:
                slopes, count = _of_two_calls(number, slopes, trials)
            yield Loss(number, count, site, slopes, strong, order)


def _of_two_calls(number: int, last: Array, trials: list[_Trial]) -> tuple[Array, int]:
    """Return the slopes and count of that of two calls along which the step goes more steeply."""
    first = _slopes(trials, lambda seen: seen.records[number][0])
    if first is None or any(trial.slope is None for trial in trials):
        return last, TWICE
    step = np.array([trial.slope for trial in trials], dtype=np.float64)
    of_first, of_last = (abs(one @ step) / np.linalg.norm(one) for one in (first, last))
    return (first, 1) if of_first > of_last else (last, TWICE)


def _with_wholes(losses: list[Loss], base: Seen) -> list[Loss]:
    """Prefer a total loss to its parts: only the name of the total is then believed.

    Parts are variables of the function that returns the total, and functions that are called once
    for every element of it.
    """
    believed: dict[int, bool] = {}
    returned = {loss.site.name for loss in losses if loss.site.kind == RETURNED}
    written = [loss for loss in losses if not loss.family]
    for loss in written:
        for other in written:
            whole, part = loss.site, other.site
            if whole.kind == RETURNED:
                local = part.kind == ASSIGNED and part.function == whole.function
                is_part = local and part.name in whole.parts and part.file == whole.file
            else:
                named = part.name in whole.parts or not whole.parts & returned
                often = len(base.records[other.number]) > 2 * len(base.records[loss.number])
                is_part = bool(whole.parts) and part.kind == RETURNED and named and often
            if is_part and base.last(loss.number) != base.last(other.number):
                believed[loss.number], believed[other.number] = True, False
    return [replace(one, strong=believed.get(one.number, one.strong)) for one in losses]


def _slopes(trials: list[_Trial], of: Any) -> Array | None:
    """Return the slopes of a number in all directions; None if they are all 0 or not finite."""
    try:
        slopes = np.array([(of(one.ahead) - of(one.behind)) / (2 * one.width) for one in trials])
    except (KeyError, ValueError, IndexError):
        return None
    return slopes if np.all(np.isfinite(slopes)) and np.any(slopes) else None


def _inferred(number: int, site: Site, base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    """Yield the losses that a difference may stand for, if one operand depends on parameters."""
    pairs = base.records[number]
    others = [seen.records.get(number, []) for one in trials for seen in (one.ahead, one.behind)]
    if any(len(other) != len(pairs) for other in others):
        return
    moves = [
        any(
            not np.array_equal(a[side], b[side])
            for other in others
            for a, b in zip(pairs, other, strict=True)
        )
        for side in (0, 1)
    ]
    if moves[0] == moves[1]:
        return
    side = 0 if moves[0] else 1
    oriented = [(pair[side], pair[1 - side]) for pair in pairs]
    for family in families(oriented, one_taken=bool(site.value)):
        loss = Loss(number, len(pairs), site, np.empty(0), family=family, side=side)
        slopes = _slopes(trials, lambda seen, loss=loss: float(loss.of(seen.records[number])))
        if slopes is not None:
            yield replace(loss, slopes=slopes)


def _compared(loss: Loss, trials: list[_Trial], negative: bool = False) -> Loss:
    """Compare a loss with the gradient in every direction; of a negative one, also its negative."""
    is_named = not loss.family and bool(CLIMBED.search(loss.site.name))
    if (negative or is_named) and not loss.climbed:
        climbed = _compared(replace(loss, slopes=-loss.slopes, climbed=True), trials)
        if climbed.agreeing or climbed.common or (is_named and climbed.middle > 0):
            return climbed
    ratios: dict[Path, list[float]] = {}
    for trial, slope in zip(trials, loss.slopes, strict=True):
        of_block = ratios.setdefault(trial.path, [])
        if trial.slope is None:
            of_block.append(float("nan"))
        elif max(abs(slope), abs(trial.slope)) > TINY:
            of_block.append(trial.slope / slope if slope else float("inf"))
    agreeing = sum(all(abs(r - 1) < CLOSE for r in of_block) for of_block in ratios.values())
    alike = sum(one_factor(of_block, CLOSE) is not None for of_block in ratios.values())
    every = np.array([ratio for of_block in ratios.values() for ratio in of_block])
    middle = float(np.median(every)) if every.size and np.all(np.isfinite(every)) else 0.0
    found = replace(loss, agreeing=agreeing, alike=alike, blocks=len(ratios), middle=middle)
    return replace(found, common=one_factor(every, CLOSE))
