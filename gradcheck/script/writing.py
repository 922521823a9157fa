"""`gradcheck init`: what was found of a script, written down as a case file beside it."""

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

What is not so can be said here. Where the script cannot be run (its data are missing, its loop is
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
    """Checks one iteration of a script's training loop, as `gradcheck run train.py` does.

    Args:
        path: the script.
        loss: the name or line of its loss, where that is to be said.
        params: the names of what its loop trains, likewise.
        learning_rate: likewise.
        options: entries, budget, rtol, seed, allow, diagnose, as in `check`.

    Raises:
        UsageError: it cannot be taken apart, and why.
    """
    wishes = Wishes(loss, None if params is None else tuple(params), learning_rate)
    outcome = ScriptEntry(Path(path).resolve(), wishes).outcome(options)
    if outcome.report is None:
        raise UsageError(outcome.error or "")
    return outcome.report


class ScriptCase(Case):
    """One check of a script, with the arguments of `check_script`."""

    function: ClassVar[Any] = staticmethod(check_script)

    def __init__(self, path: Path | str, *, expect: Expected = None, **options: Any) -> None:
        self._keep(expect, {"path": path}, options)


def write_case(path: Path, wishes: Wishes) -> tuple[Path, TakenApart | str]:
    """Writes a case file for a script, beside it, and says what was found.

    Of a script that cannot be taken apart, that is the reason, and the file leaves a place for what
    only its author knows.

    Raises:
        UsageError: the file is there already, or the script is not Python.
    """
    target = path.with_name(f"gradcheck_{path.stem}.py")
    if target.exists():
        raise UsageError(f"{target} is there already; it was left as it is")
    found = ScriptEntry(path.resolve(), wishes).found()
    if isinstance(found, str):
        try:
            write_atomically(target, frame_of(path, found))
        except RefusedError as refused:
            raise UsageError(str(refused)) from None
        return target, found
    step = found.step_words
    text = TEXT.format(
        name=path.name, file=_quoted(path.name), step=step, arguments=_arguments(found)
    )
    write_atomically(target, text)
    return target, found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _arguments(found: TakenApart) -> str:
    inferred = found.loss_words[0].endswith(")")
    said = "; ".join(found.loss_words)
    lines = [f"# {said}"]
    if not inferred:
        lines.append(f"loss={_quoted(found.loss)},")
    elif SQUARES in found.loss:
        lines.append(f"loss={_quoted(SQUARES)},")
    lines.append("params=(")
    lines += [f"    {_quoted(name)}," for name in found.params]
    lines.append("),")
    if found.learning_rate is not None and found.rate_given:
        lines.append(f"learning_rate={found.learning_rate!r},")
    return "\n".join(f"        {line}" for line in lines)
