"""What scripts that people publish do beside training: modules, idle passes, clips, constants."""

import ast
from pathlib import Path

import pytest

import gradcheck
from gradcheck.script import ScriptEntry
from gradcheck.script.imported import trees_beside

TABLE = """
import numpy as np
rng = np.random.default_rng(8)
x, t = rng.normal(size=(15, 3)), rng.normal(size=(15, 2))
"""


def causes(found):
    return [one.code for one in found.report.errors]


MODEL = """
import numpy as np

class Map:
    def __init__(self):
        self.k = np.random.default_rng(1).normal(size=(3, 2))

    def ahead(self, x):
        self.x = x
        return np.tanh(x @ self.k)

    def back(self, y, off, lr=0.05):
        self.k -= lr * self.x.T @ (off * (1 - y ** 2))
"""
FITTING = """
def gap(y, t):
    return y - t

def fit(model, x, t, turns):
    for turn in range(turns):
        y = model.ahead(x)
        loss = 0.5 * (gap(y, t) ** 2).sum()
        model.back(y, gap(y, t))
"""


@pytest.mark.parametrize(("slope", "wrong"), [("(1 - y ** 2)", []), ("(1 - y)", ["GC305"])])
def test_the_loop_may_be_in_a_module_beside_the_script(outcome, slope, wrong):
    text = f"{TABLE}from fitting import fit\nfrom model import Map\nfit(Map(), x, t, 9)\n"
    found = outcome(text, model=MODEL.replace("(1 - y ** 2)", slope), fitting=FITTING)
    assert found.script.params == ("model.k",)
    assert "the loop at line 6 of fitting.py" in found.script.text()
    assert "loss, line 8 of fitting.py" in found.script.text()
    assert found.script.learning_rate == 0.05
    assert causes(found) == wrong


def test_what_a_module_shares_with_the_script_is_one_array(outcome):
    net = "import numpy as np\nk = np.full((3, 2), 0.3)\ndef ahead(x):\n    return x @ k\n"
    found = outcome(
        f"""{TABLE}
from net import ahead, k
for turn in range(9):
    y = ahead(x)
    cost = np.mean((y - t) ** 2)
    k -= 0.1 * 2 * x.T @ (y - t) / t.size
""",
        net=net,
    )
    assert found.script.params == ("k",)
    assert found.report.ok, str(found.report)


def test_the_passes_looked_at_move_all_that_the_loop_updates(outcome):
    found = outcome("""
p, q, c = 0.4, -0.2, 0.1
for turn in range(3):
    for i in range(6):
        for j in range(6):
            off = p * i + q * j + c - (i - j)
            square = off * off
            cost = square
            p -= 0.001 * 2 * off * i
            q -= 0.001 * 2 * off * i
            c -= 0.001 * 2 * off
""")
    assert set(found.script.params) == {"p", "q", "c"}
    assert [block.name for block in found.report.blocks if block.failed] == ["q"]


def test_an_error_with_its_sign_is_no_loss(outcome):
    found = outcome("""
import numpy as np
points = np.random.default_rng(2).normal(size=(8, 3))
goals = points[:, 0] + 1
k = np.zeros(3)
for turn in range(4):
    for number in range(8):
        error = goals[number] - points[number] @ k
        k -= 0.1 * error * points[number]
""")
    assert "inferred" in found.script.text()
    assert causes(found) == ["GC106"]


CLIPPED = f"""{TABLE}
k, c = np.ones((3, 2)), np.full((1, 1), 9.0)
for turn in range(9):
    off = x @ k + c - t
    cost = np.sum(off ** 2)
    dc, dk = 2 * np.sum(off).reshape(1, 1), 2 * x.T @ off
    dc = np.clip(dc, -1, 1)
    c -= 0.001 * dc
    k -= 0.001 * dk
"""


def test_a_clip_in_a_script_is_accepted_and_said(outcome):
    found = outcome(CLIPPED)
    assert causes(found) == ["GC412"]
    assert "np.clip(dc, -1, 1)` cuts off" in str(found.report)
    assert found.report.ok


def test_a_slope_cut_at_the_wrong_error_of_a_huber_is_no_clip_that_is_accepted(outcome):
    text = """
k = rng.normal(size=(3, 2))
for turn in range(9):
    off = x @ k - t
    huber = np.where(np.abs(off) < 0.5, 0.5 * off ** 2, 0.5 * (np.abs(off) - 0.25)).mean()
    k -= 0.1 * x.T @ (np.clip(off, -EDGE, EDGE) / off.size)
    print(turn, huber)
"""
    assert outcome(TABLE + text.replace("EDGE", "0.5")).report.ok
    found = outcome(TABLE + text.replace("EDGE", "1"))
    assert found.report.verdict == "fail", str(found.report)
    assert found.script.loss == "huber"


def test_a_bug_is_told_before_a_clip_that_is_accepted(outcome):
    found = outcome(CLIPPED.replace("2 * x.T @ off", "2 * x.T @ (x @ k + c)"))
    assert (found.report.verdict, causes(found)[-1]) == ("fail", "GC412"), str(found.report)


PROJECTED = """
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(12, 2))
Q = X @ X.T
share = rng.uniform(0.2, 0.6, size=12)
lr = 0.05
for iteration in range(30):
    loss = 0.5 * share @ Q @ share - share.sum()
    grad = 1 - Q @ share
    share = np.clip(share + lr * grad, 0, 0.61)
"""


@pytest.mark.in_full
def test_a_clip_that_turns_signs_round_is_no_clip_alone(outcome):
    """A projection on a box cuts the right update off; of a wrong one it is not to blame."""
    assert outcome(PROJECTED).report.verdict == "pass"
    assert outcome(PROJECTED.replace("share + lr", "share - lr")).report.verdict == "fail"


def test_the_constant_of_an_inferred_loss_is_its_own(outcome):
    found = outcome(f"""{TABLE}
k = np.ones((3, 2))
for turn in range(9):
    off = x @ k - t
    k -= 0.001 * (1.7 * x.T @ off)
""")
    assert "times" in found.script.text()
    assert found.report.ok, str(found.report)


