"""GC856: the input gradient of a convolution with the unflipped kernel."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC856",
    name="kernel-not-rotated",
    what="The gradient of a convolution's input is a full convolution with the rotated kernel; the "
    "kernel was used as it is.",
    shows="the gradient of the kernel is right; that of the input is right with a flipped kernel.",
    example="dx = correlate(pad(upstream), kernel)",
    instead="dx = correlate(pad(upstream), kernel[::-1, ::-1])",
    detector=Traced((fault.REVERSED,)),
    edits=(EditKind.FUNCTION, EditKind.PART),
)
