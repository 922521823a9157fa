"""GC419: a complex number goes back as it is, where its conjugate belongs, or the reverse."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC419",
    name="conjugate-missing",
    what="What multiplies a complex number on the way forward multiplies its gradient on the way "
    "back by the conjugate: dL/dx + i dL/dy of z = x + i y in w = A @ z is A.conj().T @ that of w. "
    "With real numbers the two are the same. A Fourier transform goes back as the inverse one, "
    "which is its conjugate up to a constant.",
    shows="with the conjugate of one operand, or the inverse transform, the gradient is right.",
    example="g_z = A.T @ g_w            # w = A @ z, all complex",
    instead="g_z = A.conj().T @ g_w",
    detector=Traced((fault.CONJUGATE,)),
    edits=(EditKind.CONJUGATE,),
)
