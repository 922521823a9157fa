"""The doors: what users call, and its arguments."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.mending.model import Repair
from gradcheck.network import MLP
from gradcheck.options import Edits, Options
from gradcheck.pipeline import generator, run
from gradcheck.report.model import Report
from gradcheck.user.calls import Raised, UserCodeError, quietly
from gradcheck.user.layers import make_layer
from gradcheck.user.problem import Problem, of_parameters
from gradcheck.user.steps import make_step
from gradcheck.user.structures import flatten
from gradcheck.user.tensors import to_array
from gradcheck.words import with_nearest

Function = Callable[[Any], Any]
Arguments = ParamSpec("Arguments")


def _polite(door: Callable[Arguments, Report]) -> Callable[Arguments, Report]:
    """A door through which no traceback of gradcheck's own comes, whatever is handed in."""

    @wraps(door)
    def opened(*given: Arguments.args, **named: Arguments.kwargs) -> Report:
        try:
            return door(*given, **named)
        except UsageError:
            raise
        except UserCodeError as error:
            raise UsageError(f"{error.raised.call} raised {error.raised.summary}") from None
        except RecursionError:
            raise UsageError(
                f"Python's recursion limit ({sys.getrecursionlimit()}) was met: what was given is "
                "nested deeper than that, or the limit was set to a small number"
            ) from None
        except Exception as error:
            raised = Raised("gradcheck", error, (), {})
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise UsageError(
                f"gradcheck could not read what it was given: {raised.summary} "
                f"({Path(last.filename).name}:{last.lineno}); if that is an ordinary case, it is a "
                "defect of gradcheck: please report it"
            ) from None

    return opened


@_polite
def check(
    loss: Function,
    params: Any,
    grad: Function | None = None,
    *,
    inputs: Any = None,
    targets: Any = None,
    network: MLP | None = None,
    entries: str | int = "auto",
    budget: float = 10.0,
    rtol: float | None = None,
    workers: int = 1,
    seed: int = 0,
    allow: Iterable[str] = (),
    batched: bool = False,
    diagnose: bool = True,
    repair: float | Edits | None = None,
) -> Report:
    """Compares a hand-written gradient with finite differences of the loss.

    Args:
        loss: takes parameters in the structure of `params`, returns the loss, one number; or,
            when `grad` is left out, the pair (loss, gradients).
        params: an array, or a dict, list, tuple or dataclass of arrays, nested as you like: copied,
            never changed. Or an object, or a list of them: the floating-point arrays in its
            attributes that have a gradient are perturbed in place, and put back.
        grad: takes the parameters, returns their gradients: the same structure, a dict by name
            (`W1` or `dW1`), or one array per block in order. Of an object it may return None, and
            keep the gradients beside the parameters (`layer.dW` beside `layer.W`).
        inputs: the data, samples in rows or columns; lets the diagnosis name the batch size.
        targets: the targets, as you have them.
        network: the `MLP` that the loss computes, if you can say which it is.
        entries: "all", "auto" (all that fits in the budget), or a number per block, at random.
        budget: seconds that "auto" may take.
        rtol: a relative error that you accept on top of the error bound.
        workers: how many processes evaluate the loss.
        seed: of everything that is random in the check.
        allow: codes or names of rules that are accepted here; they are reported and not counted.
        batched: the loss takes a stack of parameters, a leading axis of S on every array, and
            returns S losses; it is then called with many at once.
        diagnose: whether the causes of what is wrong are looked for; without, a check is quicker
            and gives the verdict alone.
        repair: seconds to search your source for the edit that makes a wrong gradient right; the
            report then holds what was found.

    Raises:
        UsageError: the arguments, or what the functions return, cannot be checked.
    """
    options = Options(entries, budget, rtol, workers, seed, tuple(allow), diagnose, repair)
    found = flatten(params)
    loss, grad = of_parameters(loss, found), of_parameters(grad, found)
    problem = Problem(
        found,
        loss,
        grad,
        _array(inputs),
        _array(targets),
        network,
        batched=batched,
        data=_kept(inputs=inputs, targets=targets),
    )
    return run(problem, options)


@_polite
def check_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    inputs: Any,
    *,
    upstream: Any = None,
    **options: Any,
) -> Report:
    """Checks a layer's backward pass: its vector-Jacobian product with a random upstream gradient.

    Args:
        forward: takes the inputs; returns the output, or a tuple (output, cache).
        backward: takes (upstream, cache), or upstream alone; returns one gradient per input, in a
            tuple, by name (`x` or `dx`), or as one array. None for a function of torch or jax that
            brings its own: `MyFunction.apply`, a `jax.custom_vjp`.
        inputs: a tuple or list (given by position), a dict (given by name), or one array. Whole
            numbers are indices: not perturbed, and without gradient.
        upstream: dL/d output; random if left out.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`.
    """
    chosen = _options(options)
    rng = generator(chosen.seed)
    with quietly():
        try:
            layer, params = make_layer(forward, backward, inputs, upstream, rng)
        except UserCodeError as error:
            raise UsageError(f"your forward raised {error.raised.summary}") from None
    problem = Problem(flatten(params), layer.loss, layer.gradient, layered=False, layer=layer)
    return run(problem, chosen)


@_polite
def check_step(
    step: Callable[..., Any],
    params: Any,
    *,
    loss: Function,
    learning_rate: float,
    inputs: Any = None,
    targets: Any = None,
    network: MLP | None = None,
    **options: Any,
) -> Report:
    """Checks an update: the gradient that it implies is (old - new) / learning_rate.

    Args:
        step: takes the parameters; returns the new ones, or changes them in place, or both. A
            second argument named lr, learning_rate, eta, alpha or step_size is given the learning
            rate; then an update made with already updated weights can be told.
        params: as in `check`.
        loss: takes the parameters, returns the loss.
        learning_rate: the one that the step uses.
        inputs: as in `check`.
        targets: as in `check`.
        network: as in `check`.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: as `check`, or a learning rate that is not a positive number.
    """
    found = flatten(params)
    step = of_parameters(step, found)
    in_object = any(leaf.in_object for leaf in found.leaves)
    update = make_step(step, learning_rate, frozenset(found.names) if in_object else None)
    loss = of_parameters(loss, found)
    problem = Problem(
        found,
        loss,
        update.gradient,
        _array(inputs),
        _array(targets),
        network,
        update,
        data=_kept(inputs=inputs, targets=targets),
    )
    return run(problem, _options(options))


def assert_gradients(
    loss: Function, params: Any, grad: Function | None = None, **options: Any
) -> Report:
    """Like `check`, and raises unless the verdict is "pass"; for tests.

    Raises:
        GradientMismatch: an AssertionError with the whole report as its message.
        UsageError: as `check`.
    """
    report = check(loss, params, grad, **options)
    report.raise_if_failed()
    return report


def repair(*arguments: Any, budget: float | Edits = 10.0, **options: Any) -> Repair:
    """Searches your source for the edit that makes a wrong gradient right, and proves it.

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


def _options(given: dict[str, Any]) -> Options:
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise UsageError(with_nearest(f"there is no argument {name!r}", name, known))
    return Options(**{**given, "allow": tuple(given.get("allow", ()))})


def _kept(**data: Any) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """The user's own arrays of data, with copies of what is in them."""
    return {
        name: (array, array.copy())
        for name, array in data.items()
        if isinstance(array, np.ndarray) and array.flags.writeable and array.dtype.kind != "O"
    }


def _array(data: Any) -> NDArray[Any] | None:
    return None if data is None else np.asarray(to_array(data))
