"""GC702: one sample of the batch contributes wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import EditKind, Last, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.recognition.network_view import NetworkView
from gradcheck.recognition.placed import Placed
from gradcheck.trace import fault
from gradcheck.user.blocks import Array

MOST_SAMPLES = 512
ROUNDING = 1e-7


def _find(rule: Rule, evidence: Evidence, blocks: Sequence[int]) -> Iterator[Finding]:
    """Yield the finding if an error of weights is one sample's input times a vector everywhere."""
    view = evidence.network
    if view is None or not 1 < view.batch_size <= MOST_SAMPLES:
        return
    for placed in reversed(view.placed):
        if placed.layer.weight not in blocks or placed.n_in < 2:
            continue
        samples = {_sample(view, placed, point) for point in evidence.points}
        sample = samples.pop()
        if samples or sample is None:
            continue
        names = tuple(evidence.names[block] for block in blocks)
        yield rule.finding(
            names,
            f"sample {sample} contributes wrongly to the gradients, and all others rightly",
            evidence=(
                f"the error of the gradient of {evidence.names[placed.layer.weight]} is the input "
                f"of sample {sample} (counted from 0) times one vector, here and at a second point",
            ),
            fix="look at how that sample is treated: a range that is one too short, a mask, a "
            "special case",
        )
        return


def _sample(view: NetworkView, placed: Placed, point: Point) -> int | None:
    """Return the sample whose input alone explains the error of a layer's weights, or None."""
    block = placed.layer.weight
    gradient = point.blocks[block].gradient
    if gradient.verdict != "ok" or gradient.value is None:
        return None
    values = point.values
    layer_input = view.trace(values).activations[placed.layer.number - 1]
    off = gradient.value - view.gradients(values)[block] - view.penalties(values)[block]
    errors: list[Array] = list(values)
    errors[block] = off
    error = placed.weights(errors)
    sizes = np.sum(layer_input**2, axis=1)
    largest = np.max(np.abs(error), axis=0)
    allowed, unit = ROUNDING * float(np.max(largest)), int(np.argmax(largest))
    samples = []
    for sample in np.flatnonzero(sizes):
        vector = layer_input[sample] @ error / sizes[sample]
        # one unit suffices to exclude most samples
        at_unit = error[:, unit] - layer_input[sample] * vector[unit]
        if float(np.max(np.abs(at_unit))) > allowed:
            continue
        left = error - np.outer(layer_input[sample], vector)
        if float(np.max(np.abs(left))) <= allowed:
            samples.append(int(sample))
    return samples[0] if len(samples) == 1 else None


RULE = Rule(
    code="GC702",
    name="single-sample",
    what="One sample of the batch is left out, counted twice or treated differently from the "
    "others.",
    shows="the error of every weight matrix is the outer product of one sample's input and a "
    "vector.",
    example="for i in range(m - 1): dW += np.outer(x[i], delta[i])",
    instead="for i in range(m): dW += np.outer(x[i], delta[i])",
    last_resort=True,
    detector=Last(_find),
    also=(Traced((fault.ONE_PASS, fault.SOME_LEFT_OUT)),),
    edits=(EditKind.CONSTANT, EditKind.REMOVED_FACTOR, EditKind.COMPARISON),
)
