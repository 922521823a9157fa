"""Each kind of edit, and each place where a function may lie, by a bug that needs it."""

import numpy as np
import pytest
from mending.kinds import HEAD, PROGRAMS, VECTORS
from modules import module_of
from sweeps import sample

import gradcheck
from gradcheck.options import Edits

BUDGET = Edits(2500)


@pytest.fixture
def load(tmp_path):
    """Imports a text as a module."""
    return lambda text: module_of(text, tmp_path)


@pytest.mark.parametrize("kind", sample([*PROGRAMS], every=3))
def test_a_bug_of_the_kind_is_mended(kind, load):
    program, right, wrong = PROGRAMS[kind]
    assert program.count(right) == 1
    module = load(HEAD + program.replace(right, wrong))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert found.ok, found.reason
    mended = load(found.patches[0].changed[0].after.decode())
    assert gradcheck.check(mended.loss, mended.START, mended.grad).ok


WRITTEN = {
    "items that are added to a list's": "[one + other for one, other in zip(total, new)]",
    "an index that was kept": "dz[i, best[i, j]] +=",
    "a bracket around a difference": "(np.exp(x @ w) - 1) * x",
    "the share that a pass hands on": "        down = down * kept",
    "numbers that are to be shares": "    share /= share.sum(axis=1, keepdims=True)",
    "a mask of rows": "d *= SEEN[:, None]",
    "a mean that is taken off": "(UP - UP.mean(axis=1, keepdims=True) - unit",
    "slices as for another array": "part = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]",
    "a border at both ends": "dwide[1:-1, 1:-1]",
    "all items from one": "d[j:].sum()",
    "one item of two": "[part + d * new for",
    "a bias of zeros": "        db += d\n",
    "a bias that sums over rows": "        db += d.sum(axis=0)",
    "one less at the label": "LABELS] -= 1",
    "the slope below a kink": "np.where(z > 0, 1, 0.3)",
    "two indices in the wrong order": "g[one, two] -= 1",
    "a bracket that ends too soon": "X.T @ (np.exp(X @ w - Y))",
    "the root of a width": "/ np.sqrt(w.shape[1]) + up.T",
    "the mean of a list that each pass has": "/ len(bag)",
    "the sign of a weight": "0.4 * np.sign(w[j])",
    "an update after what should read it": "after**2\n        total",
    "the power of a width": "/ w**3",
    "the share that is kept of a rate of change": "d_level = (1 - gain) * d_level",
    "the names of a row and a column": "2 * i + down, 2 * j + along",
    "a sign that is a size": "0.7 * np.sign(rest)",
    "a state that is added to": "        back = w.T @ d",
    "two sums that change places": "d.sum(axis=1), d.sum(axis=0)",
    "a last term of a sum": "up = up + first + later",
    "the mean of a product": "b = (d * y).mean(",
    "a size where a number stands": "len(Y) - pull @ rest",
    "a statement for another name": "dkeep += HOLD * np.sinh(keep)",
    "a value that is never added": "np.add.at(dstart, SECOND, other)",
    "what the next pass is handed": "later = keep * d",
    "a bias that no pass adds to": "db[i] += d[i]",
    "a factor in a table that a loop reads": "db * a, y * x",
    "letters of an einsum": "bji,bid->bjd",
    "the exponent as a factor": "0.04 * 3 * z**2",
    "a mask in loops whose counters count more": "Y[n, i, j] * mask",
    "a mask of what is cut off": "> 0)",
    "parts that are joined in another order": "dw.ravel(), db,",
    "two values of a dict": '"a": X.T @ da, "b": X.T @ db',
    "the slope of tanh": "b * (1 - a**2)",
    "the slope of a sigmoid": "a * b * (1 - b)",
    "a number in a key": 'cosh(kept[f"z{n - 1}"])',
    "a number in a text": '"h" + str(n - 1)',
    "the name in a key": 'cosh(kept[f"z{n - 1}"])',
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_people_write_is_shown_first(kind, load):
    program, right, wrong = PROGRAMS[kind]
    module = load(HEAD + program.replace(right, wrong))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(1600))
    assert WRITTEN[kind] in found.patches[0].changed[0].after.decode()


