"""Run a script up to its training loop, and replay one iteration of the loop."""

from __future__ import annotations

import contextlib
import sys
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.mending.marks import HOOKS
from gradcheck.script.bodies import (
    RETURNED,
    ReturnedError,
    as_at,
    body_function,
    closures,
    fill_class,
    silence,
)
from gradcheck.script.drawn import Streams
from gradcheck.script.imported import Imported, defined, trees_beside
from gradcheck.script.instrument import mark
from gradcheck.script.marks import Seen
from gradcheck.script.passes import MOST_PASSES, Passes, all_moved
from gradcheck.script.precision import in_double
from gradcheck.script.rates import Rate
from gradcheck.script.reading import Script
from gradcheck.script.snapshot import Copies, Snapshot, take_snapshot
from gradcheck.script.state import NUMBERS, Path, State, added_to, is_number, leaves, numbers
from gradcheck.user.number import carried

SNAPSHOTS = 3
"""Number of iterations of the loop that are kept; the script is stopped at the last of them."""

ROUNDING = 1e-14
"""An increment up to this size is 0, as a sum that cancels out."""

LARGEST = 10**6
"""Largest number of entries of a difference that may be an error `output - target`."""


class _StopError(BaseException):
    """Ends a replay once the loss has been computed."""


class CapturedError(BaseException):
    """Ends the script once enough iterations of its training loop have been kept."""


