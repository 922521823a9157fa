"""The README's code runs, and the output that it shows is what comes out."""

import re
from pathlib import Path

import pytest
import sweeps
from forked import run_forked
from modules import module_at

from gradcheck.cli import main
from gradcheck.diagnose.rules import RULES
from gradcheck.options import Edits

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CATALOGUE = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def shown(text):
    """Text as an indented block of the README, without figures, which differ by machine."""
    return without_figures("\n".join(f"    {line}".rstrip() for line in text.rstrip().split("\n")))


def without_figures(text):
    text = re.sub(r"[\d,]+ edits tried in [\d.]+ s", "# edits tried in # s", text)
    return re.sub(r"\d\.\d+e[-+]\d+", "#", re.sub(r"  +", "  ", text))


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_the_code_runs_and_prints_what_is_shown(code, tmp_path):
    path = tmp_path / "my_checks.py"
    path.write_text(code, encoding="utf-8")
    done = run_forked([path.name], tmp_path)
    assert done.returncode == 0, done.stderr
    if done.stdout:
        assert shown(done.stdout) in without_figures(README)
    if "@gradcheck.case" in code:
        assert main(["run", f"{path}:my_network"]) == 0


@pytest.mark.skipif(not sweeps.ALL, reason="a large network: make test-all")
def test_the_repair_that_is_shown_is_the_first(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in ("run", "repairing"):
        monkeypatch.setattr(f"gradcheck.commands.{command}.REPAIR_SECONDS", Edits(100))
    main(["repair", "overfit_pixels:published"])
    printed = without_figures(capsys.readouterr().out)
    _, _, first = printed.partition("\n1. ")
    first = first.partition("\n2. ")[0]
    for page in ("README.md", "docs/repair.md"):
        lines = [line.strip() for line in without_figures((ROOT / page).read_text()).split("\n")]
        for line in filter(None, map(str.strip, f"1. {first}".split("\n"))):
            assert line in lines, page


def test_the_script_that_is_shown_is_that_of_its_page():
    shown_here = README.partition("$ gradcheck run train.py\n")[2].partition("## ")[0]
    page = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8").split("\n")
    lines = [line.removeprefix("    ") for line in shown_here.rstrip().split("\n")]
    assert len(lines) > 5
    assert set(lines) <= set(page)


def test_every_rule_is_listed():
    for rule in RULES:
        assert f"{rule.code}" in CATALOGUE
        assert rule.name in CATALOGUE


def test_it_is_read_in_a_few_minutes():
    assert len(README.splitlines()) <= 200


def test_the_picture_is_a_report():
    pytest.importorskip("jinja2")
    module = module_at(ROOT / "docs" / "build_picture.py")
    there = (ROOT / "docs" / "network.svg").read_text(encoding="utf-8")
    assert without_figures(there) == without_figures(module.picture() + "\n")
