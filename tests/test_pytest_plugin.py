"""The pytest plugin, from the outside: what a run of pytest with it shows and writes."""

import importlib.metadata
import subprocess
import sys
from xml.etree import ElementTree

import pytest

# numpy cannot be imported twice, and pytester forgets what a run inside it was first to import
import gradcheck.casefiles
import gradcheck.report.text

pytest_plugins = ["pytester"]

REGISTERED = any(
    entry.value == "gradcheck.pytest_plugin"
    for entry in importlib.metadata.entry_points(group="pytest11")
)

MODEL = """
import numpy as np
import gradcheck as module

X = np.arange(12.0).reshape(4, 3) / 7 + np.eye(4, 3)
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3
params = {"W": np.full((3, 1), 0.2), "b": np.zeros((1, 1))}

def loss(p):
    return 0.5 * np.mean(np.sum((X @ p["W"] + p["b"] - Y) ** 2, axis=1))

def right(p):
    error = (X @ p["W"] + p["b"] - Y) / len(X)
    return {"W": X.T @ error, "b": error.sum(axis=0, keepdims=True)}

def wrong(p):
    return {name: gradient * len(X) for name, gradient in right(p).items()}

def step(p):
    gradient = right(p)
    return {name: p[name] - 0.1 * gradient[name] for name in p}

def unclear(p):
    raise RuntimeError("out of paper")
"""
RULE = "GC101 missing-batch-mean: W, b"
WRONG = "fail: 2 of 2 gradients are wrong (GC101 missing-batch-mean)"


# hypothesis would be imported again for the summary of every run
PLUGINS = ("-p", "no:hypothesispytest") + (() if REGISTERED else ("-p", "gradcheck.pytest_plugin"))


def run(pytester, *arguments):
    return pytester.runpytest(*PLUGINS, *arguments)


@pytest.fixture
def write(pytester):
    """Writes a file that begins with a network and its gradients."""

    def write(name, text):
        (pytester.path / f"{name}.py").write_text(MODEL + text, encoding="utf-8")

    return write


@pytest.fixture
def asked(monkeypatch):
    """What the functions of gradcheck are asked for: their names, and the seeds."""
    from gradcheck import api
    from gradcheck.casefiles import Case

    asked = []

    def listen(name, function):
        def listening(*arguments, **options):
            asked.append((name, options.get("seed")))
            return function(*arguments, **options)

        monkeypatch.setattr(api, name, listening)

    for name in ("check", "check_layer", "check_step", "assert_gradients"):
        listen(name, getattr(api, name))
    monkeypatch.setattr(Case, "function", staticmethod(api.check))
    return asked


def properties(pytester, *arguments):
    """What JUnit XML has on each test."""
    run(pytester, "--junitxml=report.xml", *arguments)
    return {
        case.get("name"): [(p.get("name"), p.get("value")) for p in case.iter("property")]
        for case in ElementTree.parse(pytester.path / "report.xml").iter("testcase")
    }


def test_the_fixture_has_the_functions_of_gradcheck(pytester, write):
    write(
        "test_mine",
        """
def test_check(gradcheck):
    assert gradcheck.check(loss, params, right).ok
    assert not gradcheck.check(loss, params, grad=wrong, inputs=X).ok
def test_layer(gradcheck):
    assert not gradcheck.check_layer(lambda x: (x**2, x), lambda up, x: 3 * x * up, X).ok
    assert gradcheck.check_layer(lambda x: (x**2, x), lambda up, x: 2 * x * up, X).ok
def test_step(gradcheck):
    assert gradcheck.check_step(step, params, loss=loss, learning_rate=0.1).ok
    assert not gradcheck.check_step(step, params, loss=loss, learning_rate=0.2).ok
def test_assert(gradcheck):
    assert gradcheck.assert_gradients(loss, params, right, entries="all").ok
def test_assert_wrong(gradcheck):
    gradcheck.assert_gradients(loss, params, wrong, inputs=X)
def test_raise_wrong(gradcheck):
    gradcheck.check(loss, params, wrong, inputs=X).raise_if_failed()
""",
    )
    result = run(pytester)
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["E*GradientMismatch:*", "E*GC101*missing-batch-mean*"])


