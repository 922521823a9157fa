"""Describe in words what was found in a script."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gradcheck.report.script import TakenApart
from gradcheck.script.choice import Found
from gradcheck.script.handover import Taken
from gradcheck.script.marks import ASSIGNED, DIFFERENCE
from gradcheck.script.state import label
from gradcheck.script.taking import Taking


def described(taking: Taking, taken: Taken, notes: Sequence[str]) -> TakenApart:
    """Return the description of an iteration that was taken apart."""
    step, loss = taken.point.step, taken.found.loss
    loop, rate = taking.run.marked.loops[step.loop], step.rate
    if taken.point.tolerant:
        rate_words = "none is needed: the iteration raises"
    elif not taken.of_step:
        rate_words = "none is needed: the gradients are the variables named after the parameters"
    elif rate.words:
        is_phrase = "=" in rate.words or " " in rate.words
        rate_words = rate.words if is_phrase else f"{rate.words} = {rate.value:g}"
        rate_words += "; the gradient is (old - new) / rate"
    else:
        rate_words = "none in the code: 1; the gradient is old - new"
    if taken.folded != 1.0:
        rate_words += f", times {taken.folded:.4g}, the first step of its momentum"
    return TakenApart(
        taking.script.path.name,
        time.perf_counter() - taking.started,
        loop.node.lineno,
        step.words or f"one iteration of the loop at {loop.place}",
        tuple(map(label, taken.paths.values())),
        loss.words,
        loss.site.line,
        tuple(loss_words(taken.found)),
        rate.value if taken.of_step else None,
        rate_words,
        bool(rate.words) and taking.step is not None and rate.value == taking.step.rate.value,
        tuple(notes),
    )


def loss_words(found: Found) -> list[str]:
    """Return the lines that describe the loss and its alternatives."""
    loss, site = found.loss, found.loss.site
    how = "" if site.kind in (DIFFERENCE, ASSIGNED) else f"{site.kind} at "
    inferred = ""
    if site.kind == DIFFERENCE:
        inferred = " (inferred: your updates descend it)" if loss.agreeing else " (inferred)"
    climbed = "; its negative, for your updates climb it" * loss.climbed
    lines = [f"{loss.words}, {how}{site.place}{inferred}{climbed}"]
    if found.instead is not None:
        other = found.instead
        lines.append(f"not {other.words} ({other.site.place}): {found.why}")
    if found.squares is not None:
        wrong = found.squares.blocks - found.squares.agreeing
        lines.append(
            f"with a squared error there, {wrong} of {found.squares.blocks} would be wrong: "
            "--loss squares, if you mean that"
        )
    return lines
