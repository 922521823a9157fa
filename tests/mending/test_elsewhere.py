"""A patch must hold on other data: coincidences of numbers and sizes are no mends."""

import signal

import numpy as np
import pytest
from modules import module_of

import gradcheck
from gradcheck.mending.candidate import Mended, at_most
from gradcheck.mending.context import Edit
from gradcheck.mending.grown import repeated
from gradcheck.mending.held import Holdings
from gradcheck.mending.ranking import ranked
from gradcheck.mending.redrawn import redrawn, redrawn_number
from gradcheck.options import Edits
from gradcheck.script.entry import ScriptEntry
from gradcheck.script.state import State

HEAD = "import numpy as np\nimport gradcheck\n\nRNG = np.random.default_rng(4)\n"

MARGIN = """
X, SIDE = RNG.normal(size=(6, 4)), np.full(6, 2.0)

def loss(w):
    return np.sum(np.exp(-SIDE * (X @ w)))

def grad(w):
    fall = np.exp(-SIDE * (X @ w))
    return X.T @ -fall

PARAMS = RNG.normal(size=4)
"""

SQUARE = """
X, Y = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 3))

def loss(p):
    return np.sum(np.log(np.cosh(X @ p["V"] + p["c"] - Y))) / len(X)

def grad(p):
    width = Y.shape[1]
    rows = X.shape[0]
    t = np.tanh(X @ p["V"] + p["c"] - Y)
    return {"V": X.T @ t, "c": t.sum(axis=0) / rows}

PARAMS = {"V": RNG.normal(size=(5, 3)), "c": RNG.normal(size=3)}
"""

BESIDE = """
STATE, X, UP = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4)), RNG.normal(size=(5, 2))

def loss(p):
    return np.sum(UP * np.tanh(np.concatenate([STATE, X], 1) @ p["W"]))

def grad(p):
    both = np.concatenate([STATE, X], 1)
    t = np.tanh(both @ p["W"])
    return {"W": both.T @ (UP * (1 - t))}

PARAMS = {"W": RNG.normal(size=(7, 2))}
"""

WRITTEN = """
X = RNG.normal(size=(6, 3))

def cost(w, width, *, lift=1.7):
    return np.sum(np.cosh(lift + X @ w / width))

def slope(w, width, *, lift=1.7):
    return X.T @ np.sinh(lift + X @ w / width)

loss = lambda w: cost(w, 0.5)
grad = lambda w: slope(w, 0.5)
PARAMS = RNG.normal(size=3)
"""

TWO_FAULTS = """
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))

def bent(z):
    return z / (1 + np.abs(z))

def bent_slope(z):
    return 1 / (1 + np.abs(z))

def loss(p):
    return np.mean((bent(bent(X @ p["W"]) @ p["V"]) @ p["U"] - Y) ** 2)

def grad(p):
    z1 = X @ p["W"]
    h1 = bent(z1)
    z2 = h1 @ p["V"]
    h2 = bent(z2)
    d3 = 2 * (h2 @ p["U"] - Y) / len(Y)
    d2 = d3 @ p["U"].T * bent_slope(z2)
    d1 = d2 @ p["V"].T * bent_slope(z1)
    return {"W": X.T @ d1, "V": h1.T @ d2, "U": h2.T @ d3}

SHAPES = {"W": (3, 4), "V": (4, 5), "U": (5, 2)}
PARAMS = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}
"""

POOLED = """
X, Y = RNG.normal(size=(3, 4, 4)), RNG.normal(size=3)

def pooled(k):
    side = X.shape[1]
    a = np.tanh(k[0] * X)
    return a, a.reshape(len(X), side // 2, 2, side // 2, 2).mean(axis=(2, 4)).reshape(len(X), -1)

def loss(p):
    return np.sum(np.exp(pooled(p[0])[1] @ p[1] - Y))

def grad(p):
    side = X.shape[1]
    a, low = pooled(p[0])
    d = np.exp(low @ p[1] - Y)
    up = np.outer(d, p[1]).reshape(len(X), side // 2, side // 2)
    up = np.repeat(np.repeat(up, 2, axis=1), 2, axis=2)
    return [np.array([np.sum(up * (1 - a**2) * X)]), low.T @ d]

PARAMS = [np.array([0.7]), RNG.normal(size=4)]
"""