def test_large_arrays_that_are_updated_in_place_are_not_shared_by_replays(outcome):
    found = outcome("""
import numpy as np
rng = np.random.default_rng(3)
x, t = rng.normal(size=(9, 60)), rng.normal(size=(9, 40))
k = 0.1 * rng.normal(size=(60, 40))
for turn in range(5):
    y = x @ k
    error = np.sum((y - t) ** 2)
    k -= 0.001 * 2 * x.T @ (y - t)
""")
    assert found.script.loss_line == 8
    assert found.report.ok, str(found.report)
    assert "other data" not in found.script.text()


def test_a_line_that_hurts_two_blocks_is_one_finding(outcome):
    found = outcome(f"""{TABLE}
def bias(delta):
    return np.sum(delta) / len(delta)

w, b = 0.3 * rng.normal(size=(3, 4)), np.zeros(4)
v, c = 0.3 * rng.normal(size=(4, 2)), np.zeros(2)
for turn in range(9):
    h = np.tanh(x @ w + b)
    y = h @ v + c
    cost = np.sum((y - t) ** 2) / (2 * len(t))
    delta = y - t
    below = delta @ v.T * (1 - h ** 2)
    dv, dc = h.T @ delta / len(t), bias(delta)
    dw, db = x.T @ below / len(t), bias(below)
    w -= 0.1 * dw
    b -= 0.1 * db
    v -= 0.1 * dv
    c -= 0.1 * dc
""")
    assert causes(found) == ["GC204"]
    assert set(found.report.findings[0].blocks) == {"b", "c"}
    assert "the same line makes c wrong" in found.report.findings[0].message


PACKAGE = {
    "layers": """
class Map:
    def __init__(self, k):
        self.k = k

    def ahead(self, x):
        self.x = x
        return x.dot(self.k)

    def back(self, above):
        self.dk = self.x.T.dot(above)
        return above.dot(self.k.T)


class Ramp:
    def ahead(self, x):
        self.x = x
        return x * (x > 0)

    def back(self, above):
        return above * (self.x > 0)
""",
    "nets": """
class Chain:
    def __init__(self, layers, judge, mover):
        self.layers, self.judge, self.mover = layers, judge, mover

    def fit(self, x, t, turns):
        for turn in range(turns):
            y = x
            for layer in self.layers:
                y = layer.ahead(y)
            loss = self.judge.of(y, t)
            above = self.judge.back()
            for layer in self.layers[::-1]:
                above = layer.back(above)
            self.mover.step(self.layers, lr=0.02)
""",
    "judges": """
class Squares:
    def of(self, y, t):
        self.off = y - t
        return float((self.off ** 2).sum())

    def back(self):
        return 2 * self.off
""",
    "movers": """
class Descent:
    def step(self, layers, lr=1.0):
        for layer in layers:
            if hasattr(layer, "k"):
                layer.k -= lr * layer.dk
""",
}


@pytest.mark.parametrize("bug", ["", "judges.py", "layers.py"])
def test_a_package_of_layers_is_followed_into_every_module(tmp_path, bug):
    home = tmp_path / "parts" / "net"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text(
        "from .nets import Chain\nfrom .judges import Squares\n"
        "from .layers import Map, Ramp\nfrom .movers import Descent\n"
    )
    for name, text in PACKAGE.items():
        if bug == f"{name}.py":
            text = text.replace("2 * self.off", "2 * self.off ** 3")
            text = text.replace("above * (self.x > 0)", "above * self.x")
        (home / f"{name}.py").write_text(text)
    (tmp_path / "main.py").write_text("""
import sys
import numpy as np
sys.path.insert(0, "parts")
from net import Chain, Descent, Map, Ramp, Squares
rng = np.random.default_rng(6)
x, t = np.array([[0, 0], [0, 1], [2, 0], [1, 1]]), rng.normal(size=(4, 2))
layers = [Map(rng.normal(size=(2, 5))), Ramp(), Map(rng.normal(size=(5, 2)))]
Chain(layers, Squares(), Descent()).fit(x, t, 50)
""")
    found = ScriptEntry(tmp_path / "main.py").outcome({})
    assert found.report is not None, found.error
    assert found.script.params == ("self.layers[0].k", "self.layers[2].k")
    assert found.script.learning_rate == 0.02
    assert found.report.ok == (not bug), str(found.report)
    places = [one.location.file for one in found.report.findings if one.location]
    assert not bug or places[0].endswith(bug), str(found.report)


def test_a_sum_of_gradients_begins_at_zero_in_every_replay(outcome):
    found = outcome(f"""{TABLE}
k, dk = np.ones((3, 2)), np.zeros((3, 2))
for turn in range(9):
    off = x @ k - t
    cost = np.sum(off ** 2)
    dk += 2 * x.T @ off
    k -= 0.01 * dk
    dk = np.zeros((3, 2))
""")
    assert found.script.learning_rate == 0.01
    assert found.report.ok, str(found.report)


def test_a_factor_that_differs_between_iterations_is_no_rate(outcome):
    found = outcome("""
import numpy as np
rng = np.random.default_rng(4)
groups = [rng.normal(size=(n, 3)) for n in (7, 3, 5, 9, 4)]
k = np.full(3, 0.5)
for turn in range(4):
    for group in groups:
        cost = 0.5 * np.sum((group @ k - 1) ** 2)
        k -= 0.01 * group.T @ (group @ k - 1) / len(group)
""")
    assert not found.report.ok


@pytest.mark.parametrize("rate", ["0.05", "0.5 / (self.turns + 10)"])
def test_a_rate_may_be_a_variable_of_the_method_that_updates(outcome, rate):
    found = outcome(f"""{TABLE}
class Model:
    def __init__(self):
        self.k, self.turns = np.ones((3, 2)), 0
        self.c = np.zeros(2)

    def learn(self, x, t):
        mine = {rate}
        off = x @ self.k + self.c - t
        self.k -= mine * x.T @ off
        self.c -= mine * off.sum(axis=0)
        return np.sum(off ** 2) / 2

model = Model()
for turn in range(5):
    loss = model.learn(x, t)
""")
    assert found.script.learning_rate == pytest.approx(0.05)
    assert found.report.ok, str(found.report)


