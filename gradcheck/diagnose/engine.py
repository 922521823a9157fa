"""Diagnose a compared point: apply the rules in order, then add the faults of the trace.

Every finding is proved at the user's point and at a second one. A block is explained by one
finding only, and the finding nearest to the loss comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.advice import advice
from gradcheck.diagnose.evidence import Evidence, second_point
from gradcheck.diagnose.following import with_faults, without_rate
from gradcheck.diagnose.numbers import (
    ScaleMatch,
    correction_finding,
    match_corrections,
    match_scales,
    scale_findings,
)
from gradcheck.diagnose.raised import exception_finding
from gradcheck.diagnose.rule import Direct, Last
from gradcheck.diagnose.rules import RULES, detectors, loss_not_repeatable, saturated, unknown_cause
from gradcheck.diagnose.sizes import read_sizes
from gradcheck.diagnose.tracing import SECONDS, follow
from gradcheck.errors import UsageError
from gradcheck.finding import BackwardStep, Finding
from gradcheck.preflight import Preflight
from gradcheck.recognition.identify import Identity
from gradcheck.recognition.layers import Layer
from gradcheck.recognition.network_view import NetworkView
from gradcheck.trace import FORGIVEN, Fault
from gradcheck.user.calls import Heard
from gradcheck.user.problem import Problem
from gradcheck.words import with_nearest


@dataclass(frozen=True)
class Diagnosis:
    """The result of a diagnosis; the first finding is the cause to mend first."""

    findings: tuple[Finding, ...] = ()
    layers: tuple[Layer, ...] = ()
    view: NetworkView | None = None
    notes: tuple[str, ...] = ()
    evaluations: int = 0
    interrupted: bool = False
    backward: tuple[BackwardStep, ...] = ()
    faults: tuple[Fault, ...] = ()
    unfollowed: str = ""


DIRECT = tuple(detectors(Direct))

INTERRUPTED = Diagnosis(
    notes=("the diagnosis was interrupted: no cause was looked for",), interrupted=True
)

OUT_OF_TIME = Diagnosis(notes=("the time was over before a cause was found; --timeout gives more",))


def diagnose(
    point: Point, preflight: Preflight, identity: Identity, heard: Heard, rng: np.random.Generator
) -> Diagnosis:
    """Name the causes of the wrong blocks of a point, as far as they can be proved.

    An unstable gradient, which changes from call to call, gets only the rules that always apply:
    its value at a second point proves nothing.
    """
    view = identity.view
    layers = identity.layers if view is None else view.layers
    sizes = read_sizes(point.problem, view)
    diagnosis = Diagnosis(
        layers=layers,
        view=view,
        notes=(
            *(() if identity.note is None else (identity.note,)),
            *advice(point.problem, layers, sizes),
        ),
        evaluations=identity.evaluations,
    )
    if point.interrupted:
        return diagnosis
    evidence = Evidence(point.problem, (point,), layers, view, sizes, preflight, heard)
    if point.unstable or not point.failed:
        always = tuple(_direct(evidence, always=True))
        if point.unstable:  # an engine that goes over a set may lose another part in every call
            lost = follow(point, rng, rounds=0)
            always = with_faults(always, lost, set(point.unstable))
        return replace(diagnosis, findings=always)
    nearby = second_point(point, identity, rng)
    search = follow(point, rng)
    points = (point,) if nearby is None else (point, nearby)
    evidence = replace(evidence, points=points, search=search)
    findings = sorted(_findings(evidence), key=lambda finding: _from_loss(finding, evidence))
    notes = diagnosis.notes
    if search.late:
        notes = (*notes, f"the search for the faulty expression ended after {SECONDS:g} s")
    return replace(
        diagnosis,
        findings=with_faults(
            findings,
            without_rate(search, point, findings),
            {block.name for block in point.blocks if block.failed},
        ),
        notes=notes,
        backward=search.backward,
        faults=search.faults,
        unfollowed=search.unfollowed,
        evaluations=diagnosis.evaluations + (0 if nearby is None else nearby.evaluations + 1),
    )


def require_rules(names: Sequence[str]) -> None:
    """Check that all names are codes or names of rules.

    Raises:
        UsageError: a name is unknown; the message suggests the nearest one.
    """
    known = [name for rule in RULES for name in (rule.code, rule.name)]
    for name in names:
        if name not in known:
            raise UsageError(with_nearest(f"there is no rule {name!r} to allow", name, known))


def why_not(
    preflight: Preflight, problem: Problem, heard: Heard
) -> tuple[tuple[Finding, ...], str]:
    """Return the findings that explain why the loss cannot be measured, and the reason in words."""
    findings = (
        *loss_not_repeatable.find(loss_not_repeatable.RULE, preflight),
        *saturated.find(saturated.RULE, preflight, problem, heard),
    )
    return findings, findings[0].message if findings else "your loss could not be measured"


def _findings(evidence: Evidence) -> Iterator[Finding]:
    explained: set[str] = set()
    for finding in (*_direct(evidence), *_from_corrections(evidence)):
        if finding.severity != "error":
            yield finding
        elif not explained.issuperset(finding.blocks):
            explained.update(finding.blocks)
            yield finding
    for finding in _from_scales(evidence, explained):
        explained.update(finding.blocks)
        yield finding
    for rule, detector in detectors(Last):
        left = [
            index
            for index, block in enumerate(evidence.blocks)
            if block.verdict in ("wrong", "shape") and block.name not in explained
        ]
        for finding in _unless_it_raises(detector.find, rule, evidence, left) if left else ():
            explained.update(finding.blocks)
            yield finding
    yield from exception_finding(unknown_cause.RULE, evidence, explained)


def _direct(evidence: Evidence, always: bool = False) -> Iterator[Finding]:
    for rule, detector in DIRECT:
        if detector.always or not always:
            yield from _unless_it_raises(detector.find, rule, evidence)


def _unless_it_raises(find: Callable[..., Iterator[Finding]], *given: Any) -> Iterator[Finding]:
    """Yield what a rule finds; one that raises costs its own findings, and no verdict."""
    with suppress(*FORGIVEN):
        yield from find(*given)


def _from_corrections(evidence: Evidence) -> Iterator[Finding]:
    for index, block in enumerate(evidence.blocks):
        if block.failed:
            for match in match_corrections(evidence, index):
                yield correction_finding(evidence, match)
                break


def _from_scales(evidence: Evidence, explained: set[str]) -> Iterator[Finding]:
    """Yield one finding for all blocks that are off by the same constant for the same reason."""
    groups: dict[tuple[str, float], list[list[ScaleMatch]]] = {}
    for index, block in enumerate(evidence.blocks):
        if not block.failed or block.name in explained:
            continue
        matches = list(match_scales(evidence, index))
        if matches:
            best = matches[0]
            key = (best.rule.code, float(f"{best.explanation.value:.6g}"))
            groups.setdefault(key, []).append(matches)
    for group in groups.values():
        yield from scale_findings(evidence, group)


def _from_loss(finding: Finding, evidence: Evidence) -> int:
    """Return the sort key of a finding: the cause of a later exception first, then by layer."""
    misfit = evidence.search.misfit
    if misfit is not None and misfit.shape is not None and finding.message.startswith(misfit.code):
        return -len(evidence.layers) - 1
    numbers = [
        layer.number
        for layer in evidence.layers
        for index in layer.blocks
        if evidence.names[index] in finding.blocks
    ]
    return -max(numbers, default=0)