PLATE = """
class Plate:
    def __init__(self):
        self.push = RNG.normal(size=4)
        self.stiff = 2.0

    def energy(self, u):
        return 0.5 * self.stiff * np.sum(u**4) - self.push @ u

    def force(self, u):
        return 2 * u**3 - self.push

plate = Plate()
loss, grad, PARAMS = plate.energy, plate.force, RNG.normal(size=4)
"""

SAMPLES = """
PAIRS = [(RNG.normal(size=3), 3) for _ in range(5)]

def loss(w):
    return sum(np.cosh(a @ w) * times for a, times in PAIRS)

def grad(w):
    total = np.zeros(3)
    for a, times in PAIRS:
        total += np.sinh(a @ w) * a
    return total

PARAMS = RNG.normal(size=3)
"""

GROWING = """
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)

class Fit:
    def __init__(self):
        self.made = 0.0

    def loss(self, w):
        return np.sum((X @ w - Y) ** 2)

    def grad(self, w):
        g = 2 * X.T @ (X @ w - Y) + self.made
        self.made = self.made + 1.0
        return g

fit = Fit()
loss, grad, PARAMS = fit.loss, fit.grad, RNG.normal(size=3)
"""

ONE_HOT = """
X = RNG.normal(size=(8, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2, 2, 0])
ROWS = np.eye(3)[LABELS]

def soft(p):
    e = np.exp(X @ p["W"] + p["b"])
    return e / e.sum(axis=1, keepdims=True)

def loss(p):
    return -np.mean(np.log(soft(p)[range(len(X)), LABELS]))

def grad(p):
    m = len(X)
    d = (soft(p) - ROWS) / m
    return {"W": X.T @ d, "b": d.sum(axis=0) / m}

PARAMS = {"W": RNG.normal(size=(3, 3)), "b": RNG.normal(size=3)}
"""


TURNED = """
class Fit:
    def __init__(self):
        self.x, self.y, self.n = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 1)), 6
        self.turned = self.x.T.copy()

    def loss(self, w):
        return np.sum((self.x @ w - self.y) ** 2) / self.n

    def grad(self, w):
        return self.turned @ (self.x @ w - self.y) / self.n

fit = Fit()
loss, grad, PARAMS = fit.loss, fit.grad, RNG.normal(size=(4, 1))
"""


SAID_TWICE = """
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=7)

def leak(z, slope=0.3):
    return np.where(z > 0, z, slope * z)

def loss(w):
    return np.sum((leak(X @ w) - Y) ** 2)

def grad(w):
    z = X @ w
    d = 2 * (leak(z) - Y)
    return X.T @ np.where(z > 0, 1, 0.3)

PARAMS = RNG.normal(size=3)
"""

PATTERN = """
X, WORDS = RNG.normal(size=(6, 4)), [0, 2, 0, 1, 0, 3, 0]
NOT_0 = WORDS[1::2]

def scores(p):
    return np.tanh(X @ p["V"])

def loss(p):
    s = scores(p)
    return sum(np.sum(s[:, one] ** 2) for one in WORDS if one) / 2

def grad(p):
    s = scores(p)
    d = np.zeros(s.shape)
    for one in NOT_0:
        d[:, one] += s[:, one]
    return {"V": X @ (d * (1 - s**2))}

PARAMS = {"V": RNG.normal(size=(4, 4))}
"""

