import pytest

from gradcheck.diagnose.engine import Diagnosis


@pytest.fixture
def verdicts_only(monkeypatch):
    """These tests ask for thousands of verdicts, and for no causes."""
    monkeypatch.setattr("gradcheck.api.diagnose", lambda *arguments: Diagnosis((), (), None, (), 0))