OWN_RATE = """
class Layer:
    def __init__(self, n, k, pace=0.05):
        self.k, self.lr = rng.normal(size=(n, k)), pace
    def ahead(self, x):
        self.x = x
        self.y = np.tanh(x @ self.k)
        return self.y
    def back(self, g):
        d = g * SLOPE
        below = d @ self.k.T
        self.k -= self.lr * self.x.T @ d
        return below
"""
DEFAULT_RATE = """
class Layer:
    def __init__(self, n, k):
        self.k = rng.normal(size=(n, k))
    def ahead(self, x):
        self.x = x
        self.y = np.tanh(x @ self.k)
        return self.y
    def back(self, g):
        d = g * SLOPE
        below = d @ self.k.T
        if below.shape[1] > 3:
            self.widen(d)
        else:
            self.settle(d)
        return below
    def widen(self, d, lr=0.05):
        self.k -= lr * self.x.T @ d
    def settle(self, d, lr=0.05):
        self.k -= lr * self.x.T @ d
"""


@pytest.mark.parametrize("layer", [OWN_RATE, DEFAULT_RATE])
@pytest.mark.parametrize(("slope", "ok"), [("(1 - self.y**2)", True), ("(1 - self.y)", False)])
def test_a_rate_that_every_layer_keeps_is_the_rate_of_all(outcome, layer, slope, ok):
    found = outcome(
        TABLE
        + layer.replace("SLOPE", slope)
        + """
layers = [Layer(3, 4), Layer(4, 2)]
for turn in range(30):
    y = layers[1].ahead(layers[0].ahead(x))
    loss = np.sum((y - t) ** 2)
    layers[0].back(layers[1].back(2 * (y - t)))
"""
    )
    assert found.script.params == ("layers[0].k", "layers[1].k")
    assert found.script.learning_rate == 0.05
    assert found.report.ok == ok


def test_what_only_another_rate_writes_to_is_not_shared(outcome):
    found = outcome(
        f"""{TABLE}
class Steps:
    def __init__(self, numbers, lr=0.05, eps=1e-18):
        self.numbers, self.lr, self.eps = numbers, lr, eps
    def go(self, gradients):
        for name in self.numbers:  # of one whose name is not there, nothing is learned
            g = gradients.get(name, 0.0)
            self.numbers[name] -= self.lr * g * (np.abs(g) / (np.abs(g) + self.eps))
k, wide = rng.normal(size=(3, 2)), rng.normal(size=(2, 1500))
steps = Steps(dict(wide=wide, k=k))
for turn in range(30):
    y = np.tanh(x @ k @ wide)
    cost = np.mean((y - 0.3) ** 2)
    off = 2 * (y - 0.3) / y.size * (1 - y ** 2)
    steps.go(dict(k=x.T @ off @ wide.T, broad=(x @ k).T @ off))
"""
    )
    assert found.script.params == ("k",)
    assert found.report.ok


BY_DIFFERENCES = """
def gradient(theta):
    before, slopes = loss_of(theta), np.zeros_like(theta)
    for place in range(len(theta)):
        theta[place] += 1e-9
        slopes[place] = (loss_of(theta) - before) / 1e-9
        theta[place] -= 1e-9
    return slopes

def loss_of(theta):
    return 0.5 * np.sum((x @ theta - t[:, 0]) ** 2)

theta = np.zeros(3)
for turn in range(9):
    loss = loss_of(theta)
    theta -= gradient(theta) / 20
"""


@pytest.mark.in_full
def test_the_step_of_a_finite_difference_is_no_update(outcome):
    found = outcome(TABLE + BY_DIFFERENCES)
    assert "GC404" not in causes(found)


@pytest.mark.parametrize("rate", ["1", "0.5"])
def test_a_rate_that_is_passed_by_name_may_be_a_whole_number(outcome, rate):
    text = MODEL.replace("off * (1", "off / 15 * (1") + FITTING.replace(
        "gap(y, t))", f"gap(y, t), lr={rate})"
    )
    text = text.replace("0.5 * (gap(y, t) ** 2).sum()", "(gap(y, t) ** 2).sum() / 30")
    found = outcome(f"{TABLE}{text}fit(Map(), x, t, 9)\n")
    assert f"lr = {rate}" in found.script.text()
    assert found.report.ok


SHOWN = """
k, c = rng.normal(size=(3, 1)), np.zeros((1, 1))
aim = (t[:, :1] > 0).astype(float)
for turn in range(9):
    out = 1 / (1 + np.exp(-(x @ k + c)))
    back = out - aim
    k -= 0.1 * x.T @ back / 15
    c -= 0.1 * back.mean(axis=0, keepdims=True)
    loss = np.mean((out - aim) ** 2)
"""


def test_the_derivative_of_a_cross_entropy_beside_a_squared_error_is_said(outcome):
    (finding,) = outcome(TABLE + SHOWN).report.findings
    assert finding.code == "GC601"
    assert "derivative of the cross-entropy, and the loss is the squared error" in finding.message
    assert (
        "multiply by 2 times the slope of out, or let the loss be the cross-entropy" in finding.fix
    )


@pytest.mark.in_full
def test_a_constant_that_was_rounded_to_float32_is_no_bug(outcome):
    text = """
k = rng.normal(size=(3, 2))
share = float(np.array(1 / 15, dtype="f"))
for turn in range(9):
    off = x @ k - t
    loss = np.sum(off ** 2) / 30
    k -= 0.1 * share * x.T @ off
"""
    found = outcome(TABLE + text)
    assert found.report.ok, str(found.report)
    assert "errors below the precision of float32 are not counted" in found.script.text()
    assert not outcome(TABLE + text.replace("share * x", "share * (1 + 1e-7) * x")).report.ok


SUMMED = """
def step(w, v, lr=0.02):
    out = [x[i] @ w @ v for i in range(len(x))]
    back = np.zeros(2)
    dw, dv = np.zeros_like(w), np.zeros_like(v)
    loss = np.sum((out[-1] - t[-1]) ** 2)
    for i in range(len(x) - 1, -1, -1):
        off = 2 * (out[i] - t[i])
        back += off
        dv += np.outer(x[i] @ w, off)
        dw += np.outer(x[i], v @ OFF)
        if i < len(x) - 1:
            loss += np.sum((out[i] - t[i]) ** 2)
    w -= lr * dw
    v -= lr * dv
    return loss

w, v = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
for turn in range(9):
    loss = step(w, v)
"""


@pytest.mark.parametrize(("off", "ok"), [("off", True), ("back", False)])
@pytest.mark.in_full
def test_sums_of_gradients_and_of_losses_are_no_parameters(outcome, off, ok):
    found = outcome(TABLE + SUMMED.replace("OFF", off))
    assert found.script.params == ("w", "v")
    assert [block.failed for block in found.report.blocks] == [not ok, False]


