"""The sizes of a problem that occur as factors: batch size, outputs, features, units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gradcheck.recognition.network_view import NetworkView
from gradcheck.user.problem import Problem


@dataclass(frozen=True)
class Sizes:
    """The sizes of the data; None for unknown ones.

    Attributes:
        batch_size: the number of samples, m.
        outputs: the number of outputs per sample, K.
        features: the number of features per sample.
        hidden: the numbers of units of the hidden layers.
    """

    batch_size: int | None
    outputs: int | None
    features: int | None
    hidden: tuple[int, ...] = ()

    def axis_words(self, length: int) -> str | None:
        """Return the meaning of an axis by its length (`hidden units`); None if it is ambiguous."""
        meanings = [
            words
            for size, words in (
                (self.batch_size, "samples"),
                (self.outputs, "outputs"),
                (self.features, "features"),
                *((size, "hidden units") for size in set(self.hidden)),
            )
            if size == length
        ]
        return meanings[0] if len(meanings) == 1 and length > 1 else None

    def shape_words(self, shape: tuple[int, ...]) -> str:
        """Return a shape with its axes in words if all are known, `(32, 100) samples x outputs`."""
        words = [word for length in shape if (word := self.axis_words(length))]
        return f"{shape} {' x '.join(words)}" if len(words) == len(shape) > 0 else str(shape)


def read_sizes(problem: Problem, view: NetworkView | None) -> Sizes:
    """Read the sizes from the network if it is known, otherwise from the data."""
    if problem.layer is not None:
        return _layer_sizes(problem)
    if view is None:
        return _data_sizes(problem)
    widths = [place.n_out for place in view.placed]
    return Sizes(view.batch_size, widths[-1], view.placed[0].n_in, tuple(widths[:-1]))


def _layer_sizes(problem: Problem) -> Sizes:
    """Return the batch size of a layer, the length of the first axis of its first input."""
    shape = problem.parameters.shapes[0]
    return Sizes(shape[0] if len(shape) > 1 else None, None, None)


def _data_sizes(problem: Problem) -> Sizes:
    inputs, targets = problem.inputs, problem.targets
    if inputs is None:
        return Sizes(None, None, None)
    axis = _sample_axis(problem, inputs, targets)
    if inputs.ndim < 2 or axis is None:
        return Sizes(1 if axis is not None else None, None, inputs.size if inputs.ndim else None)
    batch_size = inputs.shape[axis]
    return Sizes(
        batch_size=batch_size,
        outputs=None if targets is None else max(1, targets.size // max(batch_size, 1)),
        features=inputs.size // max(batch_size, 1),
    )


def _sample_axis(
    problem: Problem, inputs: NDArray[Any], targets: NDArray[Any] | None
) -> int | None:
    """Return the axis of the samples by the network, the targets, or the sizes of the weights."""
    if problem.network is not None:
        return 0 if problem.network.layout == "rows" or inputs.ndim < 2 else 1
    if inputs.ndim < 2:
        return None
    if targets is not None and targets.ndim >= 1:
        shared = [axis for axis in (0, 1) if inputs.shape[axis] in targets.shape]
        same_place = [
            axis
            for axis in shared
            if axis < targets.ndim and inputs.shape[axis] == targets.shape[axis]
        ]
        if len(shared) == 1:
            return shared[0]
        if len(same_place) == 1:
            return same_place[0]
    in_weights = [
        any(inputs.shape[axis] in shape for shape in problem.parameters.shapes) for axis in (0, 1)
    ]
    if in_weights == [False, True]:
        return 0
    if in_weights == [True, False]:
        return 1
    return 0
