"""Adapts the user's functions to one form: a function of the parameters alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Parameters, describe


@dataclass(frozen=True)
class More:
    """Further arguments of the user's functions, besides the parameters.

    Raises:
        UsageError: `args` is no tuple, or `kwargs` no dict.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.args, tuple):
            raise UsageError(f"args is {describe(self.args)}; write args=(value,), a tuple")
        if not isinstance(self.kwargs, Mapping):
            raise UsageError(f"kwargs is {describe(self.kwargs)}; it must be a dict")


NOTHING = More()
TIME = "t"
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
"""The kinds of arguments that can be passed by position."""


def more_of(args: Any, kwargs: Any) -> More:
    """The further arguments from `args` and `kwargs` of a public function."""
    plain = isinstance(args, tuple) and not args and kwargs is None
    return NOTHING if plain else More(args, {} if kwargs is None else kwargs)


def of_parameters(
    function: Any, parameters: Parameters, more: More = NOTHING, later: Sequence[str] = ()
) -> Any:
    """A function of the parameters alone, from one that takes none, one each, or further arguments.

    Other values than functions are returned unchanged. An argument whose name is in `later` may be
    the second one and is passed at the call.
    """
    if not callable(function):
        return function
    signature = signature_of(function)
    if signature is None:
        return _with(function, more)
    held = parameters.owner
    if more is NOTHING and _takes_any_number(signature) and _are_several(held):
        return lambda packed: function(*packed)
    second = [name for name in list(signature.parameters)[1:2] if name in later]
    if _takes(signature, (None, *more.args), {**more.kwargs, **dict.fromkeys(second)}):
        return _with(function, more)
    name = getattr(function, "__name__", "your function")
    if _takes(signature, more.args, more.kwargs):
        if not parameters.in_place and more.args:
            raise UsageError(
                f"{name}() cannot take the parameters and args= too, which every function is given "
                f"after them; write lambda params, *_: {name}(params) if it needs no more"
            )
        if not parameters.in_place:
            raise UsageError(
                f"{name}() takes no argument, so it cannot be given other parameters; let it take "
                "them, or give gradcheck.parameters(params, in_place=True) if it reads these very "
                "arrays"
            )
        return lambda packed: function(*more.args, **more.kwargs)
    if isinstance(held, tuple | list) and _takes(signature, (*held, *more.args), more.kwargs):
        return lambda packed: function(*packed, *more.args, **more.kwargs)
    if _by_name(held) and _takes(signature, more.args, {**held, **more.kwargs}):
        return lambda packed: function(*more.args, **packed, **more.kwargs)
    raise UsageError(
        _what_to_write(name, signature, held, may_be_more=more is NOTHING and not later)
    )


def _with(function: Callable[..., Any], more: More) -> Callable[..., Any]:
    if more is NOTHING:
        return function

    def called(packed: Any) -> Any:
        return function(packed, *more.args, **more.kwargs)

    called.__name__ = getattr(function, "__name__", called.__name__)
    return called


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function; None if it is unknown, as for some compiled functions."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with this number of positional arguments."""
    signature = signature_of(function)
    return signature is not None and _takes(signature, (None,) * count, {})


def _takes(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _takes_any_number(signature: inspect.Signature) -> bool:
    """Whether a function is `def loss(*weights)`; `*args, **kwargs` may wrap any other one."""
    kinds = [one.kind for one in signature.parameters.values()]
    return kinds == [inspect.Parameter.VAR_POSITIONAL]


def _are_several(held: Any) -> bool:
    return isinstance(held, tuple | list) and len(held) > 1


def _by_name(held: Any) -> bool:
    return isinstance(held, Mapping) and all(isinstance(key, str) for key in held)


def _what_to_write(name: str, signature: inspect.Signature, held: Any, may_be_more: bool) -> str:
    """A message with the line that adapts a function to its signature."""
    wanted = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    keys = list(held) if _by_name(held) else []
    if isinstance(held, tuple | list) and 1 < len(held) <= len(wanted):
        given, others = "*params", wanted[len(held) :]
    elif 1 < len(keys) <= len(wanted):
        given, others = ", ".join(f"params[{key!r}]" for key in keys), wanted[len(keys) :]
    else:
        given, others = "params", wanted[1:]
    line = f"lambda params: {name}({', '.join([given, *others])})"
    if wanted[:1] == [TIME] and len(wanted) > 1:
        called = f"{name}({', '.join([TIME, 'params', *wanted[2:]])})"
        return f"{name} takes the time first; write lambda params: {called} with a value for {TIME}"
    if given == "params" and others and may_be_more:
        line = f"args=({', '.join(others)}{',' * (len(others) == 1)}), or {line}"
    return f"{name}({', '.join(wanted)}) cannot be called with these arguments; write {line}"
