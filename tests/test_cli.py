import json
import subprocess
import sys

import pytest

from gradcheck.casefiles import find_cases
from gradcheck.cli import main
from gradcheck.diagnose.rules import RULES

CASES = """
import numpy as np
import gradcheck

W = np.array([1.0, 2.0, 3.0])

def loss(w):
    return float((w ** 3).sum())

@gradcheck.case
def right():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 3 * w ** 2)

@gradcheck.case
def wrong():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 6 * w ** 2)

@gradcheck.case(name="known", expect="fail")
def known_to_be_wrong():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 6 * w ** 2)

@gradcheck.case(expect="fail")
def mended_meanwhile():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 3 * w ** 2)

@gradcheck.case
def not_a_number():
    return gradcheck.Case(loss=lambda w: float("nan"), params=W, grad=lambda w: w)

@gradcheck.case
def no_number():
    return gradcheck.Case(loss=lambda w: w, params=W, grad=lambda w: w)

@gradcheck.case(expect={"blocks": ["params"], "rules": ["factor-two"]})
def named():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 6 * w ** 2)

@gradcheck.case(expect={"blocks": ["params"], "rules": ["sign-flipped"]})
def named_wrongly():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: 6 * w ** 2)

@gradcheck.case
def misspelt():
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: w, input=3)

@gradcheck.case
def hostile():
    name = "W\\x1b[31m"
    return gradcheck.Case(
        loss=lambda p: float((p[name] ** 2).sum()), params={name: W}, grad=lambda p: {name: p[name]}
    )

@gradcheck.case
def interrupted():
    def loss(w):
        raise KeyboardInterrupt
    return gradcheck.Case(loss=loss, params=W, grad=lambda w: w)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_checks.py"
    path.write_text(CASES)
    return path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("right", 0),
        ("wrong", 1),
        ("known", 0),
        ("mended_meanwhile", 1),
        ("not_a_number", 2),
        ("no_number", 2),
        ("named", 0),
        ("named_wrongly", 1),
        ("misspelt", 2),
        ("interrupted", 2),
    ],
)
def test_the_exit_status_says_how_a_case_came_out(capsys, file, case, status):
    assert run(capsys, "run", f"{file}:{case}")[0] == status


def test_run_names_the_command_that_can_mend(capsys, file, monkeypatch):
    monkeypatch.chdir(file.parent)
    wrong = "repair can try: gradcheck repair my_checks.py:wrong\n"
    assert wrong in run(capsys, "run", "my_checks.py:wrong")[1]
    for other in (["my_checks.py:known"], ["my_checks.py:right"], ["my_checks.py:wrong", "-q"]):
        assert "repair can" not in run(capsys, "run", *other)[1]


def test_a_wrong_gradient_outweighs_one_that_cannot_be_decided(capsys, file):
    assert run(capsys, "run", f"{file}:not_a_number", f"{file}:wrong")[0] == 1


def test_a_bad_argument_of_a_case_is_named_with_the_nearest_one(capsys, file):
    assert "did you mean inputs?" in run(capsys, "run", f"{file}:misspelt")[1]


def test_an_unknown_case_gets_the_nearest_names(capsys):
    status, out, err = run(capsys, "run", "overfit_pixel")
    assert (status, out) == (2, "")
    assert "did you mean overfit_pixels?" in err


def test_an_unknown_variant_gets_the_nearest_name(capsys):
    status, _, err = run(capsys, "run", "xor:fixd")
    assert status == 2
    assert "did you mean fixed?" in err


def test_a_file_that_does_not_import_gets_one_sentence(capsys, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("# @gradcheck.case\nimport no_such_module\n")
    status, out, err = run(capsys, "run", path)
    assert (status, out) == (2, "")
    assert "could not be imported: ModuleNotFoundError" in err
    assert "broken.py:2" in err
    assert err.count("\n") == 1


def test_a_file_without_cases_says_how_to_mark_one(capsys, tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    status, out, _ = run(capsys, "run", path)
    assert status == 2
    assert "@gradcheck.case" in out


def test_two_folders_may_each_hold_a_model(capsys, tmp_path):
    for folder, power in (("one", 2), ("two", 4)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text(f"POWER = {power}\n")
        (tmp_path / folder / "checks.py").write_text(
            "import gradcheck, model, numpy as np\n"
            "@gradcheck.case\n"
            "def power():\n"
            "    return gradcheck.Case(lambda w: float((w ** model.POWER).sum()), np.ones(2),\n"
            f"        lambda w: {power} * w ** {power - 1})\n"
        )
    assert run(capsys, "run", tmp_path / "one", tmp_path / "two")[0] == 0


def test_json_holds_the_fields_of_the_contract(capsys, file):
    status, out, _ = run(capsys, "run", f"{file}:wrong", f"{file}:no_number", "--format", "json")
    document = json.loads(out, parse_constant=lambda name: pytest.fail(name))
    assert status == 1
    assert document["schema"] == 1
    wrong, undecided = document["cases"]
    assert wrong["name"] == "my_checks:wrong"
    assert (wrong["verdict"], wrong["expected"], wrong["as_expected"]) == ("fail", "pass", False)
    assert wrong["blocks"][0]["verdict"] == "wrong"
    assert wrong["blocks"][0]["worst"]["index"] == [2]
    assert wrong["findings"][0]["code"] == "GC103"
    assert undecided["verdict"] == "inconclusive"
    assert "must return one number" in undecided["could_not_check"]
    assert wrong.keys() == undecided.keys()


def test_quiet_is_one_line_per_case(capsys, file):
    _, out, _ = run(capsys, "run", "-q", f"{file}:wrong", f"{file}:right")
    assert len(out.splitlines()) == 2 + 2
    assert out.startswith("my_checks:wrong: fail: 1 of 1 gradient is wrong (GC103 factor-two)")


def test_names_never_drive_the_terminal(capsys, file):
    _, out, err = run(capsys, "run", f"{file}:hostile")
    assert "\x1b" not in out + err
    assert r"W\x1b[31m" in out


@pytest.mark.parametrize(
    "option", [("--entries", "some"), ("--budget", "-1"), ("--rtol", "7"), ("--entries", "0")]
)
def test_bad_options_get_a_sentence(capsys, file, option):
    status, out, err = run(capsys, "run", f"{file}:right", *option)
    assert status == 2
    assert "it must be" in out + err


def test_options_reach_the_check(capsys, file):
    _, out, _ = run(capsys, "run", f"{file}:right", "--entries", "1", "--seed", "3")
    assert "1 of 3 entries (entries=1 per block)" in out
    assert run(capsys, "run", f"{file}:wrong", "--allow", "GC103")[0] == 0


def test_list_shows_network_bug_and_source_of_every_bundled_case(capsys):
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert "overfit_pixels:published" in out
    assert "dW1 is not divided by m" in out
    assert len(out.splitlines()) == 1 + len(find_cases([]))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_version_and_help(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert "gradcheck" in capsys.readouterr().out


def test_python_m_gradcheck_runs_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", "run", "xor", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 cases came out as expected" in done.stdout


def test_every_rule_is_explained(capsys):
    assert main(["explain"]) == 0
    listed = capsys.readouterr().out
    for rule in RULES:
        assert rule.code in listed
        assert main(["explain", rule.code.lower()]) == 0
        told = capsys.readouterr().out
        assert rule.name in told
        assert rule.example in told
        assert rule.instead in told


def test_an_unknown_rule_is_told_its_neighbours(capsys):
    assert main(["explain", "sign-fliped"]) == 2
    assert "sign-flipped" in capsys.readouterr().err


def test_a_case_may_be_named_without_a_command(capsys):
    assert main(["xor:fixed", "-q"]) == 0
    assert "xor:fixed: pass" in capsys.readouterr().out


def test_files_are_written_beside_what_is_printed(capsys, file, tmp_path):
    outputs = [tmp_path / name for name in ("report.json", "report.xml", "all.log")]
    options = [option for path in outputs for option in ("--output", str(path))]
    formats = ["--format", "text", "--format", "junit", "--format", "json", "--format", "github"]
    assert main(["run", f"{file}:right", *formats, *options]) == 0
    assert "1 of 1 cases" in capsys.readouterr().out
    assert json.loads(outputs[0].read_text())["cases"][0]["verdict"] == "pass"
    assert outputs[1].read_text().startswith("<?xml")
    assert "pass: 1 gradient agrees" in outputs[2].read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".py") == [
        "all.log",
        "report.json",
        "report.xml",
    ]


def test_a_suffix_tells_the_format(capsys, file, tmp_path):
    path = tmp_path / "report.json"
    assert main(["run", f"{file}:right", "--output", str(path)]) == 0
    assert "pass: 1 gradient agrees" in capsys.readouterr().out
    assert json.loads(path.read_text())["schema"] == 1


def test_several_formats_may_go_to_files_of_one_suffix(capsys, file, tmp_path):
    outputs = [tmp_path / name for name in ("results.json", "a.json", "b.sarif", "c.json")]
    options = [option for path in outputs for option in ("--output", str(path))]
    for name in ("gradescope", "json", "sarif"):
        options += ["--format", name]
    assert main(["run", f"{file}:right", *options, "--hints", "none"]) == 0
    assert capsys.readouterr().out == ""
    first, second, third, fourth = (json.loads(path.read_text()) for path in outputs)
    assert "tests" in first
    assert "cases" in second
    assert "runs" in third
    assert "cases" in fourth


def test_a_format_may_be_named_for_a_file_of_another_suffix(file, tmp_path):
    for name, key in (("sarif", "runs"), ("gradescope", "tests")):
        path = tmp_path / "out.json"
        assert main(["run", f"{file}:right", "--format", name, "--output", str(path)]) == 0
        assert key in json.loads(path.read_text())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--format", "json", "--format", "junit"], "only one can be printed"),
        (["--format", "json", "--output", "a.json", "--output", "b"], "no --format left"),
        (["--format", "json", "--output", "no/such/folder/a.json"], "there is no folder"),
    ],
)
def test_formats_and_files_that_do_not_fit(capsys, file, options, sentence, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert main(["run", f"{file}:right", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_colour_is_for_terminals(capsys, file, monkeypatch):
    def run(*options):
        main(["run", f"{file}:wrong", *options])
        return capsys.readouterr().out

    assert "\x1b[" not in run()
    assert "\x1b[" in run("--color", "always")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert "\x1b[" in run()
    assert "\x1b[" not in run("--color", "never")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run()


def test_verbose_says_how_the_numbers_were_computed(capsys, file):
    main(["run", f"{file}:right", "-v"])
    shown = capsys.readouterr().out
    assert "detail: finite differences of your own loss" in shown
    assert "again: gradcheck.check(..., seed=0)" in shown


def test_rules_as_json(capsys):
    assert main(["explain", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rules"]) == len(RULES)
    assert main(["explain", "gc101", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"][0]["rule"] == "missing-batch-mean"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_shells(capsys, shell):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "explain" in script
    assert "gradcheck" in script
