"""Files that make checks themselves, given to the command line."""

import pytest

from gradcheck.cli import main

TEXT = """
import numpy as np
import gradcheck

a = np.array([0.4, -1.3, 2.0])


def energy(a):
    return np.sum(np.cosh(a))


def slope(a):
    return np.SLOPE(a)


if __name__ == "__main__":
    report = gradcheck.check(energy, a, slope)
    a += 1.0
    gradcheck.assert_layer(lambda z: (z**2, z), lambda up, z: 2 * z * up, np.arange(1.0, 4.0))
    assert report.blocks[0].name == "params"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "energies.py"
    path.write_text(TEXT.replace("SLOPE", "cosh"))
    return path


def test_the_checks_of_a_file_are_made(file, capsys):
    assert main(["run", "energies.py"]) == 1
    said = capsys.readouterr().out
    assert "energies:17" in said
    assert "energies:19" in said
    assert "analytic" in said
    assert "repair can try: gradcheck repair energies.py:17" in said
    file.with_name("mended.py").write_text(TEXT.replace("SLOPE", "sinh"))
    assert main(["run", "-q", "mended.py"]) == 0


def test_the_check_of_a_file_is_repaired(file, capsys):
    assert main(["repair", "energies.py:17"]) == 0
    assert "-    return np.cosh(a)" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["def test_it():\n    ", "def later():\n    "])
def test_a_check_that_is_not_come_to_is_said(file, capsys, where):
    file.write_text(f"from gradcheck import check as judge\n\n{where}judge(None, None)\n")
    assert main(["run", "energies.py"]) == 2
    said = capsys.readouterr().out
    assert "this file calls gradcheck.check at line 4: run it with python, or put a" in said
