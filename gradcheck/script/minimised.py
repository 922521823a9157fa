"""Check the derivative that a script passes to `scipy.optimize`, in place of a training loop."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.casefiles import Case, JacobianCase
from gradcheck.report.script import TakenApart
from gradcheck.script.words import RefusedError

GRADIENTS = ("jac", "fprime", "Dfun")
RETURNING = ("fmin_tnc", "fmin_l_bfgs_b")
"""Minimisers whose function returns its gradient, too, if no other argument does."""

FUNCTIONS = ("minimize", "fmin_cg", "fmin_bfgs", "fmin_ncg", "fmin_tnc", "fmin_l_bfgs_b")
OF_VECTORS = ("least_squares", "leastsq", "curve_fit", "root", "fsolve")
"""Solvers that take a vector function and its Jacobian."""


@dataclass(frozen=True)
class Minimised:
    """A call of one of scipy's minimisers or solvers.

    Attributes:
        name: the name of the minimiser.
        line: the line of the call.
        loss: the function to be minimised, or the residuals.
        start: the initial parameters.
        gradient: the gradient or Jacobian; True where `loss` returns it as well.
        arguments: further positional arguments of both functions.
        named: keyword arguments of both functions.
        written: the user's own function, where `loss` is a wrapper of it.
    """

    name: str
    line: int
    loss: Callable[..., Any]
    start: Any
    gradient: Any
    arguments: tuple[Any, ...]
    named: Mapping[str, Any] | None = None
    written: Callable[..., Any] | None = None

    @property
    def loss_name(self) -> str:
        """The name of the user's function, as a call."""
        return f"{getattr(self.written or self.loss, '__name__', 'the loss')}()"

    @property
    def loss_line(self) -> int:
        """The line where that function is defined."""
        code = getattr(self.written or self.loss, "__code__", None)
        return code.co_firstlineno if code else self.line

    def described(self, file: str, seconds: float) -> TakenApart:
        """Describe the call for the report."""
        return TakenApart(
            file,
            seconds,
            self.line,
            f"the call of scipy's {self.name} at line {self.line}",
            ("params",),
            self.loss_name,
            self.loss_line,
            (f"{self.loss_name}, line {self.loss_line}",),
            None,
            "none is needed: the Jacobian is given to the solver"
            if self.name in OF_VECTORS
            else "none is needed: the gradient is given to the minimiser",
        )

    def case(self) -> Case | JacobianCase:
        """Return the case, at the start as scipy passes it on: flat, whatever its shape.

        A start of zeros, where much is 0 by chance, is moved at random.

        Raises:
            RefusedError: the call has no gradient.
        """
        if not (callable(self.gradient) or self.gradient is True):
            raise RefusedError(
                f"line {self.line} calls scipy's {self.name} without a gradient: there is none to "
                "check"
            )
        start = np.array(self.start, dtype=np.float64).ravel()
        if not np.any(start):
            start = start + 0.1 * np.random.default_rng(0).standard_normal(start.shape)
        if self.name in OF_VECTORS:
            more, named = self.arguments, self.named
            return JacobianCase(self.loss, start, self.gradient, args=more, kwargs=named)
        gradient = None if self.gradient is True else self.gradient
        return Case(self.loss, start, gradient, args=self.arguments)


class MinimisedError(BaseException):
    """Ends the script at the call of a minimiser."""

    def __init__(self, call: Minimised) -> None:
        super().__init__(call.name)
        self.call = call


def watch_minimisers(text: str) -> None:
    """Replace scipy's minimisers in this process: a call of one ends the script."""
    if "scipy" not in text:
        return
    import scipy.optimize

    for name in (*FUNCTIONS, *OF_VECTORS):
        setattr(scipy.optimize, name, _watched(name, getattr(scipy.optimize, name)))


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    def minimise(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named).arguments
        gradient = next((bound[one] for one in GRADIENTS if one in bound), None)
        if name in OF_VECTORS and not (callable(gradient) or gradient is True):
            return function(*given, **named)  # no derivative of the user's to check
        line = sys._getframe(1).f_lineno
        if name == "curve_fit":
            raise MinimisedError(_fitted(line, bound, gradient))
        loss, start = list(bound.values())[:2]
        if gradient is None and name in RETURNING and not bound.get("approx_grad"):
            gradient = True
        if bound.get("col_deriv"):
            gradient = _turned(gradient)
        more = bound.get("args", ())
        more = more if isinstance(more, tuple) else (more,)
        call = Minimised(name, line, loss, start, gradient, more, bound.get("kwargs"))
        raise MinimisedError(call)

    return minimise


def _fitted(line: int, bound: Mapping[str, Any], jacobian: Any) -> Minimised:
    """Return a call of `curve_fit`, whose model takes each parameter as an argument."""
    model, x = bound["f"], bound["xdata"]
    count = len(inspect.signature(model).parameters) - 1
    start = np.ones(count) if bound.get("p0") is None else bound["p0"]

    def values(params: Any) -> Any:
        return model(x, *params)

    def slopes(params: Any) -> Any:
        return jacobian(x, *params)

    values.__name__ = model.__name__
    return Minimised("curve_fit", line, values, start, slopes, (), None, model)


def _turned(jacobian: Any) -> Callable[..., Any]:
    """Transpose the Jacobian of a function."""
    return lambda *given: np.transpose(jacobian(*given))