FROM_THE_END = """
w = rng.normal(size=(3, 2))
for turn in range(9):
    out = x @ w
    g = np.zeros_like(w)
    for back in range(len(x)):
        off = out[len(x) - back - 1] - t[len(x) - back - 1]
        g += np.outer(x[len(x) - back - 1], off)
    w -= 0.02 * g
"""


def test_an_error_may_have_differences_in_its_indices(outcome):
    found = outcome(TABLE + FROM_THE_END)
    assert "half the sum of squares of out[len(x) - back - 1]" in found.script.loss_words[0]
    assert found.report.ok


def test_a_module_may_be_imported_by_its_name(outcome):
    text = f"{TABLE}import importlib\nkind = importlib.import_module('model')\nm = kind.Map()\n"
    text += "for i in range(9):\n    y = m.ahead(x)\n    m.back(y, y - t)\n"
    assert outcome(text, model=MODEL).report.ok


def test_gradcheck_itself_is_no_module_of_the_user(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(gradcheck.__file__).parents[1])  # as an editable install does
    assert not trees_beside(ast.parse("from gradcheck import check"), tmp_path)


KEPT_TOO = """
class Model:
    def __init__(self):
        self.w = rng.normal(size=(3, 2))

earlier, model = [], Model()
for turn in range(9):
    out = x @ model.w
    loss = 0.5 * np.sum((out - t) ** 2)
    model.w = model.w - 0.02 * x.T @ (out - t)
    earlier = earlier + [model]
"""


def test_a_parameter_that_is_kept_under_another_name_as_well_is_one(outcome):
    found = outcome(TABLE + KEPT_TOO)
    assert found.script.params == ("model.w",)
    assert found.report.ok


BY_NEURONS = """
import random

random.seed(2)
ROWS = [([0.3, -0.8], 1.0), ([-0.5, 0.4], 0.2), ([0.9, 0.7], -0.4)]
w = [[random.gauss(0, 0.5) for _ in range(2)] for _ in range(6)]
v, c = [random.gauss(0, 0.5) for _ in range(6)], [0.05] * 6
for turn in range(40):
    loss = 0.0
    for x, y in ROWS:
        z = [sum(a * b for a, b in zip(row, x)) + one for row, one in zip(w, c)]
        h = [max(0.0, one) for one in z]
        out = sum(a * b for a, b in zip(v, h))
        loss += (out - y) ** 2
        d = 2 * (out - y)
        for i in range(6):
            back = d * v[i]SLOPE
            v[i] -= 0.05 * d * h[i]
            for j in range(2):
                w[i][j] -= 0.05 * back * x[j]
            c[i] -= 0.05 * back
"""


@pytest.mark.in_full
def test_a_slope_forgotten_in_plain_lists_is_at_its_line_and_no_term_that_leaves_nothing(outcome):
    right = outcome(BY_NEURONS.replace("SLOPE", " * (z[i] > 0)")).report
    assert right.ok, str(right)
    found = outcome(BY_NEURONS.replace("SLOPE", ""))
    assert "GC417" not in causes(found)
    lines = {one.location.source for one in found.report.findings if one.location}
    assert lines == {"back = d * v[i]"}, str(found.report)


def test_the_rate_of_a_helper_that_returns_the_moved_weight_is_its_number(outcome):
    found = outcome(
        TABLE
        + """
def moved(weight, change):
    return weight - 0.05 * change
k = rng.normal(size=(3, 2))
for turn in range(30):
    y = np.tanh(x @ k)
    loss = np.sum((y - t) ** 2)
    k[0] = moved(k[0], 2 * x[:, 0] @ ((y - t) * (1 - y**2)))
    k[1] = moved(k[1], 2 * x[:, 1] @ ((y - t) * (1 - y**2)))
    k[2] = moved(k[2], 2 * x[:, 2] @ (y - t))
"""
    )
    assert found.script.learning_rate == 0.05
    assert found.report.findings[0].code == "GC303"


@pytest.mark.parametrize("here", [".", "examples"])
def test_what_a_script_in_a_folder_of_examples_needs_may_be_above_it(tmp_path, monkeypatch, here):
    for name in ("maps", "examples", "tables"):
        (tmp_path / name).mkdir()
    for name, text in (("model", MODEL), ("fitting", FITTING)):
        (tmp_path / "maps" / f"{name}.py").write_text(text)
    (tmp_path / "tables" / "x.txt").write_text("1 2 3\n0 1 1\n2 0 1\n")
    main = tmp_path / "examples" / "maps.py"  # of the name of the package, which it hides
    main.write_text("""
import sys
from pathlib import Path
sys.path[0] = str(Path(sys.path[0]).parent)
import numpy as np
from maps.fitting import fit
from maps.model import Map
x = np.array([line.split() for line in open("tables/x.txt")], dtype=float)
fit(Map(), x, np.ones((3, 2)), 9)
""")
    monkeypatch.chdir(tmp_path / here)
    found = ScriptEntry(main).outcome({})
    assert found.report is not None, found.error
    assert found.report.ok
    main.write_text(main.read_text().replace("sys.path[0] =", "home ="))
    other = main.rename(main.with_name("train.py"))
    found = ScriptEntry(other).outcome({})
    assert found.report is not None, found.error


@pytest.mark.parametrize("is_said", [False, True])
def test_the_update_may_stand_in_a_folder_beside_that_of_the_script(tmp_path, monkeypatch, is_said):
    home = tmp_path / "far" / "away" if is_said else tmp_path / "source"
    home.mkdir(parents=True)
    (tmp_path / "examples").mkdir()
    (home / "model.py").write_text(MODEL)
    main = tmp_path / "examples" / "train.py"
    main.write_text(f"""
import sys
sys.path.append({str(home)!r})
import numpy as np
from model import Map
x, model = np.array([[1.0, 2, 3], [0, 1, 1], [2, 0, 1]]), Map()
for turn in range(9):
    y = model.ahead(x)
    loss = 0.5 * ((y - 1) ** 2).sum()
    model.back(y, y - 1)
""")
    if is_said:
        monkeypatch.syspath_prepend(str(home))
    found = ScriptEntry(main).outcome({})
    assert found.report is not None, found.error
    assert found.report.ok


