"""The way back: the user's own structure around arrays."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.user.blocks import Pack
from gradcheck.user.tensors import is_tensor, like


def dataclass_pack(value: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    """A dataclass around packed fields."""

    def pack_dataclass(arrays: Sequence[Any]) -> Any:
        packed = copy.copy(value)
        for name, pack in packs:
            object.__setattr__(packed, name, pack(arrays))
        return packed

    return pack_dataclass


def leaf_pack(leaf: Any, block: int, flipped: bool) -> Pack:
    """An array or number of the user's own kind around a block, which may lie there flipped."""
    build = _builder(leaf)

    def pack(arrays: Sequence[Any]) -> Any:
        array = arrays[block]
        if array is None:
            return copy.copy(leaf) if isinstance(leaf, np.ndarray) else leaf
        return build(array.T if flipped else array)

    return pack


def _builder(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        subclass = type(leaf)
        return (
            (lambda array: array) if subclass is np.ndarray else lambda array: array.view(subclass)
        )
    if is_tensor(leaf):
        return lambda array: like(leaf, array)
    return np.float64 if isinstance(leaf, np.generic) else float


def container_pack(container: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    """A dict, list or tuple of the user's own kind around packed items."""
    if isinstance(container, dict) and type(container) is not dict:

        def pack_subclass(arrays: Sequence[Any]) -> Any:
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
