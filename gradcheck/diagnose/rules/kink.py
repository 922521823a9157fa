"""GC901: the point lies on a kink, where every slope between the one-sided ones is right."""

from gradcheck.diagnose.rule import Note, Rule

RULE = Rule(
    code="GC901",
    name="kink",
    what="A relu, a maximum or an absolute value has no derivative at its kink. Every slope "
    "between the left one and the right one is a valid choice there, and none is counted as wrong.",
    shows="the one-sided slopes differ however small the step is, and the gradient lies between "
    "them.",
    example="w = np.zeros(3);  loss = np.abs(w).sum()",
    instead="w = np.full(3, 0.1)      # to test the slopes themselves",
    detector=Note(),
)
