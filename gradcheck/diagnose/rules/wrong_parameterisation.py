"""GC605: the derivative by theta where the parameter is log theta."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.evidence import Evidence, error_if_right, largest_error
from gradcheck.diagnose.rule import EditKind, Last, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault


def _find(rule: Rule, evidence: Evidence, blocks: Sequence[int]) -> Iterator[Finding]:
    """Yield blocks that are right once each entry is multiplied by exp of its parameter."""
    for index in blocks:
        errors: list[float | None] = []
        for point in evidence.points:
            value, gradient = point.values[index], point.blocks[index].gradient.value
            if gradient is None or np.shape(gradient) != value.shape:
                errors.append(None)
                continue
            with np.errstate(over="ignore"):
                gain = np.exp(value)
            errors.append(error_if_right(point, index, gradient * gain, float(np.max(gain))))
        error = largest_error(errors)
        if error is not None and np.ptp(evidence.first.values[index]) > 0:
            name = evidence.names[index]
            yield rule.finding(
                (name,),
                f"the gradient of {name} is that by exp({name})",
                evidence=(
                    f"numeric / analytic is exp({name}) on all "
                    f"{evidence.blocks[index].entries} entries checked{evidence.elsewhere}",
                ),
                fix=f"multiply it by exp({name}), of which the parameters are the logarithms",
                error_after_fix=error,
            )


RULE = Rule(
    code="GC605",
    name="wrong-parameterisation",
    what="The loss uses a function of the parameter, such as exp of a log standard deviation, and "
    "the gradient is that by the function's value: the derivative of the function is missing.",
    shows="numeric over analytic is the value itself.",
    example="d_log_sigma = d_sigma",
    instead="d_log_sigma = d_sigma * sigma",
    detector=Traced((fault.PARAMETERISATION,)),
    also=(Last(_find),),
    edits=(EditKind.MISSING_FACTOR,),
)
