"""Check the cases named on a command line, in this process or in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.isolation import Call, Lost, Workers
from gradcheck.options import Wishes
from gradcheck.report.outcome import Outcome

NAMES_OF, CASES_OF, OUTCOME_OF = (
    f"gradcheck.running:{name}" for name in ("names_of", "cases_of", "outcome_of")
)

Asked = tuple[tuple[str, ...], Wishes]
"""The targets of a command line, and its statements about scripts."""


def outcomes_here(asked: Asked, overrides: Mapping[str, Any]) -> Iterator[Outcome]:
    """Check the cases one by one in this process.

    Raises:
        UsageError: a file does not import, or does not hold the case that is wanted of it.
        KeyboardInterrupt: the user stopped a check; its partial outcome came before.
    """
    from gradcheck.running import Request

    request = Request(*asked)
    for number in range(len(request.names)):
        for case in range(len(request.cases(number))):
            outcome = request.outcome(number, case, overrides)
            yield outcome
            if outcome.interrupted:
                raise KeyboardInterrupt


def outcomes_apart(
    asked: Asked, overrides: Mapping[str, Any], drawn: bool, workers: Workers
) -> Iterator[Outcome]:
    """Check the cases in worker processes; yield the outcomes in order.

    A file that cannot be loaded yields an outcome that says why. Pictures are made only if they
    will be drawn.

    Raises:
        UsageError: a target does not exist.
        KeyboardInterrupt: the user interrupted; finished outcomes came before.
    """
    (names,) = workers.run([(NAMES_OF, asked)])
    if isinstance(names, UsageError | Lost):
        raise names if isinstance(names, UsageError) else UsageError(names.reason)
    held = workers.run([(CASES_OF, (*asked, number)) for number in range(len(names))])
    planned: list[tuple[str, str | None]] = []  # names, and why there is no call
    calls: list[Call] = []
    for number, name in enumerate(names):
        found = next(held)
        if isinstance(found, UsageError | Lost):
            planned.append((name, found.reason if isinstance(found, Lost) else str(found)))
            continue
        planned += [(one, None) for one in found]
        sent = [(asked, number, case, overrides, drawn) for case in range(len(found))]
        calls += [(OUTCOME_OF, arguments) for arguments in sent]
    next(held, None)  # which raises, if the user interrupted the last ones
    answers = workers.run(calls)
    for name, reason in planned:
        answer = next(answers) if reason is None else Lost(reason)
        if isinstance(answer, Lost):
            answer = Outcome(name, None, differences=(answer.reason,), error=answer.reason)
        yield answer
    next(answers, None)
