"""A script that is run up to its training loop, and one iteration of it, replayed."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.script.bodies import (
    RETURNED,
    ReturnedError,
    as_at,
    body_function,
    closures,
    fill_class,
    silence,
)
from gradcheck.script.imported import Imported, defined, trees_beside
from gradcheck.script.instrument import mark
from gradcheck.script.marks import HOOKS, Seen
from gradcheck.script.rates import Rate
from gradcheck.script.reading import Script
from gradcheck.script.state import (
    Path,
    Snapshot,
    State,
    all_moved,
    leaves,
    take_snapshot,
)

MOST_TESTS, MOST_PASSES = 3, 200
"""How often a loop is tested, and in how many of its passes."""

SNAPSHOTS = 3
"""Iterations of the loop that are looked at; the script stops at the last of them."""

LARGEST = 10**6
"""Entries of a difference that may still be an error."""


class _StopError(BaseException):
    """The iteration has come to the loss."""


class CapturedError(BaseException):
    """The script has come to the iteration at which it stops."""


@dataclass
class Passes:
    """What a loop has come to: its first and present snapshot, and why it is no training loop."""

    hits: int = 0
    tests: int = 0
    first: Snapshot | None = None
    why: str = ""


class Run:
    """A script that is run once, marked; `wanted` is what the user says is the loss.

    `test` is asked of a loop in its second pass: the number of the training loop, if it is known.

    Attributes:
        marked: the marks.
        passes: of every loop.
        found: the number of the training loop; None until it is found.
        snapshots: of its first iterations.
    """

    def __init__(
        self, script: Script, test: Callable[[int], int | None], wanted: str | None = None
    ) -> None:
        self.script = script
        self.marked = mark(script.tree, trees_beside(script.tree, script.path.parent), wanted)
        self.passes: list[Passes] = []
        self.found: int | None = None
        self.snapshots: list[Snapshot] = []
        self._test = test
        self._patience = MOST_PASSES
        self._seen: Seen | None = None
        self._replaying = False
        self._scales: dict[int, float] = {}
        self._used: dict[int, set[float]] = {}
        self._bodies: dict[Any, types.FunctionType] = {}
        self._code = compile(script.tree, str(script.path), "exec")
        self._module = types.ModuleType("__main__")
        self.names = vars(self._module)
        hooks = {HOOKS: self, RETURNED: ReturnedError}
        self.names.update(__file__=str(script.path), **hooks)
        self._imported = Imported(self.marked, hooks)

    def execute(self) -> None:
        """Runs the script, to its end or the third iteration of its training loop."""
        sys.modules["__main__"] = self._module
        sys.meta_path.insert(0, self._imported)
        with contextlib.suppress(CapturedError), silence():
            exec(self._code, self.names)

    @property
    def all_names(self) -> dict[str, Any]:
        """The variables of the script, and those of modules of its own."""
        return {
            **{k: v for own in self._imported.names.values() for k, v in own.items()},
            **self.names,
        }

    @property
    def own_definitions(self) -> list[Any]:
        """The functions and classes of the script, and of modules of its own."""
        return [one for own in (*self._imported.names.values(), self.names) for one in defined(own)]

    def _state(self, local: dict[str, Any] | None) -> State:
        """The variables as they are now."""
        return State(dict(self.names), local, self._imported.variables())

    # what the marks call

    def probe(self, number: int, local: dict[str, Any]) -> None:
        """The beginning of a pass of a loop."""
        if self._replaying:
            return
        self.passes += [Passes() for _ in self.marked.loops[len(self.passes) :]]
        passes = self.passes[number]
        own = local if self.marked.loops[number].function else None
        if self.found is not None:
            if number == self.found:
                self.snapshots.append(take_snapshot(self._state(own)))
                if len(self.snapshots) >= SNAPSHOTS:
                    first, last = self.snapshots[0].state, self.snapshots[-1].state
                    if not self._patience or all_moved(first, last, self.marked.updated(number)):
                        raise CapturedError
                    self._patience -= 1
                    self.snapshots.pop()
            return
        passes.hits += 1
        if passes.tests >= MOST_TESTS or passes.hits > MOST_PASSES:
            return
        before, now = passes.first, take_snapshot(self._state(own))
        if before is not None:
            passes.tests += 1
            self.found = self._test(number)
            if self.found == number:
                self.snapshots = [before, now]
        passes.first = now

    def see(self, number: int, value: Any) -> Any:
        """A number that may be the loss."""
        if self._seen is not None:
            first = value[0] if isinstance(value, tuple) and value else value
            if isinstance(first, float | np.ndarray | np.floating) and np.size(first) == 1:
                self._note(number, first)
        return value

    def difference(self, number: int, result: Any, left: Any, right: Any) -> Any:
        """A difference that may be an error."""
        seen = self._seen
        if seen is None or not isinstance(result, float | np.ndarray | np.floating):
            return result
        if np.size(result) == max(np.size(left), np.size(right)) <= LARGEST:
            pair = (left, right)
            if seen.wanted is None:
                pair = (np.array(left, dtype=float), np.array(right, dtype=float))
            seen.differences.setdefault(number, []).append(pair)
            self._note(number, None)
        return result

    def dot(self, left: Any, right: Any) -> Any:
        """`left.dot(right)`, by the function, which sees what is followed on either side."""
        return np.dot(left, right) if type(left) is np.ndarray else left.dot(right)

    def scaled(self, number: int, value: Any) -> Any:
        """A number or an increment that may be, or hold, the learning rate."""
        scale = self._scales.get(number, 1.0)
        return value if scale == 1.0 else value * scale

    def used(self, number: int, value: Any) -> Any:
        """A name like that of a rate, in an update."""
        if isinstance(value, int | float | np.floating):
            self._used.setdefault(number, set()).add(float(value))
        return self.scaled(number, value)

    def rates(self) -> dict[int, float]:
        """What names like that of a rate were in the last iteration, where each was one number."""
        return {number: next(iter(own)) for number, own in self._used.items() if len(own) == 1}

    def _note(self, number: int, value: Any) -> None:
        seen = self._seen
        assert seen is not None
        count = seen.counts[number] = seen.counts.get(number, 0) + 1
        if seen.wanted is None:
            if value is not None:
                seen.numbers[number] = float(np.ravel(value)[0])
        elif seen.wanted == (number, count):
            seen.value = value
            raise _StopError

    # replaying

    def forget(self, snapshot: Snapshot) -> None:
        """Lets go of what every replay brings along, so that nobody follows it twice."""
        for name in snapshot.state.module:
            self.names.pop(name, None)

    def body(self, number: int, snapshot: Snapshot) -> types.FunctionType:
        """The function that is one pass of a loop."""
        local = snapshot.state.local
        names = None if local is None else frozenset({**snapshot.shared, **local})
        if (number, names) not in self._bodies:
            loop = self.marked.loops[number]
            module = self._imported.names[loop.module] if loop.module else self.names
            made = body_function(loop, module["__file__"], names, module)
            if local is not None and "self" in local:
                fill_class(made, local["self"], loop.class_name)
            self._bodies[number, names] = made
        return self._bodies[number, names]

    def own_body(self, number: int, snapshot: Snapshot) -> types.FunctionType:
        """The same, as a function that can be edited alone."""
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
        """One iteration of a loop from a snapshot; what the script holds after it.

        Before it, `values` are put in and the rate is scaled; what the marks see goes to `seen`.
        Another function than its own may be the `body` of the loop.

        Raises:
            Exception: whatever the script raises.
        """
        state = snapshot.copied(values or {})
        local = None if state.local is None else {**snapshot.shared, **state.local}
        body = body or self.body(number, snapshot)
        is_plain = not values and seen is None and scale == 1.0
        arrays = leaves(state) if is_plain else {}
        imported = self._imported.names.items()
        scopes = [(names, state.imported.get(name, {})) for name, names in imported]
        scopes.append((self.names, state.module))
        try:
            with as_at(scopes, snapshot.random), silence():
                begun = replace(state, module=self.names, local=local)
                scaled: Any = contextlib.nullcontext()
                if rate is not None:
                    scaled = rate.scaled(begun, scale, self._scales)
                with scaled, closures(local or {}):
                    self._seen, self._replaying, self._used = seen, True, {}
                    local = self._pass(body, local)
                after = self._state(local)
        except ValueError as error:
            if not snapshot.is_shared_no_more(error):
                raise
            if seen is not None:
                seen.forget()
            return self.replay(number, snapshot, values, rate, scale, seen, body)
        if is_plain:  # at a rate of 0 all stays
            snapshot.share(arrays)
        return after

    def replayed(self, *arguments: Any) -> State | None:
        """The same; None where the script raises."""
        try:
            return self.replay(*arguments)
        except Exception:
            return None

    def _pass(self, body: types.FunctionType, local: Any) -> Any:
        """The variables of the function, if the loop is in one, after a pass of it."""
        try:
            with contextlib.suppress(_StopError, ReturnedError):
                if local is None:
                    body()
                else:
                    accepted = body.__code__.co_varnames[: body.__code__.co_argcount]
                    local = body(**{name: local[name] for name in accepted})
        finally:
            self._seen, self._replaying = None, False
        return local
