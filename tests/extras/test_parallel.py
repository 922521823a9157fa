"""Several processes, and somebody's cluster, where joblib and dask are installed."""

import os
import warnings

import numpy as np
import pytest

import gradcheck
from gradcheck.user import evaluation

joblib = pytest.importorskip("joblib")

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 2))
PARAMS = {"W": RNG.normal(size=(5, 2)), "b": RNG.normal(size=2)}


def right(p):
    error = np.arctan(X @ p["W"] + p["b"]) - Y
    delta = 2 * error / (1 + (X @ p["W"] + p["b"]) ** 2)
    return {"W": X.T @ delta, "b": delta.sum(axis=0)}


def slow_loss(p):
    from time import sleep

    sleep(0.001)
    return float(np.sum((np.arctan(X @ p["W"] + p["b"]) - Y) ** 2))


@pytest.fixture(autouse=True)
def _everything_is_sent(monkeypatch):
    monkeypatch.setattr(evaluation, "WORTH_SENDING", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def numbers(report):
    return [(block.name, block.verdict, block.worst, block.error_bound) for block in report.blocks]


def test_the_report_is_the_same_whatever_the_number_of_workers():
    reports = [gradcheck.check(slow_loss, PARAMS, right, workers=count) for count in (1, 2, 3)]
    assert all(report.ok for report in reports)
    assert numbers(reports[0]) == numbers(reports[1]) == numbers(reports[2])


def test_a_wrong_entry_is_found_in_a_worker():
    def wrong(p):
        gradients = right(p)
        gradients["W"][3, 1] *= 1.5
        return gradients

    report = gradcheck.check(slow_loss, PARAMS, wrong, workers=2)
    assert (report.blocks[0].wrong_entries, report.blocks[0].worst.index) == (1, (3, 1))


def test_the_evaluations_are_done_elsewhere():
    calls = []

    def loss(p):
        calls.append(os.getpid())
        return slow_loss(p)

    alone = gradcheck.check(loss, PARAMS, right).evaluations
    calls.clear()
    assert gradcheck.check(loss, PARAMS, right, workers=2).ok
    assert set(calls) == {os.getpid()}
    assert len(calls) < alone, "what other processes did is not seen here"


class Net:
    def __init__(self):
        self.W = PARAMS["W"].copy()
        self.b = PARAMS["b"].copy()

    def loss(self):
        return slow_loss({"W": self.W, "b": self.b})

    def gradients(self):
        return right({"W": self.W, "b": self.b})


def test_an_object_is_moved_in_the_worker_and_not_here():
    net = Net()
    report = gradcheck.check(lambda n: n.loss(), net, lambda n: n.gradients(), workers=2)
    assert report.ok
    np.testing.assert_array_equal(net.W, PARAMS["W"])


def test_what_a_worker_cannot_see_moving_is_done_here():
    net = Net()
    transposed = {"V": net.W.T, "b": net.b}
    report = gradcheck.check(
        lambda p: net.loss(),
        gradcheck.parameters(transposed, in_place=True),
        lambda p: {"V": net.gradients()["W"].T, "b": net.gradients()["b"]},
        workers=2,
    )
    assert report.ok, str(report)


def test_what_cannot_be_sent_is_done_here():
    lock = __import__("threading").Lock()

    def loss(p):
        with lock:
            return slow_loss(p)

    assert gradcheck.check(loss, PARAMS, right, workers=2).ok


def test_where_the_loss_raises_in_a_worker_its_domain_ends():
    def loss(p):
        if p["W"][4, 1] > PARAMS["W"][4, 1]:
            raise ValueError("too far")
        return slow_loss(p)

    report = gradcheck.check(loss, PARAMS, right, workers=2)
    assert report.ok
    assert report.blocks == gradcheck.check(loss, PARAMS, right).blocks


def test_a_case_file(tmp_path):
    text = """
import time
import numpy as np
import gradcheck
from helper import curve, slope

X = np.random.default_rng(0).normal(size=(6, 5))

def loss(p):
    time.sleep(0.001)
    return float(np.sum(curve(X @ p["W"])))

@gradcheck.case
def mine():
    params = {"W": np.random.default_rng(1).normal(size=(5, 3))}
    return gradcheck.Case(loss, params, lambda p: {"W": X.T @ slope(X @ p["W"])}, workers=2)
"""
    (tmp_path / "helper.py").write_text(
        "import numpy as np\n\ndef curve(z):\n    return np.arctan(z) ** 2\n\n"
        "def slope(z):\n    return 2 * np.arctan(z) / (1 + z * z)\n"
    )
    (tmp_path / "my_case.py").write_text(text)
    from gradcheck.casefiles import load_file

    [entry] = load_file(tmp_path / "my_case.py")
    case, _ = entry.build()
    report = case.check()
    assert report.ok, str(report)


def test_an_existing_dask_cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        report = gradcheck.check(slow_loss, PARAMS, right, workers=2)
    assert report.ok
    assert numbers(report) == numbers(gradcheck.check(slow_loss, PARAMS, right))
