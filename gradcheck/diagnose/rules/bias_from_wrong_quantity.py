"""GC501: the bias's gradient is summed from something else than delta."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC501",
    name="bias-from-wrong-quantity",
    what="The gradient of a bias is the sum of the layer's delta over the samples. Here it is the "
    "sum of something else: the bare error, without the slope, or another layer's delta.",
    shows="the weights of the layer are right, so its delta is, and the bias is not.",
    example="dW = np.outer(a, error * slope);  db = error",
    instead="delta = error * slope;  dW = np.outer(a, delta);  db = delta",
    detector=Traced((fault.BIAS_OF_ANOTHER,)),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.MISSING_FACTOR, EditKind.COLUMN),
)