def test_a_failed_test_shows_the_whole_report_once(pytester, write):
    write(
        "test_mine",
        """
def test_ok(gradcheck):
    assert gradcheck.check(loss, params, wrong, inputs=X).ok
def test_raise(gradcheck):
    gradcheck.check(loss, params, wrong, inputs=X).raise_if_failed()
def test_layer(gradcheck):
    gradcheck.assert_layer(lambda x: (x**2, x), lambda up, x: 3 * x * up, X)
def test_step(gradcheck):
    gradcheck.assert_step(step, params, loss=loss, learning_rate=0.2)
def test_known(gradcheck):
    assert not gradcheck.check(loss, params, wrong, inputs=X).ok
""",
    )
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=4)
    assert result.stdout.str().count("verdict\n") == 4


CALLS = """
def test_calls(gradcheck):
    gradcheck.check(loss, params, right)
    gradcheck.check_layer(lambda x: (x**2, x), lambda up, x: 2 * x * up, X)
    gradcheck.check_step(step, params, loss=loss, learning_rate=0.1)
def test_assert(gradcheck):
    gradcheck.assert_gradients(loss, params, right)
def test_own(gradcheck):
    gradcheck.check(loss, params, right, seed=5)
"""


@pytest.mark.parametrize(("arguments", "seed"), [((), None), (("--gradcheck-seed", "7"), 7)])
def test_the_seed_of_the_command_line_reaches_every_check_that_names_none(
    pytester, write, asked, arguments, seed
):
    write("test_mine", CALLS)
    run(pytester, *arguments).assert_outcomes(passed=3)
    assert asked == [
        ("check", seed),
        ("check_layer", seed),
        ("check_step", seed),
        ("assert_gradients", seed),
        ("check", seed),  # by assert_gradients
        ("check", 5),
    ]


@pytest.mark.parametrize(("arguments", "seed"), [((), 3), (("--gradcheck-seed=7",), 7)])
def test_the_seed_of_the_command_line_is_put_before_that_of_a_case(
    pytester, write, asked, arguments, seed
):
    write(
        "gradcheck_mine",
        """
@module.case
def own():
    return module.Case(loss, params, right, seed=3)
""",
    )
    run(pytester, *arguments).assert_outcomes(passed=1)
    assert asked == [("check", seed)]


def test_the_seed_chooses_the_entries(pytester, write):
    write(
        "test_mine",
        """
def test_it(gradcheck):
    large = np.linspace(-1, 1, 400)
    report = gradcheck.check(lambda p: np.sum(p**4), large, lambda p: 4 * p**3 * 1.5, entries=3)
    other = module.check(
        lambda p: np.sum(p**4), large, lambda p: 4 * p**3 * 1.5, entries=3, seed=8
    )
    assert report.blocks == other.blocks
""",
    )
    run(pytester, "--gradcheck-seed=8").assert_outcomes(passed=1)
    run(pytester).assert_outcomes(failed=1)


@pytest.mark.parametrize("seed", ["-1", "many"])
def test_a_seed_that_is_none_is_refused(pytester, seed):
    result = run(pytester, f"--gradcheck-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--gradcheck-seed: *whole number of at least 0, not '{seed}'"])


def test_findings_and_verdicts_are_in_junit_xml(pytester, write):
    write(
        "test_mine",
        """
def test_check(gradcheck):
    gradcheck.check(loss, params, wrong, inputs=X)
def test_assert(gradcheck):
    gradcheck.assert_gradients(loss, params, wrong, inputs=X)
def test_twice(gradcheck):
    gradcheck.check(loss, params, wrong, inputs=X)
    gradcheck.check(unclear, params, right)
def test_unused():
    pass
""",
    )
    write(
        "gradcheck_mine",
        "@module.case\ndef mean():\n    return module.Case(loss, params, wrong, inputs=X)\n",
    )
    wrong = [("gradcheck.verdict", WRONG), ("gradcheck.rule", RULE)]
    found = properties(pytester)
    assert found["test_check"] == found["test_assert"] == found["mean"] == wrong
    assert found["test_twice"][:2] == wrong
    assert len(found["test_twice"]) == 3
    assert "out of paper" in found["test_twice"][2][1]
    assert found["test_unused"] == []


