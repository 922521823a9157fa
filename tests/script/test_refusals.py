"""Scripts that are not checked, and the sentence that says why; nothing is left behind."""

import json

import pytest

from gradcheck.options import Edits, Wishes
from gradcheck.script import ScriptEntry
from gradcheck.user.calls import place

TWO_LOSSES = """
import numpy as np

rng = np.random.default_rng(1)
a, b = rng.normal(size=3), rng.normal(size=4)
x, z = rng.normal(size=(6, 3)), rng.normal(size=(6, 4))
rate = 0.05
for turn in range(9):
    first_loss = 0.5 * np.sum((x @ a - 1) ** 2)
    second_loss = 0.5 * np.sum((z @ b + 1) ** 2)
    a -= rate * x.T @ (x @ a - 1)
    b -= rate * z.T @ (z @ b + 1)
"""

ADVERSARIES = """
import numpy as np

rng = np.random.default_rng(1)
x, z = rng.normal(size=(9, 3)) + 1, rng.normal(size=(9, 2))
d, g = 0.3 * rng.normal(size=3), rng.normal(size=(2, 3))
b, c = 0.1, 0.1 * rng.normal(size=3)
for turn in range(9):
    fake = z @ g + c
    real, drawn = 1 / (1 + np.exp(-x @ d - b)), 1 / (1 + np.exp(-fake @ d - b))
    d_loss = -np.mean(np.log(real)) - np.mean(np.log(1 - drawn))
    g_loss = -np.mean(np.log(drawn))
    d_grad, b_grad = (x.T @ (real - 1) + fake.T @ drawn) / 9, np.mean(real - 1 + drawn)
    back = np.outer(drawn - 1, d) / 9
    d -= 0.05 * d_grad
    b -= 0.05 * b_grad
    g -= 0.05 * z.T @ back
    c -= 0.05 * back.sum(axis=0)
    print(d_loss, g_loss)
"""

CARRIED = """
import numpy as np
x, t = np.random.default_rng(1).normal(size=(6, 3)), np.ones(6)
rate, w, now = 0.05, np.zeros(3), np.zeros(6)
for turn in range(9):
    {}
"""

NAMELESS = """
import numpy as np
x, w = np.random.default_rng(1).normal(size=(6, 3)), np.ones(3)
for turn in range(9):
    for k in range(2):
        total = np.zeros(3)
        for row in x:
            total += row / np.cosh(row @ w)
    w += 0.05 * total
"""

