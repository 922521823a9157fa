"""What a network is given, checked at the door and put into its layout."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradcheck.network.layouts import Layout

Array = NDArray[np.floating[Any]]


def require_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The name, if it is known.

    Raises:
        ValueError: it is not; the message has the nearest names and the list.
    """
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    near = difflib.get_close_matches(str(name).lower(), names, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(f"there is no {kind} {name!r}; {hint}there are: {', '.join(names)}")


def require_sizes(sizes: Sequence[int], activations: Sequence[str]) -> tuple[int, ...]:
    """The sizes as a tuple, if they and the activations make a network.

    Raises:
        ValueError: they do not.
    """
    try:
        layers = tuple(whole_number("size", size, at_least=1) for size in sizes)
    except (TypeError, ValueError):
        layers = ()
    if len(layers) < 2:
        raise ValueError(f"sizes is {sizes!r}; it needs two or more positive whole numbers")
    if isinstance(activations, str):
        raise ValueError(
            f"activations is the text {activations!r}; give one name per layer, in a list: "
            f"{[activations] * (len(layers) - 1)}"
        )
    if len(activations) != len(layers) - 1:
        raise ValueError(
            f"sizes {list(layers)} needs {len(layers) - 1} activations, one per layer after the "
            f"inputs; {len(activations)} given"
        )
    return layers


def whole_number(name: str, value: int, at_least: int) -> int:
    """The value as an int.

    Raises:
        ValueError: it is no whole number, or too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = at_least - 1
    if isinstance(value, bool) or number < at_least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number, {at_least} or more")
    return number


def as_params(
    params: Mapping[str, ArrayLike], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """The parameters as floating arrays, in the order of `shapes`.

    Raises:
        ValueError: a name is missing or unknown, or a shape is wrong.
    """
    if set(params) != set(shapes):
        raise ValueError(f"params has {', '.join(params)}; the network has {', '.join(shapes)}")
    arrays = {name: _as_floating(name, params[name]) for name in shapes}
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name} has shape {array.shape}; the network needs {shapes[name]}")
    return arrays


def as_inputs(inputs: ArrayLike, features: int, layout: Layout) -> Array:
    """The inputs as a matrix in the layout; a vector is one sample.

    Raises:
        ValueError: they are no samples of as many features as the network has inputs.
    """
    data = _as_floating("inputs", inputs)
    if data.shape == (features,):
        return data.reshape(layout.data_shape(1, features))
    if data.ndim != 2 or data.shape[layout.unit_axis] != features:
        expected = str(layout.data_shape(-1, features)).replace("-1", "m")
        raise ValueError(
            f"inputs have shape {data.shape}; this network takes {expected}, m samples in "
            f"{layout.name}, or one sample of shape {(features,)}"
        )
    if data.shape[layout.sample_axis] == 0:
        raise ValueError(f"inputs have shape {data.shape}: there is no sample in them")
    return data


def as_targets(targets: ArrayLike, outputs: Array, layout: Layout, loss: str) -> Array:
    """The targets in the shape of the outputs.

    Class labels (whole numbers, one per sample) become one-hot for the categorical cross-entropy.
    One output, or one sample, also takes a flat vector.

    Raises:
        ValueError: their shape is not that of the outputs, or a label is no class.
    """
    wanted = np.asarray(targets)
    takes_labels = loss == "categorical_cross_entropy"
    batch_size = outputs.shape[layout.sample_axis]
    if takes_labels and wanted.dtype.kind in "iu" and wanted.shape == (batch_size,):
        one_hot = _one_hot(wanted, outputs.shape[layout.unit_axis], outputs.dtype)
        return one_hot if layout.sample_axis == 0 else one_hot.T
    if 1 in outputs.shape and wanted.shape == (outputs.size,):
        wanted = wanted.reshape(outputs.shape)
    if wanted.shape != outputs.shape:
        labels = f", or class labels as integers of shape {(batch_size,)}" if takes_labels else ""
        raise ValueError(
            f"targets have shape {wanted.shape} ({wanted.dtype}); they need the shape of the "
            f"outputs, {outputs.shape}{labels}"
        )
    return _as_floating("targets", wanted)


def _one_hot(labels: NDArray[Any], classes: int, dtype: np.dtype[Any]) -> Array:
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"class labels go from {labels.min()} to {labels.max()}; the network has {classes} "
            f"outputs, so they must be 0 to {classes - 1}"
        )
    return np.asarray(np.eye(classes, dtype=dtype)[labels])


def _as_floating(name: str, values: ArrayLike) -> Array:
    """float32 and float64 (and wider) as they are, everything else in float64."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} are of type {array.dtype}; they must be real numbers")
    return array if array.dtype.kind == "f" and array.itemsize >= 4 else array.astype(np.float64)
