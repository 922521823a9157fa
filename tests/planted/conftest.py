import pytest

from gradcheck.diagnose.engine import Diagnosis


@pytest.fixture
def verdicts_only(monkeypatch):
    """These tests ask for thousands of verdicts, and for no causes."""
    monkeypatch.setattr("gradcheck.pipeline.diagnose", lambda *arguments: Diagnosis())
