"""The doors: what users call, and its arguments."""

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
        loss: takes parameters in the structure of `params`, returns the loss, one number; or,
            when `grad` is left out, the pair (loss, gradients), or a number of torch's or jax's.
        params: an array, or a dict, list, tuple or dataclass of arrays, nested as you like: copied,
            never changed; of complex ones both parts. Or an object, or a list of them: the arrays
            in its attributes that have a gradient are perturbed in place, and put back.
        grad: takes the parameters, returns their gradients: the same structure, a dict by name
            (`W1` or `dW1`), or one array per block in order. Of an object it may return None, and
            keep the gradients beside the parameters (`layer.dW` beside `layer.W`).
        args: what `loss` and `grad` are given after the parameters.
        kwargs: what they are given by name.
        inputs: the data, samples in rows or columns; they are read from the loss where it is
            not compiled and takes no seconds.
        targets: the targets, as you have them.
        network: the `MLP` that the loss computes, if you can say which it is.
        bounds: pairs (low, high), None for no bound, `scipy.optimize.Bounds`, or a dict by block.
        entries: "all", "auto" (all that fits in the budget), or a number per block, at random.
        budget: seconds that "auto" may take.
        rtol: a relative error that you accept on top of the error bound.
        workers: how many processes evaluate the loss.
        seed: of everything that is random in the check.
        allow: codes or names of rules that are accepted here; they are reported and not counted.
        batched: the loss takes a stack, a leading axis of S on every array, and returns S losses.
        diagnose: whether the causes of what is wrong are looked for, which takes longer.
        repair: seconds to search your source for the edit that makes a wrong gradient right.
        noise: how far a value of the loss is known to be off; measured if left out.
        directions: "symmetric", "triangular", "orthogonal", "sphere", "simplex", or a projection of
            (vector) or (point, vector); or these by block.
        order: 2 for the gradient of the gradient that torch or jax makes, along random directions.

    Raises:
        UsageError: the arguments, or what the functions return, cannot be checked.
    """
    options = Options(entries, budget, rtol, workers, seed, tuple(allow), diagnose, repair, noise)
    found = flatten(params) if directions is None else flatten_real(params, "directions")
    more = more_of(args, kwargs)
    loss, grad = of_parameters(loss, found, more), of_parameters(grad, found, more)
    box = read_bounds(bounds, found)
    loss = slope_of(order, loss, grad, found, generator(seed))
    tangents = None
    if directions is not None:
        found, grad, tangents = along(directions, found, grad, box)
    problem = Problem(
        found,
        loss,
        grad,
        as_data(inputs),
        as_data(targets),
        network,
        batched=batched,
        data=own_arrays(inputs=inputs, targets=targets),
        bounds=box,
        layered=directions is None and order == 1 and not found.has_complex,
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
            brings its own: `MyFunction.apply`, a `jax.custom_vjp` or `custom_jvp`.
        inputs: a tuple or list (given by position), a dict (given by name), or one array. Of an
            object's methods, its parameters with a gradient (`layer.dW` beside `layer.W`, or after
            those of the inputs) are checked as well. Whole numbers are indices: not perturbed.
        upstream: dL/d output; random if left out.
        order: 2 for the derivative of the backward pass (double backward) of such a function.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`.
    """
    chosen = Options.of(options)
    with quietly():
        rng = generator(chosen.seed)
        layer, params = make_layer(forward, backward, inputs, upstream, rng, order)
    return run(Problem(params, layer.loss, layer.gradient, layered=False, layer=layer), chosen)


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
        step: takes the parameters; returns the new ones, or changes them in place, or both. A
            second argument named lr, learning_rate, eta, alpha or step_size is given the learning
            rate; then an update made with already updated weights can be told.
        params: as in `check`.
        loss: takes the parameters, returns the loss.
        learning_rate: the one that the step uses.
        args: what `loss` is given after the parameters.
        kwargs: what it is given by name.
        inputs: as in `check`.
        targets: as in `check`.
        network: as in `check`.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`, or a learning rate that is not a positive number.
    """
    found = flatten_real(params, "check_step")
    step = of_parameters(step, found, later=LEARNING_RATE_NAMES)
    in_object = any(leaf.in_object for leaf in found.leaves)
    update = make_step(step, learning_rate, frozenset(found.names) if in_object else None)
    loss = of_parameters(loss, found, more_of(args, kwargs))
    data = own_arrays(inputs=inputs, targets=targets)
    given = as_data(inputs), as_data(targets), network
    problem = Problem(found, loss, update.gradient, *given, update, data=data)
    return run(problem, Options.of(options))


def assert_gradients(
    loss: Function, params: Any, grad: Function | None = None, **options: Unpack[OfCheck]
) -> Report:
    """Like `check`, and raises unless the verdict is "pass"; for tests.

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
    """Like `check_layer`, and raises unless the verdict is "pass"; for tests.

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
    """Like `check_step`, and raises unless the verdict is "pass"; for tests.

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
        arguments: those of `check`; or one case (`Case`, `LayerCase`, `StepCase`).
        budget: seconds that the search may take, or `gradcheck.options.Edits`.
        options: those of `check` by name.

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
