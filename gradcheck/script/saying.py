"""What was found of a script, in words."""

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
    """What was found, in words."""
    step, loss = taken.point.step, taken.found.loss
    loop, rate = taking.run.marked.loops[step.loop], step.rate
    if taken.point.tolerant:
        said = "none is needed: the iteration raises"
    elif not taken.of_step:
        said = "none is needed: the gradients are the variables named after the parameters"
    elif rate.words:
        told = "=" in rate.words or " " in rate.words
        said = rate.words if told else f"{rate.words} = {rate.value:g}"
        said += "; the gradient is (old - new) / rate"
    else:
        said = "none in the code: 1; the gradient is old - new"
    if taken.folded != 1.0:
        said += f", times {taken.folded:.4g}, the first step of its momentum"
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
        said,
        bool(rate.words) and taking.step is not None and rate.value == taking.step.rate.value,
        tuple(notes),
    )


def loss_words(found: Found) -> list[str]:
    """What is said of a loss, a line each."""
    loss, site = found.loss, found.loss.site
    how = "" if site.kind in (DIFFERENCE, ASSIGNED) else f"{site.kind} at "
    told = ""
    if site.kind == DIFFERENCE:
        told = " (inferred: your updates descend it)" if loss.agreeing else " (inferred)"
    said = [f"{loss.words}, {how}{site.place}{told}"]
    if found.instead is not None:
        other = found.instead
        said.append(f"not {other.words} ({other.site.place}): {found.why}")
    if found.squares is not None:
        wrong = found.squares.blocks - found.squares.agreeing
        said.append(
            f"with a squared error there, {wrong} of {found.squares.blocks} would be wrong: "
            "--loss squares, if you mean that"
        )
    return said