def test_a_name_cannot_break_the_lines_of_a_report(pytester, write):
    write(
        "test_mine",
        """
def test_it(gradcheck):
    square = lambda p: sum(np.sum(q**2) for q in p.values())
    gradcheck.check(square, {"a\\nb": np.ones(3)}, lambda p: {n: 1 * q for n, q in p.items()})
""",
    )
    _, (rule, text) = properties(pytester)["test_it"]
    assert rule == "gradcheck.rule"
    assert text.endswith(": a b")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test_mine", "def test_it(gradcheck):\n    gradcheck.check(broken, params, right)\n"),
        ("gradcheck_mine", "@module.case\ndef it():\n    broken(params)\n"),
        ("gradcheck_mine", "broken(params)  # before any @gradcheck.case\n"),
    ],
)
def test_no_message_drives_the_terminal(pytester, write, name, text):
    write(name, f"def broken(p):\n    raise ValueError('a \\x1b[31mred')\n\n{text}")
    result = run(pytester)
    result.stdout.fnmatch_lines([r"*a \x1b[[]31mred*"])
    assert "\x1b" not in result.stdout.str()


CASES = """
@module.case
def good():
    return module.Case(loss, params, right)

@module.case(expect="fail")
def known():
    return module.Case(loss, params, wrong, inputs=X)

@module.case(name="bad")
def batch_mean():
    return module.Case(loss, params, wrong, inputs=X)

@module.case(expect={"rules": ["GC102"]})
def other():
    return module.Case(loss, params, wrong, inputs=X)

def helper():
    return module.Case(loss, params, wrong, inputs=X)
"""


def shows_no_python(result):
    text = result.stdout.str()
    return not any(word in text for word in ("Traceback", "pytest_plugin.py", "def runtest"))


def test_the_marked_functions_of_a_case_file_are_tests(pytester, write):
    write("gradcheck_mine", CASES)
    write("mine", CASES)
    result = run(pytester, "-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "gradcheck_mine.py::good PASSED*",
            "gradcheck_mine.py::known PASSED*",
            "gradcheck_mine.py::bad FAILED*",
            "gradcheck_mine.py::other FAILED*",
        ]
    )


def test_a_case_that_fails_shows_the_difference_and_the_whole_report_and_no_python(pytester, write):
    write("gradcheck_mine", CASES)
    result = run(pytester, "-k", "bad")
    report = (
        gradcheck.casefiles.load_file(pytester.path / "gradcheck_mine.py")[2].build()[0].check()
    )
    whole = gradcheck.report.text.report_text(report, "gradcheck_mine:bad")
    assert f"\n{gradcheck.report.closing.cause_line(report)}\n\n{whole}\n" in result.stdout.str()
    assert "GC101" in whole
    assert "fix:" in whole
    assert shows_no_python(result)
    result = run(pytester, "-k", "other")
    result.stdout.fnmatch_lines(["expected rules GC102, found GC101", "", "gradcheck_mine:other*"])


@pytest.mark.parametrize("target", ["gradcheck_mine.py", "gradcheck_mine.py::good"])
def test_a_case_file_that_is_named_is_collected_once(pytester, write, target):
    write("gradcheck_mine", CASES)
    result = run(pytester, target, "--collect-only", "-q", "-k", "good")
    assert result.stdout.str().count("gradcheck_mine.py::good") == 1
    result = run(pytester, "gradcheck_mine.py", "--collect-only")
    result.stdout.no_fnmatch_line("*<Module*")


