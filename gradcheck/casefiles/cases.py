"""A check that is kept in a file: what is checked, and how its function is marked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, overload

from gradcheck.api import check, check_layer, check_step
from gradcheck.errors import UsageError
from gradcheck.options import Options
from gradcheck.report.model import Report
from gradcheck.words import with_nearest

Maker = Callable[[], "Case"]

MARK = "__gradcheck_case__"


class Case:
    """One check, with exactly the arguments of `gradcheck.check`, and what is expected of it.

    Args:
        arguments: those of `check`, by position.
        expect: "pass", "fail" or "inconclusive"; or a dict with any of "verdict", "blocks" (the
            names of exactly those that fail) and "rules" (codes or names of exactly those found).
        options: the arguments of `check` by name.

    Raises:
        UsageError: an argument that is not one of `check`.
    """

    function: ClassVar[Callable[..., Report]] = staticmethod(check)

    def __init__(
        self, *arguments: Any, expect: str | Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        signature = inspect.signature(self.function)
        known = [*signature.parameters, *(field.name for field in fields(Options))]
        kind = type(self).__name__
        for name in options:
            if name not in known:
                unknown = f"{kind} takes no argument {name!r}"
                raise UsageError(with_nearest(unknown, name, known))
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            raise UsageError(f"{kind}: {error}") from None
        self.arguments = arguments
        self.expect = expect
        self.options = options

    def check(self, **overrides: Any) -> Report:
        """The report, with some arguments replaced."""
        return self.function(*self.arguments, **{**self.options, **overrides})


class LayerCase(Case):
    """One check of a layer, with exactly the arguments of `gradcheck.check_layer`."""

    function: ClassVar[Callable[..., Report]] = staticmethod(check_layer)


class StepCase(Case):
    """One check of an update, with exactly the arguments of `gradcheck.check_step`."""

    function: ClassVar[Callable[..., Report]] = staticmethod(check_step)


@overload
def case(make: Maker) -> Maker: ...


@overload
def case(
    *, name: str | None = None, expect: str | Mapping[str, Any] | None = None
) -> Callable[[Maker], Maker]: ...


def case(
    make: Maker | None = None,
    *,
    name: str | None = None,
    expect: str | Mapping[str, Any] | None = None,
) -> Maker | Callable[[Maker], Maker]:
    """Marks a function that returns a `Case`: `@gradcheck.case`, or with a name and expectation."""

    def mark(function: Maker) -> Maker:
        setattr(function, MARK, (name or function.__name__, expect))
        return function

    return mark if make is None else mark(make)
