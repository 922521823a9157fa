"""GC408: g is exactly zero and n is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding
from gradcheck.words import gradient_of


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    names = [
        block.name
        for block in evidence.blocks
        if block.verdict == "wrong" and not np.any(block.gradient.value)
    ]
    penalised = [name for name in _penalty_alone(evidence) if name not in names]
    names += penalised
    ignored = evidence.preflight.ignored
    names = [name for name in names if name not in ignored]
    if names:
        step = evidence.problem.step is not None
        yield rule.finding(
            names,
            f"{gradient_of(names)} exactly zero"
            + (": the step leaves it as it is" if step else ""),
            evidence=(
                f"every entry is 0{' but for the penalty' if penalised else ''}, and the loss does "
                "change with them",
            ),
            fix="update it in the step"
            if step
            else "compute it: zeros, or None, stand in its place",
        )


def _penalty_alone(evidence: Evidence) -> Iterator[str]:
    """Yield the names of blocks whose gradient is only that of the penalty."""
    view = evidence.network
    if view is None or not view.l2:
        return
    for index, penalty in view.penalties(evidence.first.values).items():
        block = evidence.blocks[index]
        gradient = block.gradient.value
        if block.verdict == "wrong" and gradient is not None:
            size = float(np.max(np.abs(gradient), initial=0.0))
            if size and np.all(np.abs(gradient - penalty) <= 1e-12 * size):
                yield block.name


RULE = Rule(
    code="GC408",
    name="zero-gradient",
    what="An array of zeros was made for the gradient, and never filled; or an update leaves a "
    "parameter out.",
    shows="every entry of the gradient is 0, and the loss changes with the parameter.",
    example="grads = {k: np.zeros_like(v) for k, v in params.items()}      # and b1 is forgotten",
    instead="grads['b1'] = delta1.sum(axis=0)",
    detector=Direct(_find),
    edits=(
        EditKind.ASSIGNED_OR_ADDED,
        EditKind.INSERTED,
        EditKind.KEPT_RESULT,
        EditKind.MOVED_STATEMENT,
        EditKind.COMPARISON,
    ),
)
