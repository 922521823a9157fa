"""A search for the line of a bug ends before the time of a script, and its verdict is kept."""

import time
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck.compare import followed
from gradcheck.diagnose import evidence
from gradcheck.errors import OutOfTimeError
from gradcheck.options import Edits, Wishes
from gradcheck.script import time_limit
from gradcheck.script.work import Work
from gradcheck.trace import find


def busy():
    while True:
        pass


def ended(*_, **__):
    raise OutOfTimeError


def wrong():
    return gradcheck.check(
        lambda w: np.sum(np.tanh(w) ** 2), np.arange(1.0, 4.0), lambda w: 2 * np.tanh(w) * w
    )


def test_a_search_is_ended_and_nothing_else(monkeypatch):
    monkeypatch.setattr(time_limit, "ENDS", {busy.__code__: 0.0})
    monkeypatch.setattr(time_limit, "EVERY", 0.01)
    with time_limit.ending_searches(time.perf_counter(), 1e3):
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            pass
        with pytest.raises(OutOfTimeError):
            busy()


@pytest.mark.parametrize(
    ("module", "name"), [(find, "next_fault"), (followed, "subject_of_problem")]
)
def test_a_verdict_outlives_its_search(monkeypatch, module, name):
    monkeypatch.setattr(module, name, ended)
    report = wrong()
    assert report.verdict == "fail"
    assert report.findings[0].code == "GC999"


def test_a_verdict_outlives_its_diagnosis(monkeypatch):
    monkeypatch.setattr(evidence, "compare", ended)
    report = wrong()
    assert report.verdict == "fail"
    assert not report.errors
    assert "the time was over before a cause was found" in str(report)


def test_the_known_report_is_told_when_the_time_for_more_is_over():
    work, known = Work(Path("main.py"), Wishes(), False, False), wrong()

    def further():
        work.more_notes = ["of what did not come to its end"]
        ended()

    assert work.while_time(further, known) is known
    assert not work.more_notes
    assert work.while_time(lambda: None, known) is None


def test_the_budgets_of_a_check_and_a_repair_are_added():
    assert time_limit.time_limit(Wishes(seconds=10), {"budget": 5, "repair": Edits(3)}) == 31