def test_a_size_is_that_of_the_data_and_not_of_what_is_made_on_the_way(load):
    program, right, wrong = PROGRAMS["the mean of the rows that a list picks"]
    module = load(HEAD + program.replace(right, wrong))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert "len(picked)" in found.patches[0].diff


NORMED = """
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 3))
START = DRAWN.normal(size=(4, 3))

def normed(w):
    z = X @ w
    off = z - z.mean(axis=0)
    return off, 1 / np.sqrt((off**2).mean(axis=0) + 0.1)

def loss(w):
    off, root = normed(w)
    return np.sum(np.sinh(off * root) * Y)

def grad(w):
    off, root = normed(w)
    n = len(X)
    up = np.cosh(off * root) * Y
    dvar = -np.mean(up * off, axis=0) * root**3
    dmean = -np.sum(up, axis=0) * root
    dz = up * root + dvar * off + dmean / n
    return X.T @ dz
"""


def test_what_is_made_and_not_read_is_a_term(load, monkeypatch):
    monkeypatch.setattr("gradcheck.mending.search.CONSTRUCTORS", ())
    module = load(HEAD + NORMED.replace(" + dmean / n\n", "\n"))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(1600))
    assert "off + dmean / n" in found.patches[0].changed[0].after.decode()


LAYERS = """
WEIGHTS = DRAWN.normal(size=(5, 3))

class Inner:
    def forward(self, x):
        self.x = x
        return np.sinh(x @ WEIGHTS)

    def backward(self, up):
        made = []
        dz = up * np.cosh(self.x @ WEIGHTS)
        made.append(dz @ WEIGHTS.T)
        return made[0]


class Gate:
    def __init__(self):
        self.inner = Inner()
        self.kept = {"masks": []}

    def forward(self, x):
        self.kept["masks"].append(DRAWN.random(x.shape) > 0.5)
        return self.inner.forward(x * self.kept["masks"][0])

    def backward(self, up):
        return self.inner.backward(up)


gate = Gate()

def forward(x):
    gate.kept["masks"] = [np.arange(x.size).reshape(x.shape) % 3 > 0]
    return gate.forward(x)
"""


def test_a_wrapper_mends_what_its_layer_returned(load):
    module = load(HEAD + LAYERS)
    layer = gradcheck.LayerCase(
        module.forward, module.gate.backward, [module.DRAWN.normal(size=(4, 5))]
    )
    found = gradcheck.repair(layer, budget=BUDGET)
    assert 'self.inner.backward(up) * self.kept["masks"][0]' in found.patches[0].diff, str(found)


def test_words_are_written_in_the_quotes_of_the_file(load):
    module = load(
        HEAD
        + VECTORS
        + """
START = {"height": DRAWN.normal(size=6), "slope": DRAWN.normal(size=4)}

def loss(p):
    return np.sum(np.sinh(X @ p["slope"]) * p["height"])

def grad(p):
    up = np.cosh(X @ p["slope"])
    return {"height": np.sinh(X @ p["slope"]), "slope": X.T @ up}
"""
    )
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert '* p["height"]' in found.patches[0].diff


def test_an_index_that_a_loop_moves_is_kept(load):
    module = load(
        HEAD
        + """
X, Y = DRAWN.normal(size=(6, 3)), DRAWN.normal(size=(6, 2))
START = [DRAWN.normal(size=(3, 2))]

def outputs(ws):
    made = [X]
    for w in ws:
        made.append(np.tanh(made[-1] @ w))
    return made

def loss(ws):
    return 0.5 * np.sum((outputs(ws)[-1] - Y) ** 2)

def grad(ws):
    made = outputs(ws)
    up, found = made[-1] - Y, []
    for layer in np.arange(1, len(ws) + 1)[::-1]:
        up = up * (1 - made[layer] ** 2)
        found.insert(0, (up.T @ made[layer]).T)
        up = up @ ws[layer - 1].T
    return found
"""
    )
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert "made[layer - 1]" in found.patches[0].diff, str(found)


