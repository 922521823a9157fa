"""Findings from what matched: message, evidence, fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.chain import Step
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.numbers import CorrectionMatch, ScaleMatch, fitted_ratio
from gradcheck.diagnose.words import gradient_of, listed
from gradcheck.finding import Finding


def scale_findings(evidence: Evidence, group: Sequence[Sequence[ScaleMatch]]) -> Iterator[Finding]:
    """One finding for the blocks that are off by the same constant."""
    best = [matches[0] for matches in group]
    names = [evidence.names[match.block] for match in best]
    rule, factor = best[0].rule, best[0].factor
    same = [
        other.rule.code
        for other in group[0][1:]
        if other.rule.code not in (rule.code, "GC105") and _close(other, best[0])
    ]
    entries = sum(evidence.blocks[match.block].entries for match in best)
    ratios = [fitted_ratio(evidence.first, match.block) for match in best]
    ratio = next((value for value in ratios if value is not None), factor.value)
    yield Finding(
        code=rule.code,
        rule=rule.name,
        blocks=tuple(names),
        message=f"{gradient_of(names)} {factor.message}",
        evidence=_with_place(
            evidence,
            names,
            f"analytic / numeric = {ratio:.7f} on all {entries} entries checked; divided by it, "
            f"{'it agrees' if len(names) == 1 else 'they agree'} to "
            f"{max(match.error for match in best):.1e}, and at a second point too",
        ),
        fix=factor.fix,
        error_after_fix=max(match.error for match in best),
        equally=tuple(dict.fromkeys(same)),
    )


def correction_finding(evidence: Evidence, match: CorrectionMatch) -> Finding:
    """A block that is right once it is rearranged."""
    name = evidence.names[match.block]
    gradient = evidence.first.gradients.blocks[match.block].value
    returned = () if gradient is None else gradient.shape
    shape = evidence.blocks[match.block].shape
    shapes = f"{name} is {shape} and its gradient {returned}"
    return Finding(
        code=match.rule.code,
        rule=match.rule.name,
        blocks=(name,),
        message=f"the gradient of {name} {match.mend.message}",
        evidence=_with_place(
            evidence,
            [name],
            f"{shapes}; so mended, it agrees with the numeric gradient to {match.error:.1e}",
        ),
        fix=match.mend.fix,
        error_after_fix=match.error,
    )


def slope_finding(evidence: Evidence, step: Step, names: tuple[str, ...]) -> Finding:
    """A delta that was made with something else than the activation's slope."""
    rule, detector = step.slopes[0]
    number = step.layer.number
    words = _layer_words(evidence, number)
    own = [evidence.names[block] for block in step.explained]
    inherited = [name for name in names if name not in own]
    lines = [
        f"a backward pass with this one change gives your gradients of {listed(own)} to rounding, "
        "at your parameters and at a second point"
    ]
    if inherited:
        lines.append(
            f"{listed(inherited)} only {'inherits' if len(inherited) == 1 else 'inherit'} it: "
            f"below layer {number} your chain is right"
        )
    return Finding(
        code=rule.code,
        rule=rule.name,
        blocks=names,
        message=f"layer {number}: {detector.message.format(**words)}",
        evidence=_with_place(evidence, names, *lines),
        fix=detector.fix.format(**words),
        error_after_fix=_error_of_true_gradient(evidence, names),
        equally=tuple(
            dict.fromkeys(other.code for other, _ in step.slopes[1:] if other is not rule)
        ),
    )


def bias_finding(evidence: Evidence, step: Step) -> Finding:
    """A bias's gradient that was made from something else than delta."""
    rule, detector = step.bias[0]
    number, block = step.layer.number, step.layer.bias
    name = "" if block is None else evidence.names[block]
    words = {**_layer_words(evidence, number), "bias": name}
    return Finding(
        code=rule.code,
        rule=rule.name,
        blocks=(name,),
        message=detector.message.format(**words),
        evidence=_with_place(
            evidence,
            [name],
            f"a sum of that gives your gradient of {name} to rounding, at your parameters and at a "
            "second point",
        ),
        fix=detector.fix.format(**words),
        error_after_fix=_error_of_true_gradient(evidence, (name,)),
        equally=tuple(dict.fromkeys(other.code for other, _ in step.bias if other is not rule)),
    )


def _with_place(evidence: Evidence, names: Sequence[str], *lines: str) -> tuple[str, ...]:
    """The lines of evidence, after what the right blocks rule out."""
    place = infer_place(evidence.blocks, evidence.layers)
    about = place if place and any(name in place for name in names) else None
    return tuple(line for line in (about, *lines) if line)


def _layer_words(evidence: Evidence, number: int) -> dict[str, object]:
    network = evidence.network
    activation = "activation" if network is None else network.network.activations[number - 1]
    return {"number": number, "activation": activation}


def _error_of_true_gradient(evidence: Evidence, names: Sequence[str]) -> float | None:
    """How well the right backward pass of the network agrees on the blocks."""
    view = evidence.network
    if view is None:
        return None
    trace = view.trace(evidence.first.values)
    errors = []
    for layer in view.layers:
        for block in layer.blocks:
            if evidence.names[block] in names:
                right = view.block_gradient(
                    evidence.first.values,
                    trace,
                    layer.number,
                    block,
                    trace.deltas[layer.number - 1],
                )
                errors.append(error_if_right(evidence.first, block, right))
    known = [error for error in errors if error is not None]
    return max(known) if known and len(known) == len(errors) else None


def _close(one: ScaleMatch, other: ScaleMatch) -> bool:
    return bool(np.isclose(one.factor.value, other.factor.value, rtol=1e-9))
