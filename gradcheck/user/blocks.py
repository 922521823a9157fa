"""The point at which gradients are checked, as named blocks.

A block is one parameter array. Its name is the path that the user would write to reach it:
`W1`, `weights[0]`, `hidden_layer.weights`; a single array is called `params`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.numeric.storage import stored
from gradcheck.user.conventions import TORCH, Convention
from gradcheck.user.objects import Position, Slot
from gradcheck.words import indexed, printable, with_nearest

Array = NDArray[np.float64]
Path = tuple[Any, ...]
"""The keys, attributes and positions (`Position`) that lead to a leaf."""

Pack = Callable[[Sequence[Any]], Any]
"""Builds the user's structure around arrays, one per block; None keeps the user's own array."""

BARE = "params"


@dataclass(frozen=True)
class Leaf:
    """A place in the user's structure that holds a parameter.

    Attributes:
        name: the path as the user would write it, or the name that the user gave it.
        block: the index of its block, None if it is not checked; places of the same array share it.
        transposed: whether this place holds the transpose of the block's array.
        in_object: whether it is an attribute of an object, and may be no parameter at all.
        part: "real" or "imag" of a complex array, which has a leaf and a block for each part.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    block: int | None
    transposed: bool = False
    in_object: bool = False
    part: str = ""


def spread_of(value: Array, size: float) -> float:
    """The standard deviation of noise: `size` times that of the block, or times 0.1 if larger."""
    return size * max(0.1, float(np.std(value)))


def with_noise(value: Array, size: float, rng: np.random.Generator) -> Array:
    """A block with normal noise of standard deviation `size` added."""
    moved = np.asarray(rng.standard_normal(value.shape))
    moved *= size
    moved += value
    return moved


def moved_about(value: Array, spread: float, rng: np.random.Generator) -> Array:
    """A block with uniform, hence bounded, noise of standard deviation `spread` added."""
    moved = np.asarray(rng.random(value.shape))
    moved -= 0.5
    moved *= math.sqrt(12) * spread
    moved += value
    return moved


