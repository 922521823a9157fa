"""The public functions for gradients, layers and update steps, with their arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack

from gradcheck.arrays import own_arrays
from gradcheck.mending.model import Repair
from gradcheck.network import MLP
from gradcheck.options import Edits, Entries, Given, OfCheck, OfLayer, Options, Thoroughness
from gradcheck.pipeline import generator, run
from gradcheck.report.model import Report
from gradcheck.user.automatic import slope_of
from gradcheck.user.bounds import read_bounds
from gradcheck.user.calls import quietly
from gradcheck.user.directions import along
from gradcheck.user.forms import more_of, of_parameters
from gradcheck.user.layers import make_layer
from gradcheck.user.politeness import polite
from gradcheck.user.problem import Problem
from gradcheck.user.steps import LEARNING_RATE_NAMES, make_step
from gradcheck.user.structures import flatten, flatten_real
from gradcheck.user.tensors import as_data

Function = Callable[..., Any]


@polite
def check(
    loss: Function,
    params: Any,
    grad: Function | None = None,
    *,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    inputs: Any = None,
    targets: Any = None,
    network: MLP | None = None,
    bounds: Any = None,
    entries: Entries = "auto",
    budget: float = 10.0,
    rtol: float | None = None,
    workers: int = 1,
    seed: int = 0,
    allow: Iterable[str] = (),
    batched: bool = False,
    diagnose: bool = True,
    repair: float | Edits | None = None,
    noise: float | None = None,
    directions: Any = None,
    order: int = 1,
) -> Report:
    """Compares a hand-written gradient with finite differences of the loss.

    Example:
        >>> import numpy as np, gradcheck
        >>> gradcheck.check(lambda w: np.sum(np.sin(w)), np.ones(4), np.cos).verdict
        'pass'

    Args:
        loss: takes parameters in the structure of `params` and returns the loss, one number; if
            `grad` is left out, returns the pair (loss, gradients), or a scalar of torch or jax.
        params: an array or list of numbers, or a dict, list, tuple or dataclass of arrays, nested
            as you like, which are copied; both parts of complex arrays are checked. Or an object,
            or a list of them: attributes that have a gradient are perturbed in place and restored.
        grad: takes the parameters and returns their gradients: in the same structure, in a dict by
            name (`W1` or `dW1`), or as one array per block, in order. With an object it may return
            None and store the gradients beside the parameters (`layer.dW` beside `layer.W`).
        args: further positional arguments of `loss` and `grad`, after the parameters.
        kwargs: keyword arguments of `loss` and `grad`.
        inputs: the data, with samples in rows or columns; if left out, they are found by following
            the loss, unless it is compiled or slow.
        targets: the targets, in the form in which your code uses them.
        network: the `MLP` that the loss computes, if you know it.
        bounds: pairs (low, high), None for no bound; a tuple of two arrays, all low ones and all
            high ones; `scipy.optimize.Bounds`; or a dict by block.
        entries: "all", "auto" (as many as the budget allows), or a number per block, at random.
        budget: seconds that "auto" may take.
        rtol: a relative error that you accept on top of the error bound.
        workers: number of processes that evaluate the loss.
        seed: seed of every random number in the check.
        allow: codes or names of accepted rules; their findings are reported but do not fail.
        batched: the loss takes a leading axis of length S on every array and returns S losses.
        diagnose: whether to look for the causes of wrong gradients, which takes longer.
        repair: seconds to search your source for the edit that makes a wrong gradient right.
        noise: absolute error of the values of the loss, if you know it; measured if left out.
        directions: "symmetric", "triangular", "orthogonal", "sphere", "simplex", or a projection,
            a function of (vector) or (point, vector); or a dict of these by block.
        order: 2 to check the second derivatives made by torch or jax, along random directions.

    Raises:
        UsageError: the arguments, or the values that the functions return, cannot be checked.
    """
    options = Options(entries, budget, rtol, workers, seed, tuple(allow), diagnose, repair, noise)
    parameters = flatten(params) if directions is None else flatten_real(params, "directions")
    more = more_of(args, kwargs)
    loss, grad = of_parameters(loss, parameters, more), of_parameters(grad, parameters, more)
    box = read_bounds(bounds, parameters)
    loss = slope_of(order, loss, grad, parameters, lambda: generator(seed))
    tangents = None
    if directions is not None:
        parameters, grad, tangents = along(directions, parameters, grad, box)
    problem = Problem(
        parameters,
        loss,
        grad,
        as_data(inputs),
        as_data(targets),
        network,
        batched=batched,
        data=own_arrays(inputs=inputs, targets=targets),
        bounds=box,
        layered=directions is None and order == 1,
        tangents=tangents,
    )
    return run(problem, options)


@polite
def check_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    inputs: Any,
    *,
    upstream: Any = None,
    order: int = 1,
    **options: Unpack[Thoroughness],
) -> Report:
    """Checks a layer's backward pass: its vector-Jacobian product with a random upstream gradient.

    Example:
        >>> import numpy as np, gradcheck
        >>> forward = lambda x, w: (x @ w, (x, w))
        >>> backward = lambda up, cache: (up @ cache[1].T, cache[0].T @ up)
        >>> assert gradcheck.check_layer(forward, backward, (np.ones((5, 3)), np.ones((3, 2)))).ok

    Args:
        forward: takes the inputs; returns the output, or a tuple (output, cache).
        backward: takes (upstream, cache), or upstream alone; returns one gradient per input, in a
            tuple, by name (`x` or `dx`), or as one array. None for a function of torch or jax that
            has its own backward pass: `MyFunction.apply`, a `jax.custom_vjp` or `custom_jvp`.
        inputs: a tuple or list (passed by position), a dict (passed by name), or one array. If
            `forward` and `backward` are methods, the parameters of their object are checked too;
            their gradients are stored (`layer.dW` beside `layer.W`) or returned after those of the
            inputs. Arrays of integers are taken as indices and not perturbed. Lists of arrays are
            inputs too.
        upstream: dL/d output; random if left out; None stands for zero among several.
        order: 2 for the derivative of the backward pass (double backward) of such a function.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`.
    """
    chosen = Options.of(options)
    with quietly():
        rng = generator(chosen.seed)
        layer, params = make_layer(forward, backward, inputs, upstream, rng, order)
    still = own_arrays(**layer.fixed)
    problem = Problem(params, layer.loss, layer.gradient, layered=False, layer=layer, data=still)
    return run(problem, chosen)


@polite
def check_step(
    step: Callable[..., Any],
    params: Any,
    *,
    loss: Function,
    learning_rate: float,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    inputs: Any = None,
    targets: Any = None,
    network: MLP | None = None,
    **options: Unpack[Thoroughness],
) -> Report:
    """Checks an update: the gradient that it implies is (old - new) / learning_rate.

    Example:
        >>> import numpy as np, gradcheck
        >>> step, loss = lambda w, lr: w - lr * 2 * w, lambda w: np.sum(w**2)
        >>> gradcheck.check_step(step, np.ones(3), loss=loss, learning_rate=0.1).ok
        True

    Args:
        step: takes the parameters; returns the new ones, or changes them in place, or both. If its
            second argument is named lr, learning_rate, eta, alpha or step_size, the learning rate
            is passed there; updates made with already updated weights are then recognised.
        params: as in `check`.
        loss: takes the parameters, returns the loss.
        learning_rate: the learning rate that the step uses.
        args: further positional arguments of `loss`, after the parameters.
        kwargs: keyword arguments of `loss`.
        inputs: as in `check`.
        targets: as in `check`.
        network: as in `check`.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`, or a learning rate that is not a positive number.
    """
    parameters = flatten_real(params, "check_step")
    step = of_parameters(step, parameters, later=LEARNING_RATE_NAMES)
    in_object = any(leaf.in_object for leaf in parameters.leaves)
    update = make_step(step, learning_rate, frozenset(parameters.names) if in_object else None)
    loss = of_parameters(loss, parameters, more_of(args, kwargs))
    data = own_arrays(inputs=inputs, targets=targets)
    given = as_data(inputs), as_data(targets), network
    problem = Problem(parameters, loss, update.gradient, *given, update, data=data)
    return run(problem, Options.of(options))


def assert_gradients(
    loss: Function, params: Any, grad: Function | None = None, **options: Unpack[OfCheck]
) -> Report:
    """Calls `check` and raises unless the verdict is "pass"; for tests.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.assert_gradients(lambda w: np.sum(w**2), np.ones(3), lambda w: 2 * w)

    Raises:
        GradientMismatch: an AssertionError with the whole report as its message.
        UsageError: as `check`.
    """
    __tracebackhide__ = True
    report = check(loss, params, grad, **options)
    report.raise_if_failed()
    return report


def assert_layer(
    forward: Function,
    backward: Function | None,
    inputs: Any,
    *,
    upstream: Any = None,
    **options: Unpack[OfLayer],
) -> Report:
    """Calls `check_layer` and raises unless the verdict is "pass"; for tests.

    Example:
        >>> import numpy as np, gradcheck
        >>> forward = lambda x: (np.tanh(x), np.tanh(x))
        >>> report = gradcheck.assert_layer(forward, lambda up, a: up * (1 - a**2), np.ones(3))

    Raises:
        GradientMismatch: as `assert_gradients`.
        UsageError: as `check_layer`.
    """
    __tracebackhide__ = True
    report = check_layer(forward, backward, inputs, upstream=upstream, **options)
    report.raise_if_failed()
    return report


def assert_step(
    step: Function, params: Any, *, loss: Function, learning_rate: float, **options: Unpack[Given]
) -> Report:
    """Calls `check_step` and raises unless the verdict is "pass"; for tests.

    Example:
        >>> import numpy as np, gradcheck
        >>> loss, step = lambda w: np.sum(w**2), lambda w: w - 0.1 * 2 * w
        >>> report = gradcheck.assert_step(step, np.ones(3), loss=loss, learning_rate=0.1)

    Raises:
        GradientMismatch: as `assert_gradients`.
        UsageError: as `check_step`.
    """
    __tracebackhide__ = True
    report = check_step(step, params, loss=loss, learning_rate=learning_rate, **options)
    report.raise_if_failed()
    return report


def repair(*arguments: Any, budget: float | Edits = 10.0, **options: Any) -> Repair:
    """Searches your source for the edit that makes a wrong gradient right, and proves it.

    Example:
        >>> import numpy as np, gradcheck
        >>> print(gradcheck.repair(lambda w: np.sum(w**2), np.ones(3), lambda w: 2 * w).reason)
        there is nothing to repair: no gradient is wrong

    Args:
        arguments: the arguments of `check`; or one case (`Case`, `LayerCase`, `StepCase`).
        budget: seconds that the search may take, or `gradcheck.options.Edits`.
        options: the keyword arguments of `check`.

    Raises:
        UsageError: as `check`.
    """
    if len(arguments) == 1 and not options and hasattr(arguments[0], "check"):
        report: Report = arguments[0].check(repair=budget)
    else:
        report = check(*arguments, **options, repair=budget)
    if report.repair is None:
        return Repair(reason=report.could_not_check or "the check was interrupted")
    return report.repair
