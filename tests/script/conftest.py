"""Scripts of one file or several, taken apart."""

import pytest

from gradcheck.script import ScriptEntry


@pytest.fixture
def outcome(tmp_path):
    """The outcome of a script, beside which modules of its own lie."""

    def taken(text, **modules):
        for name, own in modules.items():
            (tmp_path / f"{name}.py").write_text(own)
        (tmp_path / "main.py").write_text(text)
        found = ScriptEntry(tmp_path / "main.py").outcome({})
        assert found.report is not None, found.error
        return found

    return taken
