"""How much a search may use up: edits make it the same on every machine, seconds do not."""

import os
import signal
from functools import partial

import numpy as np
import pytest

import gradcheck
from gradcheck.mending import candidate
from gradcheck.mending.process import WAITS, Silence
from gradcheck.mending.task import Allowance
from gradcheck.options import Edits


def loss(w):
    return float(np.sum(np.sin(w)))


def grad(w):
    return np.exp(w) * np.arctan(w) + np.sqrt(w)


def test_no_more_edits_are_tried_than_are_allowed():
    found = gradcheck.repair(loss, np.ones(3), grad, budget=Edits(7))
    assert found.tried == 7
    assert found.reason == (
        "no edit was found in the 7 edits allowed, which began at line 22; "
        "a larger budget (--budget) goes on"
    )


def test_no_edits_are_no_budget():
    with pytest.raises(gradcheck.UsageError, match="repair is Edits"):
        gradcheck.repair(loss, np.ones(3), grad, budget=Edits(0))


def test_seconds_are_not_spent_by_edits_nor_edits_by_seconds():
    edits, seconds = Allowance.of(Edits(5)), Allowance.of(5.0)
    assert edits.spent(4, computed=100.0) < edits.amount <= edits.spent(5, computed=0.0)
    assert seconds.spent(1000, computed=4.9) < seconds.amount <= seconds.spent(0, computed=5.0)


@pytest.fixture
def clocks(monkeypatch):
    """Seconds that the candidate has computed, and that have passed."""
    read = {"thread_time": 0.0, "monotonic": 0.0}
    for name in read:
        monkeypatch.setattr(candidate.time, name, partial(read.get, name))
    before = signal.getsignal(signal.SIGALRM)
    yield read
    signal.signal(signal.SIGALRM, before)


def test_only_what_a_candidate_computes_itself_counts_against_its_limit(clocks):
    with candidate.at_most(120.0):
        clocks["monotonic"] = 240.0
        signal.raise_signal(signal.SIGALRM)  # the machine was busy with others
        clocks["thread_time"] = 119.0
        with pytest.raises(candidate.TooSlowError):
            signal.raise_signal(signal.SIGALRM)


def test_a_candidate_that_only_waits_is_given_up_as_well(clocks):
    with candidate.at_most(120.0):
        clocks["monotonic"] = WAITS * 120.0 - 1
        signal.raise_signal(signal.SIGALRM)
        clocks["monotonic"] += 1
        with pytest.raises(candidate.TooSlowError):
            signal.raise_signal(signal.SIGALRM)


def test_a_process_is_silent_while_it_computes_not_while_others_do(monkeypatch):
    now, computed = [0.0], [0.0]
    monkeypatch.setattr("gradcheck.mending.process.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Silence, "computed", lambda silence: computed[0])
    silence = Silence(os.getpid(), 10.0)
    now[0] = 11.0
    assert not silence.is_too_long()
    computed[0] = 11.0
    assert silence.is_too_long()
    silence.broken()
    assert not silence.is_too_long()
    now[0] += WAITS * 10.0 + 1
    assert silence.is_too_long()


def test_what_a_process_computed_is_known_or_taken_for_its_age(monkeypatch):
    assert Silence(os.getpid(), 1.0).computed() > 0
    now = [123.0]
    monkeypatch.setattr("gradcheck.mending.process.time.monotonic", lambda: now[0])
    unknown = Silence(-1, 1.0)
    now[0] = 125.0
    assert unknown.computed() == 2.0
