"""What is added in one place needs no other: a format is a file and a row, a case is a file."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck

PACKAGE = Path(gradcheck.__file__).parent
ROW = '        "github": Renderer("github"),\n'
FORMAT = '''"""How many cases there were."""


def render(outcomes):
    return f"{len(outcomes)} loud cases"
'''
CASE = '''"""A straight line."""

import numpy as np

import gradcheck

NETWORK = "1-1 linear"
SOURCE = "https://example.org/line"


@gradcheck.case(expect="fail")
def published():
    """the gradient is twice what it should be"""
    w = np.array([1.0, 2.0])
    return gradcheck.Case(lambda w: float(w @ w), w, lambda w: 4 * w)
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the package with its cases, to which things are added."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "gradcheck", ignore=ignored)
    shutil.copytree(PACKAGE.parent / "cases", folder / "cases", ignore=ignored)
    (folder / "gradcheck" / "report" / "loud.py").write_text(FORMAT)
    renderers = folder / "gradcheck" / "report" / "renderers.py"
    text = renderers.read_text(encoding="utf-8")
    assert ROW in text
    added = ROW + '        "loud": Renderer("loud", (".loud",)),\n'
    renderers.write_text(text.replace(ROW, added), encoding="utf-8")
    (folder / "cases" / "straight_line.py").write_text(CASE)
    return folder


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_format_is_one_file_and_one_row(checkout):
    assert run(checkout, "run", "xor", "--format", "loud") == "2 loud cases\n"


def test_the_suffix_of_a_new_format_is_known(checkout):
    run(checkout, "run", "xor:fixed", "--output", "out.loud")
    assert (checkout / "out.loud").read_text() == "1 loud cases\n"


def test_the_help_names_a_new_format(checkout):
    assert ",loud," in run(checkout, "run", "--help")


def test_a_case_is_one_file(checkout):
    listed = run(checkout, "list")
    assert "straight_line:published" in listed
    assert "1-1 linear" in listed
    assert "twice what it should be" in listed
    [case] = json.loads(run(checkout, "run", "straight_line", "--format", "json"))["cases"]
    assert (case["name"], case["verdict"]) == ("straight_line:published", "fail")
    assert case["findings"][0]["rule"] == "factor-two"
