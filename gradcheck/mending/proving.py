"""Is what an edit makes right also right elsewhere: at other points, with other data and sizes?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from gradcheck.mending.candidate import Mended, TooSlowError, applied, at_most
from gradcheck.mending.context import Edit
from gradcheck.mending.elsewhere import Data
from gradcheck.mending.judge import Judge
from gradcheck.mending.surroundings import Surroundings
from gradcheck.mending.targets import Progress, Standing
from gradcheck.mending.task import Task
from gradcheck.mending.together import Changes
from gradcheck.mending.variants import Candidate, Program

CALLS = 20
"""The time limit of a proof, as a multiple of a candidate's."""


class Proving:
    """Judges programs elsewhere; `data` returns what is varied, and `start` is the user's own."""

    def __init__(
        self, task: Task, judge: Judge, surroundings: Surroundings, data: Callable[[], Data]
    ) -> None:
        self.start = Program(task.functions, task.texts)
        self._task, self._judge, self._surroundings = task, judge, surroundings
        self._data: Callable[[], Data] | None = data
        self._seconds = CALLS * task.limit

    def mended(self, program: Program, candidate: Candidate, right: Standing) -> Mended | None:
        """Return a candidate whose gradient is right, if it is right at other points too.

        Raises:
            TooSlowError: that took too long.
        """
        self.prepare(program)
        most = at_most(self._seconds)
        with program.running(program.code_of(candidate)), most:
            error = self._judge.proved()
            proof = None if error is None else self._judge.proof()
        if error is None or not proof:
            return None
        names = zip(self._task.point.problem.parameters.names, right, strict=True)
        left = tuple(name for name, standing in names if standing is None)
        after = applied(program.texts, candidate)
        return Mended((*program.edits, *candidate), after, error, *proof, left)

    def judged(
        self,
        program: Program,
        helpful: Sequence[tuple[Edit, Progress]],
        has_time: Callable[[], bool],
    ) -> tuple[list[Edit], list[Edit]]:
        """Return the leading edits, and apart those that seem right with the user's data alone.

        Of edits that make the same blocks right, the others are not judged once one holds.
        """
        lasting, passing = list[tuple[Edit, Progress]](), list[tuple[Edit, Progress]]()
        settled = set[Standing]()
        for edit, progress in sorted(helpful, key=lambda pair: pair[0].weight):
            is_settled = progress.right in settled
            if is_settled or (has_time() and self._lasts(program, edit)):
                lasting.append((edit, progress))
                settled.add(progress.right)
            else:
                passing.append((edit, progress))
        return Changes.leading(lasting), Changes.leading(passing)

    def _lasts(self, program: Program, edit: Edit) -> bool:
        """True if the blocks that are right with an edit are right with other data and sizes."""
        lasts = False
        self.prepare(program)
        most = at_most(self._seconds)
        with suppress(TooSlowError), program.running(program.code_of((edit,))), most:
            lasts = self._judge.lasts(self._judge.right_blocks())
        self._surroundings.restore()
        program.restore()
        return lasts

    def prepare(self, program: Program) -> None:
        """Measure the user's own functions elsewhere, once."""
        if self._data is None:
            return
        self._surroundings.restore()
        self.start.restore()
        self._judge.prepare(self._data())
        self._data = None
        self._surroundings.restore()
        program.restore()