@pytest.mark.parametrize(("sign", "ok"), [("-rate * 2 * off", True), ("-rate * off", False)])
def test_rows_that_are_added_to_are_updated(outcome, sign, ok):
    found = outcome(f"""{TABLE}
words, rate = np.array([0, 4, 4, 2, 1, 0, 3]), 0.05
k = rng.normal(size=(5, 2))
for turn in range(9):
    off = k[words] - t[:7]
    loss = np.sum(off ** 2)
    np.add.at(k, words, {sign})
""")
    assert found.script.params == ("k",)
    assert found.report.ok == ok


IN_LISTS = """
import math, random
random.seed(0)


def along(v, w):
    return sum(one * other for one, other in zip(v, w))


def squashed(row, given):
    return 1 / (1 + math.exp(-along(row, given)))


lower = [[random.random() for _ in range(5)] for _ in range(3)]
upper = [[random.random() for _ in range(4)] for _ in range(2)]
signs = [[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 1]]
wanted = [[1, 0], [0, 1], [1, 1]]
for _ in range(100):
    for sign, want in zip(signs, wanted):
        made = [squashed(row, sign + [1]) for row in lower]
        out = [squashed(row, made + [1]) for row in upper]
        above = [o * (1 - o) * (o - want[i]) for i, o in enumerate(out)]
        for i, row in enumerate(upper):
            for j, one in enumerate(made + [1]):
                row[j] -= above[i] * one
        below = [h * (1 - h) * along(above, [row[i] for row in upper]) for i, h in enumerate(made)]
        for i, row in enumerate(lower):
            for j, one in enumerate(sign + [1]):
                row[j] -= below[i] * one
"""


@pytest.mark.in_full
def test_rows_in_lists_that_are_updated_too_early_are_no_clipped_gradients(outcome):
    found = outcome(IN_LISTS)
    assert found.report.verdict == "fail"
    assert causes(found)[0] == "GC404"


NEURONS = """
import numpy as np
rng = np.random.default_rng(8)
rows, wanted = rng.random((9, 3)), np.eye(2)[rng.integers(0, 2, 9)]
lower, upper, pace = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), 0.3
for turn in range(20):
    for row, want in zip(rows, wanted):
        made = [1 / (1 + np.exp(-np.dot(row, lower[:, i]))) for i in range(4)]
        out = []
        for k in range(2):
            out.append(1 / (1 + np.exp(-np.dot(made, upper[:, k]))))
        above = (want - out) * np.multiply(out, np.subtract(1, out))
        below = [np.dot(upper[i], above) * SLOPE for i in range(4)]
        upper += pace * np.outer(made, above)
        lower += pace * np.outer(row, below)
"""


@pytest.mark.parametrize(
    ("slope", "cause"), [("made[i] * (1 - made[i])", ()), ("(1 - made[i])", ("GC305",))]
)
def test_the_outputs_of_single_neurons_are_collected_in_lists(outcome, slope, cause):
    found = outcome(NEURONS.replace("SLOPE", slope))
    assert "half the sum of squares of want - out" in found.script.loss_words[0]
    assert tuple(causes(found)) == cause


HELD_BY_A_CLASS = """
import numpy as np
rng = np.random.default_rng(2)


class Fit:
    tables = []
    pace = 0.05

    def __init__(self, sizes):
        for rows, columns in zip(sizes, sizes[1:]):
            self.tables.append(rng.normal(size=(rows, columns)))

    def descend(self, row, want):
        middle = np.tanh(row @ self.tables[0])
        off = middle @ self.tables[1] - want
        back = self.tables[1] @ off * SLOPE
        self.tables[1] -= self.pace * np.outer(middle, off)
        self.tables[0] -= self.pace * np.outer(row, back)
        return 0.5 * np.sum(off**2)


fit = Fit([3, 4, 1])
rows = rng.normal(size=(8, 3))
for turn in range(9):
    cost = np.zeros((1, 1))
    for row in rows:
        cost = cost + fit.descend(row, row[:1] * row[1])
    print(cost[0, 0])
"""


@pytest.mark.parametrize(("slope", "ok"), [("(1 - middle**2)", True), ("(1 - middle)", False)])
def test_what_only_a_class_holds_is_trained_through_its_object(outcome, slope, ok):
    found = outcome(HELD_BY_A_CLASS.replace("SLOPE", slope))
    assert found.script.params == ("fit.tables[0]", "fit.tables[1]")
    assert "fit.pace = 0.05" in found.script.text()
    assert found.report.ok == ok


OF_PHASES = """
import numpy as np
rng = np.random.default_rng(6)
rows = rng.normal(size=(20, 4)) + 1j * rng.normal(size=(20, 4))
seen = np.abs(rows @ (rng.normal(size=(4, 1)) + 1j * rng.normal(size=(4, 1)))) ** 2
z, pace = rng.normal(size=(4, 1)), 0.01
for turn in range(30):
    field = rows @ z
    gap = np.abs(field) ** 2 - seen
    LOSS
    z = z - pace * rows.BACK @ (gap * field) / len(rows)
"""


@pytest.mark.parametrize(
    ("back", "loss", "verdict"),
    [
        ("conj().T", "loss = np.sum(gap**2) / (2 * len(rows))", "pass"),
        ("conj().T", "pass", "pass"),
        ("T", "loss = np.sum(gap**2) / (2 * len(rows))", "fail"),
        ("T", "pass", "inconclusive"),
    ],
)
def test_complex_parameters_are_trained(outcome, back, loss, verdict):
    found = outcome(OF_PHASES.replace("BACK", back).replace("LOSS", loss))
    assert found.script.params == ("z",)
    assert [block.name for block in found.report.blocks] == ["z.real", "z.imag"]
    assert found.report.verdict == verdict
    if verdict == "fail":
        assert "conj" in found.report.findings[0].fix


TWO_NETS = """
class Net:
    def __init__(self, seed):
        r = np.random.default_rng(seed)
        self.params = [r.normal(size=(3, 4)), np.zeros(4), r.normal(size=(4, 2)), np.zeros(2)]
        self.grads = [np.zeros_like(one) for one in self.params]

    def ahead(self, x):
        self.h = np.tanh(x @ self.params[0] + self.params[1])
        return self.h @ self.params[2] + self.params[3]

    def back(self, x, off):
        inner = off @ self.params[2].T * SLOPE
        for k, one in enumerate((x.T @ inner, inner.sum(0), self.h.T @ off, off.sum(0))):
            self.grads[k][...] = one

shown, net = Net(0), Net(1)
shown.back(x, shown.ahead(x) - t)
squares = [np.zeros_like(one) for one in net.params]
for turn in range(30):
    y = net.ahead(x)
    loss = 0.5 * np.sum((y - t) ** 2)
    net.back(x, y - t)
    for k in range(4):
        squares[k] = 0.9 * squares[k] + 0.1 * net.grads[k] ** 2
        net.params[k] -= 0.01 * net.grads[k] / (np.sqrt(squares[k]) + 1e-8)
"""