SHARED_SUM = """
TIMES, LABELS = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 4, 3))

def shift(p, name, x):
    return np.sin(x * p["g" + name] + p["b" + name])

def loss(p):
    x = TIMES
    for name in "abcd":
        x = shift(p, name, x)
    return 0.5 * np.sum((x - LABELS) ** 2)

def back(p, name, x, up):
    inner = up * np.cos(x * p["g" + name] + p["b" + name])
    return inner * p["g" + name], (inner * x).sum((0, 1)), inner.mean((0, 1))

def grad(p):
    xs, made = [TIMES], {}
    for name in "abcd":
        xs.append(shift(p, name, xs[-1]))
    up = xs[-1] - LABELS
    for name, x in zip("dcba", xs[-2::-1]):
        up, made["g" + name], made["b" + name] = back(p, name, x, up)
    return made

PARAMS = {kind + name: RNG.normal(size=3) for name in "abcd" for kind in "gb"}
"""

ONE_OUTPUT = """
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 1))

def states(p):
    made = [X]
    for name in "abcdefg":
        made.append(np.sin(made[-1] * p["g" + name]))
    return made

def loss(p):
    return np.mean((states(p)[-1] @ p["v"] - Y) ** 2)

def grad(p):
    made = states(p)
    d = 2 * (made[-1] @ p["v"] - Y) / len(X)
    g, up = {"v": made[-1].T @ d}, d @ p["v"].T
    for name, x in zip("gfedcba", made[-2::-1]):
        inner = up * np.sin(x * p["g" + name])
        g["g" + name] = (inner * x).sum(axis=0)
        up = inner * p["g" + name]
    return g

PARAMS = {"v": RNG.normal(size=(3, 1)), **{"g" + name: RNG.normal(size=3) for name in "abcdefg"}}
"""

PARTED = """
X, Y, PARTS = RNG.normal(size=8), RNG.normal(size=8), 2

def apart(x):
    return x - np.repeat(x.reshape(PARTS, -1).mean(axis=1), len(x) // PARTS)

def loss(p):
    return 0.5 * np.sum((apart(p["w"] * X) - Y) ** 2) + np.sum(np.sin(p["c"]))

def grad(p):
    x = p["w"] * X
    d = apart(x) - Y
    width = len(x)
    sums = np.repeat(d.reshape(PARTS, -1).sum(axis=1), len(x) // PARTS)
    return {"w": (d - sums / width) * X, "c": np.cos(p["c"])}

PARAMS = {"w": RNG.normal(size=8), "c": RNG.normal(size=3)}
"""

ALL_ON = """
X, Y = RNG.random((6, 4)), RNG.random(6)

def loss(w):
    return np.sum(np.maximum(X @ w, 0) * Y)

def grad(w):
    z = X @ w
    up = np.minimum(0, Y)
    return X.T @ up

PARAMS = RNG.random(4)
"""

FLAT = """
X, Y = RNG.normal(size=(3, 2)), np.array([1.0, 0.0, 1.0])

def loss(p):
    out = 1 / (1 + np.exp(-(X @ p["w"] + p["c"])))
    return -np.sum(Y * np.log(out) + (1 - Y) * np.log(1 - out))

def grad(p):
    off = 1 / (1 + np.exp(-(X @ p["w"] + p["c"]))) - Y
    return {"w": 2 * X.T @ off, "c": np.sum(off)}

PARAMS = {"w": 14 * RNG.normal(size=2), "c": np.array(11.0)}
"""


GAMES = """
ROUNDS = [(3, [1, 0]), (0, [2, 3]), (1, [2, 0]), (2, [3, 1]), (3, [0, 2])]

def loss(p):
    total = 0.1 * np.sum(p["skill"] ** 2)
    for first, others in ROUNDS:
        total += np.log(np.sum(np.exp(p["skill"][[first, *others]]))) - p["skill"][first]
    return total

def grad(p):
    made = 0.2 * p["skill"]
    for first, others in ROUNDS:
        those = [first, *others]
        share = np.exp(p["skill"][those])
        made[those] += share / np.sum(share)
        made[first] = -1
    return {"skill": made}

PARAMS = {"skill": RNG.normal(size=4)}
"""


