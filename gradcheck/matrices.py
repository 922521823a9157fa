"""The public functions for matrices: Jacobians of vector functions, Hessians of losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from gradcheck.api import Function, check
from gradcheck.hessians import of_gradient, of_loss
from gradcheck.jacobians import JacobianProblem, run_jacobian
from gradcheck.options import Options, Thoroughness
from gradcheck.report.merge import merged
from gradcheck.report.model import Report
from gradcheck.user.bounds import read_bounds
from gradcheck.user.forms import More, more_of, of_parameters
from gradcheck.user.hessian_products import products_of
from gradcheck.user.politeness import polite
from gradcheck.user.structures import flatten, flatten_real


@polite
def check_jacobian(
    function: Function,
    params: Any,
    jacobian: Any,
    *,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    bounds: Any = None,
    sparsity: Any = None,
    **options: Unpack[Thoroughness],
) -> Report:
    """Compares the Jacobian of a function that returns a vector with finite differences.

    Example:
        >>> import numpy as np, gradcheck
        >>> function = lambda x: np.array([x[0] * x[1], np.sin(x[0])])
        >>> jacobian = lambda x: np.array([[x[1], x[0]], [np.cos(x[0]), 0.0]])
        >>> gradcheck.check_jacobian(function, np.array([0.3, 2.0]), jacobian).ok
        True

    Args:
        function: takes the parameters, returns an array.
        params: as in `check`.
        jacobian: takes the parameters, returns the Jacobian: a row for each value of the function
            and a column for each parameter, dense, a scipy sparse matrix, or a `LinearOperator`
            with forward and adjoint products; or arrays by block. Or the matrix itself; or True
            if `function` returns the pair (values, Jacobian).
        args: further positional arguments of `function` and `jacobian`, after the parameters.
        kwargs: keyword arguments of `function` and `jacobian`.
        bounds: as in `check`.
        sparsity: an array that is nonzero where the Jacobian may have entries, with scipy's groups
            or without; a sparse Jacobian needs none. Columns that share no row move at once.
        options: entries (columns per block), budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`.
    """
    parameters = flatten(params)
    more = more_of(args, kwargs)
    function, jacobian = (of_parameters(each, parameters, more) for each in (function, jacobian))
    if jacobian is True:
        both = function
        function, jacobian = (lambda packed: both(packed)[0]), (lambda packed: both(packed)[1])
    box = read_bounds(bounds, parameters)
    return run_jacobian(
        JacobianProblem(parameters, function, jacobian, box, sparsity), Options.of(options)
    )


@polite
def check_hessian(
    loss: Function,
    params: Any,
    hessian: Any,
    *,
    grad: Function | None = None,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    bounds: Any = None,
    **options: Unpack[Thoroughness],
) -> Report:
    """Compares the Hessian of a loss with finite differences of its gradient.

    Example:
        >>> import numpy as np, gradcheck
        >>> loss, grad = lambda x: np.sum(x**3), lambda x: 3 * x**2
        >>> hessian = lambda x: np.diag(6 * x)
        >>> gradcheck.check_hessian(loss, np.array([0.3, 2.0]), hessian, grad=grad).ok
        True

    Args:
        loss: as in `check`.
        params: as in `check`.
        hessian: takes the parameters, returns the Hessian, a row and a column for each parameter:
            dense, a scipy sparse matrix, a `LinearOperator`, or blocks by two parameters each. Or
            takes the parameters and a vector in their structure, and returns the product of the
            Hessian with it. Or the matrix itself.
        grad: as in `check`; it is checked first, and the Hessian is compared with its differences.
            If left out or wrong, with second differences of the loss, which are less precise.
        args: further positional arguments of the functions, after the parameters (and the vector).
        kwargs: keyword arguments of the functions.
        bounds: as in `check`.
        options: entries (columns), budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`.
    """
    more, chosen = more_of(args, kwargs), Options.of(options)
    if grad is None:
        return hessian_report(loss, None, params, hessian, more, bounds, chosen)
    first = check(loss, params, grad, args=args, kwargs=kwargs, bounds=bounds, **options)
    slopes = grad if first.verdict != "fail" else None  # the Hessian of a wrong one may be right
    second = hessian_report(loss, slopes, params, hessian, more, bounds, chosen)
    return merged({"gradient": first, "Hessian": second})


def hessian_report(
    loss: Function,
    grad: Function | None,
    params: Any,
    hessian: Any,
    more: More,
    bounds: Any,
    options: Options,
) -> Report:
    """The report of a Hessian alone, compared with differences of the gradient if there is one."""
    parameters = flatten_real(params, "check_hessian")
    products, box = products_of(hessian, parameters, more), read_bounds(bounds, parameters)
    claimed = of_parameters(hessian, parameters, more) if products is None else products
    loss, grad = of_parameters(loss, parameters, more), of_parameters(grad, parameters, more)
    problem = JacobianProblem(parameters, loss, claimed, box, of_loss=True)
    if grad is None:
        return of_loss(problem, products is not None, options)
    return of_gradient(problem, grad, products is not None, options)
