"""GC904: integers were promoted to float64 for the check."""

from gradcheck.diagnose.rule import Note, Rule

RULE = Rule(
    code="GC904",
    name="integer-parameters",
    what="The parameters are whole numbers. The check moves them as floating-point numbers; an "
    "update in integers would lose the gradient.",
    shows="the dtype of the array is an integer type.",
    example="W = np.zeros((3, 4), dtype=int)",
    instead="W = np.zeros((3, 4))",
    detector=Note(),
)
