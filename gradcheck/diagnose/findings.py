"""Findings from what matched: message, evidence, fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.derivation import Derivation, WalkedLayer
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.fits import Fit, is_among
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.numbers import CorrectionMatch, ScaleMatch, fitted_ratio, name_factor
from gradcheck.diagnose.rule import Penalty, Rule, Variant
from gradcheck.finding import Finding
from gradcheck.words import gradient_of, listed


def scale_findings(evidence: Evidence, group: Sequence[Sequence[ScaleMatch]]) -> Iterator[Finding]:
    """One finding for the blocks that are off by the same constant."""
    best = [matches[0] for matches in group]
    names = [evidence.names[match.block] for match in best]
    rule, factor = best[0].rule, best[0].factor
    same = [
        other.rule.code
        for other in group[0][1:]
        if other.rule is not rule and not other.rule.last_resort and _close(other, best[0])
    ]
    entries = sum(evidence.blocks[match.block].entries for match in best)
    ratios = [fitted_ratio(evidence.blocks[match.block]) for match in best]
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
    gradient = evidence.blocks[match.block].gradient.value
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


def chain_findings(
    evidence: Evidence,
    step: WalkedLayer,
    names: tuple[str, ...],
    below: Sequence[WalkedLayer],
    rules: Sequence[Rule],
) -> Iterator[Finding]:
    """What is wrong at one layer: in its delta, its factors, its penalty, its own products.

    Args:
        evidence: all that is known.
        step: what the walk found at the layer.
        names: the wrong blocks that its delta explains, here and below.
        below: what the walk found at the layers below.
        rules: all rules.
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
        message=f"layer {number}: {variant.message}",
        evidence=_with_place(evidence, names, *lines),
        fix=variant.fix,
        error_after_fix=_error_of_true_gradient(evidence, names),
        equally=_codes(rule, others),
    )


def _own_finding(
    evidence: Evidence, block: int, rule: Rule, variant: Variant, others: Sequence[Rule]
) -> Finding:
    """A block that was made wrongly from a delta that is known."""
    name = evidence.names[block]
    return Finding(
        code=rule.code,
        rule=rule.name,
        blocks=(name,),
        message=f"{name}: {variant.message}",
        evidence=_with_place(
            evidence,
            [name],
            f"that gives your gradient of {name} to rounding, at your parameters and at a second "
            "point",
        ),
        fix=variant.fix,
        error_after_fix=_error_of_true_gradient(evidence, (name,)),
        equally=_codes(rule, others),
    )


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
    return Finding(
        code=rule.code,
        rule=rule.name,
        blocks=tuple(names),
        message=f"{gradient_of(names)} {named.message}",
        evidence=_with_place(
            evidence,
            names,
            f"a backward pass with the factor {factor:.7g} in it gives your gradients of "
            f"{listed(names)} to rounding, at your parameters and at a second point",
        ),
        fix=named.fix,
        error_after_fix=_error_of_true_gradient(evidence, names),
        equally=_codes(rule, others),
    )


def _penalty_findings(
    evidence: Evidence, block: int, found: Fit, rules: Sequence[Rule]
) -> Iterator[Finding]:
    pairs = zip(found.penalty, found.wanted, strict=True)
    for kind, (coefficient, wanted) in enumerate(pairs):
        if coefficient == wanted:
            continue
        name = evidence.names[block] if not kind else f"the biases in {evidence.names[block]}"
        for rule in rules:
            words = [
                detector.words(name, coefficient, wanted)
                for detector in rule.detectors
                if isinstance(detector, Penalty)
            ]
            told = next((pair for pair in words if pair is not None), None)
            if told is not None:
                yield Finding(
                    code=rule.code,
                    rule=rule.name,
                    blocks=(evidence.names[block],),
                    message=told[0],
                    evidence=_with_place(
                        evidence,
                        [evidence.names[block]],
                        f"the right gradient with {coefficient:.6g} * {name} for the penalty gives "
                        "yours to rounding, at your parameters and at a second point",
                    ),
                    fix=told[1],
                    error_after_fix=_error_of_true_gradient(evidence, (evidence.names[block],)),
                )
                break


def _codes(rule: Rule, others: Sequence[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other.code for other in others if other is not rule))


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
    values = evidence.first.values
    trace = view.trace(values)
    errors = []
    for layer in view.layers:
        layer_input, delta = trace.activations[layer.number - 1], trace.deltas[layer.number - 1]
        gradients = view.block_gradients(values, layer.number, layer_input, delta)
        penalties = view.penalties(values, layer.number)
        for block in layer.blocks:
            if evidence.names[block] in names:
                right = gradients[block] + penalties[block]
                errors.append(error_if_right(evidence.first, block, right))
    known = [error for error in errors if error is not None]
    return max(known) if known and len(known) == len(errors) else None


def _close(one: ScaleMatch, other: ScaleMatch) -> bool:
    return bool(np.isclose(one.factor.value, other.factor.value, rtol=1e-9))
