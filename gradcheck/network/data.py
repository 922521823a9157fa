"""Checks the arguments of a network and brings its data into its layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from gradcheck.network.layouts import Array, Layout
from gradcheck.words import with_nearest


def require_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The name if it is known; raises ValueError if not."""
    names = list(known)
    if name in names:
        return name
    choices = f"There are: {', '.join(names)}"
    raise ValueError(with_nearest(f"there is no {kind} {name!r}", str(name), names, choices))


def require_sizes(sizes: Sequence[int], activations: Sequence[str]) -> tuple[int, ...]:
    """The sizes as a tuple; raises ValueError unless they and the activations make a network."""
    if isinstance(activations, str):
        raise ValueError(
            f"activations is the text {activations!r}; give one name per layer, in a list"
        )
    layers = tuple(int(size) for size in sizes)
    if (
        len(layers) < 2
        or min(layers) < 1
        or any(a != b for a, b in zip(layers, sizes, strict=True))
    ):
        raise ValueError(f"sizes is {list(sizes)}; it needs two or more positive whole numbers")
    if len(activations) != len(layers) - 1:
        raise ValueError(
            f"sizes {list(layers)} makes {len(layers) - 1} layers, but there are "
            f"{len(activations)} activations"
        )
    return layers


def require_shape(params: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    """The named parameter; raises ValueError if it is missing or does not have this shape."""
    if name not in params:
        raise ValueError(f"params has no {name}; it holds {', '.join(map(str, params))}")
    value = params[name]
    if np.shape(value) != shape:
        raise ValueError(f"{name} has shape {np.shape(value)}; the network's is {shape}")
    return value


def as_inputs(inputs: ArrayLike, features: int, layout: Layout) -> Array:
    """The inputs as a matrix in the layout; a vector is one sample."""
    data = _as_floating(inputs)
    if data.ndim == 1:
        data = data.reshape(layout.data_shape(1, data.size))
    if data.ndim != 2 or data.shape[layout.unit_axis] != features:
        expected = layout.data_shape(-1, features)
        raise ValueError(
            f"inputs have shape {data.shape}; a network of {features} inputs in {layout.name} "
            f"takes {str(expected).replace('-1', 'm')}"
        )
    return data


def as_targets(targets: ArrayLike, outputs: Array, layout: Layout, of_labels: bool) -> Array:
    """The targets in the shape of the outputs.

    If the loss is `of_labels`, class labels (integers, one per sample) become one-hot. With one
    output or one sample, a flat vector is accepted too.
    """
    wanted = np.asarray(targets)
    batch_size = outputs.shape[layout.sample_axis]
    units = outputs.shape[layout.unit_axis]
    labels = wanted.dtype.kind in "iub" and wanted.shape != outputs.shape
    if labels and wanted.size == batch_size and of_labels:
        classes = wanted.reshape(-1).astype(np.intp)
        if classes.min() < 0 or classes.max() >= units:
            raise ValueError(
                f"class labels go from {classes.min()} to {classes.max()}; the network has "
                f"{units} outputs, so they must be 0 to {units - 1}"
            )
        one_hot = np.eye(units)[classes]
        return one_hot if layout.sample_axis == 0 else one_hot.T
    if wanted.ndim < 2 and wanted.size == outputs.size and 1 in outputs.shape:
        wanted = wanted.reshape(outputs.shape)
    if wanted.shape != outputs.shape:
        raise ValueError(f"targets have shape {wanted.shape}; the outputs have {outputs.shape}")
    return _as_floating(wanted)


def _as_floating(values: ArrayLike) -> Array:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
