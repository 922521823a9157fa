"""Evaluates many losses with one entry changed each: one by one, in stacks, or in processes."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.numeric.blackbox import EntryLosses
from gradcheck.numeric.estimate import Indices
from gradcheck.progress import Advance, Begin, no_advance, no_bar
from gradcheck.user.blocks import Array
from gradcheck.user.calls import LOSS, UserCodeError, call, quietly
from gradcheck.user.problem import Problem

EntryLoss = Callable[[int, int, float], float]
"""(block, flat index, value) -> the loss with one entry set to a value."""

Refused = dict[tuple[int, int], UserCodeError]
"""The first exception of the loss with an entry moved, by block and flat index."""

STACK_BYTES = 2**25
"""The memory of a stack of one block: 32 MiB."""

WORTH_SENDING = 0.2
"""Seconds of evaluations from which sending tasks to other processes pays."""

TASKS_PER_WORKER = 2
SAME = 1e-9


@dataclass(frozen=True)
class Effort:
    """Seconds for a recognised network's literal tier, the number of processes, a progress bar.

    `evaluations` is how many evaluations of the loss the budget allows.
    """

    budget: float = 0.0
    workers: int = 1
    begin: Begin = no_bar
    evaluations: float = np.inf


ALONE = Effort()


def entry_losses(
    problem: Problem,
    values: Sequence[Array],
    effort: Effort = ALONE,
    seconds: float = 0.0,
    expected: float = 0.0,
    refused: Refused | None = None,
) -> EntryLosses:
    """A function that evaluates the losses with single entries changed.

    About `expected` evaluations take `seconds` each. If `refused` is given, it collects the
    exceptions of the loss, whose value is then nan.
    """
    advance = effort.begin("losses", expected)
    if problem.batched:
        return _in_stacks(problem, values, advance)
    alone = _one_by_one(problem, values, advance, refused)
    if effort.workers == 1:
        return alone
    return _in_processes(problem, values, advance, effort.workers, seconds, alone)


def _one_by_one(
    problem: Problem, values: Sequence[Array], advance: Advance, refused: Refused | None = None
) -> EntryLosses:
    loss = problem.entry_loss(values)

    def losses(block: int, entries: Indices, moved: Array) -> Array:
        results = np.empty(len(entries))
        for row, (entry, value) in enumerate(zip(entries.tolist(), moved.tolist(), strict=True)):
            try:
                results[row] = loss(block, entry, value)
            except UserCodeError as error:
                if refused is None or not _is_outside(error, loss, (block, entry, value), refused):
                    raise
                results[row] = np.nan
            if advance is not no_advance:
                advance(1)
        return results

    return losses


def _is_outside(
    error: UserCodeError, loss: EntryLoss, moved: tuple[int, int, float], refused: Refused
) -> bool:
    """Whether a value is outside the domain of the loss, where it raises at every call.

    If it does not raise again, the loss is no function of the parameters.
    """
    if not isinstance(error.raised.error, Exception):
        return False
    if moved[:2] not in refused:
        refused[moved[:2]] = error
        try:
            loss(*moved)
        except UserCodeError:
            return True
        return False
    return True


def _in_stacks(problem: Problem, values: Sequence[Array], advance: Advance) -> EntryLosses:
    """The losses of a function that takes a stack of parameters: a leading axis on every block."""

    def losses(block: int, entries: Indices, moved: Array) -> Array:
        results = np.empty(len(entries))
        at_once = max(1, STACK_BYTES // max(values[block].nbytes, 1))
        for first in range(0, len(entries), at_once):
            here = slice(first, first + at_once)
            count = len(entries[here])
            stacks = [np.broadcast_to(value, (count, *value.shape)) for value in values]
            stacks[block] = np.repeat(values[block][None], count, axis=0)
            stacks[block].reshape(count, -1)[np.arange(count), entries[here]] = moved[here]
            packed = problem.parameters.pack(stacks)
            returned = np.asarray(call(problem.loss_function, LOSS, packed))
            if returned.shape != (count,):
                raise UsageError(
                    f"batched=True: your loss was given a stack of {count} parameters, a leading "
                    f"axis on every array, and returned shape {returned.shape}; it must return "
                    f"{count} losses"
                )
            results[here] = returned
            advance(count)
        return results

    return losses


def _in_processes(
    problem: Problem,
    values: Sequence[Array],
    advance: Advance,
    workers: int,
    seconds: float,
    alone: EntryLosses,
) -> EntryLosses:
    """The losses from joblib's workers, in any of its backends.

    A task is the pickled problem and a range of entries. It runs in this process if the problem
    cannot be pickled, a worker's loss does not depend on the moved entry, or the worker raises.
    """
    try:
        import joblib
    except ImportError:
        raise UsageError("workers above 1 need joblib: pip install joblib cloudpickle") from None
    payload = _pickled(replace(problem, gradient_function=abs), values)  # workers never call it
    same: dict[int, bool] = {}

    def is_same(block: int) -> bool:
        """Whether a worker gives the same loss with an entry of the block moved far."""
        probe = np.array([0]), np.array([values[block].flat[0] + 1.0])
        [of_worker] = joblib.Parallel(n_jobs=workers)(
            [joblib.delayed(_task)(payload, block, *probe)]
        )
        try:
            return of_worker is not None and np.allclose(of_worker, alone(block, *probe), rtol=SAME)
        except UserCodeError:
            return False

    def losses(block: int, entries: Indices, moved: Array) -> Array:
        if payload is None or len(entries) * seconds < WORTH_SENDING:
            return alone(block, entries, moved)
        if block not in same:
            same[block] = is_same(block)
        if not same[block]:
            return alone(block, entries, moved)
        parts = np.array_split(np.arange(len(entries)), workers * TASKS_PER_WORKER)
        tasks = (
            joblib.delayed(_task)(payload, block, entries[part], moved[part]) for part in parts
        )
        pieces = []
        results = joblib.Parallel(n_jobs=workers, return_as="generator")(tasks)
        for part, result in zip(parts, results, strict=True):
            pieces.append(alone(block, entries[part], moved[part]) if result is None else result)
            advance(len(part))
        return np.concatenate(pieces)

    return losses


def _pickled(problem: Problem, values: Sequence[Array]) -> bytes | None:
    """The problem and the point, pickled for another process; None if that is not possible.

    The modules of the user's functions are pickled by value, so that they need not be importable
    there, and objects that they share with the parameters stay shared.
    """
    import cloudpickle

    with _by_value(cloudpickle, problem):
        try:
            payload: bytes = cloudpickle.dumps((problem, tuple(values)))
            cloudpickle.loads(payload)
        except Exception:  # objects of the user may raise anything
            return None
    return payload


@contextlib.contextmanager
def _by_value(cloudpickle: Any, problem: Problem) -> Iterator[None]:
    owners = problem.loss_function, type(problem.parameters.owner)
    names = {getattr(owner, "__module__", None) or "" for owner in owners}
    modules = [
        sys.modules[name]
        for name in names - {"__main__", "builtins"}
        if name in sys.modules and name.partition(".")[0] not in ("gradcheck", "numpy")
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _task(payload: bytes, block: int, entries: Indices, moved: Array) -> Array | None:
    """The losses of some entries, evaluated in a worker; None if the user's code raises."""
    try:
        with quietly():
            return _unpacked(payload, threading.get_ident())(block, entries, moved)
    except (UserCodeError, UsageError):
        return None


@lru_cache(maxsize=4)
def _unpacked(payload: bytes, thread: int) -> EntryLosses:
    """The losses of a worker; one copy per thread, since evaluation changes arrays in place."""
    import pickle

    problem, values = pickle.loads(payload)  # safe: this program has just pickled it
    return _one_by_one(problem, values, lambda count: None)
