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
    blocks = _in_place(params) if in_place else flatten(params)
    if shapes is not None:
        blocks = _cut(blocks, shapes)
    if names is not None:
        blocks = _renamed(blocks, names)
    if only is None:
        return blocks
    return _only(blocks, [only] if isinstance(only, str) else list(only))


def _in_place(params: Any) -> Parameters:
    if isinstance(params, Parameters):
        raise UsageError("params is already a result of gradcheck.parameters; call it only once")
    blocks = read_structure(params, in_place=True)
    for name, dtype, working in zip(blocks.names, blocks.dtypes, blocks.working, strict=True):
        if dtype.kind != "f":
            raise UsageError(
                f"{name} holds integers ({dtype}), which cannot be perturbed in place; make "
                "it a float64 array"
            )
        if working is not None and not working.flags.writeable:
            raise UsageError(
                f"{name} is read-only, so it cannot be perturbed in place; give a copy, or leave "
                "in_place out"
            )
    return blocks


def _cut(params: Parameters, shapes: Mapping[str, tuple[int, ...]]) -> Parameters:
    """The consecutive blocks of one vector."""
    if len(params.values) != 1:
        raise UsageError(
            f"shapes cuts one vector into blocks, but params holds {len(params.values)} arrays "
            f"({', '.join(params.names[:8])})"
        )
    whole = params.values[0]
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    if sum(sizes.values()) != whole.size:
        listed = " + ".join(f"{size} ({name})" for name, size in sizes.items())
        raise UsageError(
            f"shapes has {listed} = {sum(sizes.values())} numbers, and {params.names[0]} has "
            f"{whole.size}"
        )
    memory = params.working[0]
    in_memory = memory is not None and memory.flags.c_contiguous
    vector = memory if memory is not None and in_memory else np.array(whole, order="C")
    originals = tuple(cut(whole, shapes.values()))
    working = tuple(cut(vector, shapes.values()))

    def pack(arrays: Sequence[Any]) -> Any:
        pairs = zip(arrays, originals, strict=True)
        given = [piece if array is None else array for array, piece in pairs]
        others = [
            (piece, new) for piece, new in zip(working, given, strict=True) if new is not piece
        ]
        if memory is None and others:
            return params.pack(
                [np.concatenate([np.ravel(new) for new in given]).reshape(whole.shape)]
            )
        for piece, new in others:
            piece[...] = new
        return params.pack([vector])

    return replace(
        params,
        names=tuple(shapes),
        values=tuple(np.array(piece) for piece in originals),
        dtypes=params.dtypes * len(shapes),
        storage=params.storage * len(shapes),
        pack=pack,
        working=working,
        leaves=tuple(
            Leaf((name,), name, piece.shape, block)
            for block, (name, piece) in enumerate(zip(shapes, working, strict=True))
        ),
        vector=whole.shape,
        undo=(*params.undo, lambda: np.copyto(vector, whole)),
    )


def _renamed(params: Parameters, names: Sequence[str]) -> Parameters:
    given = list(names) if not isinstance(names, str) else [names]
    if len(given) != len(params.names) or len(set(given)) != len(given):
        raise UsageError(
            f"names has {len(given)} names ({', '.join(map(str, given[:8]))}) for "
            f"{len(params.names)} blocks ({', '.join(params.names[:8])}); give each its own"
        )
    if not all(isinstance(name, str) for name in given):
        raise UsageError(f"names holds {describe(given)}; names are text")
    firsts = [
        next(i for i, leaf in enumerate(params.leaves) if leaf.block == block)
        for block in range(len(given))
    ]
    leaves = list(params.leaves)
    for name, index in zip(given, firsts, strict=True):
        leaves[index] = replace(leaves[index], name=name)
    return replace(params, names=tuple(given), leaves=tuple(leaves))


def _only(params: Parameters, patterns: list[str]) -> Parameters:
    matched = {pattern: _matching(params.names, pattern) for pattern in patterns}
    for pattern, blocks in matched.items():
        if not blocks:
            raise UsageError(
                f"only has {pattern!r}, which is the name of no parameter; there are: "
                f"{', '.join(params.names[:12])}"
            )
    chosen = sorted({block for blocks in matched.values() for block in blocks})
    if not chosen:
        raise UsageError("only is empty, so there would be nothing to check")
    return params.narrowed(chosen)


def _matching(names: Sequence[str], pattern: str) -> list[int]:
    """The blocks whose names a pattern matches, whole or up to a `.` or `[`; `*` is any text."""
    parts = map(re.escape, pattern.split("*"))
    expression = re.compile(f"(?:{'.*'.join(parts)})(?:$|[.\\[].*)", re.DOTALL)
    return [block for block, name in enumerate(names) if expression.fullmatch(name)]
