"""Which number of an iteration is the loss: what the script calls so, else what its errors imply.

Names rank what the script computes itself. Whether it agrees with the gradient never does: that
would choose a loss without its penalty where the gradient has forgotten it. Agreement only chooses
among the losses that an error may stand for, which no line of the script says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.script.inferred import SQUARES, Family, families
from gradcheck.script.instrument import APPENDED, ASSIGNED, DIFFERENCE, PRINTED, RETURNED
from gradcheck.script.loops import Step, plain
from gradcheck.script.running import Run, Seen
from gradcheck.script.state import Path, Snapshot, State
from gradcheck.script.words import STRONG, RefusedError

EXACT = re.compile(r"(?i)^(self\.)?(total_?|full_?|avg_?|mean_?|train_?|reg_?)?(loss|cost|J)$")
ELSEWHERE = re.compile(r"(?i)(^|_)(val|valid|validation|test|dev|eval)(_|$)")
"""Losses of data that the step does not descend."""

ORDER = (PRINTED, APPENDED, RETURNED, ASSIGNED)
MOST_BLOCKS, DIRECTIONS = 14, 2
CLOSE = 2e-3
TINY = 1e-11


@dataclass(frozen=True)
class Loss:
    """A number that may be the loss.

    Attributes:
        site: the number of the mark that sees it.
        count: how often the mark has seen something when it is the loss.
        kind: of the mark.
        words: what to call it.
        line: where it stands.
        strong: whether its name is believed.
        family: what is made of the pairs that the mark sees, if it is inferred.
        side: which of a pair is the output.
        slopes: its derivatives along some directions.
        agreeing: how many blocks agree with the gradient.
        blocks: of how many.
        common: by what the gradients of all blocks are larger than this loss's; None if they differ.
    """

    site: int
    count: int
    kind: str
    words: str
    line: int
    strong: bool
    family: Family | None
    side: int
    slopes: NDArray[np.float64]
    agreeing: int = 0
    blocks: int = 0
    common: float | None = None
    order: int = 0

    @property
    def agrees(self) -> bool:
        """Whether all blocks agree with the gradient."""
        return 0 < self.agreeing == self.blocks

    def value(self, seen: Seen) -> Any:
        """The loss, when the mark has stopped the iteration."""
        return self.of(seen.differences[self.site]) if self.family else seen.value

    def of(self, pairs: Sequence[tuple[Any, Any]]) -> Any:
        """The loss that is inferred, of some pairs."""
        assert self.family is not None
        return self.family.value([(pair[self.side], pair[1 - self.side]) for pair in pairs])


@dataclass(frozen=True)
class Found:
    """The loss that was chosen, and what is to be said of others.

    Attributes:
        loss: the loss.
        instead: what the script computes, and its updates do not descend.
        factor: whether that is the same up to a factor.
        squares: of a cross-entropy, the squared error that it may be as well.
    """

    loss: Loss
    instead: Loss | None = None
    factor: bool = False
    squares: Loss | None = None


Gradients = Mapping[Path, NDArray[np.float64]]


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
    def start(self) -> dict[Path, NDArray[np.float64]]:
        """The parameters."""
        state = self.snapshot.state
        return {path: np.array(state.get(path), dtype=np.float64) for path in self.step.paths}

    def seen(self, values: Mapping[Path, Any]) -> Seen:
        """What the marks see in an iteration with the rate set to 0."""
        seen = Seen()
        self.after(values, seen)
        return seen

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
    """The numbers of an iteration that depend on the parameters and may be its loss.

    Raises:
        Exception: whatever the script raises.
    """
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
            sides = [
                point.seen({path: plain(start[path] + sign * width * direction)})
                for sign in (1, -1)
            ]
            slope = None
            if path in gradients and gradients[path].shape == direction.shape:
                slope = float(np.sum(gradients[path] * direction))
            trials.append(_Trial(path, width, sides[0], sides[1], slope))
    return [_compared(loss, trials) for loss in _numbers(point.run, base, trials)]


@dataclass(frozen=True)
class _Trial:
    """An iteration on both sides of the point along a direction; the gradient's slope there."""

    path: Path
    width: float
    ahead: Seen
    behind: Seen
    slope: float | None


