"""GC605: the derivative by theta where the parameter is log theta."""

from __future__ import annotations

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC605",
    name="wrong-parameterisation",
    what="The loss takes a function of the parameter, a standard deviation from its logarithm, and "
    "the gradient is that by the function's value: the derivative of the function is missing.",
    shows="numeric over analytic is the value itself.",
    example="d_log_sigma = d_sigma",
    instead="d_log_sigma = d_sigma * sigma",
    detector=Traced((fault.PARAMETERISATION,)),
    edits=(EditKind.MISSING_FACTOR,),
)