WIDTHS = """
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2))

class Net:
    def __init__(self):
        self.n_out = 2
        self.W, self.b = RNG.normal(size=(3, 2)), np.zeros(2)
        self.gW, self.gb = np.zeros((3, 2)), np.zeros(2)

    def loss(self):
        return np.sum((np.tanh(X @ self.W + self.b) - Y) ** 2)

    def grad(self):
        t = np.tanh(X @ self.W + self.b)
        d = (t - Y) * (1 - t**2)
        self.gW[:] = X.T @ d
        self.gb[:] = d.sum(axis=0)
        return {"W": self.gW, "b": self.gb}

PARAMS = Net()
loss, grad = Net.loss, Net.grad
"""

ONE = """
x, t = RNG.normal(size=(1, 4)), RNG.normal(size=(1, 3))

def loss(p):
    return np.sum((x @ p["W"] + p["b"] - t) ** 2)

def grad(p):
    d = 2 * (x @ p["W"] + p["b"] - t)
    return {"W": x.T @ d, "b": d.sum(axis=0) / t.shape[1]}

PARAMS = {"W": RNG.normal(size=(4, 3)), "b": RNG.normal(size=3)}
"""

HARD = """
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)

def share(count):
    return 1 / 6 if count == 6 else 1 / 5

def loss(w):
    return share(len(X)) * np.sum((X @ w - Y) ** 2)

def grad(w):
    return 2 * X.T @ (X @ w - Y)

PARAMS = RNG.normal(size=3)
"""


@pytest.fixture
def repaired(tmp_path, request):
    def repair(text, edits=700):
        module = module_of(HEAD + text, tmp_path, "made")
        arguments = module.loss, module.PARAMS, module.grad
        return gradcheck.repair(*arguments, budget=Edits(edits)), module

    return repair


def words(found):
    return [patch.words.partition("->")[2] for patch in found.patches]


def test_a_label_that_happens_to_be_2_is_no_factor_2(repaired):
    found, _ = repaired(MARGIN)
    assert found.ok, str(found)
    assert all("SIDE" in text for text in words(found))
    assert "SIDE" in found.patches[0].varied[0]


def test_as_many_outputs_as_samples_are_told_apart(repaired):
    found, _ = repaired(SQUARE)
    assert words(found)[0].strip() == "X.T @ t / rows"
    assert all("width" not in text for text in words(found))
    assert "other sizes" in found.patches[0].varied


@pytest.mark.parametrize(
    ("right", "other", "kept"),
    [
        ("np.concatenate([STATE, X], 1)", "np.concatenate([STATE, X], 1)", ""),
        ("np.concatenate([STATE, X], 1)", "np.concatenate([STATE[:, :3], X], 1)", " (but 3)"),
    ],
)
def test_the_sizes_that_stay_are_told(repaired, right, other, kept):
    found, _ = repaired(BESIDE.replace(right, other))
    assert "other sizes" + kept in found.patches[0].varied, str(found)


def test_sizes_that_are_written_in_the_code_stay(repaired):
    text = BESIDE.replace("UP * np", "1 / 5 * UP * np").replace("both.T @ (", "both.T / 5 @ (")
    found, _ = repaired(text)
    assert "other sizes (but 5)" in found.patches[0].varied, str(found)


def test_sizes_that_the_loss_says_stay(repaired):
    text = BESIDE.replace("STATE, X, UP", "STATE, X, UP, V").replace(
        "RNG.normal(size=(5, 2))\n", "RNG.normal(size=(5, 2)), RNG.normal(size=(5, 3))\n"
    )
    text = text.replace('@ p["W"]))\n', '@ p["W"])) + sum(V[0, k]**2 for k in range(3))\n', 1)
    found, _ = repaired(text)
    assert "other sizes (but 3)" in found.patches[0].varied, str(found)


