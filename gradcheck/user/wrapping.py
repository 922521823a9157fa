"""`gradcheck.parameters`: parameters with names, shapes or limits that the user chooses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Leaf, Parameters, cut, describe
from gradcheck.user.structures import flatten, read_structure


def parameters(
    params: Any,
    *,
    names: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    only: str | Iterable[str] | None = None,
    in_place: bool = False,
) -> Parameters:
    """Parameters with names, shapes or limits of your choice; pass them to `check` as `params`.

    Example:
        >>> import numpy as np, gradcheck
        >>> theta = gradcheck.parameters(np.ones(5), shapes={"W": (2, 2), "b": (1,)})
        >>> theta.names
        ('W', 'b')

    Args:
        params: as in `check`.
        names: the names of the blocks, in their order.
        shapes: cuts one vector into consecutive named blocks, each in row-major order:
            `{"W1": (4, 3), "b1": (4,)}`. The functions take, and may return, the whole vector.
        only: the names of the blocks to check; `*` stands for any text (`layers[*].W`), and the
            name of a container stands for all blocks in it (`hidden_layer`). The functions see the
            other blocks unchanged.
        in_place: perturbs the given arrays themselves, because the functions read them (globals, a
            network's own weights), and restores them. The functions may then take no arguments.

    Raises:
        UsageError: the arguments do not fit the parameters.
    """
    found = _in_place(params) if in_place else flatten(params)
    if shapes is not None:
        found = _cut(found, shapes)
    if names is not None:
        found = _renamed(found, names)
    return found if only is None else _only(found, [only] if isinstance(only, str) else list(only))


def _in_place(params: Any) -> Parameters:
    if isinstance(params, Parameters):
        raise UsageError("params is the result of gradcheck.parameters already; say all at once")
    found = read_structure(params, in_place=True)
    for name, dtype, working in zip(found.names, found.dtypes, found.working, strict=True):
        if dtype.kind != "f":
            raise UsageError(
                f"{name} holds whole numbers ({dtype}), which cannot be perturbed in place; make "
                "it a float64 array"
            )
        if working is not None and not working.flags.writeable:
            raise UsageError(
                f"{name} is read-only, so it cannot be perturbed in place; give a copy, or leave "
                "in_place out"
            )
    return found


def _cut(found: Parameters, shapes: Mapping[str, tuple[int, ...]]) -> Parameters:
    """The consecutive blocks of one vector."""
    if len(found.values) != 1:
        raise UsageError(
            f"shapes cuts one vector into blocks, but params holds {len(found.values)} arrays "
            f"({', '.join(found.names[:8])})"
        )
    whole = found.values[0]
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    if sum(sizes.values()) != whole.size:
        listed = " + ".join(f"{size} ({name})" for name, size in sizes.items())
        raise UsageError(
            f"shapes has {listed} = {sum(sizes.values())} numbers, and {found.names[0]} has "
            f"{whole.size}"
        )
    own = found.working[0]
    vector = np.array(whole, order="C") if own is None or not own.flags.c_contiguous else own
    originals = tuple(cut(whole, shapes.values()))
    working = tuple(cut(vector, shapes.values()))

    def pack(arrays: Sequence[Any]) -> Any:
        pairs = zip(arrays, originals, strict=True)
        given = [original if array is None else array for array, original in pairs]
        others = [
            (piece, one) for piece, one in zip(working, given, strict=True) if one is not piece
        ]
        if own is None and others:
            return found.pack(
                [np.concatenate([np.ravel(one) for one in given]).reshape(whole.shape)]
            )
        for piece, one in others:
            piece[...] = one
        return found.pack([vector])

    return replace(
        found,
        names=tuple(shapes),
        values=tuple(np.array(piece) for piece in originals),
        dtypes=found.dtypes * len(shapes),
        storage=found.storage * len(shapes),
        pack=pack,
        working=working,
        leaves=tuple(
            Leaf((name,), name, piece.shape, block)
            for block, (name, piece) in enumerate(zip(shapes, working, strict=True))
        ),
        vector=whole.shape,
        undo=(*found.undo, lambda: np.copyto(vector, whole)),
    )


def _renamed(found: Parameters, names: Sequence[str]) -> Parameters:
    given = list(names) if not isinstance(names, str) else [names]
    if len(given) != len(found.names) or len(set(given)) != len(given):
        raise UsageError(
            f"names has {len(given)} names ({', '.join(map(str, given[:8]))}) for "
            f"{len(found.names)} blocks ({', '.join(found.names[:8])}); give each its own"
        )
    if not all(isinstance(name, str) for name in given):
        raise UsageError(f"names holds {describe(given)}; names are text")
    firsts = [
        next(i for i, leaf in enumerate(found.leaves) if leaf.block == block)
        for block in range(len(given))
    ]
    leaves = list(found.leaves)
    for name, index in zip(given, firsts, strict=True):
        leaves[index] = replace(leaves[index], name=name)
    return replace(found, names=tuple(given), leaves=tuple(leaves))


def _only(found: Parameters, patterns: list[str]) -> Parameters:
    matched = {pattern: _matching(found.names, pattern) for pattern in patterns}
    for pattern, blocks in matched.items():
        if not blocks:
            raise UsageError(
                f"only has {pattern!r}, which is the name of no parameter; there are: "
                f"{', '.join(found.names[:12])}"
            )
    kept = sorted({block for blocks in matched.values() for block in blocks})
    if not kept:
        raise UsageError("only is empty, so there would be nothing to check")
    return found.narrowed(kept)


def _matching(names: Sequence[str], pattern: str) -> list[int]:
    """The blocks whose names a pattern matches, whole or up to a `.` or `[`; `*` is any text."""
    parts = map(re.escape, pattern.split("*"))
    expression = re.compile(f"(?:{'.*'.join(parts)})(?:$|[.\\[].*)", re.DOTALL)
    return [block for block, name in enumerate(names) if expression.fullmatch(name)]
