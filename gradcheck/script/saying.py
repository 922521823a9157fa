"""Describe in words what was found in a script."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gradcheck.report.script import TakenApart
from gradcheck.script.choice import EXACT, Found
from gradcheck.script.handover import Taken
from gradcheck.script.marks import ASSIGNED, DIFFERENCE, PROJECTION, SHARE
from gradcheck.script.precision import IN_DOUBLE
from gradcheck.script.state import Path, label
from gradcheck.script.step import Step
from gradcheck.script.taking import Taking
from gradcheck.trace.record.graph import grouped
from gradcheck.words import listed, verb


def described(taking: Taking, taken: Taken, notes: Sequence[str]) -> TakenApart:
    """Return the description of an iteration that was taken apart."""
    step, loss = taken.point.step, taken.found.loss
    loop, rate = taking.run.marked.loops[step.loop], step.rate
    if taken.point.tolerant:
        rate_words = "none is needed: the iteration raises"
    elif not taken.of_step:
        rate_words = "none is needed: the gradients are the variables named after the parameters"
        if taken.added:
            rate_words += f", with the other sign for {listed(list(map(label, taken.added)))}: the "
            rate_words += "update adds them"
    elif step.own:
        rate_words = f"{_of_each(step)}; the gradient is (old - new) / rate"
    elif rate.words:
        rate_words = f"{rate.described}; the gradient is (old - new) / rate"
    else:
        rate_words = "none in the code: 1; the gradient is old - new"
    if taken.folded != 1.0:
        rate_words += f", times {taken.folded:.4g}, the first step of its momentum"
    return TakenApart(
        taking.script.path.name,
        time.perf_counter() - taking.started,
        loop.node.lineno,
        f"{loop.lines}; there is no loop"
        if loop.is_straight
        else f"one iteration of the loop at {loop.place}",
        tuple(map(label, taken.paths.values())),
        loss.words,
        loss.site.line,
        (*loss_words(taken.found), *_watched(taking, taken)),
        rate.value if taken.of_step else None,
        rate_words,
        bool(rate.words) and taking.step is not None and rate.value == taking.step.rate.value,
        (*notes, *taking.notes, *_as_it_was_run(taking, step), *_without_projections(taking)),
        loss.site.kind == DIFFERENCE,
    )


def _as_it_was_run(taking: Taking, step: Step) -> list[str]:
    """Say in which precision, and with how many rows of its data a slow pass is replayed."""
    passes = taking.run.passes
    rows = passes[step.loop].rows if step.loop < len(passes) else None
    said = [IN_DOUBLE] if taking.run.marked.is_widened else []
    return said if rows is None else [*said, rows.words]


def _without_projections(taking: Taking) -> list[str]:
    """Say which projections of parameters no replay carries out."""
    sites = [taking.run.marked.sites[mark] for one in taking.run.held for mark in one.marks]
    texts = [f"{one.text} ({one.place})" for one in sites if one.kind == PROJECTION]
    return [f"the update is judged without {' and '.join(texts)}"] if texts else []


def _watched(taking: Taking, taken: Taken) -> list[str]:
    """Say of the loss that a loop around the step computes that another one is checked."""
    if taken.found.loss.family is None or taken.found.instead is not None:
        return []
    watched = taking.run.marked.around(taken.point.step.loop, ASSIGNED)
    return [
        f"not {site.name} ({site.place}): it is computed between the "
        "steps, of other data; whether they descend it is not checked"
        for site in watched
        if EXACT.match(site.name)
    ][:1]


def _of_each(step: Step) -> str:
    """Describe the rates of a step that has several, with their parameters."""
    of_each = grouped((step.own.get(path, step.rate).described, path) for path in step.paths)
    return ", ".join(
        f"{words} of {listed(list(map(label, paths)))}" for words, paths in of_each.items()
    )


def left_out(idle: Sequence[Path], overwritten: Sequence[Path]) -> tuple[list[str], str]:
    """Return a note on parameters that are never updated, and why others cannot be checked."""
    idle_names, names = (", ".join(map(label, paths)) for paths in (idle, overwritten))
    them = verb(idle, "it", "them")
    notes = [f"{idle_names} {verb(idle, 'reaches', 'reach')} the loss, and nothing updates {them}"]
    unchecked = (
        f"{names} {verb(overwritten, 'reaches', 'reach')} the loss, and the loop overwrites "
        f"{verb(overwritten, 'it', 'them')} where it should update, or changes more after the "
        "update: no step says what the gradient is"
    )
    return notes if idle else [], unchecked if overwritten else ""


def drawn(step: Step) -> list[str]:
    """Say that some of the parameters are checked, and others are not."""
    checked, all_of_them = len(step.paths), len(step.all_paths)
    note = (
        f"{checked} of {all_of_them} parameters are checked, spread over all of them, as each is a "
        "single number; --params names others"
    )
    return [note] if checked < all_of_them else []


def unused(paths: Sequence[Path]) -> str:
    """Say that the step leaves parameters as they are; "" if there are none."""
    names = listed(list(map(label, paths)))
    return f"the step does not use the gradients of {names}, and never moves them" if names else ""


def loss_words(found: Found) -> list[str]:
    """Return the lines that describe the loss and its alternatives."""
    loss, site = found.loss, found.loss.site
    how = "" if site.kind in (DIFFERENCE, ASSIGNED, SHARE) else f"{site.kind} at "
    inferred = ""
    if site.kind == DIFFERENCE:
        inferred = " (inferred: your updates descend it)" if loss.agreeing else " (inferred)"
    is_climbed = "your updates climb it" if loss.middle >= 0 else "it is to be climbed"
    climbed = f"; its negative, for {is_climbed}" * loss.climbed
    lines = [f"{loss.words}, {how}{site.place}{inferred}{climbed}"]
    if found.instead is not None:
        other = found.instead
        lines.append(f"not {other.words} ({other.site.place}): {found.why}")
    squares = found.squares
    if squares is not None and (wrong := squares.blocks - squares.agreeing):
        lines.append(
            f"with a squared error there, {wrong} of {squares.blocks} would be wrong: "
            "--loss squares, if you mean that"
        )
    return lines
