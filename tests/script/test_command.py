"""`gradcheck run train.py` and `gradcheck init train.py`."""

import json
import math

import pytest

from gradcheck.cli import main
from gradcheck.script import ScriptEntry, definitions

LINE = """
import numpy as np

rng = np.random.default_rng(3)
x = rng.normal(size=(11, 2))
y = x @ [2.0, -1.0]
w = np.zeros(2)
speed = 0.2
for turn in range(30):
    cost = np.mean((x @ w - y) ** 2)
    slope = 2 * x.T @ (x @ w - y)
    w -= speed * slope
"""
MENDED = LINE.replace("(x @ w - y)\n", "(x @ w - y) / len(y)\n")


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "line.py"
    path.write_text(LINE)
    return path


def test_a_script_is_taken_apart_and_checked(script, capsys):
    assert main(["run", "line.py"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("line.py holds no case; it was taken apart (in ")
    assert "  step    one iteration of the loop at line 9\n  params  w\n" in said
    assert (
        "  loss    cost, line 10\n  rate    speed = 0.2; the gradient is (old - new) / rate" in said
    )
    assert "error[GC101] missing-batch-mean" in said
    assert "line.py:11" in said
    script.write_text(MENDED)
    assert main(["run", "line.py"]) == 0


IN_CLASS = """
import numpy as np

rng = np.random.default_rng(4)
x, y = rng.normal(size=(9, 3)), rng.normal(size=9)


class Line:
    def __init__(self):
        self.__w = np.ones(3)

    def cost(self):
        return np.sum((x @ self.__w - y) ** 2)

    def turn(self, speed):
        self.__w -= speed * (x.T @ (x @ self.__w + y) * 2)


line = Line()
for turn in range(20):
    cost = line.cost()
    line.turn(0.01)
"""
TOO_EARLY = """
import numpy as np

rng = np.random.default_rng(4)
x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
for turn in range(20):
    h = np.tanh(x @ w)
    off = h @ v - y
    cost = np.sum(off ** 2) / 2
    v -= 0.01 * h.T @ off

    # the layer below
    back = off @ v.T
    w -= 0.01 * x.T @ (back * (1 - h ** 2))
"""
UPDATED_BEFORE = """
import numpy as np

rng = np.random.default_rng(4)
x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))


class Line:
    RATE = 0.01

    def __init__(self):
        self.w, self.c = rng.normal(size=(3, 2)), rng.normal(size=2)

    def turn(self):
        off = x @ self.w + self.c - y
        self.w -= self.RATE * 2 * x.T @ off
        self.c -= self.RATE * 2 * off.mean(axis=0)


line = Line()
for turn in range(20):
    line.turn()
    cost = np.sum((x @ line.w + line.c - y) ** 2)
"""
INFERRED = UPDATED_BEFORE.replace(
    "    cost = np.sum((x @ line.w + line.c - y) ** 2)\n", ""
).replace("off = x @ self.w + self.c - y", "made = x @ self.w + self.c\n        off = made - y")
SOLVED = """
import numpy as np
from scipy.optimize import leastsq

at = np.linspace(-4, 4, 15)
seen = 2 * (at - 0.7) ** 2 + 1


def off(p, at, seen):
    return p[0] * (at - p[1]) ** 2 + p[2] - seen


def slopes(p, at, seen):
    return [(at - p[1]) ** 2, -2 * p[0] * (at - p[1]) * p[1], np.ones(len(at))]


print(leastsq(off, (1.0, 1.5, 2.0), args=(at, seen), Dfun=slopes, col_deriv=1))
"""
IN_FUNCTION = "def main():" + LINE.replace("\n", "\n    ") + "\n\nmain()\n"
PENALISED = """
import numpy as np

rng = np.random.default_rng(3)
x = rng.normal(size=(11, 4))
y = x @ rng.normal(size=4)
w = rng.normal(size=4)
speed, shrink = 0.2, 0.37
for turn in range(30):
    error = x @ w - y
    fit = np.mean(error ** 2)
    size = np.sum(w ** 2)
    cost = fit + shrink * size
    slope = 2 * x.T @ error / len(x)
    w -= speed * slope
    print(fit, size, cost)
"""
MARGINS = """
import numpy as np

rng = np.random.default_rng(6)
x = rng.normal(size=(12, 2))
y = np.where(x @ [1.0, -2.0] > 0.3, 1.0, -1.0)
w, b = rng.normal(size=2), 0.2


def margins():
    slack = 1 - y * (x @ w + b)
    slack[slack < 0] = 0
    return slack, 0.5 * w @ w + slack.sum() / len(y)


def gradients():
    slack, _ = margins()
    by_w, by_b = w.copy(), 0.0
    for i, one in enumerate(slack):
        if one > 0:
            by_w -= x[i] * y[i] / len(y)
            by_b += y[i] / len(y)
    return by_w, by_b


for turn in range(20):
    by_w, by_b = gradients()
    w = w - 0.1 * by_w
    b = b - 0.1 * by_b
    _, cost = margins()
    print(cost)
"""


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        (LINE, "slope = 2 * x.T @ (x @ w - y)", "/ len(y)"),
        (IN_FUNCTION, "slope = 2 * x.T @ (x @ w - y)", "/ len(y)"),
        (IN_CLASS, "x @ self.__w + y", "x @ self.__w - y"),
        (UPDATED_BEFORE, "off.mean(axis=0)", "off.sum(axis=0)"),
        (INFERRED, "2 * x.T @ off\n", "x.T @ off / len(y)\n"),
        (SOLVED, "(at - p[1]) * p[1],", "(at - p[1]), np"),
        (TOO_EARLY, "h.T @ off\n", "\n\n    # the layer below\n    back = off @ v.T\n    v -="),
        (PENALISED, "/ len(x)\n", "/ len(x) + 2 * shrink * w\n"),
        (MARGINS, "by_b += y[i]", "by_b -= y[i]"),
    ],
    ids=[
        "loop",
        "loop in a function",
        "method",
        "updated before the loss",
        "inferred",
        "beside a difference of a parameter",
        "updated too early",
        "without its penalty",
        "the loss runs the gradient",
    ],
)
def test_a_script_is_repaired(script, capsys, text, wrong, right):
    script.write_text(text)
    assert main(["repair", "line.py", "--write"]) == 0, capsys.readouterr().out
    mended = script.read_text()
    assert wrong in text
    assert right in mended
    assert len(mended.splitlines()) == len(text.splitlines())
    assert (script.parent / "line.py.orig").read_text() == text
    assert main(["run", "line.py"]) == 0


