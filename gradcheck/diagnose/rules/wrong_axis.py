"""GC209: a sum or a mean over another axis than the right one."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC209",
    name="wrong-axis",
    what="A sum or a mean of the backward pass goes over the samples where it must go over the "
    "features, or over everything, because its axis is wrong or missing.",
    shows="with another axis in that one call, the gradient is right.",
    example="middle = g.mean(axis=0)      # the layer norm averages over axis 1",
    instead="middle = g.mean(axis=1, keepdims=True)",
    detector=Traced((fault.WRONG_AXIS,)),
    edits=(EditKind.AXIS, EditKind.SUM),
)