def _numbers(run: Run, base: Seen, trials: list[_Trial]) -> Iterable[Loss]:
    for order, (number, count) in enumerate(base.counts.items()):
        site = run.marked.sites[number]
        if site.kind == DIFFERENCE:
            yield from _inferred(run, number, base, trials)
            continue
        if number not in base.numbers:
            continue
        slopes = _slopes(trials, lambda seen, number=number: seen.numbers[number])
        if slopes is not None:
            believed = site.kind != PRINTED and STRONG.search(site.name)
            strong = bool(believed) and not ELSEWHERE.search(site.name)
            words = site.name
            yield Loss(
                number, count, site.kind, words, site.line, strong, None, 0, slopes, order=order
            )


def _slopes(trials: list[_Trial], of: Any) -> NDArray[np.float64] | None:
    """The derivatives of a number along all directions; None where it does not depend on them."""
    try:
        found = np.array([(of(one.ahead) - of(one.behind)) / (2 * one.width) for one in trials])
    except (KeyError, ValueError, IndexError):
        return None
    return found if np.all(np.isfinite(found)) and np.any(found) else None


def _inferred(run: Run, number: int, base: Seen, trials: list[_Trial]) -> Iterable[Loss]:
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
    site = run.marked.sites[number]
    turned = [(pair[side], pair[1 - side]) for pair in pairs]
    for family in families(turned):
        loss = Loss(
            number,
            base.counts[number],
            DIFFERENCE,
            f"{family.words} of {site.name}",
            site.line,
            False,
            family,
            side,
            np.empty(0),
        )
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
    common = None
    if every.size and np.all(np.isfinite(every)):
        middle = float(np.median(every))
        if middle > 0 and float(np.ptp(every)) < 2 * CLOSE * middle:
            common = middle
    return replace(loss, agreeing=agreeing, blocks=len(ratios), common=common)


def _fit(loss: Loss) -> tuple[Any, ...]:
    """How well an inferred loss fits the gradient; of equals the first stays."""
    return loss.agreeing, loss.common is not None


def choose(found: Sequence[Loss], wanted: str | None) -> Found | None:
    """The loss; None where nothing may be it.

    Args:
        found: the candidates.
        wanted: what the user says: a name, a line, or "squares".

    Raises:
        RefusedError: nothing is called what the user says.
    """
    inferred = [loss for loss in found if loss.family]
    if wanted is not None:
        return Found(_wanted(found, wanted))
    written = _written([loss for loss in found if not loss.family])
    implied = max(inferred, key=_fit, default=None)
    if written is None:
        return None if implied is None else _with_squares(implied, inferred)
    if written.strong or implied is None:
        return Found(written)
    kin = [loss for loss in inferred if _proportional(loss.slopes, written.slopes)]
    if kin:
        nearest = max(kin, key=_fit)
        if nearest.agreeing > written.agreeing:
            return Found(nearest, written, factor=True)
        return Found(written)
    if written.agreeing and written.agreeing >= implied.agreeing:
        return Found(written)
    return _with_squares(implied, inferred, written)


def _written(explicit: Sequence[Loss]) -> Loss | None:
    """What the script calls its loss: by its name, how it is kept, and what is computed last."""
    return max(
        explicit,
        key=lambda loss: (
            loss.strong,
            bool(EXACT.match(loss.words)),
            ORDER.index(loss.kind),
            loss.order,
        ),
        default=None,
    )


def _wanted(found: Sequence[Loss], wanted: str) -> Loss:
    if wanted == SQUARES:
        fitting = [loss for loss in found if loss.family and loss.family.term == SQUARES]
    else:
        fitting = [
            loss
            for loss in found
            if wanted in (loss.words, loss.words.removesuffix("()"), str(loss.line))
        ]
        written = [loss for loss in fitting if not loss.family]
        fitting = written[-1:] or fitting
    if not fitting:
        seen = sorted({f"{one.words} (line {one.line})" for one in found if not one.family})
        told = f"there are {', '.join(seen)}" if seen else "there is none that it computes"
        raise RefusedError(
            f"--loss {wanted}: nothing of that name in the iteration depends on the parameters; "
            f"{told}"
        )
    return max(fitting, key=_fit)


def _with_squares(loss: Loss, inferred: Sequence[Loss], instead: Loss | None = None) -> Found:
    """A loss that is inferred, with the other reading of the same error if there is one."""
    if loss.family is None or loss.family.term == SQUARES:
        return Found(loss, instead)
    squares = [
        one
        for one in inferred
        if one.site == loss.site and one.family and one.family.term == SQUARES
    ]
    return Found(loss, instead, squares=max(squares, key=_fit, default=None))


def _proportional(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    factor = float(one @ other / (other @ other))
    return factor > 0 and bool(
        np.max(np.abs(one - factor * other)) < 1e-3 * float(np.max(np.abs(one)))
    )
