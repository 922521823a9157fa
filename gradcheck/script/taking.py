"""Take a script apart: run it up to its training loop, and make a case of one iteration."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from gradcheck.options import Wishes
from gradcheck.script.bodies import SUMMED
from gradcheck.script.further import (
    further_paths,
    gets_lost,
    holding,
    idle_paths,
    with_own_rates,
)
from gradcheck.script.handover import Taken
from gradcheck.script.inner_loops import goes_over_entries, set_anew
from gradcheck.script.iteration import Iteration
from gradcheck.script.left_alone import reaching
from gradcheck.script.loops import NOT_BACK, find_step
from gradcheck.script.minimised import MinimisedError
from gradcheck.script.passes import Passes
from gradcheck.script.reading import Script
from gradcheck.script.refusals import no_loss, no_loss_below
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, label, last_name, movement
from gradcheck.script.step import Step
from gradcheck.script.straight import straight_line
from gradcheck.script.words import RefusedError, short

NOWHERE = -1
"""The number of the training loop where none is looked for any more."""

IN_DOUBT, SUMS = "no error in it depends on ", "it only adds up "
"""Why it is doubtful that a loop trains, which is taken if no other one does."""


@dataclass
class Taking:
    """The search for the training step in one script, given the user's options."""

    script: Script
    wishes: Wishes
    run: Run = field(init=False)
    step: Step | None = field(init=False, default=None)
    unheld: list[Path] = field(init=False, default_factory=list)
    notes: tuple[str, ...] = field(init=False, default=())
    started: float = field(init=False, default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.wishes.rate is not None and not self.wishes.rate > 0:
            raise RefusedError(
                f"--lr {self.wishes.rate:g}: such a learning rate moves nothing downhill; it must "
                "be more than 0"
            )
        self.run = Run(self.script, self._test, self.wishes.loss)

    def _test(self, number: int) -> int | None:
        """Return the loop if it trains, or an inner loop whose first passes changed nothing."""
        inside = self.run.marked.inside(number)
        for inner in inside:
            passes = self.run.passes[inner]
            if passes.is_idle and passes.first is not None and self._trains(inner):
                self.run.snapshots = [passes.first]
                return inner
        if not self._trains(number):
            return None
        begun_anew = [self.run.passes[inner].begin_anew() for inner in inside]
        if any(begun_anew):
            self.step = None
            self.run.passes[number].tests -= 1
            return None
        return number

    def _trains(self, number: int, in_doubt: bool = False) -> bool:
        """Whether a loop trains; one of which that is doubtful is taken `in_doubt` only."""
        self.step = find_step(self.run, number, self.wishes.rate)
        passes = self.run.passes[number]
        if self.step is None or passes.first is None:
            return False
        if self.wishes.params is None:
            self.step = self.step.drawn(passes.first.state)
        if self.wishes.loss is not None and not self.run.marked.may_come_to(number):
            self.step, passes.why = None, f"it does not compute {self.wishes.loss}"
        elif any(self._makes_steps(inner, passes) for inner in self.run.marked.inside(number)):
            self.step, passes.why = None, "each pass makes several steps"
        elif not self._iteration().has_loss(passes.first):
            passes.why = no_loss(self.step.paths, self.run.marked.watched(number))
            passes.updated = {*self.step.all_paths}
            self.step = None
        elif not in_doubt and (paths := self._iteration().ignored(passes.first)):
            passes.updated = {*self.step.all_paths}
            self.step, passes.why = None, IN_DOUBT + short(", ".join(map(label, paths)))
        elif not in_doubt and (paths := set_anew(self.run.marked, self.step)):
            self.step, passes.why = None, SUMS + short(", ".join(map(label, paths)))
        return self.step is not None

    def _makes_steps(self, inner: int, outer: Passes) -> bool:
        """Whether a loop inside of another makes several steps in a pass of that."""
        assert self.step is not None
        passes = self.run.passes[inner]
        is_of_one = goes_over_entries(self.run.marked.loops[inner].node)
        are_steps = not is_of_one and passes.are_steps(outer, self.step.all_paths)
        return passes.why == SUMMED or are_steps

    def execute(self) -> None:
        """Run the script, which may raise; then test loops of a single pass, or straight code."""
        ended = None
        try:
            self.run.execute()
        except MinimisedError:
            self.run.found = NOWHERE  # the functions that it minimises may have loops of their own
            raise
        except SystemExit as error:
            ended = error
        except Exception:
            if self.step is None and not self._doubtful():
                raise
        for number, passes in enumerate(self.run.passes):
            untried = self.step is None and passes.first is not None and not passes.tests
            if untried and self._trains(number) and passes.first:
                self.run.found, self.run.snapshots = number, [passes.first]
        is_found = self.step is not None or self._doubtful()
        if not is_found and (found := straight_line(self.run, self.wishes.rate)):
            self.run, self.step = found
        if ended and self.step is None:
            raise ended

    def _doubtful(self) -> bool:
        """Whether a loop trains of which that is doubtful; it is taken then.

        None that adds up is taken where the updates of another one, which would train, are 0.
        """
        is_idle = any(passes.why.endswith(NOT_BACK) for passes in self.run.passes)
        for number, passes in enumerate(self.run.passes):
            doubts = IN_DOUBT if is_idle else (IN_DOUBT, SUMS)
            first, is_doubtful = passes.first, passes.why.startswith(doubts)
            if is_doubtful and first is not None and self._trains(number, in_doubt=True):
                self.run.found, self.run.snapshots = number, [first]
                return True
        return False

    def iterations(self) -> Iterator[Taken]:
        """Yield the iterations that can be checked, the likeliest first.

        Raises:
            RefusedError: the loop descends more than one loss.
        """
        assert self.step is not None
        snapshots = self.run.snapshots
        more = [further_paths(self.run, self.step, one) for one in snapshots]
        for one, paths in zip(snapshots, more, strict=True):
            known = one.state.places(self.step.all_paths)  # an array may have another path by now
            self.step.paths += [path for path in paths if not one.state.places([path]) & known]
        self.step.paths += idle_paths(self.run, self.step, snapshots[-1])
        if self.wishes.params is None:
            self.step = self.step.drawn(snapshots[-1].state)
        else:
            self._widen(snapshots[-1], self._wanted(self.step.changed))
            wanted = self._wanted_paths()
            with contextlib.suppress(RefusedError):  # raised again below
                found = self._iteration().taken(snapshots[-1])
                held, self.unheld = holding(found, wanted)
                self.run.held += held
            self.step.paths = wanted
        most = max(map(len, more))
        likely = [one for one, paths in zip(snapshots, more, strict=True) if len(paths) == most]
        others = [one for one in snapshots if not any(one is other for other in likely)]
        order = [*reversed(likely), *reversed(others)]
        numbers = ([one.state.number(path) for one in snapshots] for path in self.step.paths)
        if any(map(gets_lost, numbers)):
            order = snapshots[:1]
        moving, resting = list[Snapshot](), list[Snapshot]()
        for one in order:
            (resting if self._rests(one) else moving).append(one)
        refused, any_taken = None, False
        for snapshot in chain(moving, (one for one in resting if not (any_taken and moving))):
            try:
                taken = self._iteration().taken(snapshot)
                if taken is not None and not any_taken and self.wishes.params is None:
                    left = reaching(taken.point, taken.found.loss)
                    if self._widen(snapshot, left):
                        taken = self._iteration().taken(snapshot)
            except RefusedError as error:
                if self.wishes.loss is None:
                    raise
                refused = error  # the loss may be computed in another iteration
                continue
            if taken is not None:
                any_taken = True
                yield replace(taken, unheld=self.unheld)
        if refused is not None and not any_taken:
            raise refused

    def _rests(self, snapshot: Snapshot) -> bool:
        """Whether an iteration leaves all parameters as they are, as where several are summed up.

        Nothing says then with which sign and factor it would update them.
        """
        assert self.step is not None
        after, paths = self.run.replayed(self.step.loop, snapshot), self.step.paths
        moves = (movement(after, snapshot.state, path) for path in paths if after is not None)
        return not any(move is None or np.any(move) for move in moves)

    def taken(self) -> tuple[Taken, Iterator[Taken]]:
        """Return the first iteration that computes a loss, else the likeliest; and the others.

        Raises:
            RefusedError: there is no loss, or more than one.
        """
        iterations = self.iterations()
        likely: list[Taken] = []
        assert self.step is not None
        loop = self.run.marked.loops[self.step.loop]
        for one in iterations:
            likely.append(one)
            loss = one.found.loss
            if loss.family is None and (loss.strong or loss.agreeing or not loop.is_straight):
                return one, iterations
        if not likely:
            raise RefusedError(f"the loop at {loop.place}: {no_loss(self.step.paths)}")
        fits = [one.found.loss.agreeing * bool(one.found.loss.middle) for one in likely]
        if not fits[0]:  # its activations may be saturated
            likely.insert(0, likely.pop(fits.index(max(fits))))
        if loop.is_straight and not max(fits):
            raise RefusedError(no_loss_below(loop, self.step.paths))
        return likely[0], iter(likely[1:])

    def with_all_rows(self, taken: Taken) -> Taken | None:
        """Return an iteration of fewer rows with all of them; None if it has them, or no loss."""
        whole = taken.point.snapshot.whole
        if whole is None:
            return None
        self.run.snapshots = [one.whole or one for one in self.run.snapshots]
        return self._iteration().taken(whole)

    def _wanted(self, paths: Sequence[Path]) -> list[Path]:
        names = self.wishes.params or ()
        return [path for path in paths if label(path) in names or last_name(path) in names]

    def _wanted_paths(self) -> list[Path]:
        assert self.step is not None
        if paths := self._wanted(self.step.paths):
            return paths
        there = ", ".join(map(label, self.step.paths))
        raise RefusedError(
            f"--params {','.join(self.wishes.params or ())}: the loop updates {there}"
        )

    def _widen(self, snapshot: Snapshot, left: Sequence[Path]) -> bool:
        """Add those of `left` as parameters that have a learning rate of their own."""
        assert self.step is not None
        before = self.step
        self.step = with_own_rates(self.run, before, snapshot, left)
        return len(self.step.paths) > len(before.paths)

    def _iteration(self) -> Iteration:
        assert self.step is not None
        return Iteration(self.run, self.step, self.wishes)
