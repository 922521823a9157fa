"""GC208: targets (m,) against outputs (m, 1) become an (m, m) residual."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault

FIX = "give the targets the shape of the outputs: y.reshape(-1, 1), or flatten the outputs"
MESSAGE = "targets (m,) are subtracted from outputs (m, 1), which makes a residual of (m, m)"


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    """Yield a gradient with a column for each sample, computed from the (m, m) residual."""
    view = evidence.network
    if view is None or view.targets.shape[1] != 1:
        return
    point = evidence.first
    trace = view.trace(point.values)
    last = view.placed[-1]
    gradient = point.blocks[last.layer.weight].gradient
    samples = view.batch_size
    if gradient.value is None or gradient.value.size != last.n_in * samples or samples < 2:
        return
    residual = trace.activations[-1] - view.targets.T
    slope = getattr(view.activations[-1], "slope", None)
    forms = [residual]
    if slope is not None:
        forms.append(residual * slope(trace.pre_activations[-1]))
    analytic = gradient.value.reshape(last.n_in, samples)
    penalty = np.repeat(last.weights(point.values).reshape(-1, 1), samples, axis=1)
    for form in forms:
        terms = np.stack([np.ravel(trace.activations[-2].T @ form), penalty.ravel()], axis=1)
        predicted = (terms @ np.linalg.lstsq(terms, analytic.ravel(), rcond=None)[0]).reshape(
            analytic.shape
        )
        if np.allclose(analytic, predicted, rtol=1e-7, atol=1e-9 * np.abs(analytic).max()):
            wrong = tuple(block.name for block in evidence.blocks if block.failed)
            yield rule.finding(
                wrong,
                MESSAGE,
                evidence=(
                    f"the gradient of {evidence.names[last.layer.weight]} has a column for each of "
                    f"the {samples} samples: it is the layer's input times that whole residual",
                ),
                fix=FIX,
            )
            return


RULE = Rule(
    code="GC208",
    name="label-shape-broadcast",
    what="The outputs are a column, (m, 1), and the targets flat, (m,). Numpy broadcasts their "
    "difference to (m, m): every output minus every target. It may be the loss alone that does so.",
    shows="a gradient with a column for each sample, or one made from sums of that residual; or it "
    "is, entry for entry, that of the loss with both in one shape.",
    example="error = y_pred - y      # (m, 1) - (m,)",
    instead="error = y_pred - y.reshape(-1, 1)",
    detector=Direct(_find),
    also=(Traced((fault.PAIRED,)),),
    edits=(EditKind.COLUMN,),
)