def test_a_run_shows_the_patch_of_a_script(script, capsys):
    assert main(["run", "line.py", "--repair"]) == 1
    assert "/ len(y)" in capsys.readouterr().out


def test_the_json_says_what_was_taken(script, capsys):
    main(["run", "line.py", "--format", "json"])
    case = json.loads(capsys.readouterr().out)["cases"][0]
    assert case["script"] == {
        "step": 9,
        "params": ["w"],
        "loss": "cost",
        "loss_line": 10,
        "learning_rate": 0.2,
    }


def test_what_the_user_says_wins(script, capsys):
    main(["run", "line.py", "--loss", "squares", "--params", "w", "--lr", "0.2"])
    said = capsys.readouterr().out
    assert "the sum of squares of x @ w - y, line 10" in said
    assert main(["run", "line.py", "--loss", "10"]) == 1
    assert "loss    cost, line 10" in capsys.readouterr().out


def test_what_was_found_is_written_down_and_runs(script, capsys):
    assert main(["init", "line.py"]) == 0
    assert "wrote gradcheck_line.py" in capsys.readouterr().out
    assert main(["run", "gradcheck_line.py"]) == 1
    assert "GC101" in capsys.readouterr().out
    script.write_text(MENDED)
    assert main(["run", "gradcheck_line.py"]) == 0


