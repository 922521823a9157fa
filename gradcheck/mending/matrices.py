"""The search for an edit of a Jacobian or Hessian, as for a gradient of all rows with weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.diagnose.engine import Diagnosis
from gradcheck.diagnose.matrix_lines import Lines, compared_as_loss
from gradcheck.mending.model import Repair
from gradcheck.numeric.row_noise import RowNoise
from gradcheck.options import Options
from gradcheck.progress import progress_bar
from gradcheck.user.contracted import Weighted
from gradcheck.user.vectors import Vectors


def repair_of_matrix(
    vectors: Vectors,
    claimed: Callable[[Any], Any],
    noise: RowNoise,
    found: Lines,
    unsearched: str,
    options: Options,
) -> Repair | None:
    """Search for an edit that makes J^T u right, for weights u of all rows, at all points.

    No weight is a multiple of another, and the errors differ at each point: rows do not make up
    for one another. The weights make the noise of the rows alike. `claimed` is the matrix, as a
    function of the user's structure; `unsearched` says why there is no search, if there is none.
    """
    if options.repair is None:
        return None
    if unsearched:
        return Repair(reason=unsearched)
    from gradcheck.mending.process import repair

    weights = Weighted(float(np.min(noise.level)) / noise.level)
    rng = np.random.default_rng(options.seed)
    parameters = vectors.parameters
    compared = compared_as_loss(vectors, claimed, weights, parameters, found.columns, rng)
    if compared is None:
        return Repair(reason="the rows of the matrix could not be compared with weights")
    diagnosis = Diagnosis(findings=found.findings, faults=found.faults)
    with progress_bar() as begin:
        return repair(compared, diagnosis, options.repair, begin("edits", 0))
