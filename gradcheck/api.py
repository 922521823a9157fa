"""The pipeline: the user's code -> blocks -> preflight -> numeric -> comparison -> diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.blocks import flatten
from gradcheck.compare.comparison import compare
from gradcheck.compare.gates import with_gradients_only
from gradcheck.diagnose.engine import diagnose
from gradcheck.network import MLP
from gradcheck.preflight import preflight
from gradcheck.problem import Options, Problem
from gradcheck.report.build import build_report, unchecked_report
from gradcheck.report.model import Report
from gradcheck.sampling import choose_entries
from gradcheck.usercode import UserCodeError, quietly

Function = Callable[[Any], Any]


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
) -> Report:
    """Compares a hand-written gradient with finite differences of the loss.

    Args:
        loss: takes parameters in the structure of `params`, returns the loss, one number; or,
            when `grad` is left out, the pair (loss, gradients).
        params: an array, or a dict, list or tuple of arrays, nested as you like. Never changed.
        grad: takes the parameters, returns their gradients: the same structure, a dict by name
            (`W1` or `dW1`), or one array per block in order.
        inputs: the data, samples in rows or columns; lets the diagnosis name the batch size.
        targets: the targets, as you have them.
        network: the `MLP` that the loss computes, if you can say which it is.
        entries: "all", "auto" (all that fits in the budget), or a number per block, at random.
        budget: seconds that "auto" may take.
        rtol: a relative error that you accept on top of the error bound.
        workers: how many processes evaluate the loss.
        seed: of everything that is random in the check.
        allow: codes or names of rules that are accepted here; they are reported and not counted.

    Raises:
        UsageError: the arguments, or what the functions return, cannot be checked.
    """
    options = Options(entries, budget, rtol, workers, seed, tuple(allow))
    problem = Problem(flatten(params), loss, grad, _array(inputs), _array(targets), network)
    return _run(problem, options)


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


def _run(problem: Problem, options: Options) -> Report:
    start = time.perf_counter()
    rng = np.random.default_rng(options.seed)
    with quietly() as heard, problem.parameters.put_back():
        try:
            problem = with_gradients_only(problem)
            ready = preflight(problem, rng)
            if ready.noise is None:
                reason = f"your loss is {ready.center} at your own parameters"
                return unchecked_report(problem, reason, heard, time.perf_counter() - start)
            selection = choose_entries(
                problem.parameters, options.entries, options.budget, ready.noise.seconds, rng
            )
            comparison = compare(
                ready.problem,
                problem.parameters.values,
                ready.center,
                ready.noise,
                selection.entries,
                options.rtol,
                rng,
            )
            diagnosis = diagnose(ready, comparison, selection, rng)
        except UserCodeError as error:
            reason = f"{error.raised.call} raised {error.raised.summary}"
            seconds = time.perf_counter() - start
            return unchecked_report(problem, reason, heard, seconds, error.raised)
    seconds = time.perf_counter() - start
    return build_report(ready, selection, comparison, diagnosis, options, heard, seconds)


def _array(data: Any) -> NDArray[Any] | None:
    return None if data is None else np.asarray(data)