def test_a_file_that_the_project_calls_a_file_of_tests_is_left_to_pytest(pytester, write):
    pytester.makeini("[pytest]\npython_files = gradcheck_*.py")
    write("gradcheck_mine", CASES + "def test_it():\n    pass\n")
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "gradcheck_mine.py").assert_outcomes(passed=1)


def test_the_examples_in_a_case_file_are_still_run_as_doctests(pytester, write):
    write("gradcheck_mine", CASES + 'def example():\n    """\n    >>> 1 + 1\n    2\n    """\n')
    run(pytester, "--doctest-modules").assert_outcomes(passed=3, failed=2)
    run(pytester, "--doctest-modules", "gradcheck_mine.py").assert_outcomes(passed=3, failed=2)


WRAPPED = """
import functools

def wrapped(make):
    @functools.wraps(make)
    def wrapper():
        return make()
    return wrapper

@module.case(name="around")
@wrapped
def inner():
    return module.Case(loss, params, right)
"""


@pytest.mark.parametrize(("number", "name"), [(2, "bad"), (4, "around")])
def test_a_case_is_reported_at_its_own_line(pytester, write, number, name):
    write("gradcheck_mine", CASES + WRAPPED)
    items, _ = pytester.inline_genitems(*PLUGINS, "gradcheck_mine.py")
    path, line, shown = items[number].reportinfo()
    assert path == pytester.path / "gradcheck_mine.py"
    assert path.read_text(encoding="utf-8").splitlines()[line] == f'@module.case(name="{name}")'
    assert shown == name


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return module.Case(3, params, right)", "loss is *; it must be a function of *"),
        ("return 3", "the case gradcheck_mine:it returned int; return a gradcheck.Case"),
        (
            "raise ValueError('no data')",
            "the case gradcheck_mine:it raised ValueError: no data "
            f"(gradcheck_mine.py:{MODEL.count(chr(10)) + 3})",
        ),
    ],
)
def test_a_case_that_cannot_be_checked_says_so_in_one_sentence(pytester, write, body, sentence):
    write("gradcheck_mine", f"@module.case\ndef it():\n    {body}\n")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    lines = result.stdout.lines
    heading = next(number for number, line in enumerate(lines) if line.startswith("___"))
    result.stdout.fnmatch_lines([sentence])
    assert lines[heading + 2].startswith("====")
    assert shows_no_python(result)


@pytest.mark.parametrize("named", [(), ("gradcheck_mine.py",)])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "from gradcheck import case\nimport nowhere_at_all",
            "*gradcheck_mine.py could not be imported: *nowhere_at_all*",
        ),
        (
            "# gradcheck.case is spoken of only",
            "*gradcheck_mine.py holds no case; mark a function with @gradcheck.case",
        ),
    ],
)
def test_a_case_file_that_cannot_be_used_is_a_collection_error(pytester, named, text, sentence):
    pytester.makepyfile(gradcheck_mine=text)
    result = run(pytester, *named)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR collecting gradcheck_mine.py*", sentence, "=*"], consecutive=True
    )
    assert shows_no_python(result)


def test_the_summary_counts_the_checks_and_names_those_that_did_not_pass(pytester, write):
    write(
        "test_mine",
        """
import pytest

@pytest.fixture
def checked(gradcheck):
    gradcheck.assert_gradients(loss, params, wrong, inputs=X)
def test_twice(gradcheck):
    gradcheck.check(loss, params, right)
    gradcheck.assert_gradients(loss, params, wrong, inputs=X)
def test_known(gradcheck):
    assert not gradcheck.check(loss, params, wrong, inputs=X).ok
def test_unclear(gradcheck):
    gradcheck.assert_gradients(unclear, params, right)
def test_setup(checked):
    pass
""",
    )
    write("gradcheck_mine", CASES)
    result = run(pytester)
    result.stdout.fnmatch_lines(
        [
            "=* gradcheck *=",
            "9 gradient checks: 2 passed, 6 failed, 1 inconclusive",
            f"gradcheck_mine.py::known: {WRONG} (and the test passed)",
            f"gradcheck_mine.py::bad: {WRONG}",
            f"gradcheck_mine.py::other: {WRONG}",
            f"test_mine.py::test_twice: {WRONG}",
            f"test_mine.py::test_known: {WRONG} (and the test passed)",
            "test_mine.py::test_unclear: inconclusive: *out of paper",
            f"test_mine.py::test_setup: {WRONG}",
            "=* short test summary info *=",
        ],
        consecutive=True,
    )


