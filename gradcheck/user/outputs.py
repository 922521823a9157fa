"""Reads the returned value of a layer's forward pass: outputs and a cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import describe
from gradcheck.user.forms import POSITIONAL, signature_of
from gradcheck.user.tensors import bounded, is_tensor, like, to_array

CACHE = re.compile(r"(cache|ctx|context|saved|stored|memory|state)", re.IGNORECASE)
UPSTREAM = re.compile(
    r"(d[a-z0-9]{1,5}|d_?[A-Z].*|d_.+|(grad|up|g_|gy|nabla|delta).*|.+_(grad|bar)|[dguv])$"
)
RATE = re.compile(r"(lr|l_rate|eta|alpha|step_size|learn\w*_?rate)$")
OUTPUTS = ("output", "outputs", "out", "activation", "a", "A", "y")
THE_OUTPUT, THE_UPSTREAM = "the output", "the upstream gradient"
NO_UPSTREAM = {"data", "dim", "dims", "dict", "drop", "depth", "dtype", "dense", "diff", "dev"}


@dataclass(frozen=True)
class Reading:
    """How the returned value of `forward` is read, and how `backward` is called.

    Attributes:
        outputs: how many of the first items of a tuple are outputs; 0 if all of it is the output.
        arguments: how many arguments `backward` needs.
        leaves_out: whether the cache may hold outputs for which `backward` takes no upstream.
        rate: whether the second argument is a learning rate.
        left_out: the argument of `backward`, with default 1, that it does not use.
        taken: what `backward` takes, if forward returned no cache: names of inputs, `THE_OUTPUT`
            and `THE_UPSTREAM`; empty if that is not told.
    """

    outputs: int
    arguments: int
    leaves_out: bool = False
    rate: bool = False
    left_out: str = ""
    taken: tuple[str, ...] = ()

    def split(self, returned: Any) -> tuple[Any, Any]:
        """The output or outputs, and the cache."""
        if self.outputs == 0:
            return returned, None
        outputs, rest = returned[: self.outputs], returned[self.outputs :]
        cache = None if not rest else rest[0] if len(rest) == 1 else rest
        return outputs[0] if self.outputs == 1 else outputs, cache

    def given(self, upstream: Any, cache: Any) -> tuple[Any, ...]:
        """The arguments of `backward`."""
        if self.arguments == 0:
            return ()
        several = isinstance(upstream, tuple) and 1 < len(upstream) <= self.arguments
        if several and (self.outputs != 1 or self.arguments == len(upstream) + 1):
            return (*upstream, *((cache,) if self.arguments > len(upstream) else ()))
        if self.rate:
            return (upstream, 1.0)
        return (upstream,) if self.arguments == 1 else (upstream, cache)


def readings(
    returned: Any, backward: Callable[..., Any] | None, names: Sequence[str] = ()
) -> list[Reading]:
    """The possible readings of the value returned by `forward`; one if names or types decide.

    Args:
        returned: what forward returned.
        backward: the backward pass; None if torch or jax differentiates.
        names: the inputs of forward.
    """
    if backward is None:
        return [Reading(0, 1)]
    needed = _needed(backward)
    count = len(needed) if needed is not None else 2
    if isinstance(returned, list) and list(map(is_output, returned)) == [True, False]:
        returned = tuple(returned)  # an output and its cache
    if not isinstance(returned, tuple) or hasattr(returned, "_fields") or not returned:
        rate = needed is not None and count == 2 and bool(RATE.match(needed[1]))
        taken = () if rate else taken_of(needed or [], names)
        return [Reading(0, count, rate=rate, taken=taken)]
    length = len(returned)
    nested = length == 2 and isinstance(returned[0], tuple)
    if nested and count == len(returned[0]) + 1 > 2:
        return [Reading(1, count)]
    arrays = len(list(takewhile(is_output, returned)))
    if length > arrays == count - 1 > 1:
        is_number = length == count and isinstance(returned[arrays], float | np.floating)
        all_outputs = is_number and not CACHE.match((needed or [""])[-1])
        return [Reading(arrays, count), *([Reading(length, count)] if all_outputs else [])]
    leading = len(list(takewhile(_is_upstream, needed or [])))
    if 1 < leading <= length and not any(map(callable, returned[:leading])):
        return [Reading(leading, count)]
    usual = Reading(1, count)
    if length == 1 or not all(is_output(item) for item in returned[: max(2, count)]):
        return [usual]
    if count == 2 and length == 2 and not leading and not CACHE.match((needed or ["", "cache"])[1]):
        return [usual, Reading(2, 2)]
    if count > 2:
        return [Reading(min(length, count - bool(CACHE.match((needed or [""])[-1]))), count)]
    if count == 1 and length == 2:
        return [replace(usual, leaves_out=True), Reading(2, 1)]
    return [replace(usual, leaves_out=count == 1)]


def taken_of(arguments: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """What a backward pass takes where forward keeps nothing for it, in the order of its arguments.

    It has the upstream gradient, and beside it inputs or the output, by their names; where these
    tell nothing, as many arguments as there are inputs are the inputs.
    """
    known = {name.lower(): name for name in names}
    known = {**dict.fromkeys(OUTPUTS, THE_OUTPUT), **known}
    others = [name for name in arguments if name.lower() not in known]
    if len(arguments) > 1 == len(others) and not CACHE.match(others[0]):
        return tuple(known.get(name.lower(), THE_UPSTREAM) for name in arguments)
    further = arguments[1:]
    if 0 < len(further) == len(names) and not any(map(CACHE.match, further)):
        return (THE_UPSTREAM, *names)
    return ()


def _is_upstream(name: str) -> bool:
    """Whether the name of an argument is that of an upstream gradient."""
    return bool(UPSTREAM.match(name)) and name not in NO_UPSTREAM


def is_output(value: Any) -> bool:
    """Whether a value may be an output: a tensor, or an array of floating-point numbers."""
    return is_tensor(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "fc")


def _needed(function: Callable[..., Any]) -> list[str] | None:
    """The names of the arguments that a function needs; None if its signature is unknown.

    If all arguments have defaults (`dout=1`), the first one counts as needed.
    """
    signature = signature_of(function)
    arguments = [] if signature is None else list(signature.parameters.values())
    if signature is None or any(each.kind is each.VAR_POSITIONAL for each in arguments):
        return None
    places = [each for each in arguments if each.kind in POSITIONAL]
    needed = [each.name for each in places if each.default is each.empty]
    return needed or [each.name for each in places[:1]]


def leaves(structure: Any, *others: Any) -> Iterator[tuple[Any, ...]]:
    """Yields the arrays of a structure, each with the items at the same place in the others."""
    if isinstance(structure, Mapping):
        for key, value in structure.items():
            yield from leaves(value, *(other[key] for other in others))
    elif isinstance(structure, tuple | list):
        for items in zip(structure, *others, strict=True):
            yield from leaves(*items)
    else:
        yield (structure, *others)


def mapped(change: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """Applies a function to the arrays of a structure and the items at their place in others."""
    if isinstance(structure, Mapping):
        return {
            key: mapped(change, value, *(other[key] for other in others))
            for key, value in structure.items()
        }
    if isinstance(structure, tuple | list):
        items = [mapped(change, *parts) for parts in zip(structure, *others, strict=True)]
        if hasattr(structure, "_fields"):
            return type(structure)(*items)
        return tuple(items) if isinstance(structure, tuple) else items
    return change(structure, *others)


def inner(upstream: Any, output: Any) -> float:
    """The sum of upstream times output; complex numbers are multiplied part by part."""
    sums = []
    for value, along in leaves(output, upstream):
        if along is None:
            continue
        first, now = np.shape(along), np.shape(to_array(value))
        if first != now:
            raise UsageError(
                f"the shape of forward's output depends on the input values: it was {first} and "
                f"became {now} nearby; the derivative of such a layer cannot be checked"
            )
        products = np.real(np.conj(to_array(along)) * np.asarray(to_array(value)))
        sums.append(float(np.sum(products, dtype=np.float64)))
    return sums[0] if len(sums) == 1 else sum(sums)


def random_like(output: Any, rng: np.random.Generator) -> Any:
    """A random upstream gradient of normal numbers, in the structure of the output.

    It is 0 for integers beside floating-point outputs, and None for items without numbers.
    """
    kinds = [np.asarray(to_array(value)).dtype.kind for (value,) in leaves(bounded(output))]
    continuous = "f" in kinds or "c" in kinds

    def chosen(value: Any) -> Any:
        array = np.asarray(to_array(value))
        if array.dtype.kind not in "fiubc":
            return None
        if continuous and array.dtype.kind not in "fc":
            return np.zeros(array.shape)
        drawn = np.asarray(rng.standard_normal(array.shape))
        return drawn + 1j * rng.standard_normal(array.shape) if array.dtype.kind == "c" else drawn

    if not any(kind in "fiubc" for kind in kinds):
        raise UsageError(
            f"forward returned {describe(output)}, which holds no array of numbers; it must "
            "return its output, or a tuple (output, cache)"
        )
    return mapped(chosen, output)


def fitted(upstream: Any, output: Any) -> Any:
    """The upstream gradient, in arrays, which must have the structure and shapes of the output."""
    try:
        pairs = list(leaves(output, upstream))
    except (TypeError, KeyError, ValueError, IndexError):
        raise UsageError(
            f"upstream is {describe(upstream)}, and forward's output is {describe(output)}; it "
            "must be in the same structure"
        ) from None
    for value, along in pairs:
        if along is not None and np.shape(to_array(along)) != np.shape(to_array(value)):
            raise UsageError(
                f"upstream has shape {np.shape(to_array(along))}, and forward's output has "
                f"{np.shape(to_array(value))}; they must be the same"
            )
    return mapped(
        lambda _, along: np.asarray(along) if isinstance(along, tuple | list) else along,
        output,
        upstream,
    )


def like_output(upstream: Any, output: Any) -> Any:
    """A copy of the upstream gradient in the types of the output."""
    return mapped(
        lambda value, along: (
            like(value, to_array(along))
            if is_tensor(value) and along is not None
            else np.array(along)
            if isinstance(along, np.ndarray)
            else along
        ),
        output,
        upstream,
    )