def test_a_whole_number_that_is_no_size_is_no_factor(repaired):
    found, _ = repaired(PARTED)
    assert found.ok, str(found)
    assert all("2" not in text for text in words(found)), str(found)
    assert "other PARTS" in found.patches[0].varied


def test_two_outputs_are_no_factor_2(repaired):
    found, module = repaired(WIDTHS)
    assert found.ok, str(found)
    assert all("n_out" not in text and "shape" not in text for text in words(found))
    assert "other sizes" in found.patches[0].varied
    assert module.PARAMS.W.shape == (3, 2)
    assert module.PARAMS.gW.shape == (3, 2)
    assert module.PARAMS.n_out == 2


@pytest.mark.in_full
def test_two_outputs_are_no_factor_2_where_nothing_is_right(repaired):
    found, _ = repaired(TWO_FAULTS, 1500)
    assert "len(Y)  ->  Y.size" in found.patches[0].words, str(found)
    assert "other sizes" in found.patches[0].varied


def test_the_side_of_an_image_is_no_size_of_a_window(repaired):
    found, _ = repaired(POOLED, 2000)
    assert found.ok, str(found)
    assert all("side" not in text and "shape" not in text for text in words(found)), str(found)
    assert "other sizes" in found.patches[0].varied


def test_one_sample_is_no_factor_1(repaired):
    found, _ = repaired(ONE)
    assert words(found)[0].strip() == "d.sum(axis=0)", str(found)
    assert all("/" not in text for text in words(found))


def test_sizes_that_nothing_vouches_for_refuse_no_patch(repaired):
    found, _ = repaired(HARD)
    assert words(found)[0].strip() == "2 * X.T @ (X @ w - Y) / len(X)", str(found)
    assert found.patches[0].proof.endswith("with other X and Y too, of the same sizes")


def test_a_number_that_is_changed_is_no_constant(repaired):
    found, _ = repaired(PLATE)
    assert all("stiff" in text for text in words(found)), str(found)


def test_a_number_that_a_case_passes_on_is_no_constant(repaired):
    found, module = repaired(WRITTEN)
    assert found.ok, str(found)
    assert all("width" in text for text in words(found)), str(found)
    assert "lift" in found.patches[0].varied[0]
    assert 0.5 in module.loss.__code__.co_consts


def test_a_number_that_the_gradient_says_itself_stays(repaired):
    found, _ = repaired(SAID_TWICE)
    assert found.ok, str(found)
    assert "* d" in words(found)[0]


def test_data_that_nothing_vouches_for_refuse_no_patch_of_what_raised(repaired):
    found, _ = repaired(PATTERN)
    assert words(found)[0].strip() == "X.T", str(found)
    assert "other X and WORDS" not in found.patches[0].varied


def test_of_many_blocks_those_that_were_wrong_are_proved_with_other_sizes(repaired):
    found, _ = repaired(SHARED_SUM)
    assert words(found)[0].strip() == "inner.sum", str(found)


def test_a_right_block_among_many_tells_which_sizes_make_sense(repaired):
    found, _ = repaired(ONE_OUTPUT)
    assert words(found)[0].strip() == 'np.cos(x * p["g" + name])', str(found)


DARK = """
X, Y = np.array([[0, 0], [1, 0], [1, 1]]), np.array([0, 1, 0])

def outcome(p):
    h = np.tanh(X[0] @ p["V"] + p["b"])
    return h, h @ p["w"]

def loss(p):
    return (outcome(p)[1] - Y[0]) ** 2

def grad(p):
    h, out = outcome(p)
    d = 2 * (out - Y[0]) * (1 - h**2)
    return {"V": np.outer(X[0], d), "b": d, "w": 2 * (out - Y[0]) * h}

PARAMS = {"V": RNG.normal(size=(2, 4)), "b": RNG.normal(size=4), "w": RNG.normal(size=4)}
"""


def test_a_block_of_zeros_does_not_vouch_for_a_sample_of_zeros(repaired):
    found, _ = repaired(DARK)
    assert found.patches[0].varied[0] == "other X and Y"