class Run:
    """One run of a marked script; `wanted` is the loss that the user named.

    `test`, called in the second pass of a loop, returns the number of the training loop or None.

    Attributes:
        marked: the marks.
        passes: the passes of every loop.
        found: the number of the training loop; None until it is found.
        snapshots: the snapshots of the training loop's first iterations.
        held: rates and increments that are 0 in every replay.
        streams: the generators of the script.
        reports: whether a replay does what the script does in every tenth pass, say.
    """

    def __init__(
        self, script: Script, test: Callable[[int], int | None], wanted: str | None = None
    ) -> None:
        self.script = script
        self.marked = mark(script.tree, trees_beside(script.tree, script.path.parent), wanted)
        self.marked.as_is = script.as_is
        in_double(script.tree, self.marked)
        self.found: int | None = None
        self.snapshots, self.held = list[Snapshot](), list[Rate]()
        self._test, self._patience, self._tested = test, MOST_PASSES, 0.0
        self._seen: Seen | None = None
        self.reports = self._replaying = self._notes_idle = False
        self._scales, self._used = dict[int, float](), dict[int, set[float]]()
        self.idle, self.reached = dict[str, list[Any]](), set[int]()
        self.passes, self._bodies = list[Passes](), dict[Any, types.FunctionType]()
        self._copies, self.streams = Copies(), Streams()
        self.drawn = self.streams.drawn
        self._code = compile(script.tree, str(script.path), "exec")
        self._module = types.ModuleType("__main__")
        self.names, hooks = vars(self._module), {HOOKS: self, RETURNED: ReturnedError}
        self.names |= {"__file__": str(script.path), **hooks}
        self._imported = Imported(self.marked, hooks)

    def execute(self) -> None:
        """Run the script to its end, or to the third iteration of its training loop."""
        sys.modules["__main__"] = self._module
        self._imported.take_over()
        with contextlib.suppress(CapturedError), silence():
            exec(self._code, self.names)

    @property
    def all_names(self) -> dict[str, Any]:
        """The variables of the script and of the user's modules that it imports."""
        of_all = (*self._imported.names.values(), self.names)
        return {name: value for own in of_all for name, value in own.items()}

    @property
    def own_definitions(self) -> list[Any]:
        """The functions and classes of the script and of the user's modules that it imports."""
        return [one for own in (*self._imported.names.values(), self.names) for one in defined(own)]

    def _state(self, local: dict[str, Any] | None) -> State:
        """Return the present variables; `local` are those of the function that holds the loop."""
        return State(dict(self.names), local, self._imported.variables())

    def probe(self, number: int, local: dict[str, Any]) -> None:
        """Hook at the beginning of each pass of a loop."""
        if self._replaying:
            return
        self.passes += [Passes() for _ in self.marked.loops[len(self.passes) :]]
        passes, loop = self.passes[number], self.marked.loops[number]
        passes.hits += self.found is None
        if not (passes.is_open if self.found is None else self.found == number):
            return
        state = self._state(local if loop.function else None)
        now = take_snapshot(state, loop.left_out, loop.unread, self._copies, self.streams)
        if self.found is not None:
            self._keep(number, passes.of_its_rows(now))
            return
        if passes.ended(self._tested, now):
            began = time.perf_counter()
            passes.take_fewer_rows(now, self.marked.updated(number), partial(self.replayed, number))
            self.found = self._test(number)
            self._tested += time.perf_counter() - began
            if self.found == number and passes.first is not None:
                self.snapshots = [passes.first, passes.of_its_rows(now)]
        passes.begin(self._tested, now)

    def _keep(self, number: int, now: Snapshot) -> None:
        """Keep a snapshot of the training loop, and end the script at the last one needed."""
        self.snapshots.append(now)
        if len(self.snapshots) >= SNAPSHOTS:
            first, last = self.snapshots[0].state, now.state
            if not self._patience or all_moved(first, last, self.marked.updated(number)):
                raise CapturedError
            self._patience -= 1
            self.snapshots.pop()

    def see(self, number: int, value: Any) -> Any:
        """Hook around a number that may be the loss."""
        if self._seen is not None and self._seen.looks_at(number):
            first = carried(value[0] if isinstance(value, tuple) and value else value)
            if isinstance(first, float | np.ndarray | np.floating) and np.size(first) == 1:
                self._note(number, first if self._seen.wanted else float(np.ravel(first)[0]))
        return value

    def difference(self, number: int, result: Any, left: Any, right: Any) -> Any:
        """Hook around a difference that may be an error `output - target`."""
        seen, kinds = self._seen, (float, np.ndarray, np.floating)
        if seen is None or not seen.looks_at(number) or not isinstance(result, kinds):
            return result
        if np.asarray(result).dtype == object:  # the operations of an engine
            return result
        if np.size(result) == max(np.size(left), np.size(right)) <= LARGEST:
            pair = (left, right) if seen.wanted else (numbers(left), numbers(right))
            self._note(number, pair)
        return result

    def dot(self, left: Any, right: Any) -> Any:
        """Replace `left.dot(right)` by `np.dot`, which also records a traced right operand."""
        return np.dot(left, right) if type(left) is np.ndarray else left.dot(right)

    def scaled(self, number: int, value: Any) -> Any:
        """Hook around a number or an increment that may be, or contain, the learning rate."""
        self.reached.add(number)
        if self._notes_idle:
            self._note_if_idle(number, value)
        scale = self._scales.get(number, 1.0)
        return value if scale == 1.0 else value * scale

    def _note_if_idle(self, number: int, value: Any) -> None:
        is_array = type(value) is np.ndarray and value.dtype.kind == "f"
        site, is_one = self.marked.sites[number], is_array or is_number(value)
        is_added = site.name in site.reads  # f * c, of a state c = i * z + f * c, may be 0 as well
        if is_added and is_one and not np.any(abs(value) > ROUNDING):
            frame = sys._getframe(2)  # it knows the p of `for p, g in zip(params, grads)`
            self.idle.setdefault(site.name, []).append(added_to(site.name, frame, is_array))

    def used(self, number: int, value: Any) -> Any:
        """Hook around a variable in an update that is named like a learning rate."""
        if isinstance(value, int | float | np.floating):
            self._used.setdefault(number, set()).add(float(value))
        return self.scaled(number, value)

    def rates(self) -> dict[int, float]:
        """Return the values of such variables in the last iteration, of those with one value."""
        return {mark: next(iter(used)) for mark, used in self._used.items() if len(used) == 1}

    def _note(self, number: int, value: Any) -> None:
        assert self._seen is not None
        records = self._seen.records.setdefault(number, [])
        records.append(value)
        if self._seen.wanted == (number, len(records)):
            raise _StopError

    def forget(self, snapshot: Snapshot) -> None:
        """Drop the variables that every replay restores, so that they are not traced twice."""
        for name in snapshot.state.module:
            self.names.pop(name, None)

    def body(self, number: int, snapshot: Snapshot) -> types.FunctionType:
        """Return a function that carries out one pass of a loop."""
        local = snapshot.state.local
        names = None if local is None else frozenset({**snapshot.shared, **local})
        key = number, names, self.reports
        if key not in self._bodies:
            loop = self.marked.loops[number]
            module = self._imported.names[loop.module] if loop.module else self.names
            function = body_function(loop, module["__file__"], names, module, self.reports)
            if local is not None and "self" in local:
                fill_class(function, local["self"], loop.class_name)
            self._bodies[key] = function
        return self._bodies[key]

    def own_body(self, number: int, snapshot: Snapshot) -> types.FunctionType:
        """Return a copy of the loop's function that can be edited on its own."""
        body = self.body(number, snapshot)
        code = body.__code__.replace(co_consts=(*body.__code__.co_consts, "of the gradient"))
        return types.FunctionType(code, body.__globals__, body.__name__, None, body.__closure__)

    def replay(
        self,
        number: int,
        snapshot: Snapshot,
        values: Mapping[Path, Any] | None = None,
        rate: Rate | None = None,
        scale: float = 1.0,
        seen: Seen | None = None,
        body: types.FunctionType | None = None,
    ) -> State:
        """Replay an iteration of the loop `number`, and return the variables after it.

        It begins with the variables of the snapshot, changed by `values`. The learning rate is
        multiplied by `scale`; 0 makes an iteration without an update. The marks write to `seen`,
        and `body` replaces the function of the loop.

        Raises:
            Exception: any exception that the script raises.
        """
        state = snapshot.copied(values or {})
        local = None if state.local is None else {**snapshot.shared, **state.local}
        before = State(dict(self.names), dict(local or {}))
        body = body or self.body(number, snapshot)
        is_plain = not values and seen is None and scale == 1.0
        arrays = leaves(state, NUMBERS) if is_plain and not self.held else {}
        imported = self._imported.names.items()
        scopes = [(names, state.imported.get(name, {})) for name, names in imported]
        scopes += [(self.names, state.module)]
        try:
            with as_at(scopes, snapshot.states), silence():
                begun = replace(state, module=self.names, local=local)
                with contextlib.ExitStack() as scaled:
                    for one in self.held:
                        scaled.enter_context(one.scaled(begun, 0.0, self._scales))
                    if rate is not None:
                        scaled.enter_context(rate.scaled(begun, scale, self._scales))
                    seen_by = closures(self.marked.loops[number], local or {})
                    with_cells = scaled.enter_context(seen_by)
                    self._seen, self._replaying, self._notes_idle = seen, True, is_plain
                    self._used, self.idle, self.reached = {}, {}, set()
                    local = with_cells(self._pass(body, local))
                after = snapshot.touched(before, self._state(local))
        except ValueError as error:
            if not snapshot.is_shared_no_more(error):
                raise
            if seen is not None:
                seen.records.clear()
            return self.replay(number, snapshot, values, rate, scale, seen, body)
        if arrays:  # a rate scaled to 0 would leave every array unchanged
            snapshot.share(arrays)
        return after

    def replayed(self, *arguments: Any) -> State | None:
        """Replay as above; return None where the script raises."""
        with contextlib.suppress(Exception):
            return self.replay(*arguments)
        return None

    def _pass(self, body: types.FunctionType, local: Any) -> Any:
        """Carry out one pass; return the variables of the function that holds the loop, if any."""
        try:
            with contextlib.suppress(_StopError, ReturnedError):
                if local is None:
                    body()
                else:
                    accepted = body.__code__.co_varnames[: body.__code__.co_argcount]
                    local = body(**{name: local[name] for name in accepted})
        finally:
            self._seen, self._replaying, self._notes_idle = None, False, False
        return local
