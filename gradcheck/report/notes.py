"""The notes of a report, one sentence each, beside its findings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.preflight import Preflight
from gradcheck.report.nearly_right import (
    excuse_notes,
    jump_notes,
    nearly_right_notes,
    target_notes,
    undecided_notes,
)
from gradcheck.report.step_notes import step_notes
from gradcheck.user.calls import Heard, Raised
from gradcheck.user.complexes import has_complex
from gradcheck.user.names import kept_gradients
from gradcheck.user.problem import Problem
from gradcheck.words import listed, shortened, verb


def notes_of(
    point: Point, preflight: Preflight, diagnosis: Diagnosis, heard: Heard
) -> tuple[str, ...]:
    """Return all notes on a completed check."""
    return (
        *_edge_notes(point),
        *_precision_notes(point),
        *nearly_right_notes(point.blocks, diagnosis.findings),
        *jump_notes(point.jump),
        *_structure_notes(point.problem),
        *_convention_notes(point.problem),
        *step_notes(point, diagnosis),
        *_state_notes(point, preflight),
        *_flat_notes(point, preflight, diagnosis),
        *diagnosis.notes,
        *target_notes(point.blocks),
        *excuse_notes([block.name for block in point.blocks if block.excused]),
        *_screening_notes(point),
        *heard_notes(heard),
    )


def _screening_notes(point: Point) -> Iterable[str]:
    """Say what random directions show about entries that were not perturbed singly."""
    agree: list[tuple[str, float]] = []
    for block in point.blocks:
        if block.screened is None:
            continue
        scale, visible = block.numeric.largest, block.screened.visible
        if not block.screened.suspects and scale and np.isfinite(visible):
            agree.append((shortened(block.name), visible / scale))
        elif block.screened.suspects and block.verdict == "ok":
            yield (
                f"{shortened(block.name)}: along random directions, your loss does not change as "
                "the gradient of its other entries says, but no single one was found to be wrong "
                '(kinks?); entries="all" decides'
            )
    if agree:
        yield (
            f"the other entries of {listed([name for name, _ in agree])} were moved together, "
            f"along random directions: an error of {max(error for _, error in agree):.1e} of the "
            "block's largest in one of them would have been seen"
        )


def raised_notes(raised: Raised | None) -> Iterable[str]:
    """Say where the user's code raised, and that the parameters are unchanged."""
    if raised is None:
        return
    if raised.frames:
        location = raised.frames[-1]
        yield f"{location.file}:{location.line}   {location.source}"
    if raised.moved:
        yield (
            "the first call, at your own parameters, succeeded; your parameters are as they were"
        )


def _edge_notes(point: Point) -> Iterable[str]:
    """Name the entries that were not judged because they cannot be moved, by reason."""
    names_by_reason: dict[str, list[str]] = {}
    for name, raised in point.edges.items():
        names_by_reason.setdefault(raised, []).append(name)
    for raised, names in names_by_reason.items():
        yield (
            f"not judged: {listed(names)}, as your loss raises when "
            f"{verb(names, 'it is', 'they are')} moved: {raised}; bounds= says where it may be "
            "evaluated"
        )
    bounds, parameters = point.problem.bounds, point.problem.parameters
    if bounds is not None:
        held = [
            parameters.entry_name(block, int(entry))
            for block, value in enumerate(parameters.values)
            for entry in np.setdiff1d(np.arange(value.size), bounds.free(block))
        ]
        if held:
            yield f"not checked, as their bounds fix them: {listed(held)}"


def _precision_notes(point: Point) -> Iterable[str]:
    """Say why blocks could not be decided, one sentence for each reason."""
    step = point.problem.step
    has_own_note = step is not None and step.implies_no_gradient
    if not has_own_note:
        yield from undecided_notes(point.blocks, point.noise.quantum)


