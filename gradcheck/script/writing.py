"""`gradcheck init`: write a case file for a script, with all that was found, beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from gradcheck.casefiles import Case
from gradcheck.casefiles.cases import Expected
from gradcheck.errors import UsageError
from gradcheck.files import write_atomically
from gradcheck.options import Wishes
from gradcheck.report.model import Report
from gradcheck.report.script import TakenApart
from gradcheck.script.definitions import frame_of
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.inferred import SQUARES
from gradcheck.script.words import RefusedError

TEXT = '''"""The check of {name}, as `gradcheck init` found it: {step}.

Correct here what is not so. Where the script cannot be run (its data are missing, its loop is
in another module), return a case of your own functions: gradcheck.Case(loss, params, grad).
"""

from pathlib import Path

import gradcheck
from gradcheck.script import ScriptCase


@gradcheck.case
def training():
    return ScriptCase(
        Path(__file__).with_name({file}),
{arguments}
    )
'''


def check_script(
    path: Path | str,
    *,
    loss: str | None = None,
    params: Sequence[str] | None = None,
    learning_rate: float | None = None,
    **options: Any,
) -> Report:
    """Check one iteration of a script's training loop, as `gradcheck run train.py` does.

    Args:
        path: the script.
        loss: the name or line of its loss; by default it is found.
        params: the names of the parameters that its loop trains; by default they are found.
        learning_rate: the learning rate of its update; by default it is found.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: the script cannot be taken apart; the message says why.
    """
    wishes = Wishes(loss, None if params is None else tuple(params), learning_rate)
    outcome = ScriptEntry(Path(path).resolve(), wishes).outcome(options)
    if outcome.report is None:
        raise UsageError(outcome.error or "")
    return outcome.report


class ScriptCase(Case):
    """A case that checks a script, with the arguments of `check_script`."""

    function: ClassVar[Any] = staticmethod(check_script)

    def __init__(self, path: Path | str, *, expect: Expected = None, **options: Any) -> None:
        self._keep(expect, {"path": path}, options)


def write_case(path: Path, wishes: Wishes) -> tuple[Path, TakenApart | str]:
    """Write a case file beside a script, and return its path and what was found.

    For a script that cannot be taken apart, the second value is the reason, and the file has a gap
    for the author to fill.

    Raises:
        UsageError: the case file exists already, or the script is not Python.
    """
    target = path.with_name(f"gradcheck_{path.stem}.py")
    if target.exists():
        raise UsageError(f"{target} exists already; it was not changed")
    description = ScriptEntry(path.resolve(), wishes).description()
    if isinstance(description, str):
        try:
            write_atomically(target, frame_of(path, description))
        except RefusedError as refused:
            raise UsageError(str(refused)) from None
        return target, description
    step = description.step_words
    text = TEXT.format(
        name=path.name, file=_quoted(path.name), step=step, arguments=_arguments(description)
    )
    write_atomically(target, text)
    return target, description


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _arguments(description: TakenApart) -> str:
    inferred = description.loss_words[0].endswith(")")
    comment = "; ".join(description.loss_words)
    lines = [f"# {comment}"]
    if not inferred:
        lines.append(f"loss={_quoted(description.loss)},")
    elif SQUARES in description.loss:
        lines.append(f"loss={_quoted(SQUARES)},")
    lines.append("params=(")
    lines += [f"    {_quoted(name)}," for name in description.params]
    lines.append("),")
    if description.learning_rate is not None and description.rate_given:
        lines.append(f"learning_rate={description.learning_rate!r},")
    return "\n".join(f"        {line}" for line in lines)
