"""Parameters of any structure <-> named blocks, in the user's order.

A block is one parameter array. Its name is the path that the user would write to reach it:
`W1`, `weights[0]`, `hidden_layer.weights`; a bare array is `params`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError

Array = NDArray[np.float64]
Path = tuple[Any, ...]
"""The keys (str or any other dict key) and positions (`Position`) that lead to a leaf."""

Pack = Callable[[Sequence[Array]], Any]
"""Builds the user's structure around the given arrays, one per block."""

BARE = "params"


@dataclass(frozen=True)
class Position:
    """A place in a list or a tuple, as opposed to a key of a dict."""

    index: int


@dataclass(frozen=True)
class Parameters:
    """The point at which gradients are checked, and the way back to the user's structure.

    Attributes:
        paths: one path per block, in the user's order.
        names: the paths as the user would write them.
        values: float64 copies of the blocks, each in its block's shape.
        dtypes: the dtypes as the user gave them.
        pack: builds the user's structure around arrays shaped like `values`; arrays are
            referred to, not copied.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    values: tuple[Array, ...]
    dtypes: tuple[np.dtype[Any], ...]
    pack: Pack

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of every block."""
        return tuple(value.shape for value in self.values)

    def entry_name(self, block: int, entry: int) -> str:
        """An entry as the user would write it, from its flat index: `W1[0, 3]`."""
        index = np.unravel_index(entry, self.values[block].shape)
        where = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.names[block]}{where}"


def flatten(params: Any) -> Parameters:
    """Reads named blocks from arrays, numbers, lists, tuples, dicts and nestings of them.

    Anything else found in a container (None, text, integers that are settings) is handed on to
    the user's functions as it is.

    Raises:
        UsageError: there is no array in `params`, or one that has no gradient (object, complex).
    """
    leaves: list[tuple[Path, Any]] = []
    pack = _reader(params, (), leaves)
    if not leaves:
        raise UsageError(
            f"params holds no arrays (it is {describe(params)}); give an array, or a dict, list or "
            "tuple of arrays"
        )
    paths = tuple(path for path, _ in leaves)
    return Parameters(
        paths=paths,
        names=tuple(path_name(path) for path in paths),
        values=tuple(_as_float64(leaf, path_name(path)) for path, leaf in leaves),
        dtypes=tuple(np.asarray(leaf).dtype for _, leaf in leaves),
        pack=pack,
    )


def path_name(path: Path) -> str:
    """The path as the user would write it: `layers[0].W`."""
    name = ""
    for step in path:
        if isinstance(step, Position):
            name = f"{name or BARE}[{step.index}]"
        elif isinstance(step, str):
            name = f"{name}.{step}" if name else step
        else:
            name = f"{name or BARE}[{step!r}]"
    return name or BARE


def describe(value: Any) -> str:
    """What a value is, in a few words for a message: `a list of 3`, `an array of shape (2, 3)`."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    if isinstance(value, Mapping | list | tuple):
        return f"{article} {kind} of {len(value)}" if len(value) else f"an empty {kind}"
    return f"{article} {kind}"


def is_leaf(value: Any) -> bool:
    """Whether a value is one block: an array, a float or a numpy number.

    Arrays of booleans, text and dates are settings or data, not parameters.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "bUSMm"
    return isinstance(value, float | np.floating | np.integer)


def children(container: Any) -> Iterator[tuple[Any, Any]]:
    """The steps out of a container, in order: (key or Position, value)."""
    if isinstance(container, Mapping):
        yield from container.items()
    elif isinstance(container, list | tuple):
        for index, item in enumerate(container):
            yield Position(index), item


def _reader(value: Any, path: Path, leaves: list[tuple[Path, Any]]) -> Pack:
    """Appends the leaves below `value`, and returns what rebuilds it."""
    if is_leaf(value):
        leaves.append((path, value))
        return _leaf_pack(value, len(leaves) - 1)
    if isinstance(value, Mapping | list | tuple):
        packs = [(step, _reader(item, (*path, step), leaves)) for step, item in children(value)]
        return _container_pack(value, packs)
    return lambda arrays: value


def _leaf_pack(leaf: Any, block: int) -> Pack:
    if isinstance(leaf, np.ndarray):
        subclass = type(leaf)
        if subclass is np.ndarray:
            return lambda arrays: arrays[block]
        return lambda arrays: arrays[block].view(subclass)
    if isinstance(leaf, np.generic):
        return lambda arrays: np.float64(arrays[block])
    return lambda arrays: float(arrays[block])


def _container_pack(container: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    if isinstance(container, dict) and type(container) is not dict:

        def pack_subclass(arrays: Sequence[Array]) -> Any:
            packed = container.copy()
            packed.update((key, pack(arrays)) for key, pack in packs)
            return packed

        return pack_subclass
    if isinstance(container, Mapping):
        return lambda arrays: {key: pack(arrays) for key, pack in packs}
    if hasattr(container, "_fields"):
        return lambda arrays: type(container)(*(pack(arrays) for _, pack in packs))
    if isinstance(container, tuple):
        return lambda arrays: tuple(pack(arrays) for _, pack in packs)
    return lambda arrays: [pack(arrays) for _, pack in packs]


def _as_float64(leaf: Any, name: str) -> Array:
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} has dtype {array.dtype}; a gradient can be checked for real numbers only"
        )
    value = np.array(array, dtype=np.float64, order="K")
    if not np.all(np.isfinite(value)):
        where = np.argwhere(~np.isfinite(value))[0]
        entry = f"{name}[{', '.join(map(str, where))}]" if value.ndim else name
        raise UsageError(f"{entry} is {value[tuple(where)]}; parameters must be finite")
    return value
