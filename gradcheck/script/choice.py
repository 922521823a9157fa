"""Choose which number of an iteration is the loss: one that is computed, or an inferred one.

Computed losses are ranked by their names. Agreement with the gradient is not a criterion for them:
it would choose a loss without its penalty where the gradient lacks the penalty too. Agreement
decides only among inferred losses, which no line of the script computes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.script.inferred import BINARY, SQUARES
from gradcheck.script.marks import APPENDED, ASSIGNED, PRINTED, RETURNED, SHARE
from gradcheck.script.point import Loss
from gradcheck.script.words import ELSEWHERE, RefusedError, mentions
from gradcheck.user.blocks import Array

EXACT = re.compile(r"(?i)^(self\.)?(total_?|full_?|avg_?|mean_?|train_?|reg_?)?(loss|cost|J)$")
DERIVATIVE = re.compile(r"(?i)^(self\.)?d_?(loss|cost|error|[JLE])$")
GENERATOR = re.compile(r"(?i)^(self\.)?g(en(erator)?)?_?(loss|cost|error)$")
"""Beside the loss of a generator, `d_loss` is that of a discriminator; else a derivative."""
DISCRIMINATOR = re.compile(r"(?i)^(self\.)?(d(is(c(riminator)?)?)?|critic)_?(loss|cost|error)$")
ROOT = re.compile(r"(?i)rmse|(^|_)rms(_|$)|root_mean")
"""Names of a root of the squared error, which is shown while that error is descended."""
ENERGY = re.compile(r"^(self\.)?E$")
"""A usual name of the loss, and of an error that is only watched: it is believed where no inferred
loss fits."""
SAME, EQUAL = 1e-3, 1e-6
SMOOTHED = 0.5
"""The largest part that a new loss has in a moving average of it."""
FORGOTTEN = 2.0
"""Of a gradient that is larger by more, a division by the number of samples may be forgotten."""
ORDER = (SHARE, PRINTED, APPENDED, RETURNED, ASSIGNED)


@dataclass(frozen=True)
class Found:
    """The loss that was chosen, and the alternatives that the report mentions.

    Attributes:
        loss: the chosen loss.
        instead: a loss that the script computes but its updates do not descend.
        why: why `instead` was not chosen.
        squares: the squared error of the same difference, where `loss` is a cross-entropy.
    """

    loss: Loss
    instead: Loss | None = None
    why: str = "your updates do not descend it"
    squares: Loss | None = None


def _fit(loss: Loss) -> tuple[Any, ...]:
    """Sort key: how well an inferred loss fits the gradient; if none does, the usual one leads.

    Of a sum and a mean that fit as many blocks, the mean leads: a division is sooner forgotten.
    Where a slope happens to be a constant, as at weights of 0, the ratio nearest to 1 leads.
    """
    off = round(abs(np.log(loss.middle)), 2) if loss.middle > 0 else np.inf
    if loss.agreeing or loss.common is not None:
        is_mean = 0 < loss.agreeing < loss.blocks and loss.middle > FORGOTTEN
        return loss.agreeing, loss.common is not None, loss.alike, _decades(loss.off), is_mean, -off
    usual = loss.family is not None and loss.family.term != BINARY
    return 0, False, loss.alike, 0, usual, off == 0


def _decades(off: float) -> int:
    return -round(float(np.log10(max(off, EQUAL))))


def _agreement(loss: Loss) -> tuple[int, bool, int, int]:
    """Sort key: what is watched is believed where it agrees with more blocks than the other loss.

    With as many it is believed where an inferred loss only comes near. A total of which some blocks
    forget a term agrees with as many as an error without that term, and so does what it is before
    that term is added.
    """
    is_total = loss.site.is_watched and loss.site.text == "+=" and loss.agreeing < loss.blocks
    nearness = _decades(loss.off if loss.family else 0.0)
    return loss.agreeing, is_total, loss.order if is_total else 0, nearness


def _fits_better(loss: Loss, others: Sequence[Loss]) -> bool:
    return all(_fit(loss)[:2] > _fit(other)[:2] for other in others)


def choose(losses: Sequence[Loss], wanted: str | None) -> Found | None:
    """Choose the loss; None if there is no candidate. `wanted` is a name, a line or "squares".

    Raises:
        RefusedError: no candidate matches `wanted`.
    """
    inferred = [loss for loss in losses if loss.family]
    if wanted is not None:
        return Found(_wanted(losses, wanted))
    watched = [loss for loss in losses if loss.site.is_watched]
    if watched:
        found = choose([loss for loss in losses if not loss.site.is_watched], None)
        best = max(watched, key=_agreement)
        is_known = found is not None and (
            found.loss.strong or _agreement(found.loss) >= _agreement(best)
        )
        return found if is_known or not best.agreeing else Found(best)
    written = _or_multiple([loss for loss in losses if not loss.family])
    implied = max(inferred, key=_fit, default=None)
    if written is None:
        return None if implied is None else _with_squares(implied, inferred)
    if written.strong or implied is None:
        return Found(written)
    kin = _kin(written, inferred)
    if ELSEWHERE.search(written.words) and _fits_better(implied, [written, *kin]):
        return _with_squares(implied, inferred, written)
    if kin:
        nearest = max(kin, key=_fit)
        if nearest.agreeing > written.agreeing:
            what = "its square" if ROOT.search(written.words) else "a multiple"
            return Found(nearest, written, f"your updates do not descend it, but {what}")
        return Found(written)
    if written.agreeing and written.agreeing >= implied.agreeing:
        return Found(written)
    if ENERGY.match(written.words) and not (implied.agreeing or implied.alike):
        return Found(written)
    return _with_squares(implied, inferred, written)


def _kin(written: Loss, inferred: Sequence[Loss]) -> list[Loss]:
    """Return the inferred losses of which `written` is a multiple.

    All losses of a single output have proportional slopes: their values tell which are meant.
    """
    kin = [loss for loss in inferred if proportional(loss.slopes, written.slopes)]
    factors = [as_multiple(written.slopes, loss.slopes)[0] for loss in kin]
    same = [
        loss
        for loss, factor in zip(kin, factors, strict=True)
        if np.isclose(factor * loss.worth, written.worth)
    ]
    return same or kin


def _or_multiple(explicit: Sequence[Loss]) -> Loss | None:
    """Return the written loss, or a multiple of it that the script shows or adds up instead.

    As they differ by a factor alone, the other hides nothing that the gradient forgets.
    """
    written = _written([one for one in explicit if one.strong or one.site.kind != SHARE])
    if written is None or written.agrees:
        return written
    for total in (one for one in explicit if one.site.text == "+=" and one.agrees):
        if total.strong or written.site.name in total.site.reads:
            factor, off = as_multiple(total.slopes, written.slopes)
            if off < SAME and min(abs(factor - 2), abs(factor - 0.5)) < SAME:
                return total
    shown = [one for one in explicit if one is not written and _shows(one, written)]
    return max([written, *shown], key=_nearness) if shown else written


def _shows(loss: Loss, written: Loss) -> bool:
    """Whether a loss is a multiple of the written one, such as its mean, which the script shows."""
    if loss.site.text == "+=" or not proportional(loss.slopes, written.slopes):
        return False
    return mentions(loss.site.text, written.site.name.removesuffix("()"))


def _nearness(loss: Loss) -> tuple[int, float]:
    """Sort key: how many blocks agree with a loss, and how near the gradient is in size."""
    return loss.agreeing, -abs(np.log(abs(loss.middle))) if loss.middle else -np.inf


def _written(explicit: Sequence[Loss]) -> Loss | None:
    """Return the loss that the script computes: by its name, its kind of mark, then its order.

    A number that has a loss's name by chance, such as a length `l`, may be set again and again.
    """
    adversarial = any(GENERATOR.match(loss.words) for loss in explicit)
    likely = [loss for loss in explicit if adversarial or not DERIVATIVE.match(loss.words)]
    best = max(
        likely or explicit,
        key=lambda loss: (
            loss.strong,
            bool(EXACT.match(loss.words)),
            loss.strong or loss.count == 1 or loss.site.text == "+=",
            ORDER.index(loss.site.kind),
            loss.order,
        ),
        default=None,
    )
    is_total = best is not None and best.site.text == "+="
    if best is None or not (is_total or best.site.name in best.site.reads):
        whole = (one for one in likely if one.strong and one.site.text == "+=")
        return next((one for one in whole if best and 1 < best.count == one.count), best)
    parts = (
        loss
        for loss in likely
        if loss.strong and loss.site.kind == ASSIGNED and loss.words != best.words
        if loss.order < best.order and proportional(loss.slopes, best.slopes)
        if is_total or as_multiple(best.slopes, loss.slopes)[0] <= SMOOTHED
        if EXACT.match(loss.words) or not best.anew
    )  # `best` is a running total or average of what is set last before it, where it stands

    def nearness(loss: Loss) -> tuple[bool, int]:
        site, total = loss.site, best.site
        return (site.file, site.function) == (total.file, total.function), loss.order

    return max(parts, key=nearness, default=best)


def _wanted(losses: Sequence[Loss], wanted: str) -> Loss:
    if wanted == SQUARES:
        matches = [loss for loss in losses if loss.family and loss.family.term == SQUARES]
    else:
        matches = [
            loss
            for loss in losses
            if wanted in (loss.words, loss.words.removesuffix("()"), str(loss.site.line))
        ]
        written = [loss for loss in matches if not loss.family]
        matches = written[-1:] or matches
    if not matches:
        seen = sorted({f"{one.words} ({one.site.place})" for one in losses if not one.family})
        alternatives = f"there are {', '.join(seen)}" if seen else "there is none that it computes"
        raise RefusedError(
            f"--loss {wanted}: nothing of that name in the iteration depends on the parameters; "
            f"{alternatives}"
        )
    return max(matches, key=_fit)


def _with_squares(loss: Loss, inferred: Sequence[Loss], instead: Loss | None = None) -> Found:
    """Return an inferred loss, with the squared error of the same difference as an alternative."""
    if loss.family is None or loss.family.term == SQUARES:
        return Found(loss, instead)
    squares = [
        one
        for one in inferred
        if one.number == loss.number and one.family and one.family.term == SQUARES
    ]
    return Found(loss, instead, squares=max(squares, key=_fit, default=None))


def proportional(one: Array, other: Array) -> bool:
    """Whether two gradients, or the slopes of two losses, differ by a positive factor only."""
    factor, off = as_multiple(one, other)
    return factor > 0 and off < SAME


def as_multiple(one: Array, other: Array) -> tuple[float, float]:
    """Return the factor that fits `one` = factor * `other` best, and the relative residual."""
    square, size = np.vdot(other, other).real, float(np.linalg.norm(one))
    factor = float(np.vdot(other, one).real / square) if square else 0.0
    return factor, float(np.linalg.norm(one - factor * other)) / (size or 1.0)
