"""A rule is its file: its code, its edits and its line are known everywhere else from there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck
from gradcheck.diagnose.rule import EditKind
from gradcheck.diagnose.rules import RULES
from gradcheck.mending.edits import MAKERS, Hints

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(gradcheck.__file__).parent
WRITTEN = (PACKAGE, ROOT / "docs", ROOT / "cases", ROOT / "tests", ROOT / "README.md")
TEXTS = {".py", ".md", ".txt", ".j2", ".json", ".css", ".js"}
MADE_UP = {"GC998"}
BY_CODE = {rule.code: rule for rule in RULES}


def files():
    for place in WRITTEN:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in TEXTS and "__pycache__" not in path.parts:
                yield path


def test_every_code_that_is_written_anywhere_is_that_of_a_rule():
    unknown = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in files()
        for code in re.findall(r"GC\d{3}", path.read_text(encoding="utf-8"))
        if code not in BY_CODE and not (code in MADE_UP and path.is_relative_to(ROOT / "tests"))
    }
    assert not unknown


def test_every_kind_of_edit_can_be_made_and_mends_what_some_rule_finds():
    assert set(MAKERS) == set(EditKind)
    assert {kind for rule in RULES for kind in rule.edits} == set(EditKind)


def test_no_rule_names_a_kind_of_edit_twice():
    assert [rule.code for rule in RULES if len(set(rule.edits)) < len(rule.edits)] == []


def finding(code):
    rule = BY_CODE[code]
    return gradcheck.Finding(rule.code, rule.name, ("W1",), "", (), "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("GC303", EditKind.MISSING_FACTOR),
        ("GC402", EditKind.NAME),
        ("GC502", EditKind.SCALE),
        ("GC603", EditKind.SIGN),
        ("GC854", EditKind.MISSING_FACTOR),
    ],
)
def test_a_repair_tries_the_edits_of_the_rule_that_was_found_first(code, kind):
    assert kind in Hints.of([finding(code)]).kinds
    assert kind not in Hints.of([finding("GC203")]).kinds


RULE = '''
"""GC998: the square of the gradient."""

import numpy as np

from gradcheck.diagnose.rule import EditKind, Correction, Mend, Rule


def _mends(shape, returned, sizes):
    yield Mend(np.sqrt, "is the square of the right one", "do not square it")


RULE = Rule(
    code="GC998",
    name="squared-gradient",
    what="The gradient is squared.",
    shows="analytic = numeric^2.",
    example="return np.exp(w) ** 2",
    instead="return np.exp(w)",
    detector=Correction(_mends),
    edits=(EditKind.POWER,),
)
'''
MODEL = """
import numpy as np


def loss(w):
    return np.sum(np.exp(w))


def grad(w):
    slope = np.exp(w)
    return slope ** 2
"""
USE = """
import json
import numpy as np
import gradcheck
from gradcheck.mending.edits import Hints
from gradcheck.report.explain import explain
from model import grad, loss

report = gradcheck.check(loss, np.array([0.3, -0.2, 0.5]), grad, repair=30.0)
print(json.dumps({
    "home": gradcheck.__file__,
    "codes": [finding.code for finding in report.findings],
    "line": report.findings[0].location.line,
    "kinds": [kind.name for kind in Hints.of(report.findings).kinds],
    "patch": report.repair.patches[0].words,
    "explained": explain("squared-gradient"),
}))
"""


def test_a_new_rule_is_one_file_and_its_line_in_the_list(tmp_path):
    """The line is one of an explicit tuple, whose order says which rule is preferred."""
    copy = tmp_path / "gradcheck"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    rules = copy / "diagnose" / "rules"
    (rules / "squared_gradient.py").write_text(RULE)
    listed = (rules / "__init__.py").read_text()
    assert listed.count('    "transposed",\n') == 1
    line = '    "squared_gradient",\n    "transposed",\n'
    (rules / "__init__.py").write_text(listed.replace('    "transposed",\n', line))
    (tmp_path / "model.py").write_text(MODEL)
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert Path(result["home"]).is_relative_to(tmp_path)
    assert result["codes"] == ["GC998"]
    assert result["line"] == 1 + MODEL.split("\n").index("    return slope ** 2")
    assert result["kinds"] == ["POWER"]
    assert result["patch"] == "slope ** 2  ->  slope"
    assert result["explained"].startswith("GC998 squared-gradient")