@pytest.mark.parametrize(("slope", "ok"), [("(1 - self.h**2)", True), ("(1 - self.h)", False)])
def test_the_gradients_of_a_network_that_is_not_trained_are_left_alone(outcome, slope, ok):
    found = outcome(TABLE + TWO_NETS.replace("SLOPE", slope))
    assert found.script.params == tuple(f"net.params[{k}]" for k in range(4))
    assert found.report.ok == ok
    assert ok or causes(found) == ["GC305"]


SCALARS = """
import math, random
class Value:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def tanh(self):
        y = math.tanh(self.data)
        return Value(y, ((self, SLOPE),))

    def back(self, grad=1.0):
        self.grad += grad
        for one, slope in self.parents:
            one.back(grad * slope)

class Neuron:
    def __init__(self, size):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(size)]

    def __call__(self, x):
        total = Value(0.0)
        for w, one in zip(self.w, x):
            total = total + w * one
        return total.tanh()

class Layer:
    def __init__(self, size, count):
        self.neurons = [Neuron(size) for _ in range(count)]

    def __call__(self, x):
        return [one(x) for one in self.neurons]

class Net:
    def __init__(self):
        self.layers = [Layer(2, 2), Layer(2, 1)]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x[0]

    def parameters(self):
        return [w for layer in self.layers for neuron in layer.neurons for w in neuron.w]

net = Net()
rows = [(0.5, -1.0, 1.0), (1.5, 0.3, -1.0), (-0.7, 0.8, 0.5)]
for turn in range(40):
    loss = Value(0.0)
    for a, b, wanted in rows:
        off = net([Value(a), Value(b)]) + Value(-wanted)
        loss = loss + off * off
    for one in net.parameters():
        one.grad = 0.0
    loss.back()
    for one in net.parameters():
        one.data -= 0.05 * one.grad
"""


@pytest.mark.parametrize(("slope", "ok"), [("1 - y**2", True), ("1 - y", False)])
@pytest.mark.in_full
def test_the_weights_may_be_objects_in_lists_of_neurons_in_lists_of_layers(outcome, slope, ok):
    found = outcome(SCALARS.replace("SLOPE", slope))
    assert found.script.params[0] == "net.layers[0].neurons[0].w[0].data"
    assert len(found.script.params) == 6
    assert found.report.ok == ok


def test_a_folder_is_a_package_though_a_module_of_its_name_is_above_the_script(
    tmp_path, monkeypatch
):
    (tmp_path / "maps" / "tries").mkdir(parents=True)
    (tmp_path / "maps" / "model.py").write_text(MODEL)
    (tmp_path / "maps" / "maps.py").write_text("")
    main = tmp_path / "maps" / "tries" / "train.py"
    main.write_text(f"""{TABLE}
from maps.model import Map
model = Map()
for turn in range(9):
    y = model.ahead(x)
    loss = 0.5 * ((y - t) ** 2).sum()
    model.back(y, y - t)
""")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = ScriptEntry(main).outcome({})
    assert found.report is not None, found.error
    assert found.report.ok


@pytest.mark.parametrize(
    "loop", ["tqdm.tqdm_notebook(range(9))", "auto(range(9))", "tqdm.tnrange(9)"]
)
def test_a_bar_for_notebooks_is_a_loop(outcome, loop):
    found = outcome(f"""{TABLE}
import tqdm
from tqdm.notebook import tqdm as auto
k = np.full((3, 2), 0.3)
for turn in {loop}:
    loss = np.sum((x @ k - t) ** 2)
    k -= 0.01 * 2 * x.T @ (x @ k - t)
""")
    assert found.report.ok


def test_functions_of_math_in_a_table_are_followed(outcome):
    script = """
import math
import random

random.seed(2)
units = {"tanh": (math.tanh, lambda a: 1 - a * a), "none": (lambda z: z, lambda a: 1.0)}
first = [[random.gauss(0, 0.6) for _ in range(3)] for _ in range(4)]
last = [random.gauss(0, 0.6) for _ in range(4)]
rows = [[random.uniform(-1, 1) for _ in range(3)] for _ in range(6)]
layers = [("tanh", first), ("none", [last])]
for turn in range(6):
    row, target = rows[turn], rows[turn][0] * rows[turn][1]
    kept = [row]
    for kind, weights in layers:
        act = units[kind][0]
        kept.append([act(sum(w * a for w, a in zip(ws, kept[-1]))) for ws in weights])
    loss = 0.5 * (kept[-1][0] - target) ** 2
    errors = [kept[-1][0] - target]
    for (kind, weights), a, out in reversed(list(zip(layers, kept, kept[1:]))):
        deltas = [e * units[kind][1](o) for e, o in zip(errors, out)]
        errors = [sum(d * ws[j] for d, ws in zip(deltas, weights)) for j in range(len(a))]
        for d, ws in zip(deltas, weights):
            for j in range(len(a)):
                ws[j] -= 0.1 * d * a[j]
"""
    assert outcome(script).report.ok
    finding = outcome(script.replace("1 - a * a", "1 - a")).report.findings[0]
    assert finding.location.line == script[: script.index("1 - a * a")].count("\n") + 1


