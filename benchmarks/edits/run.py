"""One edit: what a check says of it."""

from __future__ import annotations

import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gradcheck
from benchmarks.edits.edit import Edit, module_of

UNKNOWN = "GC999"


@dataclass(frozen=True)
class Outcome:
    """What came of an edit.

    Attributes:
        edit: what was edited.
        raises: whether the gradient raised.
        found: whether the first finding stands at the edited line.
        named: whether it is one of the catalogue.
        seconds: that the check took.
        said: the first finding, with its line.
    """

    edit: Edit
    raises: bool
    found: bool
    named: bool
    seconds: float
    said: str


def run(edit: Edit) -> Outcome | None:
    """What a check says of an edit; None where that is no wrong gradient."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with np.errstate(all="ignore"):
                module = module_of(edit.source, Path(folder) / f"{edit.net}.py")
                report = gradcheck.check(module.loss, module.params(), module.grad)
        except gradcheck.UsageError:
            return None
        finally:
            sys.modules.pop(f"edited_{edit.net}", None)
    if report.verdict != "fail":
        return None
    raises = any(block.verdict == "raised" for block in report.blocks)
    errors = [finding for finding in report.findings if finding.severity == "error"]
    first = errors[0] if errors else None
    line = first.location.line if first is not None and first.location is not None else 0
    named = first is not None and first.code != UNKNOWN
    said = "nothing" if first is None else f"{first.code} at {line}: {first.message}"
    return Outcome(edit, raises, line == edit.line, named, report.seconds, said)
