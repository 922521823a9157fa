"""What the command line answers to slips, and what it says of code that raises or prints."""

import json

import numpy as np
import pytest

import gradcheck
from gradcheck.cli import main

TALKS = """
import numpy as np
import gradcheck

def loss(w):
    print("asked", w.size)
    return float(np.sum(w ** 4))

def slope(w):
    return {}["theta"]

@gradcheck.case
def talking():
    return gradcheck.Case(loss, np.ones(2), lambda w: 4 * w ** 3)

@gradcheck.case
def raising():
    return gradcheck.Case(loss, np.ones(2), slope)
"""


@pytest.fixture
def talks(tmp_path, monkeypatch):
    (tmp_path / "talks.py").write_text(TALKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("typed", "meant"), [("rnu", "run"), ("explan", "explain")])
def test_a_command(capsys, typed, meant):
    assert main([typed]) == 2
    assert f"did you mean {meant}" in capsys.readouterr().err


def test_an_option(capsys):
    with pytest.raises(SystemExit):
        main(["run", "xor", "--fromat", "json"])
    assert "did you mean --format" in capsys.readouterr().err


@pytest.mark.parametrize("slip", [["--entries", "al"], ["--allow", "GC1"], ["--budget", "-1"]])
def test_a_value_of_an_option_is_refused_once(capsys, slip):
    assert main(["run", "xor", *slip]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


def test_an_argument_of_a_door():
    with pytest.raises(gradcheck.UsageError, match=r"'rtoll'; did you mean rtol\?"):
        gradcheck.check(lambda x: float(x @ x), np.ones(2), lambda x: 2 * x, rtoll=0.1)


SQUARES, SLOPES = (lambda x: float(x @ x)), (lambda x: 2 * x)


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (
            lambda: gradcheck.check_layer(SQUARES, SLOPES),
            r"check_layer\(forward, backward, inputs\)",
        ),
        (lambda: gradcheck.check_step(SLOPES, np.ones(2), loss=SQUARES), r"learning_rate=\.\.\."),
        (
            lambda: gradcheck.check(SQUARES, SLOPES, np.ones(2)),
            r"second, as in check\(loss, params",
        ),
        (lambda: gradcheck.check_layer(np.ones(2), SLOPES, np.ones(2)), "which cannot be called"),
        (lambda: gradcheck.check_layer(SQUARES, None, np.ones(2)), "give the backward pass"),
    ],
)
def test_how_a_door_is_called_is_said(slip, said):
    with pytest.raises(gradcheck.UsageError, match=said) as raised:
        slip()
    assert "report it" not in str(raised.value)


def test_the_beginning_of_codes_lists_their_rules(capsys):
    assert main(["explain", "gc4"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert rows
    assert all(row.startswith(("GC4", " ")) for row in rows)


def test_a_word_of_a_name_lists_the_rules_that_have_it(capsys):
    assert main(["explain", "activation"]) == 0
    printed = capsys.readouterr().out
    assert "missing-activation-derivative" in printed
    assert "sign-flipped" not in printed
    assert main(["explain", "flipped"]) == 0
    assert capsys.readouterr().out.startswith("GC106 sign-flipped\n")


def test_a_case_of_another_file_or_of_a_folder(tmp_path, monkeypatch, capsys):
    case = "import gradcheck\n\n\n@gradcheck.case{}\ndef {}():\n    ...\n"
    (tmp_path / "one.py").write_text(case.format('(name="small")', "made"), encoding="utf-8")
    (tmp_path / "two.py").write_text(case.format("", "large"), encoding="utf-8")
    (tmp_path / "train.py").write_text("")
    monkeypatch.chdir(tmp_path)
    for target, meant in [
        ("one.py:large", "two.py:large"),
        ("small", "one.py:small"),
        ("tow.py", "two.py"),
        ("trian.py", "train.py"),
        (f"{tmp_path}:smal", "small"),
    ]:
        assert main(["run", "--no-isolation", target]) == 2
        assert f"did you mean {meant}" in capsys.readouterr().err.replace(f"{tmp_path}/", "")


def test_scripts_beside_cases_are_not_passed_over_in_silence(tmp_path, capsys):
    (tmp_path / "train.py").write_text("W = 1.0\nfor _ in range(9):\n    W -= 0.1 * W\n")
    (tmp_path / "other.py").write_text("total = 0\nfor n in range(9):\n    total += n\n")
    assert main(["run", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "train.py trains something and holds no case" in said
    assert f"gradcheck run {tmp_path / 'train.py'} checks one iteration of it" in said
    assert "other.py" not in said
    (tmp_path / "again.py").write_text((tmp_path / "train.py").read_text())
    assert main(["run", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"gradcheck run {tmp_path / '*.py'} checks one iteration of each" in said


def test_an_output_of_an_unknown_suffix(tmp_path, capsys):
    assert main(["run", "xor", "--output", str(tmp_path / "x.pdf")]) == 2
    assert "no format is written to .pdf files; there are .txt" in capsys.readouterr().err


def test_rules_that_are_expected_must_exist(capsys, talks):
    unknown = "GC" + "1001"
    expecting = f'@gradcheck.case(expect={{"rules": ["{unknown}"]}})'
    text = TALKS.replace("@gradcheck.case", expecting)
    (talks / "talks.py").write_text(text)
    assert main(["run", "talks.py"]) == 2
    assert f"there is no rule '{unknown}'" in capsys.readouterr().out


def test_the_list_takes_files_and_fits(capsys, talks, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["list", "talks.py"]) == 0
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("talks:raising") for line in lines)
    assert any(line.startswith("overfit_pixels:derivative_of_output ") for line in lines)
    assert max(map(len, lines)) <= 50


def test_a_file_without_cases_is_shown_its_own(capsys, talks):
    (talks / "bare.py").write_text(
        "def my_cost(v):\n    return v\n\n\ndef my_grad(v):\n    return 1\n"
    )
    assert main(["run", "bare.py"]) == 2
    assert "gradcheck.Case(my_cost, v, my_grad)" in capsys.readouterr().out


def test_what_raised_is_said_in_one_line(capsys, talks):
    assert main(["run", "-q", "talks.py:raising"]) == 1
    assert "KeyError: 'theta'" in capsys.readouterr().out


def test_what_is_printed_is_kept(capsys, talks):
    main(["run", "-v", "talks.py:talking", "--format", "text", "--output", "kept.json"])
    assert "printed: asked 2" in capsys.readouterr().out
    kept = json.loads((talks / "kept.json").read_text())
    assert kept["cases"][0]["printed"].startswith("asked 2\n")
