"""What is told of the user's warnings: all that their code warns of, and nothing of gradcheck's."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck.user.calls import Location, call, hand_over, is_users_file, quietly

W = np.array([1.0, 2.0, 3.0])
PACKAGE = Path(gradcheck.__file__).parent


def loss(w):
    return float((w**3).sum())


def told(report):
    return [note for note in report.notes if "your code warned" in note]


def warning_of(line):
    """A function of gradcheck's own that warns."""
    scope = {"np": np}
    source = f"def own(*values):\n    return {line}\n"
    exec(compile(source, str(PACKAGE / "compare" / "verdict.py"), "exec"), scope)
    return scope["own"]


@pytest.mark.parametrize(
    "gradient",
    [
        lambda w: np.array([np.inf, -np.inf, np.nan]),
        lambda w: np.array([np.inf, np.nan, 27.0]),
        lambda w: np.full(3, 1.7e308),
        lambda w: np.full(3, -1.7e308),
        lambda w: np.full(3, 5e-324),
        lambda w: np.full(3, np.nan),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e290])
def test_the_numbers_of_a_gradient_are_no_warning_of_the_users(gradient, scale):
    report = gradcheck.check(lambda w: scale * loss(w), W, gradient)
    assert told(report) == []


def test_an_update_that_overflows_is_no_warning_of_the_users():
    report = gradcheck.check_step(
        lambda w: np.array([1e308, -1e308, 0.0]), W, loss=loss, learning_rate=1e-3
    )
    assert told(report) == []


def test_a_layer_whose_products_overflow_is_no_warning_of_the_users():
    report = gradcheck.check_layer(
        lambda x: x * 1e307, lambda up: up * 1e307, np.array([3.0, 5.0]), upstream=np.full(2, 9.0)
    )
    assert told(report) == []


def test_a_docstring_with_an_invalid_escape_is_no_warning_of_the_users(tmp_path):
    path = tmp_path / "escapes.py"
    path.write_text(
        "import numpy as np\n"
        "def loss(w):\n"
        '    """\\sum w^3, not \\d raw."""\n'
        "    return float((w ** 3).sum())\n"
        "def grad(w):\n"
        '    """3 \\w^2."""\n'
        "    return 6 * w ** 2\n"
    )
    scope = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(path.read_text(), str(path), "exec"), scope)
    report = gradcheck.check(scope["loss"], W, scope["grad"])
    assert report.findings[0].rule == "factor-two"
    assert told(report) == []


def test_a_warning_of_the_users_is_told_with_its_line():
    def careful(w):
        warnings.warn("careful", UserWarning, stacklevel=1)
        return loss(w)

    [note] = told(gradcheck.check(careful, W, lambda w: 3 * w**2))
    assert "careful" in note
    line = careful.__code__.co_firstlineno + 1
    assert f"({__file__}:{line})" in note


def test_what_numpy_warns_of_is_told_with_the_line_of_its_caller():
    def empty(w):
        np.mean(w[:0])
        return loss(w)

    notes = told(gradcheck.check(empty, W, lambda w: 3 * w**2))
    assert any("Mean of empty slice" in note for note in notes)
    line = empty.__code__.co_firstlineno + 1
    assert all(f"({__file__}:{line})" in note for note in notes)


@pytest.mark.filterwarnings("ignore")
def test_a_function_of_numpy_itself_may_be_the_users():
    report = gradcheck.check_layer(
        np.log, lambda up, out: up / np.array([-1.0, 2.0]), np.array([-1.0, 2.0])
    )
    assert any("invalid value" in note for note in told(report))


def test_warnings_are_heard_while_the_users_code_runs_and_at_no_other_time():
    own = warning_of("np.float64(1e308) * 10")

    def users(value):
        return np.float64(value) * 10

    assert is_users_file(__file__)
    with quietly() as heard:
        own()
        call(own, "your loss")
        call(lambda: own(), "your loss")
        assert not heard.warnings
        call(users, "your loss", 1e308)
        call(np.log, "your loss", -1.0)
        hand_over(np.log, -1.0)
        call(np.log, "your loss", np.float64(0.0))
    line = users.__code__.co_firstlineno + 1
    assert heard.warnings["overflow encountered in scalar multiply", Location(__file__, line)] == 1
    assert sum(heard.warnings.values()) == 4


@pytest.mark.parametrize("name", ["api.py", "compare/verdict.py", "user/calls.py", "cli.py"])
def test_no_file_of_gradchecks_own_is_the_users(name):
    assert not is_users_file(str(PACKAGE / name))


def test_the_bundled_cases_are_as_the_users():
    assert is_users_file(str(PACKAGE / "cases" / "xor.py"))