PAIRS = """
import numpy as np

rng = np.random.default_rng(6)
users, items = rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
bias = np.zeros(6)
liked = np.array([(u, i, j) for u in range(4) for i in range(3) for j in range(3, 6)])


def cost_of(users, items, bias):
    u, i, j = liked.T
    lead = np.sum(users[u] * (items[i] - items[j]), axis=1) + bias[i] - bias[j]
    return np.sum(np.log1p(np.exp(-lead))) + 0.01 * (np.sum(users ** 2) + np.sum(items ** 2))


def slopes_of(users, items, bias):
    u, i, j = liked.T
    lead = np.sum(users[u] * (items[i] - items[j]), axis=1) + bias[i] - bias[j]
    e = -1 / (1 + np.exp(lead))
    du, di, db = 0.02 * users, 0.02 * items, np.zeros_like(bias)
    np.add.at(du, u, e[:, None] * (items[i] - items[j]))
    np.add.at(di, i, e[:, None] * users[u])
    np.subtract.at(di, j, e[:, None] * users[u])
    np.add.at(db, i, e)
    np.subtract.at(db, j, e)
    return du, di, db


for turn in range(20):
    du, di, db = slopes_of(users, items, bias)
    users -= 0.05 * du
    items -= 0.05 * di
    bias -= 0.05 * db
    print(turn, cost_of(users, items, bias))
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("np.subtract.at(di, j,", "np.add.at(di, j,", "GC106"),
        ("-1 / (1 + np.exp(lead))", "-1 / (1 + np.exp(-lead))", "GC307"),
        ("np.add.at(du, u, e[:, None] *", "du[u] += (e[:, None] *", "GC855"),
    ],
)
def test_a_loss_after_the_update_runs_no_function_of_the_gradient(outcome, right, wrong, code):
    finding = outcome(PAIRS.replace(right, wrong)).report.findings[0]
    line = PAIRS[: PAIRS.index(right)].count("\n") + 1
    assert (finding.code, finding.location.line) == (code, line)


SAMPLED = """
import numpy as np
rng = np.random.default_rng(3)
w, c = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
for turn in range(9):
    negative = np.array([1, 3, 3, 5])
    v, u, n = w[2], c[4], c[negative]
    near, far = (1 / (1 + np.exp(-z)) for z in (u @ v, n @ v))
    loss = -np.log(near) - np.sum(np.log(1 - far))
    dv = (near - 1) * u + far @ n
    du, dn = (near - 1) * v, far[:, None] * v
    w[2] -= 0.05 * dv
    FIRST
    SECOND
"""


@pytest.mark.parametrize("negative_last", [True, False])
def test_a_row_of_a_parameter_that_an_update_writes_once_for_several_samples(
    outcome, negative_last
):
    updates = ["c[4] -= 0.05 * du", "c[negative] -= 0.05 * dn"]
    first, second = updates if negative_last else updates[::-1]
    found = outcome(SAMPLED.replace("FIRST", first).replace("SECOND", second))
    (finding,) = found.report.errors
    assert finding.code == "GC855"
    assert finding.location.source == updates[1]
    assert "np.subtract.at(c, negative, 0.05 * dn)" in finding.fix


SUMMED_WHOLE = """
import numpy as np

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 30)), rng.integers(0, 4, 30)
m = X.shape[1]


def one_hot(Y):
    rows = np.zeros((Y.size, Y.max() + 1))
    rows[np.arange(Y.size), Y] = 1
    return rows.T


def gradient_descent(alpha, iterations):
    W1, b1 = rng.random((5, 7)) - 0.5, rng.random((5, 1)) - 0.5
    W2, b2 = rng.random((4, 5)) - 0.5, rng.random((4, 1)) - 0.5
    for i in range(iterations):
        Z1 = W1.dot(X) + b1
        A1 = np.maximum(Z1, 0)
        A2 = np.exp(W2.dot(A1) + b2) / sum(np.exp(W2.dot(A1) + b2))
        dZ2 = A2 - one_hot(Y)
        dW2 = 1 / m * dZ2.dot(A1.T)
        db2 = 1 / m * np.sum(dZ2)
        dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
        dW1 = 1 / m * dZ1.dot(X.T)
        db1 = 1 / m * np.sum(dZ1)
        W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
        W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
    return W1, b1, W2, b2


gradient_descent(0.1, 50)
"""


def test_a_bias_that_a_sum_of_zero_leaves_as_it_is_has_the_sum_at_fault(outcome):
    errors = outcome(SUMMED_WHOLE).report.errors
    assert [one.code for one in errors] == ["GC204", "GC204"]
    assert {one.expression for one in errors} == {"np.sum(dZ1)", "np.sum(dZ2)"}
    assert all(one.fix.endswith("go over axis 1, with keepdims=True") for one in errors)


LOSS_AND_LAYERS = """
import numpy as np

rng = np.random.default_rng(3)


class Affine:
    def __init__(self):
        self.M, self.c = 0.3 * rng.normal(size=(4, 3)), np.zeros((1, 3))

    def forward(self, x):
        self.x = x
        return x @ self.M + self.c

    def backward(self, back):
        self.to_M, self.to_c = self.x.T @ back, back.sum(axis=0, keepdims=True)
        return back @ self.M.T


class Shares:
    def forward(self, x):
        raised = np.exp(x)
        self.out = raised / raised.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, back):
        return back * (self.out * (1 - self.out))


class Entropy:
    def forward(self, p, aim):
        self.p, self.aim = p, aim
        return -(aim * np.log(p) + (1 - aim) * np.log(1 - p))

    def backward(self, back):
        return (self.p - self.aim) / (self.p - self.p**2) * back


rows, aims = rng.normal(size=(16, 4)), np.eye(3)[rng.integers(0, 3, 16)]
affine, shares = Affine(), Shares()
for turn in range(9):
    for start in (0, 8):
        entropy = Entropy()
        out = shares.forward(affine.forward(rows[start : start + 8]))
        loss = np.sum(entropy.forward(out, aims[start : start + 8]))
        affine.backward(shares.backward(entropy.backward(np.ones_like(out))))
        affine.M -= 0.01 * affine.to_M
        affine.c -= 0.01 * affine.to_c
"""


def test_a_layer_after_a_right_one_is_to_blame(tmp_path):
    (tmp_path / "main.py").write_text(LOSS_AND_LAYERS)
    first = ScriptEntry(tmp_path / "main.py").outcome({}).report.findings[0]
    assert (first.code, first.expression) == ("GC309", "back * (self.out * (1 - self.out))")


BY_SAMPLE = """
import numpy as np

rng = np.random.default_rng(0)
x, t = rng.normal(size=(9, 3)), rng.uniform(size=(9, 2))
w, v = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    s = sigmoid(z)
    return s * (1 - s)


for epoch in range(100):
    dw, dv, loss = 0 * w, 0 * v, 0.0
    for row, target in zip(x, t):
        BEFORE = w @ row
        h = sigmoid(BEFORE)
        out = v @ h
        y = sigmoid(out)
        loss += 0.5 * np.sum((y - target) ** 2)
        back = (y - target) * sigmoid_prime(out)
        dv += np.outer(back, h)
        dw += np.outer(v.T @ back * sigmoid_prime(h), row)
    v -= 0.1 * dv
    w -= 0.1 * dw