def _structure_notes(problem: Problem) -> Iterable[str]:
    parameters, is_layer = problem.parameters, problem.layer is not None
    beside = kept_gradients([leaf.path for leaf in (*parameters.leaves, *parameters.left_out)])
    without = [
        shortened(leaf.name)
        for leaf in parameters.left_out
        if (leaf.in_object or is_layer) and leaf.path not in beside
    ]
    if without:
        yield f"not checked, as no gradient belongs to them: {listed(without, 9)}"
    others = [
        shortened(leaf.name) for leaf in parameters.left_out if not (leaf.in_object or is_layer)
    ]
    if others:
        yield f"not checked, as only= leaves them out: {listed(others, 9)}"
    for names in parameters.ties:
        yield (
            f"{listed([shortened(name) for name in names])} are one array (tied): moved together, "
            "and the gradient is that of them all"
        )
    whole = [
        shortened(name)
        for name, dtype in zip(parameters.names, parameters.dtypes, strict=True)
        if dtype.kind in "iu"
    ]
    if whole:
        yield (
            f"[GC904] integer-parameters: {listed(whole)}: whole numbers, promoted to float64 for "
            "the check; an update in integers would lose the gradient"
        )


def _convention_notes(problem: Problem) -> Iterable[str]:
    """Say how a layer's outputs and complex gradients are interpreted."""
    if problem.layer is not None and problem.layer.reading.leaves_out:
        yield (
            "forward returned several arrays, and backward takes one upstream gradient: all but "
            "the first are taken as the cache, and no gradient through them is checked; "
            "def backward(dout1, dout2) takes one for each"
        )
    if problem.layer is not None and (name := problem.layer.reading.left_out):
        yield (
            f"backward does nothing with {name}, which is 1 by default: right where this loss "
            f"comes last, and not where it is weighted or added to others; multiply by {name}"
        )
    if problem.layer is not None and np.isinf(problem.layer.rate):
        yield "what backward makes of its gradients, in an update of the layer, was not judged"
    if problem.layer is not None and problem.layer.draws is not None:
        yield "forward draws random numbers: they were the same ones in every call of it"
    if not has_complex(problem):
        return
    convention = problem.parameters.convention
    yield f"complex gradients, z = x + i y, are read as {convention.formula}"
    for name, formula in convention.others:
        yield f"the gradient of {shortened(name)} is written in another convention: as {formula}"


def _state_notes(point: Point, preflight: Preflight) -> Iterable[str]:
    if preflight.moved_off:
        names = [shortened(name) for name in preflight.moved_off]
        yield (
            f"your gradient is right where {listed(names)} {verb(names, 'is', 'are')} zero, which "
            f"hides the bug; the verdicts are for {verb(names, 'it', 'them')} moved off zero"
        )
    if preflight.not_zero:
        yield (
            f"under an upstream gradient of zero, your gradient of {listed(preflight.not_zero)} is "
            "not zero: it must be proportional to the upstream gradient"
        )
    raised = point.raised
    if raised is not None:
        yield " ".join((raised.call, "raised", raised.summary, *raised_notes(raised)))
    if point.surplus:
        yield f"not parameters, ignored: {', '.join(point.surplus)}"


def _flat_notes(point: Point, preflight: Preflight, diagnosis: Diagnosis) -> Iterable[str]:
    flat = [
        block.name
        for block in point.blocks
        if block.is_flat and block.name not in preflight.ignored
    ]
    if 0 < len(preflight.ignored) < len(point.blocks):
        right = [block.name for block in point.blocks if block.verdict == "ok"]
        unused = [shortened(name) for name in preflight.ignored if name in right]
        if unused:
            yield (
                f"{listed(unused)}: your loss does not depend on "
                f"{'it' if len(unused) == 1 else 'them'} at all, and the gradient says so too"
            )
    if flat and point.problem.layer is None:
        off = " (units that are off?)" if "relu" in str(diagnosis.view) else ""
        yield (
            f"{', '.join(flat)}: the gradient is exactly zero here{off}, so little was tested; "
            "choose another point to test it"
        )


def heard_notes(heard: Heard) -> tuple[str, ...]:
    """Return notes on the warnings and the output of the user's code."""
    notes = []
    for (text, location), count in heard.warnings.most_common(3):
        times = "once" if count == 1 else f"{count} times"
        notes.append(f"your code warned {times}: {text} ({location.file}:{location.line})")
    if heard.printed:
        notes.append(f"your code printed {heard.printed} characters, which -v shows")
    return tuple(notes)
