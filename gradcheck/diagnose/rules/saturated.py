"""GC903: the loss or the gradient is no number: where, and the stable form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, Rule
from gradcheck.finding import Finding
from gradcheck.preflight import Preflight
from gradcheck.recognition.identify import untied_view
from gradcheck.user.calls import Heard, Location, Raised
from gradcheck.user.problem import Problem
from gradcheck.words import gradient_of

STABLE_FORMS = (
    ("in log", "np.log(np.clip(p, 1e-12, None)), or the loss straight from the logits"),
    ("in exp", "subtract the row's largest before exp (softmax), or use scipy.special.expit"),
    ("in sqrt", "the square root of a sum plus a small constant"),
    ("divide", "a small constant in the denominator"),
)
LARGE = 300.0
"""The exp of numbers larger than this is close to overflow."""

UNKNOWN_FORM = (
    "look for a division by 0, a log of 0, or an exp of something large, and write its stable form"
)


def find(rule: Rule, preflight: Preflight, problem: Problem, heard: Heard) -> Iterator[Finding]:
    """Yield the finding on a loss that is not finite."""
    if not np.isfinite(preflight.center):
        message = f"your loss is {preflight.center} at your own parameters"
        yield _finding(rule, (), message, heard, _layers(problem))


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    names = tuple(block.name for block in evidence.blocks if block.verdict == "nonfinite")
    if names:
        message = f"{gradient_of(names)} not finite"
        yield _finding(rule, names, message, evidence.heard, _layers(evidence.problem))
    raised = evidence.first.raised
    if raised is not None and _is_arithmetic(raised.error):
        blocks = [block.name for block in evidence.blocks if block.verdict == "raised"]
        message = f"{raised.call} raised {raised.summary}"
        finding = _finding(rule, blocks, message, evidence.heard, _extremes(raised))
        yield replace(finding, location=raised.frames[-1]) if raised.frames else finding


def _is_arithmetic(error: BaseException) -> bool:
    """True if an exception is about overflow, or about a log of 0 or a division by 0."""
    text = str(error) if isinstance(error, ValueError) else ""
    return isinstance(error, ArithmeticError) or text.startswith(("math domain", "math range"))


def _extremes(raised: Raised) -> list[str]:
    """Describe the values in the line that raised that are 0, large or not finite."""
    lines = []
    line = raised.frames[-1].source if raised.frames else ""
    for name in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line)):
        value = raised.scope.get(name)
        if isinstance(value, float | int | np.ndarray | np.number) and np.size(value):
            sizes = np.abs(np.asarray(value, dtype=np.float64))
            if not np.all(np.isfinite(sizes)):
                lines.append(f"{name} is not finite")
            elif sizes.max() > LARGE:
                lines.append(f"{name} reaches {sizes.max():.3g}")
            elif sizes.min() == 0:
                lines.append(f"{name} is 0" if np.size(value) == 1 else f"{name} holds zeros")
    return lines


def _finding(
    rule: Rule, names: Sequence[str], message: str, heard: Heard, layers: Sequence[str]
) -> Finding:
    text, location = next(_numerical(heard), ("", None))
    stable = next((form for key, form in STABLE_FORMS if key in text), None)
    finding = rule.finding(
        names,
        message,
        evidence=(*((f"numpy's first warning: {text}",) if text else ()), *layers),
        fix=f"write the stable form: {stable}" if stable else UNKNOWN_FORM,
    )
    return replace(finding, location=location)


def _layers(problem: Problem) -> list[str]:
    """Describe the first layer of a known network whose numbers overflow or saturate."""
    view = untied_view(problem)
    if view is None:
        return []
    with np.errstate(all="ignore"):
        pre_activations, activations = view.forward(problem.parameters.values)
    layers = zip(view.activations, pre_activations, activations[1:], strict=True)
    for number, (function, pre_activation, activation) in enumerate(layers, start=1):
        name = function.name
        largest = float(np.max(np.abs(pre_activation)))
        if not np.isfinite(largest):
            return [f"layer {number}: its pre-activations are not finite"]
        if name in ("sigmoid", "softmax") and np.any((activation == 0) | (activation == 1)):
            return [
                f"layer {number}: its pre-activations reach {largest:.3g}, where the {name} is "
                "exactly 0 or 1"
            ]
    return []


def _numerical(heard: Heard) -> Iterator[tuple[str, Location]]:
    """Yield numpy's warnings of divisions by zero, overflows and invalid values, in order."""
    for text, location in heard.warnings:
        if text.startswith(("divide by zero", "overflow", "invalid value")):
            yield text, location


RULE = Rule(
    code="GC903",
    name="saturated",
    what="An exp overflows, a log is taken of 0, something is divided by 0: from there on the "
    "numbers are inf or nan.",
    shows="the loss or the gradient is inf or nan at the user's own parameters, or raises there.",
    example="p = np.exp(z) / np.exp(z).sum()",
    instead="e = np.exp(z - z.max());  p = e / e.sum()",
    detector=Direct(_find),
)