def test_a_case_file_is_never_overwritten(script, capsys):
    (script.parent / "gradcheck_line.py").write_text("mine")
    assert main(["init", "line.py"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (script.parent / "gradcheck_line.py").read_text() == "mine"


def test_what_cannot_be_taken_apart_gets_a_file_to_complete(script, capsys):
    script.write_text("PLACE = 1\ndef slope(w):\n    return [2 * w[0]]\nw = open('no.csv')\n")
    assert main(["init", "line.py"]) == 0
    assert "could not be taken apart: no.csv not found" in capsys.readouterr().out
    case = script.parent / "gradcheck_line.py"
    assert "    # line.slope(w)\n" in case.read_text()
    assert main(["run", "gradcheck_line.py"]) == 2
    assert "say here what is checked" in capsys.readouterr().out
    text, _, _ = case.read_text().partition("    raise")
    ending = "    return gradcheck.Case(lambda w: w[0] ** 2, [1.0], line.slope)\n"
    (script.parent / "completed.py").write_text(text + ending)
    assert main(["run", "completed.py"]) == 0


def test_the_definitions_of_a_script_are_there_without_what_it_runs(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import math\nRATE = 2\ndef f(x):\n    return math.pi * RATE * x\nboom()\n")
    assert definitions(path).f(1.0) == 2 * math.pi


def test_nothing_is_written_where_there_is_no_script(script, capsys):
    assert main(["init", "absent.py"]) == 2
    script.write_text("print 1")
    assert main(["init", "line.py"]) == 2
    assert "Python 2" in capsys.readouterr().err
    assert [path.name for path in script.parent.iterdir()] == ["line.py"]


@pytest.mark.parametrize("form", ["html", "junit"])
def test_every_report_says_what_was_taken(script, capsys, form):
    main(["run", "line.py", "--format", form])
    assert "one iteration of the loop at line 9" in capsys.readouterr().out


SCHEDULES = {
    "before": "    pace = 0.3\n    rate = first / (1 + 0.2 * turn)\n",
    "after": "AFTER    rate *= 0.9\n",
    "between": "    spoken = cost\n    rate = rate * (1.1 if turn else 0.7)\n",
    "floor": "    rate = 0.02 + (first - 0.02) * np.cos(0.1 * turn)\n",
}
DECAYING = """
import numpy as np
rng = np.random.default_rng(8)
x, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
w, b = rng.normal(size=(3, 2)), np.zeros(2)
first = rate = 0.3
for turn in range(20):
    off = x @ w + b - t
    cost = np.sum(off ** 2) / 12 + 0.01 * np.sum(w * w)
{before}    w -= rate * (x.T @ off / 6 + 0.02 * w)
    b -= rate * off.sum(axis=0) / 6
{after}"""


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rate_is_what_it_is_when_the_updates_are_made(name, tmp_path):
    line = SCHEDULES[name]
    after = line.startswith("AFTER")
    parts = {"before": "" if after else line, "after": line[5:] if after else ""}
    (tmp_path / "script.py").write_text(DECAYING.format(**parts))
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.script.params == ("w", "b")
    assert outcome.script.learning_rate != 0.3
    assert outcome.report.ok, str(outcome.report)
    assert not outcome.script.notes


@pytest.mark.in_full
def test_a_rate_that_is_not_found_as_such_is_told_by_its_counter_also_with_a_penalty(tmp_path):
    line = "    pace = first * 0.9 ** turn\n    move = pace * (x.T @ off / 6 + 0.02 * w)\n"
    text = DECAYING.format(before=line, after="").replace(
        "w -= rate * (x.T @ off / 6 + 0.02 * w)", "w -= move"
    )
    text = text.replace("b -= rate *", "b -= pace *")
    (tmp_path / "script.py").write_text(text)
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report.ok, str(outcome.report)
    assert "first = 0.3, times 0." in outcome.script.text()


def test_the_innermost_loop_is_the_step_where_its_first_pass_does_nothing(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
rng = np.random.default_rng(5)
place, goal = rng.normal(size=(9, 2)), rng.normal(size=9)
w = rng.normal(size=2)
for turn in range(7):
    for one in range(9):
        for other in (0, 1):
            if other == one:
                continue
            off = (place[one] - place[other]) @ w - goal[one]
            cost = 0.5 * off * off
            w -= 0.1 * off * (place[one] - place[other])
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.script.step == 8
    assert outcome.report.ok, str(outcome.report)


def test_a_sum_of_the_loss_is_no_second_loss(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
rng = np.random.default_rng(6)
x, t = rng.normal(size=(24, 3)), rng.normal(size=(24, 2))
w, b = rng.normal(size=(3, 2)), np.zeros(2)
for turn in range(9):
    total_cost = 0.0
    for begin in range(0, 24, 8):
        part, wanted = x[begin : begin + 8], t[begin : begin + 8]
        off = part @ w + b - wanted
        cost = np.sum(off ** 2) / 8
        total_cost += cost * 8
        off = 2 * off
        w -= 0.01 * part.T @ off
        b -= 0.01 * off.sum(axis=0) / 8
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.script.loss == "cost"
    assert [one.code for one in outcome.report.findings] == ["GC101"]


@pytest.mark.in_full
def test_a_penalty_of_an_inferred_loss_is_weight_decay(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
rng = np.random.default_rng(7)
x, t = rng.normal(size=(20, 3)), (rng.random(20) > 0.4) * 1.0
w, b = rng.normal(size=3), 0.0
for turn in range(9):
    y = 1 / (1 + np.exp(-(x @ w + b)))
    dw = x.T @ (y - t) / 20 + 0.02 * w
    db = np.mean(y - t)
    w -= 0.3 * dw
    b -= 0.3 * db
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report.ok, str(outcome.report)
    assert "weight decay 0.02 on w" in str(outcome.report)


def test_a_single_input_makes_no_penalty_of_the_weights_that_it_scales(tmp_path):
    (tmp_path / "script.py").write_text("""
import numpy as np
rng = np.random.default_rng(0)
x = np.linspace(0, 5, 21).reshape(-1, 1)
W, V, b, c = rng.normal(size=(1, 8)), rng.normal(size=(8, 1)), np.zeros((1, 8)), np.zeros((1, 1))
for turn in range(50):
    for one in x:
        h = np.tanh(one.dot(W) + b)
        off = h.dot(V) + c - np.sin(one)
        below = off.dot(V.T) * (1 - h**2)
        dV = h.T.dot(off) + 0.001 * V
        dW = one.T.dot(below) + 0.001 * W
        V = V - 0.01 * dV
        W = W - 0.01 * dW
        b = b - 0.01 * below
        c = c - 0.01 * off
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report.ok, str(outcome.report)
    assert "weight decay 0.001 on W and V" in str(outcome.report)
    text = (tmp_path / "script.py").read_text()
    (tmp_path / "script.py").write_text(text.replace("h.T.dot(off)", "np.arctanh(h).T.dot(off)"))
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert [one.code for one in outcome.report.errors] == ["GC406"]


@pytest.mark.parametrize("penalty", ["0.02 * w", "0.1 * w / 20"])
def test_weight_decay_is_told_where_the_first_step_left_the_weights_along_the_gradient(
    tmp_path, penalty
):
    (tmp_path / "script.py").write_text(f"""
import numpy as np
rng = np.random.default_rng(7)
x = rng.normal(size=(200, 5))
t = (x @ rng.normal(size=5) > 0) * 1.0
w, b = np.zeros(5), 0.0
for turn in range(9):
    y = 1 / (1 + np.exp(-(x @ w + b)))
    dw = x.T @ (y - t) / 200 + {penalty}
    db = np.mean(y - t)
    w -= 0.01 * dw
    b -= 0.01 * db
""")
    outcome = ScriptEntry(tmp_path / "script.py").outcome({})
    assert outcome.report.ok, str(outcome.report)
    assert "weight decay" in str(outcome.report)


@pytest.mark.parametrize("rate", ["0", "-0.1", "nan"])
def test_a_rate_that_moves_nothing_is_refused(script, capsys, rate):
    assert main(["run", script.name, f"--lr={rate}"]) == 2
    told = capsys.readouterr()
    assert "such a learning rate moves nothing downhill" in told.out + told.err