SAMPLE = """
import numpy as np

X, Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
rng = np.random.default_rng(1)
V, W = rng.normal(size=(2, 3)), rng.normal(size=(3, 1))
for turn in range(900):
    j = rng.integers(4)
    x, y = X[j].reshape(1, 2), Y[j]
    h = 1 / (1 + np.exp(-x @ V))
    out = h @ W
    loss = np.sum((out - y) ** 2)
    back = 2 * (out - y)
    below = back * h * (1 - h)
    W = W - 0.1 * h.T @ back
    V = V - 0.1 * x.T @ below
"""


def test_the_whole_numbers_of_a_script_are_drawn(tmp_path):
    (tmp_path / "sample.py").write_text(SAMPLE)
    report = ScriptEntry(tmp_path / "sample.py").outcome({"repair": Edits(700)}).report
    assert report.repair.patches[0].varied[0] == "other X and Y"


def test_samples_in_a_list_are_drawn_and_cut(repaired):
    found, module = repaired(SAMPLES)
    assert found.ok, str(found)
    assert all("times" in text for text in words(found))
    assert len(module.PAIRS) == 5


def test_labels_that_name_one_another_are_exchanged_together(repaired):
    found, _ = repaired(GAMES)
    assert found.ok, str(found)
    assert words(found)[0].strip() == "made[first] +="


def test_the_second_call_has_to_be_right_as_well(repaired):
    found, _ = repaired(GROWING)
    assert found.ok, str(found)
    assert all("self.made" not in patch.words.partition("->")[2] for patch in found.patches)


def test_data_that_are_made_from_others_stay_as_they_are(repaired):
    found, _ = repaired(ONE_HOT)
    assert words(found)[0].strip() == "d.sum(axis=0)", str(found)


def test_what_is_made_of_the_samples_grows_with_them(repaired):
    found, _ = repaired(TURNED)
    assert found.ok, str(found)
    assert found.patches[0].varied == ("other sizes",)


def test_what_is_right_here_alone_is_the_reason_for_no_patch(repaired):
    text = PLATE.replace("2 * u**3 - self.push", "u**3").replace(" - self.push @ u", "")
    text = text.replace("* self.stiff *", "* self.stiff**2 / 4 *")
    found, _ = repaired(text, edits=150)
    assert not found.ok
    assert "is right with these data and wrong with other" in found.reason


def test_the_users_data_are_as_they_were(repaired):
    found, module = repaired(MARGIN)
    assert found.ok
    assert module.X.shape == (6, 4)
    assert set(module.SIDE) == {2.0}


def test_units_that_are_all_on_are_off_at_another_point(repaired):
    found, _ = repaired(ALL_ON)
    assert all("z > 0" in text or "z >= 0" in text for text in words(found)), str(found)


def test_a_patch_says_what_it_was_proved_with(repaired):
    found, _ = repaired(MARGIN)
    assert "points, with other" in str(found)


RNG = np.random.default_rng(2)
STAYING = {
    "bias": np.ones((4, 1)),
    "identity": np.eye(3),
    "grid": np.linspace(0, 2, 7),
    "limits": np.array([0, 3, 5, 9]),
    "limits as floats": np.array([0.0, 1.0, 2.0, 5.0]),
    "rotation": np.array([[0.6, -0.8], [0.8, 0.6]]),
    "holes": np.array([1.0, np.nan]),
}


@pytest.mark.parametrize("name", STAYING)
def test_what_has_a_structure_stays(name):
    assert redrawn(STAYING[name], RNG) is None


def test_labels_stay_labels():
    drawn = redrawn(np.array([4, 7, 7, 4, 9]), RNG)
    assert set(drawn) <= {4, 7, 9}
    assert drawn.dtype == np.array([4]).dtype


def test_labels_that_are_all_the_same_are_drawn_more_widely():
    drawn = redrawn(np.full(30, 2), RNG)
    assert len(set(drawn)) > 1
    assert drawn.min() >= 0
    assert drawn.max() == 2


