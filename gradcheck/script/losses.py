"""The numbers of an iteration that may be its loss, and how they change with the parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.script.inferred import Family, families
from gradcheck.script.loops import Step, plain
from gradcheck.script.marks import ASSIGNED, DIFFERENCE, PRINTED, RETURNED, Seen, Site
from gradcheck.script.running import Run
from gradcheck.script.state import Path, Snapshot, State
from gradcheck.script.words import STRONG
from gradcheck.user.blocks import Array

ELSEWHERE = re.compile(r"(?i)(^|_)(val|valid|validation|test|dev|eval)(_|$)")
"""Losses of data that the step does not descend."""

MOST_BLOCKS, DIRECTIONS = 14, 2
CLOSE = 2e-3
TINY = 1e-11


@dataclass(frozen=True)
class Loss:
    """A number that may be the loss.

    Attributes:
        number: of the mark that sees it.
        count: how often the mark has seen something when it is the loss.
        site: where the mark stands, and what is there.
        slopes: its derivatives along some directions.
        strong: whether its name is believed.
        order: how many others are computed before it.
        family: what is made of the pairs that the mark sees, if it is inferred.
        side: which of a pair is the output.
        agreeing: how many blocks agree with the gradient.
        blocks: of how many.
        common: by what the gradients of all blocks are larger than its own; None if they differ.
        middle: the median of the factors by which they are; 0 if there is none.
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
    blocks: int = 0
    common: float | None = None
    middle: float = 0.0

    @property
    def words(self) -> str:
        """What to call it."""
        return f"{self.family.words} of {self.site.name}" if self.family else self.site.name

    @property
    def agrees(self) -> bool:
        """Whether all blocks agree with the gradient."""
        return 0 < self.agreeing == self.blocks

    def value(self, seen: Seen) -> Any:
        """The loss, when the mark has stopped the iteration."""
        return self.of(seen.differences[self.number]) if self.family else seen.value

    def of(self, pairs: Sequence[tuple[Any, Any]]) -> Any:
        """The loss that is inferred, of some pairs."""
        assert self.family is not None
        return self.family.value([(pair[self.side], pair[1 - self.side]) for pair in pairs])


Gradients = Mapping[Path, Array]


@dataclass(frozen=True)
class Point:
    """Where an iteration is looked at.

    Attributes:
        run: the script.
        step: what the iteration is.
        snapshot: where it begins.
        extra: what is changed before it.
        tolerant: whether the iteration raises, which is known.
    """

    run: Run
    step: Step
    snapshot: Snapshot
    extra: Mapping[Path, Any]
    tolerant: bool = False

    @property
    def start(self) -> dict[Path, Array]:
        """The parameters."""
        state = self.snapshot.state
        return {path: np.array(state.get(path), dtype=np.float64) for path in self.step.paths}

    def seen(self, values: Mapping[Path, Any]) -> Seen:
        """What the marks see in an iteration with the rate set to 0."""
        seen = Seen()
        self.after(values, seen)
        return seen

    def on_both_sides(self, path: Path, move: Array) -> tuple[Seen, Seen]:
        """The same with a parameter moved, and moved the other way."""
        start = self.start[path]
        return self.seen({path: plain(start + move)}), self.seen({path: plain(start - move)})

    def value(self, loss: Loss, values: Mapping[Path, Any]) -> Any:
        """The loss with other values; the iteration is run up to it."""
        seen = Seen(wanted=(loss.number, loss.count))
        changed = {**self.extra, **values}
        self.run.replay(self.step.loop, self.snapshot, changed, self.step.rate, 0.0, seen)
        return loss.value(seen)

    def after(self, values: Mapping[Path, Any], seen: Seen | None = None) -> State:
        """What an iteration with the rate set to 0 leaves; of one that raises, what it began with.

        Raises:
            Exception: whatever the script raises, if that is not known.
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
    """The numbers of an iteration that depend on the parameters and may be its loss."""
    start = point.start
    rng = np.random.default_rng(1)
    paths = list(start)
    if len(paths) > MOST_BLOCKS:
        chosen = rng.choice(len(paths), MOST_BLOCKS, replace=False)
        paths = [paths[place] for place in sorted(chosen)]
    base = point.seen({})
    trials = []
    for path in paths:
        for _ in range(DIRECTIONS):
            direction = rng.standard_normal(start[path].shape)
            size = max(float(np.max(np.abs(start[path]), initial=0.0)), 0.1)
            width = 1e-5 * size / max(float(np.max(np.abs(direction))), 1e-9)
            slope = None
            if path in gradients and gradients[path].shape == direction.shape:
                slope = float(np.sum(gradients[path] * direction))
            trials.append(_Trial(path, width, *point.on_both_sides(path, width * direction), slope))
    found = list(_numbers(point.run.marked.sites, base, trials))
    return [_compared(loss, trials) for loss in _with_wholes(found, base)]


@dataclass(frozen=True)
class _Trial:
    """An iteration on both sides of the point along a direction; the gradient's slope there."""

    path: Path
    width: float
    ahead: Seen
    behind: Seen
    slope: float | None


