"""Findings from what matched: message, evidence, fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.derivation import Derivation, WalkedLayer
from gradcheck.diagnose.evidence import Evidence, error_if_right, largest_error
from gradcheck.diagnose.fits import Fit, is_among
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.numbers import CorrectionMatch, ScaleMatch, fitted_ratio, name_factor
from gradcheck.diagnose.rule import Penalty, Rule, Variant, detectors
from gradcheck.finding import Finding
from gradcheck.words import gradient_of, listed

AT_BOTH_POINTS = "to rounding, at your parameters and at a second point"


def scale_findings(evidence: Evidence, group: Sequence[Sequence[ScaleMatch]]) -> Iterator[Finding]:
    """One finding for the blocks that are off by the same constant."""
    best = [matches[0] for matches in group]
    names = [evidence.names[match.block] for match in best]
    rule, factor = best[0].rule, best[0].explanation
    same = [
        other.rule.code
        for other in group[0][1:]
        if not other.rule.last_resort
        and np.isclose(other.explanation.value, factor.value, rtol=1e-9)
    ]
    entries = sum(evidence.blocks[match.block].entries for match in best)
    ratios = [fitted_ratio(evidence.blocks[match.block]) for match in best]
    ratio = next((value for value in ratios if value is not None), factor.value)
    off = abs(ratio - 1) < 1e-5
    quotient = f"numeric - 1 = {ratio - 1:.1e}" if off else f"numeric = {ratio:.7f}"
    yield rule.finding(
        names,
        f"{gradient_of(names)} {factor.message}",
        evidence=_with_place(
            evidence,
            names,
            f"analytic / {quotient} on all {entries} entries checked; divided by it, "
            f"{'it agrees' if len(names) == 1 else 'they agree'} to "
            f"{max(match.error for match in best):.1e}, and at a second point too",
        ),
        fix=factor.fix,
        error_after_fix=max(match.error for match in best),
        equally=same,
    )


def correction_finding(evidence: Evidence, match: CorrectionMatch) -> Finding:
    """A block that is right once it is rearranged."""
    name = evidence.names[match.block]
    gradient = evidence.blocks[match.block].gradient.value
    returned = () if gradient is None else gradient.shape
    shape = evidence.blocks[match.block].shape
    shapes = f"{name} is {shape} and its gradient {returned}"
    return match.rule.finding(
        (name,),
        f"the gradient of {name} {match.explanation.message}",
        evidence=_with_place(
            evidence,
            [name],
            f"{shapes}; so mended, it agrees with the numeric gradient to {match.error:.1e}",
        ),
        fix=match.explanation.fix,
        error_after_fix=match.error,
    )


def chain_findings(
    evidence: Evidence,
    step: WalkedLayer,
    names: tuple[str, ...],
    below: Sequence[WalkedLayer],
    rules: Sequence[Rule],
) -> Iterator[Finding]:
    """What is wrong at one layer: in its delta, its factors, its penalty, its own products.

    `names` are the wrong blocks that its delta explains, here and in the layers `below`.
    """
    best = step.best[0] if step.best else None
    if best is not None:
        for position, (rule, variant) in enumerate(best.links):
            others = [found.links[position][0] for found in step.best[1:] if found.links]
            yield _link_finding(evidence, step, names, rule, variant, others)
        yield from _factor_findings(evidence, step, best, below, rules)
        for block, found in best.fits.items():
            yield from _penalty_findings(evidence, block, found, rules)
    for own in step.own:
        rule, variant = own.named[0]
        yield _own_finding(evidence, own.block, rule, variant, [r for r, _ in own.named[1:]])
        yield from _penalty_findings(evidence, own.block, own.fit, rules)
        if not is_among(own.fit.factor, step.inherited):
            yield _factor_finding(evidence, [own.block], own.fit.factor, step.inherited, rules)


def _link_finding(
    evidence: Evidence,
    step: WalkedLayer,
    names: tuple[str, ...],
    rule: Rule,
    variant: Variant,
    others: Sequence[Rule],
) -> Finding:
    """A delta that was made with something else than the right thing."""
    number = step.layer.number
    own = [evidence.names[block] for block in step.explained]
    inherited = [name for name in names if name not in own]
    lines = [
        f"a backward pass with this one change gives your gradients of {listed(own)} "
        f"{AT_BOTH_POINTS}"
    ]
    if inherited:
        lines.append(
            f"{listed(inherited)} only {'inherits' if len(inherited) == 1 else 'inherit'} it: "
            f"below layer {number} your chain is right"
        )
    return _proved(
        evidence, rule, names, (f"layer {number}: {variant.message}", variant.fix), lines, others
    )


def _own_finding(
    evidence: Evidence, block: int, rule: Rule, variant: Variant, others: Sequence[Rule]
) -> Finding:
    """A block that was made wrongly from a delta that is known."""
    name = evidence.names[block]
    words = f"{name}: {variant.message}", variant.fix
    line = f"that gives your gradient of {name} {AT_BOTH_POINTS}"
    return _proved(evidence, rule, (name,), words, [line], others)


def _factor_findings(
    evidence: Evidence,
    step: WalkedLayer,
    best: Derivation,
    below: Sequence[WalkedLayer],
    rules: Sequence[Rule],
) -> Iterator[Finding]:
    """Factors that are new at this layer, one finding for the blocks that share one."""
    groups: dict[float, list[int]] = {}
    for block, found in best.fits.items():
        if evidence.blocks[block].failed and not is_among(found.factor, step.inherited):
            same = next((key for key in groups if is_among(found.factor, (key,))), None)
            groups.setdefault(found.factor if same is None else same, []).append(block)
    for factor, blocks in groups.items():
        blocks += [
            block
            for lower in below
            if lower.best and not lower.best[0].links
            for block, found in lower.best[0].fits.items()
            if evidence.blocks[block].failed
            and found.penalty_right
            and is_among(found.factor, (factor,))
        ]
        blocks.sort()
        yield _factor_finding(evidence, blocks, factor, step.inherited, rules)


def _factor_finding(
    evidence: Evidence,
    blocks: Sequence[int],
    factor: float,
    inherited: Sequence[float],
    rules: Sequence[Rule],
) -> Finding:
    """A constant that is new at a layer, on top of what comes from above."""
    names = [evidence.names[block] for block in blocks]
    options = [
        (factor / known, name_factor(evidence, blocks, factor / known, rules))
        for known in reversed(inherited)
    ]
    factor, (rule, named, others) = next(
        (option for option in options if not option[1][0].last_resort), options[0]
    )
    line = (
        f"a backward pass with the factor {factor:.7g} in it gives your gradients of "
        f"{listed(names)} {AT_BOTH_POINTS}"
    )
    words = f"{gradient_of(names)} {named.message}", named.fix
    return _proved(evidence, rule, names, words, [line], others)


def _penalty_findings(
    evidence: Evidence, block: int, fit: Fit, rules: Sequence[Rule]
) -> Iterator[Finding]:
    block_name = evidence.names[block]
    for kind, (coefficient, wanted) in enumerate(zip(fit.penalty, fit.wanted, strict=True)):
        if coefficient == wanted:
            continue
        name = block_name if not kind else f"the biases in {block_name}"
        told = [
            (rule, words)
            for rule, detector in detectors(rules, Penalty)
            if (words := detector.words(name, coefficient, wanted)) is not None
        ]
        line = (
            f"the right gradient with {coefficient:.6g} * {name} for the penalty gives yours "
            f"{AT_BOTH_POINTS}"
        )
        for rule, words in told[:1]:
            yield _proved(evidence, rule, [block_name], words, [line])


def _proved(
    evidence: Evidence,
    rule: Rule,
    names: Sequence[str],
    words: tuple[str, str],
    lines: Sequence[str],
    others: Sequence[Rule] = (),
) -> Finding:
    """A finding that the network's own backward pass proves, with its message and its fix."""
    message, fix = words
    return rule.finding(
        names,
        message,
        evidence=_with_place(evidence, names, *lines),
        fix=fix,
        error_after_fix=_error_of_true_gradient(evidence, names),
        equally=[other.code for other in others],
    )


def _with_place(evidence: Evidence, names: Sequence[str], *lines: str) -> tuple[str, ...]:
    """The lines of evidence, after what the right blocks rule out."""
    place = infer_place(evidence.blocks, evidence.layers)
    about = place if place and any(name in place for name in names) else None
    return tuple(line for line in (about, *lines) if line)


def _error_of_true_gradient(evidence: Evidence, names: Sequence[str]) -> float | None:
    """How well the right backward pass of the network agrees on the blocks."""
    view = evidence.network
    if view is None:
        return None
    point = evidence.first
    gradients, penalties = view.gradients(point.values), view.penalties(point.values)
    return largest_error(
        error_if_right(point, block, gradients[block] + penalties[block])
        for block in gradients
        if evidence.names[block] in names
    )
