"""Train the variants of a case side by side, to show what a bug does to the loss."""

from __future__ import annotations

import math
import random
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradcheck.casefiles import find_cases
from gradcheck.errors import UsageError
from gradcheck.progress import Advance, Begin, no_bar
from gradcheck.train.runs import Losses, make_run, verdict
from gradcheck.user.calls import LEAVING, UserCodeError, quietly, read_traceback

PUBLISHED, FIXED = "published", "fixed"
LARGEST_SEED = 2**32 - 1
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Curve:
    """The losses of one variant during training.

    Attributes:
        variant: the name of the variant, such as "published".
        losses: one loss per epoch, the first before any update.
        ended: a short verdict, such as "converges slower" or "raises ValueError: ...".
        how: one line about the method of training.
    """

    variant: str
    losses: tuple[float, ...]
    ended: str
    how: str = ""


def train_case(
    target: str,
    *,
    seed: int = 0,
    epochs: int | None = None,
    learning_rate: float | None = None,
    begin: Begin = no_bar,
) -> tuple[Curve, ...]:
    """Train the published and the fixed variant of a case file from the same seed.

    All variants are trained if the file has other ones; if the target names a variant, that one
    and the fixed one. The file's own `train(variant, seed)` is used if there is one, a generator
    of losses or of tuples that begin with the loss; else plain gradient descent, or the update of
    a `StepCase`.

    Args:
        target: a bundled case or a case file, with or without the name of a variant.
        seed: the seed of all random numbers in the training.
        epochs: the number of epochs; None for the default of the file's training, or 100.
        learning_rate: the learning rate; None for the file's own, or 0.1.
        begin: shows progress.
    """
    _require(seed, epochs, learning_rate)
    file, variants = _chosen(target)
    curves = []
    for variant in variants:
        curves.append(_train(file, variant, seed, epochs, learning_rate, begin))
        if curves[-1].ended == INTERRUPTED:
            break
    fixed = next((c.losses for c in curves if c.variant == FIXED and not c.ended), ())
    return tuple(
        replace(curve, ended=curve.ended or verdict(curve.losses, fixed)) for curve in curves
    )


def _require(seed: int, epochs: int | None, learning_rate: float | None) -> None:
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"seed is {seed}; it must be from 0 to {LARGEST_SEED}")
    if epochs is not None and epochs < 1:
        raise UsageError(f"epochs is {epochs}; it must be at least 1")
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise UsageError(f"learning_rate is {learning_rate!r}; it must be positive")


def _chosen(target: str) -> tuple[str, list[str]]:
    """Return the file to train, and the names of the variants."""
    if Path(target).is_dir():
        raise UsageError(f"{target} is a folder; name one case file to train")
    file, _, name = target.rpartition(":")
    variants = [entry.variant for entry in find_cases([target])]
    if variants != [name] or not file:
        is_usual = PUBLISHED in variants and FIXED in variants
        return target, [PUBLISHED, FIXED] if is_usual else variants
    has_fixed = any(entry.variant == FIXED for entry in find_cases([file]))
    return file, list(dict.fromkeys([name, FIXED])) if has_fixed else [name]


def _train(
    file: str,
    variant: str,
    seed: int,
    epochs: int | None,
    learning_rate: float | None,
    begin: Begin,
) -> Curve:
    """Return a curve; its `ended` is empty unless the training was ended by an error.

    The file is loaded again under the seed, so that the variants do not share any state.
    """
    losses: list[float] = []
    ended = how = ""
    with quietly():
        np.random.seed(seed)  # noqa: NPY002  # the user's code may draw from the global generator
        random.seed(seed)
        try:
            entry, *_ = find_cases([f"{file}:{variant}"])
            run = make_run(entry, seed, epochs, learning_rate)
            how, advance = run.how, begin("epochs", run.epochs)
            ended = _collect(run.losses, losses, advance)
        except KeyboardInterrupt:
            ended = INTERRUPTED
        except UserCodeError as error:
            ended = f"raises {error.raised.summary}"
    if not losses and not ended:
        raise UsageError(f"train of {file} yields no loss for {variant}")
    return Curve(variant, tuple(losses), ended, how)


def _collect(running: Losses, losses: list[float], advance: Advance) -> str:
    """Append losses until the training ends; return the reason if it ends early, else ""."""
    try:
        with closing(running):
            for loss in running:
                losses.append(loss)
                advance(1)
    except UsageError as error:
        return f"cannot be trained: {error}"
    except UserCodeError as error:
        return f"raises {error.raised.summary}"
    except LEAVING as error:
        return f"raises {read_traceback('your training', error).summary}"
    return ""
