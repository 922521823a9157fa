"""Every public name is shown in use, and what is shown comes out; its arguments are typed."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck

NAMES = [name for name in gradcheck.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_in_a_docstring_comes_out(name):
    value = getattr(gradcheck, name)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(value))
    assert examples, f"{name} has no example"
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTest(examples, {}, name, None, 0, inspect.getdoc(value)))
    assert not runner.failures


def test_a_user_sees_the_keywords(tmp_path):
    """What mypy says of calls with a mistyped name, and that it says nothing of right ones."""
    pytest.importorskip("mypy")
    script = tmp_path / "typed.py"
    script.write_text(
        "import numpy as np\n"
        "import gradcheck\n"
        "def f(w: object) -> float: return 0.0\n"
        "r = gradcheck.assert_gradients(f, np.ones(2), f, entries='all', args=(), inputs=1)\n"
        "gradcheck.check_layer(f, f, np.ones(2), upstream=None, seed=3)\n"
        "gradcheck.check_step(f, np.ones(2), loss=f, learning_rate=0.1, budget=1.0)\n"
        "gradcheck.Case(f, np.ones(2), f, expect='fail', entries=5)\n"
        "if r.verdict == 'passed': pass\n"
        "gradcheck.assert_layer(f, f, np.ones(2), sed=3)\n"
        "gradcheck.Case(f, np.ones(2), f, entries='most')\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(gradcheck.__file__).parent.parent
    )
    lines = [line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == ["8", "9", "10"], done.stdout