def test_a_mask_has_another_number_of_ones():
    mask = np.array([True, True, False, False, True, False])
    assert redrawn(mask, RNG).sum() in (2, 4)


@pytest.mark.parametrize("kind", [float, int, bool])
def test_one_hot_rows_stay_one_hot(kind):
    rows = np.eye(3, dtype=kind)[[0, 2, 2, 1, 0, 1, 2]]
    for drawn in (redrawn(rows, RNG), repeated(rows, {1: 2})):
        assert np.all(drawn.sum(axis=1) == 1)
        assert set(drawn.ravel()) == {0, 1}
        assert drawn.dtype == rows.dtype


def test_probabilities_sum_to_one():
    rows = RNG.random((5, 3))
    drawn = redrawn(rows / rows.sum(axis=1, keepdims=True), RNG)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_a_definite_matrix_stays_definite():
    root = RNG.normal(size=(4, 4))
    drawn = redrawn(root @ root.T, RNG)
    np.testing.assert_allclose(drawn, drawn.T)
    assert np.linalg.eigvalsh(drawn).min() > 0


def test_a_bias_unit_stays_one():
    data = np.column_stack([np.ones(5), RNG.normal(size=(5, 2))])
    drawn = redrawn(data, RNG)
    assert np.all(drawn[:, 0] == 1)
    assert not np.any(drawn[:, 1:] == data[:, 1:])


def test_what_is_sorted_stays_sorted():
    drawn = redrawn(np.array([0.0, 0.5, 2.0, 2.5, 7.0]), RNG)
    assert np.all(np.diff(drawn) > 0)


def test_numbers_between_0_and_1_stay_there():
    assert 0 < redrawn_number(0.9, RNG) < 1
    assert redrawn_number(1.0, RNG) is None
    assert redrawn_number(np.array([0.0, 1.0])[0], RNG) == 1.0  # the label of a sample


def test_rankings_stay_rankings():
    drawn = redrawn(np.array([[3, 0, 1], [2, 1, 3], [0, 2, 3], [1, 0, 2]]), RNG)
    assert all(len({*row}) == 3 for row in drawn.tolist())


def test_a_point_that_tells_nothing_proves_no_error(repaired):
    found, _ = repaired(FLAT)
    assert found.ok, str(found)
    assert found.patches[0].error < 1e-4


def test_what_is_held_is_no_builtin():
    names = {"__builtins__": {"len": len}, "deep": [np.ones(2)]}
    found = Holdings.of([names])
    assert [one.path for one in found.held] == [("deep", "*")]
    assert names["__builtins__"] not in found.containers


class Origin:
    """An object of gradcheck's own."""

    __module__ = "gradcheck.script.point"

    def __init__(self, allowed, marks):
        self.allowed, self.marks, self.number = allowed, marks, 9


def test_what_gradcheck_counts_itself_is_no_data():
    state = State({"rate": 0.3, "pairs": (4, 5)}, {"groups": 3}, {"other": {"bins": 7}})
    kept = {"state": state, "point": Origin(Edits(7), [(2, "rate"), (8, "groups")])}
    found = Holdings.of([kept]).held
    assert sorted(one.value for one in found) == [0.3, 3, 4, 5, 7]


def test_a_list_that_has_become_shorter_holds_its_last_item_no_more():
    items = [np.ones(2), np.ones(3)]
    one, other = Holdings.of([{"items": items}]).held
    del items[1:]
    other.put(np.zeros(5))
    one.put_back(np.ones(2))
    other.put_back(np.ones(3))
    assert [len(item) for item in items] == [2]


def test_nothing_rings_after_a_candidate():
    with at_most(5.0):
        assert signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def ranked_texts(own, *texts):
    mended = [
        Mended((Edit("a.py", 0, 5, text.encode(), 1.0, 1, text),), {"a.py": text.encode()}, 0.0)
        for text in texts
    ]
    return [one.edits[0].words for one in ranked(mended, {"a.py": own.encode()}, [])]


