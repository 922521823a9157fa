"""Public functions raise a sentence when something goes wrong inside, never a deep traceback."""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from gradcheck.errors import UsageError
from gradcheck.options import unknown_argument
from gradcheck.sandbox.harmless import Refusals
from gradcheck.user.calls import LEAVING, Raised, UserCodeError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def polite(door: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorates a public function so that every exception is a UsageError without a traceback."""
    signature = inspect.signature(door)
    parameters = signature.parameters.values()
    names = [parameter.name for parameter in parameters]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)

    @wraps(door)
    def opened(*given: Arguments.args, **named: Arguments.kwargs) -> Result:
        if Refusals.here is not None and Refusals.here.are_of_edits:
            raise UsageError("an edit that is tried may not check gradients")
        unknown = next((name for name in named if name not in names and not takes_any), None)
        if unknown is not None:
            raise unknown_argument(f"{door.__name__} has no argument {unknown!r}", unknown, names)
        linecache.checkcache()  # the user may have rewritten a file since the last check
        try:
            return door(*given, **named)
        except UsageError:
            raise
        except UserCodeError as error:
            raise UsageError(f"{error.raised.call} raised {error.raised.summary}") from None
        except RecursionError:
            raise UsageError(
                f"Python's recursion limit ({sys.getrecursionlimit()}) was reached: an argument is "
                "nested too deeply, or the limit was set to a small number"
            ) from None
        except LEAVING as error:
            if isinstance(error, TypeError):
                _require_bound(door, signature, given, named)
            raised = Raised("gradcheck", error, (), {})
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise UsageError(
                f"gradcheck could not read its arguments: {raised.summary} "
                f"({Path(last.filename).name}:{last.lineno}); if they are ordinary, this is a bug "
                "in gradcheck: please report it"
            ) from None

    return opened


def _require_bound(
    door: Callable[..., object],
    signature: inspect.Signature,
    given: tuple[object, ...],
    named: dict[str, object],
) -> None:
    """Raises a UsageError if a public function was not given the arguments that it needs."""
    try:
        signature.bind(*given, **named)
    except TypeError as error:  # "missing a required argument: 'inputs'"
        raise UsageError(f"{door.__name__}: {error}; {_called_as(door, signature)}") from None


def _called_as(door: Callable[..., object], signature: inspect.Signature) -> str:
    """The call of a public function with its required arguments."""
    wanted = [
        parameter.name
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        else f"{parameter.name}=..."
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    return f"it is called as {door.__name__}({', '.join(wanted)})"