REFUSED = {
    "nameless": (NAMELESS, "no training loop was found (line 4: it updates w, but no loss"),
    "data": (
        "import numpy as np\nrows = np.genfromtxt('prices.csv')\n",
        "prices.csv not found, before any training loop: put the file there",
    ),
    "question": ("rate = float(input('how fast? '))\n", "asks a question, input('how fast? ')"),
    "python2": ("for i in range(3):\n    print 'cost', i\n", "is Python 2 (a print statement)"),
    "broken": ("for i in range(3)\n    pass\n", "script.py:1 does not parse"),
    "framework": (
        "import torch\nw = torch.ones(2)\nloss = w.sum()\nloss.backward()\n",
        "torch makes its gradients: there is none to check",
    ),
    "exit": ("import sys\nsys.exit('later')\n", "ends itself before it trains: sys.exit('later')"),
    "hard exit": ("import os\nos._exit(3)\n", "may not call os._exit"),
    "process": ("import subprocess\nsubprocess.run(['true'])\n", "may not call subprocess.Popen"),
    "removal": ("import os\nos.remove('kept.txt')\n", "may not call os.remove (script.py:2)"),
    "arguments": (
        "import argparse\nasked = argparse.ArgumentParser()\n"
        "asked.add_argument('--rows', required=True)\nasked.parse_args()\n",
        "run without arguments, and the following arguments are required: --rows",
    ),
    "caught": (
        "import shutil\ntry:\n    shutil.rmtree('folder')\nexcept Exception:\n    pass\n",
        "the script may not call os.rmdir",
    ),
    "socket": ("import socket\nsocket.create_connection(('localhost', 9))\n", "call socket."),
    "download": (
        "import os, socket\ntry:\n    socket.create_connection(('localhost', 9))\n"
        "except OSError:\n    os.remove('kept.txt')\n",
        "call socket.getaddrinfo (script.py:5): let it read its data from a file",
    ),
    "no loop": ("import math\nprint(math.pi)\n", "no training loop was found"),
    "no loss": (
        "import numpy as np\nw = np.ones(3)\nfor i in range(9):\n    w -= 0.1 * w**3\n",
        "but no loss was found",
    ),
    "two losses": (
        TWO_LOSSES,
        "descends 2 losses: first_loss moves a; second_loss moves b; check one at a time: "
        "--loss first_loss --params a",
    ),
    "two adversaries, one of them wrong": (
        ADVERSARIES.replace("+ fake.T @ drawn) / 9", ") / 9 + fake.T @ drawn"),
        "descends 2 losses: g_loss moves g, c; d_loss moves d, b; check one at a time: ",
    ),
    "two adversaries whose gradients are sums": (
        ADVERSARIES.replace(" / 9\n", "\n").replace(" / 9,", ",").replace("np.mean(re", "sum(re"),
        "descends 2 losses: d_loss moves d, b; g_loss moves g, c; check one at a time: ",
    ),
    "not called": (
        "class Line:\n    def __init__(self, rate, turns=9):\n        self.rate = rate\n"
        "    def learn(self, x, y):\n        for turn in range(9):\n"
        "            self.w -= self.rate * x.T @ (x @ self.w - y)\n",
        "and nothing calls learn(x, y): add `Line(rate).learn(x, y)` at its end",
    ),
    "only begun": (
        "class Part:\n    def __init__(self, rate):\n        self.w -= rate * self.w\n"
        "    def learn(self, x):\n        self.w -= 0.1 * x @ self.w\n",
        "and nothing calls learn(x): add `Part(rate).learn(x)` at its end",
    ),
    "not a number": (
        "import numpy as np\nw = np.ones(3)\nfor turn in range(9):\n"
        "    w -= 0.1 * w / np.sqrt(-w)\n",
        "line 3: w is nan after it",
    ),
    "of the pass before": (
        CARRIED.format("w = w - rate * x.T @ (now - t)\n    now = x @ w"),
        "line 5: its update is made from now of the pass before; compute now at the beginning",
    ),
    "taken if it is better": (
        CARRIED.format(
            "v = w - rate * x.T @ (now - t)\n    then = x @ v\n"
            "    loss, later = np.sum((now - t) ** 2), np.sum((then - t) ** 2)\n"
            "    if later >= loss:\n        break\n    w, now = v, then"
        ),
        "line 5: its update is made from now of the pass before; compute now at the beginning",
    ),
    "no package": (
        "import keras_of_nobody\nw = 1.0\nfor turn in range(9):\n    w -= 0.1 * w\n"
        "keras_of_nobody.Model().fit(w)\n",
        "No module named 'keras_of_nobody' (script.py:1)",
    ),
    "to nowhere": (
        "import os\ntry:\n    os.open(os.devnull, os.O_WRONLY)\nexcept OSError:\n    pass\n"
        "import package_of_nobody\n",
        "No module named 'package_of_nobody' (script.py:6)",
    ),
    "raises": ("import numpy as np\nnp.ones(3) @ np.ones(4)\n", "before any training loop"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_why_a_script_is_not_checked(name, tmp_path):
    text, sentence = REFUSED[name]
    (tmp_path / "script.py").write_text(text)
    (tmp_path / "kept.txt").write_text("kept")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report is None
    assert outcome.status == 2
    assert sentence in outcome.error
    assert sorted(tmp_path.rglob("*")) == before


def test_it_is_said_where_in_the_users_files_a_script_raises(tmp_path):
    (tmp_path / "ahead.py").write_text("def ahead(x):\n    return x @ x\n")
    text = "import numpy as np\nfrom ahead import ahead\nahead(np.ones((2, 3)))\n"
    (tmp_path / "script.py").write_text(text)
    error = ScriptEntry(tmp_path / "script.py").outcome({}).error
    assert "(ahead.py:2, from script.py:3), before any training loop" in error
    (tmp_path / "ahead.py").write_text("def ahead(x):\n    return (x\n")
    error = ScriptEntry(tmp_path / "script.py").outcome({}).error
    assert "(ahead.py:2, from script.py:2), before any training loop" in error


def test_one_of_two_losses_is_checked_when_it_is_named(tmp_path):
    (tmp_path / "script.py").write_text(TWO_LOSSES)
    wishes = Wishes.of("second_loss", "b", None)
    outcome = ScriptEntry(tmp_path / "script.py", wishes).outcome({})
    assert outcome.script.params == ("b",)
    assert outcome.report.ok


def test_a_mistyped_wish_is_answered(tmp_path):
    (tmp_path / "script.py").write_text(TWO_LOSSES)
    entry = ScriptEntry(tmp_path / "script.py", Wishes.of("third_loss", None, None))
    assert "first_loss (line 9), second_loss (line 10)" in entry.outcome({}).error
    entry = ScriptEntry(tmp_path / "script.py", Wishes.of(None, "c", None))
    assert "the loop updates a, b" in entry.outcome({}).error


def test_a_script_without_end_is_stopped(tmp_path):
    (tmp_path / "script.py").write_text("while True:\n    pass\n")
    outcome = ScriptEntry(tmp_path / "script.py", Wishes(seconds=1.5)).outcome({})
    assert "no training loop was reached" in outcome.error
    text = "x = 0.0\nwhile True:\n    x = x * 0.5 - 0.1\n    x -= 1.0\n    x = 3.0\n"
    (tmp_path / "script.py").write_text(text)
    outcome = ScriptEntry(tmp_path / "script.py", Wishes(seconds=1.5)).outcome({})
    assert "no training loop was reached in 0.5 s (line 2: " in outcome.error
    assert "--timeout gives it longer" in outcome.error


def test_a_script_that_hangs_in_its_loop_is_ended(tmp_path):
    text = "import time\nwait = time.monotonic\nwhile wait() >= 0:\n    x = 0.0\n    x -= 0.0 * x\n"
    (tmp_path / "script.py").write_text(text)
    assert ScriptEntry(tmp_path / "script.py", Wishes(seconds=1.0)).outcome({}).error


def test_a_system_without_fork_says_so(tmp_path, monkeypatch):
    (tmp_path / "script.py").write_text(TWO_LOSSES)
    monkeypatch.delattr("os.fork")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert "forked process, which this system lacks" in outcome.error


def test_the_cells_of_a_notebook_are_a_script(tmp_path):
    lines = TWO_LOSSES.replace("second_loss = ", "other = ").splitlines(keepends=True)
    cells = [
        {"cell_type": "markdown", "source": ["# text"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", *lines[:7]]},
        {"cell_type": "code", "source": "".join(lines[7:])},
    ]
    (tmp_path / "book.ipynb").write_text(json.dumps({"cells": cells}))
    outcome = ScriptEntry(tmp_path / "book.ipynb", Wishes.of(None, "a", None)).outcome({})
    assert outcome.report.ok, str(outcome.report)
    assert outcome.script.loss == "first_loss"


def test_lines_of_a_notebook_are_those_of_its_code_and_can_be_repaired(tmp_path):
    wrong = TWO_LOSSES.replace("rate * x.T @", "rate * 2 * x.T @").splitlines(keepends=True)
    cells = [{"cell_type": "code", "source": one} for one in (wrong[:7], ["%%time\n"], wrong[7:])]
    (tmp_path / "my book.ipynb").write_text(json.dumps({"cells": cells}, indent=1))
    entry = ScriptEntry(tmp_path / "my book.ipynb", Wishes.of("first_loss", "a", None))
    outcome = entry.outcome({"repair": Edits(1500)})
    assert "init 'my book.ipynb'" in outcome.script.text()
    assert "lines are counted through its code cells" in outcome.script.text()
    location = outcome.report.findings[0].location
    assert location.source == "a -= rate * 2 * x.T @ (x @ a - 1)"
    assert place(location) == f"my book.ipynb, line {location.line}"
    assert "+    a -= rate * x.T @ (x @ a - 1)" in outcome.report.repair.patches[0].diff


def test_every_part_of_a_package_that_draws_is_left_out(tmp_path):
    drawn = "import matplotlib.ticker as ticks\nfrom pylab import plot\nimport ipdb\n"
    (tmp_path / "script.py").write_text(drawn + TWO_LOSSES + "    plot(ticks.Locator(a))\n")
    assert ScriptEntry(tmp_path / "script.py", Wishes.of(None, "a", None)).outcome({}).report.ok


def test_what_is_drawn_unpacks_into_as_many_as_a_line_takes(tmp_path):
    drawn = (
        "import matplotlib.pyplot as plt\n"
        "line, = plt.plot([1])\n"
        "(counts, edges, bars), (figure, axes) = plt.hist([1]), plt.subplots()\n"
    )
    (tmp_path / "script.py").write_text(drawn + TWO_LOSSES)
    assert ScriptEntry(tmp_path / "script.py", Wishes.of(None, "a", None)).outcome({}).report.ok


@pytest.mark.parametrize(
    ("package", "said"),
    [(None, "No module named 'keras'"), ("layers = None\n", "no attribute 'w' (own.py:4, from")],
)
def test_a_package_is_not_said_to_make_the_gradients_of_a_class_of_your_own(
    tmp_path, package, said
):
    if package:
        (tmp_path / "keras.py").write_text(package)
    (tmp_path / "own.py").write_text(
        "from keras import layers\nclass M:\n    def fit(self):\n        self.w -= 0.1 * self.g\n"
    )
    (tmp_path / "script.py").write_text(
        "from own import M\nfrom keras import layers\nM().fit()\nlayers.Dense(2).fit()\n"
    )
    reason = ScriptEntry(tmp_path / "script.py").outcome({}).reason
    assert said in reason
    assert "makes its gradients" not in reason


def test_a_running_average_that_is_printed_is_neither_parameter_nor_loss(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
rng = np.random.default_rng(1)
shown = other = 0.0
for turn in range(9):
    alpha = 1 / (turn + 2)
    noise = rng.normal(size=5)
    shown = (1 - alpha) * shown + alpha * np.mean(noise**2)
    other = (1 - alpha) * other + alpha * np.mean(noise)
    print(f"{shown:.3f} {other:.3f}")
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report is None, str(outcome.report)
    assert "no training loop was found" in outcome.reason


def test_an_array_of_a_class_of_its_own_whose_attributes_a_copy_loses_is_named(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
class Tensor(np.ndarray):
    def __array_finalize__(self, array):
        self.grad = 0
w = np.ones(3).view(Tensor)
for turn in range(9):
    loss = np.sum((w - 2) ** 2)
    w.grad = w.grad + 2 * (w - 2)
    w -= 0.1 * w.grad
    w.grad = 0
""")
    reason = ScriptEntry(tmp_path / "script.py").outcome({}).reason
    assert "w is of Tensor, a subclass of np.ndarray with attributes" in reason


@pytest.mark.parametrize("epochs", [0, 3])
def test_gradients_that_several_passes_sum_up_before_an_update_are_named(tmp_path, epochs):
    text = """
class Layer:
    def __init__(self):
        self.w, self.g = rng.normal(size=(3, 2)), np.zeros((3, 2))

    def update(self):
        self.w -= 0.05 * self.g / 4
        self.g = np.zeros((3, 2))

rng = np.random.default_rng(1)
layer, loss = Layer(), 0.0
for epoch in range(9):
    for turn in range(1, 21):
        x, t = rng.normal(size=3), rng.normal(size=2)
        off = x @ layer.w - t
        loss += np.sum(off**2)
        layer.g += 2 * np.outer(x, off)
        if turn % 4 == 0:
            layer.update()
"""
    if not epochs:
        text = text.replace("for epoch in range(9):\n", "if True:\n")
    (tmp_path / "script.py").write_text("import numpy as np\n" + text)
    reason = ScriptEntry(tmp_path / "script.py").outcome({}).reason
    assert "it updates in some passes only, by what several passes have summed up" in reason
