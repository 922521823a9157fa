"""Builds the user's structure around arrays of blocks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.user.blocks import Array, Leaf, Pack, Parameters
from gradcheck.user.tensors import is_tensor, like, to_array

Places = tuple[tuple[int, bool], ...]
"""The block of an array, or of each part of a complex one, and whether it is transposed."""


def dataclass_pack(value: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    """The function that builds a dataclass around packed fields."""

    def pack_dataclass(arrays: Sequence[Any]) -> Any:
        packed = copy.copy(value)
        for name, pack in packs:
            object.__setattr__(packed, name, pack(arrays))
        return packed

    return pack_dataclass


def leaf_pack(leaf: Any, places: Places) -> Pack:
    """The function that builds an array or number of the user's type from its block."""
    build = _builder(leaf)
    [(block, flipped), *more] = places
    if type(leaf) is np.ndarray and not flipped and not more:

        def pack_plain(arrays: Sequence[Any]) -> Any:
            array = arrays[block]
            return copy.copy(leaf) if array is None else array

        return pack_plain

    def pack(arrays: Sequence[Any]) -> Any:
        array = joined(arrays, places, leaf)
        if array is None:
            return copy.copy(leaf) if isinstance(leaf, np.ndarray) else leaf
        return build(array)

    return pack


def joined(arrays: Sequence[Any], places: Places, original: Any = None) -> Any:
    """The user's array from its block, or from the blocks of its parts; None if these are None.

    If only one part is None, that part of the original is used.
    """
    parts = [
        array.T if flipped and array is not None else array
        for array, flipped in ((arrays[block], flipped) for block, flipped in places)
    ]
    if len(parts) == 1 or all(part is None for part in parts):
        return parts[0]
    whole = np.asarray(to_array(original))
    real, imag = (
        own if part is None else part
        for part, own in zip(parts, (whole.real, whole.imag), strict=True)
    )
    array = np.empty(np.shape(real), dtype=np.complex128)
    array.real, array.imag = real, imag
    return array


def _builder(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        subclass = type(leaf)
        return (
            (lambda array: array) if subclass is np.ndarray else lambda array: array.view(subclass)
        )
    if is_tensor(leaf):
        return lambda array: like(leaf, array)
    if isinstance(leaf, complex | np.complexfloating):
        return np.complex128 if isinstance(leaf, np.generic) else complex
    return np.float64 if isinstance(leaf, np.generic) else float


def container_pack(container: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    """The function that builds a dict, list or tuple of the user's type around packed items."""
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


def made_of(parameters: Parameters, values: Sequence[Array], pack: Pack) -> Parameters:
    """Parameters as what is made of real arrays of their own, one for every block."""
    return replace(
        parameters,
        values=tuple(values),
        pack=pack,
        working=(None,) * len(values),
        leaves=tuple(
            Leaf((name,), name, value.shape, block)
            for block, (name, value) in enumerate(zip(parameters.names, values, strict=True))
        ),
        storage=(np.dtype(np.float64),) * len(values),
    )