def test_what_changes_nothing_is_left_out():
    one, other = "def f(a):\n    return a[i + 0]\n", "def f(a):\n    return a[i]\n"
    assert ranked_texts("def f(a):\n    return a[i + 1]\n", one, other)[0] == other


def test_a_size_comes_before_a_whole_number_that_the_file_has():
    head = "def f(x, y):\n    z = x[5:]\n"
    texts = [f"{head}    return x / {one}\n" for one in ("y.size * 5", "len(y)")]
    assert ranked_texts(f"{head}    return x / y.size\n", *texts) == texts[1:]


@pytest.mark.parametrize(
    ("plain", "odd"),
    [
        ("s += a - b", "s += a - -b"),
        ("s -= a", "s += -a"),
        ("s = a / n**2", "s = a / n / n"),
        ("s = a.T @ b / n", "s = a.T / n @ b"),
    ],
)
def test_what_people_write_comes_first(plain, odd):
    own = "def f(a):\n    s = a\n"
    texts = [f"def f(a):\n    {one}\n" for one in (odd, plain)]
    assert ranked_texts(own, *texts)[0] == texts[1]


def test_a_comparison_is_not_compared():
    texts = [f"def f(a):\n    s = a * ({one} > 0)\n" for one in ("(b > 0)", "before_it")]
    assert ranked_texts("def f(a):\n    s = a * (c[i] > 0)\n", *texts)[0] == texts[1]


@pytest.mark.parametrize(
    ("own", "plain", "odd"),
    [
        ("a * b * (1 - b)", "a * (1 - b**2)", "(a * b + a) * (1 - b)"),
        ("x[:, t - 1]", "x[:, t]", "x[:, t - n]"),
    ],
)
def test_what_is_odd_comes_last(own, plain, odd):
    assert ranked_texts(f"{own}\n", odd, plain)[0] == plain


def test_patches_that_say_the_same_are_one():
    texts = ("a * b / m", "b / m * a", "(a * b) / m", "a * b * m", "m / b * a * b")
    assert ranked_texts("a * b\n", *texts) == ["a * b / m", "a * b * m", "m / b * a * b"]


def test_long_samples_of_numbers_are_not_held_one_by_one():
    short, long = [[1, 2.0]], [[0] * 99] * 2
    assert len(Holdings.of([lambda: short]).held) == 2
    holdings = Holdings.of([lambda: long])
    assert not holdings.held
    assert long[0] in holdings.containers


ORDERED = """
__own, a, b, c, d, e = 9.0, 1.5, 2.5, 3.5, 4.5, 5.5

def loss():
    return d + b + __own + e + c + a
"""


def test_data_are_found_in_the_order_of_their_names(tmp_path):
    holdings = Holdings.of([module_of(ORDERED, tmp_path, "ordered").loss])
    assert [held.name for held in holdings.held] == ["__own", "a", "b", "c", "d", "e"]


def test_a_matrix_stays_one():
    matrix = np.vstack([np.ones(4), RNG.random(4)]).view(np.matrix)
    drawn = redrawn(matrix, RNG)
    assert type(drawn) is np.matrix
    assert np.all(drawn[0] == 1)
    assert not np.any(drawn[1] == matrix[1])


@pytest.mark.parametrize("value", [np.sqrt(5), np.sqrt(2 / np.pi), np.log(2 * np.pi), 5 / 3, np.pi])
def test_a_number_of_mathematics_is_no_data(value):
    assert redrawn_number(float(value), np.random.default_rng(0)) is None


@pytest.mark.parametrize("value", [0.3, 2.5, 1.0e-3, 7.0, 0.6180512, np.exp(-0.37) / 3])
def test_a_number_that_somebody_chose_is_data(value):
    assert redrawn_number(float(value), np.random.default_rng(0)) not in (None, value)
