"""Notes about an update step: momentum, weight decay and learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradcheck.compare.adaptive import EXACT
from gradcheck.compare.point import Point
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.diagnose.numbers import one_ratio
from gradcheck.user.steps import ADAPTIVE, CUT, EACH, REMEMBERED, SOLVED, Step
from gradcheck.words import listed, shortened

ITS_SIZE = "its size (Adam, RMSprop, Adagrad, Adadelta)"
SAME_RATE = 1e-6
MADE_OF_IT = {
    ADAPTIVE: f"is adaptive: it divides the gradient by {ITS_SIZE}",
    CUT: "clips the gradient, scales it by its norm, or takes off its mean",
    SOLVED: "solves a linear system with the gradient, as in Newton's method",
    EACH: "scales the gradient of each sample by its norm, and adds the results up",
    REMEMBERED: "adds the gradient to what earlier calls left, or a share of it",
}
MAY_BE_THE_RATE = {"GC101", "GC102", "GC103", "GC104", "GC105", "GC999"}
"""Findings of a common factor, which may just as well belong to the learning rate."""


def step_notes(point: Point, diagnosis: Diagnosis) -> Iterable[str]:
    """Describe the terms that an update adds to the gradient, and its learning rate."""
    step = point.problem.step
    if step is not None:
        yield from _update_notes(step, [block.name for block in point.blocks])
        yield from _learning_rate_notes(step, point, diagnosis)


def _update_notes(step: Step, blocks: Sequence[str]) -> Iterable[str]:
    if step.momentum:
        amounts = listed([f"{value:.6g}" for value in dict.fromkeys(step.momentum.values())])
        updates = "an update without it" if step.anew else "two updates in a row at one point"
        yield f"your step has momentum {amounts}: the gradient was computed from {updates}"
    if step.decay:
        decay = next(iter(step.decay.values()))
        names = [shortened(blocks[block]) for block in step.decay]
        yield (
            f"your step has weight decay {decay:.6g} on {listed(names)} (it also takes off "
            f"learning_rate * {decay:.6g} * W), which is no part of the loss's gradient and was "
            "not counted as an error"
        )


def _rates(step: Step) -> str:
    """The learning rates of a step, with the blocks that have them."""
    blocks: dict[str, list[str]] = {}
    for block, rate in step.rates.items():
        blocks.setdefault(f"{rate:.6g}", []).append(shortened(block))
    return listed([f"{rate} of {listed(names)}" for rate, names in blocks.items()])


def _learning_rate_notes(step: Step, point: Point, diagnosis: Diagnosis) -> Iterable[str]:
    """Describe an adaptive step, or a learning rate that differs from the given one."""
    if step.entering is not None:
        what = MADE_OF_IT.get(step.update) or f"has several learning rates: {_rates(step)}"
        yield f"your step {what}; the gradient that enters it was read from your code and judged"
        return
    if step.varies:
        yield (
            "the learning rate of your step changes from call to call: the gradient was computed "
            f"from its first call alone, with {step.learning_rate * step.share:.6g}"
        )
    if step.several:
        yield (
            f"your step makes {step.several} updates, each with a gradient where the last one left "
            "the parameters (batches, or iterations): what it implies is no gradient of your loss; "
            "check a step that makes one"
        )
        return
    if step.update == EACH:
        yield (
            f"your step {MADE_OF_IT[EACH]}: what it implies is no gradient of your loss, nor is it "
            "one without the scaling either: check the gradient that is scaled with gradcheck.check"
        )
        return
    if step.moves is not None:
        is_sign = abs(step.moves - 1) < EXACT
        name = "its size (it takes the sign, or is the first step of Adam)" if is_sign else ITS_SIZE
        yield (
            f"your step is adaptive: it divides the gradient by {name}, so that every entry moves "
            f"by {step.moves:.4g} learning rates, whatever its derivative is; the gradient that "
            "enters it cannot be read from it: check that one with gradcheck.check"
        )
        return
    if {one.code for one in diagnosis.findings if one.severity == "error"} - MAY_BE_THE_RATE:
        return
    wrong = [block for block in point.blocks if block.failed]
    ratios = [ratio for block in wrong if (ratio := one_ratio(block)) is not None]
    if len(ratios) < len(wrong) or min(ratios, default=0.0) <= 0:
        return
    is_one = max(ratios) - min(ratios) <= SAME_RATE * max(ratios)
    if is_one and len(wrong) == len(point.blocks):
        yield (
            f"with the learning rate {step.learning_rate * ratios[0]:.6g} in the place of "
            f"{step.learning_rate:.6g}, all gradients of your step would be right"
        )
        return
    several = ((one, ratio) for one, ratio in zip(wrong, ratios, strict=True) if one.size > 1)
    for block, ratio in several:  # a single number moves as with some rate, whatever its gradient
        yield (
            f"{shortened(block.name)} moves as with the learning rate "
            f"{step.learning_rate * ratio:.6g}: if your step has several, its gradient is right"
        )
