"""What comes of the cases that a command line names, here or in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gradcheck.errors import UsageError
from gradcheck.isolation import Call, Lost, Workers
from gradcheck.report.outcome import Outcome

if TYPE_CHECKING:
    from gradcheck.running import Asked

NAMED_BY, CASES_OF, SENT_OUTCOME_OF = (
    f"gradcheck.running:{name}" for name in ("named_by", "cases_of", "sent_outcome_of")
)


def outcomes_here(asked: Asked, overrides: Mapping[str, Any]) -> Iterator[Outcome]:
    """One by one, in this process.

    Raises:
        UsageError: a file does not import, or does not hold the case that is wanted of it.
        KeyboardInterrupt: the user stopped a check; what had been measured came before.
    """
    from gradcheck.running import cases_of, named_by, outcome_of

    for file in range(len(named_by(asked))):
        for case in range(len(cases_of(asked, file))):
            outcome = outcome_of(asked, file, case, overrides)
            yield outcome
            if outcome.interrupted:
                raise KeyboardInterrupt


def outcomes_apart(
    asked: Asked, overrides: Mapping[str, Any], drawn: bool, workers: Workers
) -> Iterator[Outcome]:
    """The same in processes of their own; a file that does not load is an outcome of its own.

    With pictures where they are to be drawn.

    Raises:
        UsageError: a target does not exist.
        KeyboardInterrupt: the user interrupted; what is finished came before.
    """
    (named,) = workers.run([(NAMED_BY, (asked,))])
    if isinstance(named, UsageError | Lost):
        raise named if isinstance(named, UsageError) else UsageError(named.reason)
    held = workers.run([(CASES_OF, (asked, file)) for file in range(len(named))])
    planned: list[tuple[str, str | None]] = []  # names, and why there is no call
    calls: list[Call] = []
    for file, name in enumerate(named):
        found = next(held)
        if isinstance(found, UsageError | Lost):
            planned.append((name, found.reason if isinstance(found, Lost) else str(found)))
            continue
        planned += [(one, None) for one in found]
        sent = [(asked, file, case, overrides, drawn) for case in range(len(found))]
        calls += [(SENT_OUTCOME_OF, arguments) for arguments in sent]
    next(held, None)  # which raises, if the user interrupted the last ones
    answers = workers.run(calls)
    for name, reason in planned:
        answer = next(answers) if reason is None else Lost(reason)
        if isinstance(answer, Lost):
            answer = Outcome(name, None, differences=(answer.reason,), error=answer.reason)
        yield answer
    next(answers, None)
