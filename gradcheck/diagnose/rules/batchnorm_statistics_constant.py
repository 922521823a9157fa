"""GC853: mean and variance treated as constants."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC853",
    name="batchnorm-statistics-constant",
    what="The mean and the variance of a normalisation depend on its inputs; the backward pass "
    "treats them as constants.",
    shows="right once the paths through the mean and the variance are added.",
    example="dx = gamma * upstream / std",
    instead="g = gamma * upstream;  dx = (g - g.mean(0) - xhat * (g * xhat).mean(0)) / std",
    detector=Traced((fault.STATISTICS_CONSTANT,)),
    edits=(EditKind.MISSING_FACTOR, EditKind.ASSIGNED_OR_ADDED),
)
