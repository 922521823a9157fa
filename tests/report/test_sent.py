"""What a process sends of a report: all that renderers show, and none of the arrays."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import gradcheck
from gradcheck.report.outcome import Outcome
from gradcheck.report.renderers import RENDERERS


@pytest.fixture(scope="module")
def report():
    point = np.linspace(-1, 1, 3000)
    return gradcheck.check(lambda w: float(np.sin(w).sum()), point, lambda w: np.cos(w) * (w < 0.5))


@pytest.mark.parametrize("name", RENDERERS)
def test_renderers_show_the_same(report, name):
    sent = pickle.loads(pickle.dumps(report.to_send(RENDERERS[name].draws)))
    one, other = (RENDERERS[name].render([Outcome("case", it)]) for it in (report, sent))
    assert one == other


def test_no_array_is_sent(report):
    assert len(pickle.dumps(report.to_send(drawn=False))) < report.blocks[0].value.nbytes / 3


def test_who_shows_the_results_does_not_load_the_engine():
    code = (
        "import sys; from gradcheck.cli import main; main(['run', 'xor:fixed']);"
        "print([name for name in ('numpy', 'gradcheck.pipeline') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pass" in done.stdout
    assert done.stdout.endswith("['numpy']\n")
