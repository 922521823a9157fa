"""Checks with the arguments of `scipy.optimize.minimize` and `scipy.optimize.least_squares`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import numpy as np

from gradcheck.api import check
from gradcheck.errors import UsageError
from gradcheck.matrices import check_jacobian, hessian_report
from gradcheck.numeric.estimate import Array
from gradcheck.options import Options, Thoroughness
from gradcheck.report.merge import merged
from gradcheck.report.model import Report
from gradcheck.user.blocks import Parameters
from gradcheck.user.bounds import box_of
from gradcheck.user.forms import More, more_of
from gradcheck.user.politeness import polite
from gradcheck.user.wrapping import parameters

BARE = "x"


@polite
def check_minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: Any = None,
    callback: Any = None,
    options: Any = None,
    **thoroughness: Unpack[Thoroughness],
) -> Report:
    """Checks every derivative that `scipy.optimize.minimize` is given, at x0.

    Example:
        >>> import numpy as np, gradcheck
        >>> fun, jac = lambda x: np.sum(x**4), lambda x: 4 * x**3
        >>> hess = lambda x: np.diag(12 * x**2)
        >>> gradcheck.check_minimize(fun, [1.0, 2.0], jac=jac, hess=hess).ok
        True

    Args:
        fun: as for `minimize`, like all other arguments.
        x0: the point of the check; moved to the edge of the bounds if it is outside.
        args: further positional arguments of `fun`, `jac`, `hess` and `hessp`.
        method: not used.
        jac: the gradient; or True if `fun` returns the pair (value, gradient).
        hess: the Hessian.
        hessp: the product of the Hessian with a vector.
        bounds: every step stays inside them.
        constraints: their Jacobians are checked, and the Hessians of a `NonlinearConstraint`.
        tol: not used.
        callback: not used.
        options: not used.
        thoroughness: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`, or there is no derivative to check.
    """
    where, args = _Where.of(x0, bounds), args if isinstance(args, tuple) else (args,)
    named: dict[str, Any] = {"bounds": where.bounds, **thoroughness}
    loss, grad = fun, jac if _is_function(jac) else None
    if jac is True:
        loss, grad = _part(fun, 0), _part(fun, 1)
    reports: dict[str, Report] = {}
    if grad is not None:
        reports["jac"] = check(loss, where.point, grad, args=args, **named)
    more, chosen = more_of(args, None), Options.of(thoroughness)
    wrong = "jac" in reports and reports["jac"].verdict == "fail"
    slopes = None if wrong else grad  # the Hessian of a wrong gradient may be right
    for name, given in (("hess", hess), ("hessp", hessp)):
        if _is_function(given):
            reports[name] = hessian_report(
                loss, slopes, where.point, given, more, where.bounds, chosen
            )
    for name, constraint in _constraints(constraints):
        reports |= _of_constraint(name, constraint, where, named)
    return _together(reports, where)


@polite
def check_least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    *,
    jac_sparsity: Any = None,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    **others: Any,
) -> Report:
    """Checks the Jacobian that `scipy.optimize.least_squares` is given, at x0.

    Example:
        >>> import numpy as np, gradcheck
        >>> fun = lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
        >>> jac = lambda x: np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])
        >>> gradcheck.check_least_squares(fun, [-1.2, 1.0], jac).ok
        True

    Args:
        fun: as for `least_squares`, like all other arguments.
        x0: the point of the check; moved to the edge of the bounds if it is outside.
        jac: the Jacobian.
        bounds: every step stays inside them.
        method: not used.
        jac_sparsity: an array that is nonzero where the Jacobian may have entries.
        args: further positional arguments of `fun` and `jac`.
        kwargs: keyword arguments of `fun` and `jac`.
        others: entries, budget, rtol, seed, allow, diagnose, as in `check`; and `loss`: if it is a
            function, the derivatives that it returns are checked, too. Other arguments of
            `least_squares` are not used.

    Raises:
        UsageError: as `check`, or there is no derivative to check.
    """
    if not hasattr(bounds, "lb"):  # a pair: all lower bounds, all upper bounds
        bounds = SimpleNamespace(lb=bounds[0], ub=bounds[1])
    where = _Where.of(x0, bounds)
    thoroughness = {
        name: value for name, value in others.items() if name in Thoroughness.__annotations__
    }
    more = more_of(args if isinstance(args, tuple) else (args,), kwargs)
    reports: dict[str, Report] = {}
    if _is_function(jac):
        reports["jac"] = check_jacobian(
            fun,
            where.point,
            jac,
            args=more.args,
            kwargs=more.kwargs,
            bounds=where.bounds,
            sparsity=jac_sparsity,
            **thoroughness,
        )
    loss, scale = others.get("loss"), others.get("f_scale", 1.0)
    if callable(loss):
        values = fun(where.point.values[0].copy(), *more.args, **more.kwargs)
        reports |= _of_loss(loss, np.atleast_1d(values) / scale, thoroughness)
    return _together(reports, where)


@dataclass(frozen=True)
class _Where:
    """The point of the check, inside the bounds.

    Attributes:
        bounds: the bounds as the user gave them.
        moved: whether x0 was outside them.
    """

    point: Parameters
    bounds: Any
    moved: bool

    @classmethod
    def of(cls, x0: Any, bounds: Any) -> _Where:
        point = parameters(np.ravel(np.asarray(x0, dtype=np.float64)), names=[BARE])
        box = box_of(bounds, point)
        (inside,) = point.values if box is None else box.inside(point.values)
        moved = not np.array_equal(inside, point.flat)
        return cls(parameters(inside, names=[BARE]), bounds, moved)


def _part(function: Callable[..., Any], part: int) -> Callable[..., Any]:
    return lambda *given, **named: function(*given, **named)[part]


def _is_function(given: Any) -> bool:
    """Whether an argument is a function, not a scheme's name or a `HessianUpdateStrategy`."""
    return callable(given) and not isinstance(given, type) and not hasattr(given, "update")


def _constraints(given: Any) -> Iterator[tuple[str, Any]]:
    alone = isinstance(given, Mapping) or hasattr(given, "fun") or hasattr(given, "A")
    every = [given] if alone else list(given)
    for number, constraint in enumerate(every):
        yield ("constraint" if len(every) == 1 else f"constraints[{number}]"), constraint


def _of_constraint(
    name: str, constraint: Any, where: _Where, named: Mapping[str, Any]
) -> dict[str, Report]:
    """The reports of one constraint, a dict or one of scipy's constraint objects."""
    fun: Any
    hess: Any = None
    if isinstance(constraint, Mapping):
        fun, jac = constraint.get("fun"), constraint.get("jac")
        args = constraint.get("args", ())
        args = args if isinstance(args, tuple) else (args,)
    elif hasattr(constraint, "fun"):
        fun, jac, hess, args = constraint.fun, constraint.jac, constraint.hess, ()
    elif hasattr(constraint, "A"):
        return {}  # linear: its matrix is its Jacobian
    else:
        raise UsageError(f"{name} is not one of scipy's constraints")
    reports = {}
    if _is_function(jac):
        reports[f"{name} jac"] = check_jacobian(fun, where.point, jac, args=args, **named)
    if _is_function(hess):
        count = np.size(fun(where.point.values[0].copy(), *args))
        weights = np.random.default_rng(0).uniform(0.5, 1.5, count)
        weights[1::2] *= -1
        slopes = jac if _is_function(jac) and reports[f"{name} jac"].ok else None
        reports[f"{name} hess"] = hessian_report(
            lambda x: float(np.dot(weights, np.atleast_1d(fun(x)))),
            slopes and (lambda x: _weighted(weights, slopes(x))),
            where.point,
            lambda x: hess(x, weights),
            More(),
            where.bounds,
            Options.of({key: value for key, value in named.items() if key != "bounds"}),
        )
    return reports


def _weighted(weights: Array, rows: Any) -> Array:
    """The sum of weighted rows of a Jacobian, in any of scipy's forms."""
    if hasattr(rows, "rmatvec"):
        return np.asarray(rows.rmatvec(weights))
    rows = rows if hasattr(rows, "tocsr") else np.reshape(rows, (len(weights), -1))
    return np.ravel(weights @ rows)


def _of_loss(loss: Callable[[Array], Any], residuals: Array, named: Any) -> dict[str, Report]:
    """The reports of a robust loss: rho(z) gives rho, rho' and rho'' at squared residuals z.

    Each value depends on one square only, so that the slopes are the gradient of their sum.
    """

    def row(order: int) -> Callable[[Array], Any]:
        return lambda z: np.asarray(loss(z))[order]

    def total(order: int) -> Callable[[Array], Any]:
        return lambda z: np.sum(row(order)(z))

    point = parameters(np.ravel(residuals) ** 2, names=["z"])
    edges = [(0.0, None)] * residuals.size
    return {
        name: check(total(order), point, row(order + 1), bounds=edges, **named)
        for order, name in enumerate(("loss rho[1]", "loss rho[2]"))
    }


def _together(reports: Mapping[str, Report], where: _Where) -> Report:
    if not reports:
        raise UsageError(
            "there is nothing to check: neither jac nor hess nor hessp nor a constraint's jac is a "
            "function"
        )
    notes = ("x0 is outside of the bounds: it was moved to their edge",) if where.moved else ()
    return merged(reports, notes)