"""


@pytest.mark.parametrize("name", ["before", "z"])
def test_what_a_helper_is_given_in_each_pass_is_wrong_in_its_call(outcome, name):
    [error] = outcome(BY_SAMPLE.replace("BEFORE", name)).report.errors
    assert (error.code, error.location.line, error.fix) == ("GC301", 28, f"write `{name}` for `h`")


DRAWING = """
import numpy as np
rng = np.random.default_rng(2)

def drawn_from(data):
    return lambda: data[rng.integers(len(data), size=5)]

def train(data):
    rows, w = data.reshape(20, 6), rng.normal(size=6)
    batch, scale = drawn_from(rows), 1.0
    shown = lambda x: scale * (x @ w)
    for turn in range(30):
        scale, x = 0.5, batch()
        loss = np.mean((shown(x) - 1) ** 2)
        w -= 0.1 * 2 * scale * x.T @ (shown(x) - 1) / 5

train(rng.normal(size=(20, 2, 3)))
"""


def test_a_function_made_elsewhere_keeps_its_own_variables_of_the_same_names(outcome):
    found = outcome(DRAWING)
    assert found.report.ok, str(found.report)


SUMMING = """
import numpy as np
rng = np.random.default_rng(4)
x, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))

class Net:
    def __init__(self):
        self.w, self.sums, self.moves, self.error = rng.normal(size=(3, 2)), 0, 0, 0

    def learn(self, x, t, turn):
        off = t - np.tanh(x @ self.w)
        self.error += np.sum(off**2) / 2
        self.sums = self.sums + np.outer(x, off * (1 - np.tanh(x @ self.w) ** 2))
        if (turn + 1) % 4 == 0:
            self.moves = 0.05 * self.sums + 0.2 * self.moves
            self.w += self.moves
            self.sums = np.zeros((3, 2))

net = Net()
for turn in range(12):
    net.learn(x[turn], t[turn], turn)
    if (turn + 1) % 4 == 0:
        print("error", net.error)
        net.error = 0
"""


@pytest.mark.parametrize(("off", "ok"), [("t - np", True), ("t + np", False)])
def test_the_sign_of_an_update_is_told_in_a_pass_that_updates(outcome, off, ok):
    found = outcome(SUMMING.replace("t - np", off))
    assert found.report.ok == ok, str(found.report)


IN_ITS_PLACE = """
import numpy as np
rng = np.random.default_rng(0)
x, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))

class Layer:
    def __init__(self):
        self.w = rng.normal(size=(3, 2))
        self.count, self.mean, self.square = 0, np.zeros((3, 2)), np.zeros((3, 2))

    def ahead(self, x):
        self.x = x
        return x @ self.w

    def back(self, up):
        self.grad_w = self.x.T @ up
        self.count += 1
        self.mean = 0.9 * self.mean + (1 - 0.9) * self.grad_w
        self.square = 0.99 * self.square + (1 - 0.99) * self.grad_w**2
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.99**self.count)
        self.grad_w = mean / (np.sqrt(square) + 1e-8)
        self.w -= self.rate * self.grad_w

layer = Layer()
layer.rate = 0.05
for turn in range(30):
    off = layer.ahead(x) - t
    loss = np.mean(off**2)
    layer.back(2 * off / off.size)
"""


@pytest.mark.parametrize(("up", "ok"), [("2 * off", True), ("2 * off * abs(off)", False)])
def test_what_an_optimiser_keeps_in_the_place_of_a_gradient_is_none(outcome, up, ok):
    found = outcome(IN_ITS_PLACE.replace("2 * off", up))
    assert found.report.ok == ok, str(found.report)
    assert "your step is adaptive" in str(found.report)


HELPED = """
import numpy as np
rng = np.random.default_rng(0)
x, t, w = rng.normal(size=(12, 3)), rng.normal(size=12), rng.normal(size=3)

def moved(weights, slope, pace):
    new_weights = weights - pace * slope
    return new_weights

for turn in range(9):
    off = x @ w - t
    loss = np.mean(off**2)
    w = moved(w, 2 * x.T @ off / 12, 0.05)
"""


def test_what_is_named_after_what_it_moves_is_an_update(outcome):
    assert outcome(HELPED).report.ok


NESTED = """
import numpy as np
rng = np.random.default_rng(0)
x, t = rng.normal(size=(12, 3)), rng.normal(size=12)
layers = [(rng.normal(size=(3, 4)), np.zeros(4)), (rng.normal(size=4), 0.1)]

for turn in range(9):
    (w, b), (v, c) = layers
    h = np.tanh(x @ w + b)
    off = h @ v + c - t
    loss = np.mean(off**2)
    up = 2 * off / 12
    back = np.outer(up, v) * (1 - h**2)
    slopes = [(x.T @ back, back.sum(axis=0)), (h.T @ up, up.sum())]
    layers = [tuple(p - 0.1 * g for p, g in zip(*both)) for both in zip(layers, slopes)]
"""


@pytest.mark.parametrize(("sums", "ok"), [("back.sum(", True), ("back.mean(", False)])
def test_an_update_may_walk_through_tuples_in_a_list(outcome, sums, ok):
    report = outcome(NESTED.replace("back.sum(", sums)).report
    assert report.ok == ok, str(report)


BY_OBJECT = """
import numpy as np

rng = np.random.default_rng(0)


class Dense:
    pass


first, last = Dense(), Dense()
weights = {first: rng.normal(size=(3, 4)), last: rng.normal(size=(4, 1))}
X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
for epoch in range(50):
    hidden = np.tanh(X @ weights[first])
    error = hidden @ weights[last] - y
    loss = np.mean(error**2)
    delta = 2 * error / len(X)
    slopes = {last: hidden.T @ delta, first: X.T @ (delta @ weights[last].T * (1 - hidden**2))}
    for layer, slope in slopes.items():
        weights[layer] = weights[layer] - 0.1 * slope
"""


@pytest.mark.parametrize(("power", "ok"), [("hidden**2)", True), ("hidden)", False)])
def test_weights_may_be_held_in_a_dict_by_object(outcome, power, ok):
    report = outcome(BY_OBJECT.replace("hidden**2)", power)).report
    assert report.ok == ok, str(report)