TWO = """
X = DRAWN.normal(size=(5, 3))
START = {"a": DRAWN.normal(size=3), "b": DRAWN.normal(size=3)}

def loss(p):
    return np.sum(np.sin(X @ p["a"])) + 0.2 * np.sum(np.exp(X @ p["b"]))

def grad(p):
    half = 0.5
    a = X.T @ np.cos(X @ p["a"])
    b = 0.2 * X.T @ np.exp(X @ p["b"])
    return {"a": a, "b": b}
"""


def test_an_edit_for_each_block_is_one_patch(load):
    wrong = TWO.replace('@ np.cos(X @ p["a"])', '@ np.sin(X @ p["a"])').replace(
        "b = 0.2", "b = 0.7"
    )
    module = load(HEAD + wrong)
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert found.ok, str(found)
    assert "np.cos" in found.patches[0].diff


TERMS = """
X, Y = DRAWN.normal(size=(7, 3)), DRAWN.normal(size=(7, 2))
START = {"W": DRAWN.normal(size=(3, 2)), "g": DRAWN.uniform(0.5, 2, 2)}

def root(z):
    return np.sqrt(np.mean(z**2, axis=0) + 0.1)

def loss(p):
    z = X @ p["W"]
    return 0.5 * np.sum((np.tanh(p["g"] * z / root(z)) - Y) ** 2)

def grad(p):
    m = len(X)
    z = X @ p["W"]
    s = root(z)
    out = np.tanh(p["g"] * z / s)
    d = (out - Y) * (1 - out**2)
    up = d * p["g"]
    ds = np.sum(up * z, axis=0) / s**2
    dz = up * s - z * ds / m
    return {"W": X.T @ dz, "g": np.sum(d * z / s, axis=0)}
"""


@pytest.mark.in_full
def test_two_wrong_terms_of_one_block_are_one_patch(load):
    module = load(HEAD + TERMS)
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=BUDGET)
    assert found.ok, str(found)
    assert "up / s" in found.patches[0].diff


@pytest.mark.in_full
def test_what_makes_one_block_right_is_named_where_no_more_is_found(load):
    wrong = TWO.replace('X.T @ np.cos(X @ p["a"])', "np.arange(3.0) ** half")
    module = load(HEAD + wrong.replace("b = 0.2", "b = 0.7"))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(300))
    assert not found.ok
    assert "makes b right" in found.reason


READS_WHAT_IT_HAS_WRITTEN = """
START = {"a": DRAWN.normal(size=3), "b": DRAWN.normal(size=3)}

def loss(p):
    return np.sum(p["a"] ** 2 * p["b"])

def step(p):
    a, b = p["a"], p["b"]
    a -= 0.1 * 2 * a * b
    b -= 0.1 * a**2
    return p
"""
CHANGES_NO_ARRAY = """
START = DRAWN.normal(size=3)

def loss(w):
    return np.sum(np.exp(w))

def step(w):
    w = w - 0.1 * np.exp(w)
"""


@pytest.mark.parametrize(
    ("text", "right"),
    [(READS_WHAT_IT_HAS_WRITTEN, "old_a = a.copy()"), (CHANGES_NO_ARRAY, "w -= 0.1 * np.exp(w)")],
)
def test_an_update_reads_a_copy_and_changes_its_array(load, text, right):
    module = load(HEAD + text)
    update = gradcheck.StepCase(module.step, module.START, loss=module.loss, learning_rate=0.1)
    found = gradcheck.repair(update, budget=BUDGET)
    assert right in found.patches[0].diff


def test_the_functions_of_a_case_that_only_pass_on_are_left(load):
    module = load(HEAD + VECTORS + "\ndef grad(w):\n    return X.T @ np.exp(X @ w) / 6\n")
    found = gradcheck.repair(
        lambda w: np.sum(np.exp(module.X @ w)),
        module.START,
        lambda w: module.grad(w),
        budget=BUDGET,
    )
    assert all(patch.location.file.endswith("program.py") for patch in found.patches)
    assert found.ok
    assert np.isfinite(found.patches[0].error)