def _numbers(sites: Sequence[Site], base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    pairs = [pair for own in base.differences.values() for pair in own if np.size(pair[0]) == 1]
    errors = {abs(float(np.ravel(one)[0] - np.ravel(other)[0])) for one, other in pairs}
    for order, (number, count) in enumerate(base.counts.items()):
        site = sites[number]
        if site.kind == DIFFERENCE:
            yield from _inferred(number, site, base, trials)
            continue
        strong = site.kind != PRINTED and bool(STRONG.search(site.name))
        if number not in base.numbers:
            continue
        believed = strong and (site.kind != RETURNED or "abs" in site.text)
        if not believed and abs(base.numbers[number]) in errors:
            continue  # an error with its sign, or the derivative that a loss returns on demand
        slopes = _slopes(trials, lambda seen, number=number: seen.numbers[number])
        if slopes is not None:
            strong = strong and not ELSEWHERE.search(site.name)
            yield Loss(number, count, site, slopes, strong, order)


def _with_wholes(found: list[Loss], base: Seen) -> list[Loss]:
    """The same, where a loss is believed before its parts.

    Those are a variable of the function that returns it, and a function that is called for every
    element of it.
    """
    believed: dict[int, bool] = {}
    returned = {loss.site.name for loss in found if loss.site.kind == RETURNED}
    written = [loss for loss in found if not loss.family]
    for loss in written:
        for other in written:
            whole, part = loss.site, other.site
            if whole.kind == RETURNED:
                local = part.kind == ASSIGNED and part.function == whole.function
                is_part = local and part.name in whole.parts and part.file == whole.file
            else:
                named = part.name in whole.parts or not whole.parts & returned
                often = base.counts[other.number] > 2 * base.counts[loss.number]
                is_part = bool(whole.parts) and part.kind == RETURNED and named and often
            if is_part and base.numbers[loss.number] != base.numbers[other.number]:
                believed[loss.number], believed[other.number] = True, False
    return [replace(one, strong=believed.get(one.number, one.strong)) for one in found]


def _slopes(trials: list[_Trial], of: Any) -> Array | None:
    """The derivatives of a number along all directions; None where it does not depend on them."""
    try:
        found = np.array([(of(one.ahead) - of(one.behind)) / (2 * one.width) for one in trials])
    except (KeyError, ValueError, IndexError):
        return None
    return found if np.all(np.isfinite(found)) and np.any(found) else None


def _inferred(number: int, site: Site, base: Seen, trials: list[_Trial]) -> Iterator[Loss]:
    """What a difference may stand for, of which one side depends on the parameters."""
    pairs = base.differences.get(number, [])
    others = [seen.differences.get(number) for one in trials for seen in (one.ahead, one.behind)]
    if not pairs or any(other is None or len(other) != len(pairs) for other in others):
        return
    moves = [
        any(
            not np.array_equal(a[side], b[side])
            for other in others
            if other
            for a, b in zip(pairs, other, strict=True)
        )
        for side in (0, 1)
    ]
    if moves[0] == moves[1]:
        return
    side = 0 if moves[0] else 1
    turned = [(pair[side], pair[1 - side]) for pair in pairs]
    for family in families(turned):
        loss = Loss(number, base.counts[number], site, np.empty(0), family=family, side=side)
        slopes = _slopes(trials, lambda seen, loss=loss: float(loss.of(seen.differences[number])))
        if slopes is not None:
            yield replace(loss, slopes=slopes)


def _compared(loss: Loss, trials: list[_Trial]) -> Loss:
    """The loss, compared with the gradient along every direction."""
    ratios: dict[Path, list[float]] = {}
    for trial, slope in zip(trials, loss.slopes, strict=True):
        own = ratios.setdefault(trial.path, [])
        if trial.slope is None:
            own.append(float("nan"))
        elif max(abs(slope), abs(trial.slope)) > TINY:
            own.append(trial.slope / slope if slope else float("inf"))
    agreeing = sum(all(abs(r - 1) < CLOSE for r in own) for own in ratios.values())
    every = np.array([ratio for own in ratios.values() for ratio in own])
    common, middle = None, 0.0
    if every.size and np.all(np.isfinite(every)):
        middle = float(np.median(every))
        if middle > 0 and float(np.ptp(every)) < 2 * CLOSE * middle:
            common = middle
    return replace(loss, agreeing=agreeing, blocks=len(ratios), common=common, middle=middle)
