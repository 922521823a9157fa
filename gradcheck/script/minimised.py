"""A script that hands its loss and gradient to `scipy.optimize`, which are the case then."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.casefiles import Case
from gradcheck.report.script import TakenApart
from gradcheck.script.words import RefusedError

GRADIENTS = ("jac", "fprime")
RETURNING = ("fmin_tnc", "fmin_l_bfgs_b")
"""Whose function returns its gradient as well, where no other function does."""

FUNCTIONS = ("minimize", "fmin_cg", "fmin_bfgs", "fmin_ncg", "fmin_tnc", "fmin_l_bfgs_b")


@dataclass(frozen=True)
class Minimised:
    """A call of one of scipy's minimisers.

    Attributes:
        name: of the minimiser.
        line: of the call.
        loss: the function that is minimised.
        start: where.
        gradient: its gradient; True where the loss returns it too.
        arguments: what both are given after the parameters.
    """

    name: str
    line: int
    loss: Callable[..., Any]
    start: Any
    gradient: Any
    arguments: tuple[Any, ...]

    def described(self, file: str, seconds: float) -> TakenApart:
        """What was found, in words."""
        name = f"{getattr(self.loss, '__name__', 'the loss')}()"
        code = getattr(self.loss, "__code__", None)
        line = code.co_firstlineno if code else self.line
        return TakenApart(
            file,
            seconds,
            self.line,
            f"the call of scipy's {self.name} at line {self.line}",
            ("params",),
            name,
            line,
            (f"{name}, line {line}",),
            None,
            "none is needed: the gradient is given to the minimiser",
        )

    def case(self) -> Case:
        """The case, beside a start of zeros, where much is 0 by chance.

        Raises:
            RefusedError: there is no gradient.
        """
        if not (callable(self.gradient) or self.gradient is True):
            raise RefusedError(
                f"line {self.line} calls scipy's {self.name} without a gradient: there is none to "
                "check"
            )
        start = np.array(self.start, dtype=np.float64)
        if not np.any(start):
            start = start + 0.1 * np.random.default_rng(0).standard_normal(start.shape)
        gradient = None if self.gradient is True else self.gradient
        return Case(self.loss, start, gradient, args=self.arguments)


class MinimisedError(BaseException):
    """The script has come to the call of a minimiser."""

    def __init__(self, call: Minimised) -> None:
        super().__init__(call.name)
        self.call = call


def watch_minimisers(text: str) -> None:
    """Ends a script, to the end of this process, where it calls one of scipy's minimisers."""
    if "scipy" not in text:
        return
    import scipy.optimize

    for name in FUNCTIONS:
        setattr(scipy.optimize, name, _watched(name, getattr(scipy.optimize, name)))


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    def minimise(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        loss, start = list(bound.arguments.values())[:2]
        gradient = next((bound.arguments[one] for one in GRADIENTS if one in bound.arguments), None)
        if gradient is None and name in RETURNING and not bound.arguments.get("approx_grad"):
            gradient = True
        more = bound.arguments.get("args", ())
        line = sys._getframe(1).f_lineno
        more = more if isinstance(more, tuple) else (more,)
        raise MinimisedError(Minimised(name, line, loss, start, gradient, more))

    return minimise
