"""The line that a report ends with: told by its data, whatever its notes say."""

from dataclasses import replace

import pytest
from report.reports import RIGHT, UNCHECKED, WRONG

from gradcheck.report.closing import summary_line
from gradcheck.report.notes import raised_notes
from gradcheck.user.calls import Raised

UNEQUAL = replace(RIGHT, verdict="fail")
UNDECIDED = replace(RIGHT, verdict="inconclusive")


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (RIGHT, "pass: 1 gradient agrees; a relative error of 1.0e-10 or more would have"),
        (replace(WRONG, verdict="pass"), "pass: 2 of 4 gradients differ as allowed"),
        (WRONG, "fail: 2 of 4 gradients are wrong (GC101 missing-batch-mean)"),
        (UNEQUAL, "fail: the gradient is not the same from call to call"),
        (
            replace(UNEQUAL, not_zero=("w",)),
            "fail: the gradient is not zero where the upstream gradient is",
        ),
        (
            replace(UNEQUAL, notes=("your code printed 'upstream gradient of zero'",)),
            "fail: the gradient is not the same from call to call",
        ),
        (UNCHECKED, "inconclusive: your loss raised ValueError: no"),
        (
            UNDECIDED,
            "inconclusive: along random directions, the loss does not change as the gradient says",
        ),
        (replace(UNDECIDED, blocks=()), "inconclusive: there are no entries"),
        (
            replace(UNDECIDED, coverage=replace(RIGHT.coverage, interrupted=True)),
            "inconclusive: interrupted before all was checked",
        ),
        (replace(WRONG, verdict="inconclusive"), "inconclusive: W2 could not be decided"),
    ],
)
def test_the_closing_line(report, line):
    assert summary_line(report).startswith(line)


def test_only_a_call_at_another_point_is_said_to_have_succeeded_before():
    raised = Raised("your loss of moved_weights", ValueError("no"), (), {})
    assert not list(raised_notes(raised))
    [note] = raised_notes(replace(raised, moved=True))
    assert note.startswith("the first call, at your own parameters, succeeded")