def test_one_check_is_not_called_checks(pytester, write):
    write("test_mine", "def test_it(gradcheck):\n    gradcheck.check(loss, params, right)\n")
    run(pytester).stdout.fnmatch_lines(["1 gradient check: 1 passed, 0 failed, 0 inconclusive"])


def test_there_is_no_summary_where_nothing_was_checked(pytester):
    pytester.makepyfile("def test_it(gradcheck):\n    pass\n")
    result = run(pytester)
    result.assert_outcomes(passed=1)
    assert "gradient" not in result.stdout.str()
    result.stdout.no_fnmatch_line("*= gradcheck =*")


def test_the_plugin_loads_nothing_heavy_where_it_is_not_used(pytester):
    loaded = "print('numpy' in sys.modules, 'gradcheck.api' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; import gradcheck.pytest_plugin; {loaded}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False False\n"
    pytester.makepyfile(
        "import sys\ndef test_it():\n"
        "    assert not {'numpy', 'gradcheck.api', 'gradcheck.casefiles'} & set(sys.modules)\n"
    )
    pytester.runpytest_subprocess(*PLUGINS).assert_outcomes(passed=1)


def test_the_repair_is_shown_where_it_is_asked_for(pytester, write):
    write(
        "test_mine",
        """
def test_wrong(gradcheck):
    gradcheck.assert_gradients(loss, params, wrong, inputs=X)
def test_other_doors(gradcheck):
    assert gradcheck.check_layer(lambda x: (x**2, x), lambda up, x: 2 * x * up, X).ok
    assert gradcheck.check_step(step, params, loss=loss, learning_rate=0.1).ok
""",
    )
    write(
        "gradcheck_mine",
        "@module.case\ndef wrong_case():\n    return module.Case(loss, params, wrong, inputs=X)\n",
    )
    result = run(pytester, "--gradcheck-repair")
    result.assert_outcomes(passed=1, failed=2)
    lines = [line.strip("E ") for line in result.outlines]
    assert sum(line.startswith("1. ") and "len(X)" in line for line in lines) == 2
    assert not any("1. " in line for line in run(pytester).outlines)


@pytest.mark.parametrize("ci", ["true", None])
def test_a_failure_is_summed_up_in_a_line_and_shows_none_of_our_code(
    pytester, write, monkeypatch, ci
):
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)
    write(
        "gradcheck_mine", "@module.case\ndef it():\n    return module.Case(loss, params, wrong)\n"
    )
    write(
        "test_mine",
        """
def test_fixture(gradcheck):
    gradcheck.assert_gradients(loss, params, wrong)
def test_function():
    module.assert_gradients(loss, params, wrong)
def test_method():
    module.check(loss, params, wrong).raise_if_failed()
def test_refused(gradcheck):
    gradcheck.check(loss, params, wrong, entries="some")
""",
    )
    result = run(pytester)
    result.assert_outcomes(failed=5)
    assert not any("tests/" not in line and "gradcheck/" in line for line in result.outlines)
    assert "def raise_if_failed" not in result.stdout.str()
    start = result.outlines.index(
        "=========================== short test summary info ============================"
    )
    summary = result.outlines[start + 1 : -1]
    assert len(summary) == 5
    if ci:
        assert sum("GC101 missing-batch-mean): the gradients of W and b" in x for x in summary) == 4
    assert result.stdout.str().count("fix: leave the factor `len(X)` out of") == 4