@dataclass(frozen=True)
class Parameters:
    """The point at which gradients are checked, and the way back to the user's structure.

    Attributes:
        names: the names of the blocks, in the user's order.
        values: float64 copies of the blocks, each in its block's shape.
        dtypes: the dtypes as the user gave them.
        storage: the dtypes in which the user's functions see the blocks.
        pack: builds the user's structure around arrays shaped like `values`, without copying them;
            the attributes of objects are set.
        working: for blocks in the user's own memory, the array that the functions read; else None.
        leaves: every place in the user's structure that holds an array.
        owner: the user's structure.
        origin: the places in the user's memory that are changed, with their original content.
        torch: the modules and torch tensors, whose `.grad` must be cleared.
        undo: functions that restore the state of these.
        vector: the shape of the one vector that the blocks were cut from, or None.
        convention: how complex gradients are read.
    """

    names: tuple[str, ...]
    values: tuple[Array, ...]
    dtypes: tuple[np.dtype[Any], ...]
    storage: tuple[np.dtype[Any], ...]
    pack: Pack
    working: tuple[Array | None, ...]
    leaves: tuple[Leaf, ...]
    owner: Any
    origin: tuple[tuple[Slot, Array], ...] = ()
    torch: tuple[Any, ...] = field(default=(), repr=False)
    undo: tuple[Callable[[], None], ...] = field(default=(), repr=False)
    vector: tuple[int, ...] | None = None
    convention: Convention = TORCH

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of every block."""
        return tuple(value.shape for value in self.values)

    @property
    def flat(self) -> Array:
        """All values in one vector."""
        return np.concatenate([value.ravel() for value in self.values])

    def pack_flat(self, flat: Array) -> Any:
        """The user's structure with the values of one vector, copied."""
        return self.pack([part.copy() for part in cut(flat, self.shapes)])

    @property
    def in_place(self) -> bool:
        """Whether any block lives in the user's own memory or object."""
        return bool(self.origin)

    @property
    def has_complex(self) -> bool:
        """Whether any of the user's arrays is complex."""
        return any(leaf.part for leaf in self.leaves)

    @property
    def halves(self) -> tuple[tuple[int, int], ...]:
        """The pairs of blocks (real, imaginary) of complex arrays."""
        pairs = ((real.block, imag.block, imag.part) for real, imag in pairwise(self.leaves))
        different = dict.fromkeys((a, b) for a, b, part in pairs if part == "imag")
        return tuple((a, b) for a, b in different if a is not None and b is not None)

    @property
    def undivided(self) -> Parameters:
        """The parameters with one leaf and one name for both parts of a complex array."""
        firsts = [leaf for leaf in self.leaves if leaf.part != "imag"]
        if len(firsts) == len(self.leaves):
            return self
        checked = (leaf.name for leaf in firsts if leaf.block is not None)
        return replace(self, leaves=tuple(firsts), names=tuple(dict.fromkeys(checked)))

    @property
    def left_out(self) -> tuple[Leaf, ...]:
        """The places of arrays that are not checked."""
        return tuple(leaf for leaf in self.leaves if leaf.block is None)

    @property
    def ties(self) -> tuple[tuple[str, ...], ...]:
        """For every array with several places, the names of these."""
        named: dict[int, list[str]] = {}
        for leaf in self.leaves:
            if leaf.block is not None:
                named.setdefault(leaf.block, []).append(leaf.name)
        return tuple(tuple(names) for names in named.values() if len(names) > 1)

    def bind(self, values: Sequence[Array]) -> list[Array]:
        """Arrays with the given values that may be changed in place; packed code sees changes."""
        bound = []
        for value, working in zip(values, self.working, strict=True):
            if working is None:
                bound.append(np.array(value, order="K"))
            else:
                working[...] = value
                bound.append(working)
        return bound

    def stored(self, values: Sequence[Array]) -> tuple[NDArray[Any], ...]:
        """The values in the types in which the user's functions see them."""
        pairs = zip(values, self.storage, strict=True)
        return tuple(stored(value, storage) for value, storage in pairs)

    def rounded(self, values: Sequence[Array]) -> tuple[Array, ...]:
        """The values as the user's functions will see them, in float64."""
        return tuple(value.astype(np.float64, copy=False) for value in self.stored(values))

    def nudged(
        self, values: Sequence[Array], size: float, rng: np.random.Generator
    ) -> tuple[Array, ...]:
        """A nearby point, as the user's functions will see it; `size` is that of `spread_of`."""
        return self.rounded([moved_about(value, spread_of(value, size), rng) for value in values])

    def narrowed(self, kept: Sequence[int], wide: Sequence[int] = ()) -> Parameters:
        """Only the blocks in `kept`; the functions see the original arrays of others not `wide`."""
        count, whole = len(self.values), self.pack
        renumbered = {old: new for new, old in enumerate(kept)}

        def pack(arrays: Sequence[Any]) -> Any:
            given = {block: self.working[block] for block in wide}
            given |= zip(kept, arrays, strict=True)
            return whole([given.get(block) for block in range(count)])

        by_block = ("names", "values", "dtypes", "storage", "working")
        chosen: dict[str, Any] = {
            name: tuple(getattr(self, name)[block] for block in kept) for name in by_block
        }
        return replace(
            self,
            **chosen,
            pack=pack,
            leaves=tuple(
                replace(leaf, block=None if leaf.block is None else renumbered.get(leaf.block))
                for leaf in self.leaves
            ),
        )

    def held(self, given: Sequence[Array]) -> list[Array]:
        """The arrays that the user's functions may have changed when called with `given`."""
        return [
            array if working is None else working
            for array, working in zip(given, self.working, strict=True)
        ]

    def is_as_it_was(self) -> bool:
        """Whether the user's objects are unchanged; False if torch is involved, as unknown."""
        return not self.torch and all(slot.holds(value) for slot, value in self.origin)

    def restore(self) -> None:
        """Restores the user's objects."""
        for slot, value in self.origin:
            slot.restore(value)
        for undo in self.undo:
            undo()

    def by_name(self, given: Mapping[str, Any], default: Any = None) -> list[Any]:
        """The items of a dict by block names, in the order of the blocks.

        Raises:
            UsageError: a key is no name of a block.
        """
        for name in given:
            if name not in self.names:
                raise UsageError(with_nearest(f"no block is called {name!r}", name, self.names))
        return [given.get(name, default) for name in self.names]

    def entry_name(self, block: int, entry: int) -> str:
        """An entry as the user would write it, from its flat index: `W1[0, 3]`."""
        index = np.unravel_index(entry, self.values[block].shape)
        return indexed(printable(self.names[block]), index)


def cut(vector: NDArray[Any], shapes: Iterable[tuple[int, ...]]) -> list[NDArray[Any]]:
    """Cuts a vector into consecutive arrays of these shapes, row by row."""
    shapes = list(shapes)
    if len(shapes) == 1:
        return [vector.reshape(shapes[0])]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = np.split(vector.reshape(-1), ends)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def by_block(returned: Any, names: Sequence[str]) -> list[Any]:
    """The returned arrays, one per block; or a list of the one array for all blocks."""
    if isinstance(returned, Mapping):
        return [returned[name] for name in names if name in returned]
    several = isinstance(returned, list | tuple) and len(returned) == len(names) > 1
    return list(returned) if several else [returned]


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


def keyed_name(path: Path) -> str:
    """The path with every key in brackets, for paths that would have the same name otherwise."""
    steps = (step.index if isinstance(step, Position) else step for step in path)
    return BARE + "".join(f"[{step!r}]" for step in steps)


def describe(value: Any) -> str:
    """A value in a few words, for messages: `a list of 3`, `an array of shape (2, 3)`."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    if isinstance(value, Mapping | list | tuple):
        return f"{article} {kind} of {len(value)}" if len(value) else f"an empty {kind}"
    return f"{article} {kind}"
