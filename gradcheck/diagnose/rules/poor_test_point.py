"""GC905: the point hides bugs."""

from gradcheck.diagnose.rule import Note, Rule

RULE = Rule(
    code="GC905",
    name="poor-test-point",
    what="Some points let bugs pass unseen: square weights hide transposes, one sample hides a "
    "wrong mean, biases of zero hide what depends on them, as many units as samples hide mixed-up "
    "axes.",
    shows="the shapes and the values of the point alone show it.",
    example="sizes = [4, 4, 4];  b = np.zeros(4);  m = 1",
    instead="sizes = [5, 4, 3];  b = 0.1 * rng.normal(size=4);  m = 7",
    detector=Note(),
)
