"""What all tests share: one thread for each process, and how many examples hypothesis makes."""

import os
import sys

import pytest
import sweeps
from hypothesis import HealthCheck, settings

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

for name in THREADS:  # numpy reads them when it is loaded: in xdist's workers, and in subprocesses
    os.environ.setdefault(name, "1")

sys.dont_write_bytecode = True  # what a test writes anew within a second would be what it was

settings.register_profile(
    "sample",
    deadline=None,
    derandomize=True,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow],  # on a busy machine, all are slow
)
settings.register_profile("all", settings.get_profile("sample"), max_examples=300)
settings.load_profile("all" if sweeps.ALL else "sample")


def pytest_collection_modifyitems(config, items):
    """Whoever names a file runs all of it; the whole suite is a sample of the long searches."""
    if sweeps.ALL or config.args != config.getini("testpaths"):
        return
    items[:], left = sweeps.of_whole_run(items)
    config.hook.pytest_deselected(items=left)


@pytest.fixture(autouse=True)
def unforgiving(monkeypatch):
    """What the search for a faulty expression raises itself is a bug of its own."""
    monkeypatch.setattr("gradcheck.compare.followed.FORGIVEN", ())
    monkeypatch.setattr("gradcheck.recognition.identify.FORGIVEN", ())
    monkeypatch.setattr("gradcheck.diagnose.engine.FORGIVEN", ())


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """The search for a faulty expression has time enough, however busy the machine is."""
    monkeypatch.setattr("gradcheck.diagnose.tracing.SECONDS", 10.0)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Where isolation is not the subject, a case needs no process of its own."""
    monkeypatch.setattr("gradcheck.commands.run.ISOLATED", False)
