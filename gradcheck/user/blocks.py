"""The point at which gradients are checked, as named blocks.

A block is one parameter array. Its name is the path that the user would write to reach it:
`W1`, `weights[0]`, `hidden_layer.weights`; a bare array is `params`.
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
"""Builds the user's structure around the given arrays, one per block; None for those left alone."""

BARE = "params"


@dataclass(frozen=True)
class Leaf:
    """A place in the user's structure that holds a parameter, and where its gradient may be.

    Attributes:
        name: the path as the user would write it, or the name that the user gave it.
        block: the index of its block; None where it is not checked. Leaves that are one array
            have one block.
        transposed: whether the block's array lies there transposed.
        in_object: whether it was found in an object's attribute, so that it need not be a
            parameter at all.
        part: "real" or "imag" of a complex array, which has a leaf and a block for each.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    block: int | None
    transposed: bool = False
    in_object: bool = False
    part: str = ""


def spread_of(value: Array, size: float) -> float:
    """The standard deviation of noise of a size, in those of a block, or in 0.1 if that is more."""
    return size * max(0.1, float(np.std(value)))


def with_noise(value: Array, size: float, rng: np.random.Generator) -> Array:
    """A block with normal noise added."""
    moved = np.asarray(rng.standard_normal(value.shape))
    moved *= size
    moved += value
    return moved


def moved_about(value: Array, spread: float, rng: np.random.Generator) -> Array:
    """A block with noise added that is uniform, so that it is bounded."""
    moved = np.asarray(rng.random(value.shape))
    moved -= 0.5
    moved *= math.sqrt(12) * spread
    moved += value
    return moved


@dataclass(frozen=True)
class Parameters:
    """The point at which gradients are checked, and the way back to the user's structure.

    Attributes:
        names: of the blocks, in the user's order.
        values: float64 copies of the blocks, each in its block's shape.
        dtypes: the dtypes as the user gave them.
        storage: the dtypes in which the user's functions see the blocks.
        pack: builds the user's structure around arrays shaped like `values`; arrays are
            referred to, not copied. Of objects it changes the attributes.
        working: the arrays in which the user's functions see the blocks, where these are always
            the same; None for what is packed anew.
        leaves: every place in the user's structure that holds an array.
        origin: what of the user's own memory is changed, and what was in it.
        torch: the modules and torch tensors that keep gradients of their own.
        undo: puts back what else belongs to these.
        vector: the shape of the one vector that the blocks were cut from, or None.
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
        """The user's structure with the values of one vector, in arrays of its own."""
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
        """The blocks of both parts of every complex array."""
        pairs = ((one.block, other.block, other.part) for one, other in pairwise(self.leaves))
        found = dict.fromkeys((a, b) for a, b, part in pairs if part == "imag")
        return tuple((a, b) for a, b in found if a is not None and b is not None)

    @property
    def undivided(self) -> Parameters:
        """The same with one leaf, and name, for both parts of a complex array."""
        kept = [leaf for leaf in self.leaves if leaf.part != "imag"]
        if len(kept) == len(self.leaves):
            return self
        checked = (leaf.name for leaf in kept if leaf.block is not None)
        return replace(self, leaves=tuple(kept), names=tuple(dict.fromkeys(checked)))

    @property
    def left_out(self) -> tuple[Leaf, ...]:
        """The places of arrays that are not checked."""
        return tuple(leaf for leaf in self.leaves if leaf.block is None)

    @property
    def ties(self) -> tuple[tuple[str, ...], ...]:
        """The names of the places that are one array, for every such array."""
        named: dict[int, list[str]] = {}
        for leaf in self.leaves:
            if leaf.block is not None:
                named.setdefault(leaf.block, []).append(leaf.name)
        return tuple(tuple(names) for names in named.values() if len(names) > 1)

    def bind(self, values: Sequence[Array]) -> list[Array]:
        """Arrays with the given values that may be changed in place, and are seen once packed."""
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
        """A point nearby, as the user's functions will see it; `size` is that of `spread_of`."""
        return self.rounded([moved_about(value, spread_of(value, size), rng) for value in values])

    def narrowed(self, kept: Sequence[int]) -> Parameters:
        """These parameters without the others, which the user's functions see as they were."""
        count, whole = len(self.values), self.pack
        renumbered = {old: new for new, old in enumerate(kept)}

        def pack(arrays: Sequence[Any]) -> Any:
            every: list[Any] = [None] * count
            for block, array in zip(kept, arrays, strict=True):
                every[block] = array
            return whole(every)

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
        """The arrays that the user's functions could have changed when they were given `given`."""
        return [
            array if working is None else working
            for array, working in zip(given, self.working, strict=True)
        ]

    def is_as_it_was(self) -> bool:
        """Whether the user's objects still hold these; of torch's it is not known."""
        return not self.torch and all(slot.holds(value) for slot, value in self.origin)

    def restore(self) -> None:
        """Puts the user's objects back as they were."""
        for slot, value in self.origin:
            slot.restore(value)
        for undo in self.undo:
            undo()

    def by_name(self, given: Mapping[str, Any], default: Any = None) -> list[Any]:
        """What is said of each block in a dict by their names.

        Raises:
            UsageError: it has a name that no block has.
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
    """The arrays of these shapes that lie in a vector one after the other, row by row."""
    shapes = list(shapes)
    if len(shapes) == 1:
        return [vector.reshape(shapes[0])]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = np.split(vector.reshape(-1), ends)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def by_block(returned: Any, names: Sequence[str]) -> list[Any]:
    """The arrays of the blocks, where there is one for each; or what there is for all of them."""
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
    """The path with every key in brackets: for names that would be the same otherwise."""
    steps = (step.index if isinstance(step, Position) else step for step in path)
    return BARE + "".join(f"[{step!r}]" for step in steps)


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
