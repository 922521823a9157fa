"""Causes that the user's own computation shows, whatever the architecture is."""

import numpy as np
import pytest
from scipy import signal, sparse, special
from sweeps import sample

import gradcheck
from benchmarks.edits import edit as edits

RNG = np.random.default_rng(12)
X = RNG.normal(size=(5, 4))

SLOPE_ALONE = "softmax_backward(dprobs, probs)"
EDITED = [
    ("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", "GC303"),
    ("dense_rows", "dZ2 = (out - Y) / len(X)", "dZ2 = (out - Y)", "GC101"),
    ("per_sample", "dW2 += np.outer(e, h)", "dW2 = np.outer(e, h)", "GC701"),
    ("layer_classes", "return (self.p - self.y) / len(self.y)", "return self.p - self.y", "GC101"),
    ("layer_classes", "= self.s + self.x * inner", "= self.s - self.x * inner", "GC305"),
    ("flat_theta", "G1 = D2.T @ A1 / m", "G1 = D2.T @ A1", "GC101"),
    ("rnn", 'dhnext = draw @ p["Whh"].T', 'dhnext = draw @ p["Whh"]', "GC201"),
    ("batch_norm", "dxhat = dout * gamma", "dxhat = dout", "GC854"),
    ("attention", "dk = dscores.T @ q", "dk = dscores @ q", "GC201"),
    ("softmax_regression", "dW += REG * W", "dW += 2 * REG * W", "GC604"),
    ("attention", "softmax_backward(dprobs, probs) / np.sqrt(3)", SLOPE_ALONE, "GC105"),
    ("conv_loops", "dz[n, c, i, j] * IMAGES", "dz[n, c, j, i] * IMAGES", "GC201"),
]


@pytest.mark.parametrize(("net", "right", "wrong", "code"), sample([*EDITED], every=2))
def test_an_edited_line_is_named_and_shown(net, right, wrong, code, tmp_path):
    source = (edits.NETS / f"{net}.py").read_text()
    line = source[: source.index(right)].count("\n") + 1
    module = edits.module_of(source.replace(right, wrong), tmp_path / f"{net}.py")
    first = gradcheck.check(module.loss, module.params(), module.grad).findings[0]
    assert first.code == code
    assert first.location.line == line
    assert first.fix


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def swish(x):
    return x / (1 + np.exp(-x))


def logistic(x):
    return 1 / (1 + np.exp(-x))


def pooled(up, p):
    return p * (up - np.sum(up * p))


LAYERS = {
    "slope at the output": (
        lambda x: (np.sin(x), x),
        lambda up, x: up * np.cos(np.sin(x)),
        "GC301",
    ),
    "slope for the output at the input": (
        lambda x: (logistic(x), x),
        lambda up, x: up * x * (1 - x),
        "GC302",
    ),
    "slope missing": (lambda x: (np.arctan(x), x), lambda up, x: 1.0 * up, "GC303"),
    "slope twice": (lambda x: (np.arctan(x), x), lambda up, x: up / (1 + x * x) ** 2, "GC304"),
    "another slope": (lambda x: (swish(x), x), lambda up, x: up * logistic(x), "GC305"),
    "one side": (
        lambda x: (np.where(x > 0, x, 0.2 * x), x),
        lambda up, x: up * np.where(x > 0, 1.0, 0.3),
        "GC306",
    ),
    "slope at the upstream": (
        lambda x: (np.maximum(x, 0), x),
        lambda up, x: up * (up > 0),
        "GC307",
    ),
    "diagonal": (lambda x: (softmax(x), softmax(x)), lambda up, p: up * p * (1 - p), "GC309"),
    "scipy's softmax": (
        lambda x: (special.softmax(x, axis=1), x),
        lambda up, x: up * special.softmax(x, axis=1) * (1 - special.softmax(x, axis=1)),
        "GC309",
    ),
    "scipy's sigmoid": (
        lambda x: (special.expit(x), x),
        lambda up, x: up * special.expit(x),
        "GC305",
    ),
    "sum over everything": (lambda x: (softmax(x), softmax(x)), pooled, "GC310"),
    "another axis of a softmax": (
        lambda x: (softmax(x), x),
        lambda up, x: softmax(x, 0) * (up - np.sum(up * softmax(x, 0), axis=0)),
        "GC311",
    ),
    "another axis": (
        lambda x: (x - x.mean(axis=1, keepdims=True), x),
        lambda up, x: up - up.mean(axis=0, keepdims=True),
        "GC209",
    ),
    "upstream ignored": (lambda x: (x**3, x), lambda up, x: 3 * x**2, "GC410"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_bug_of_a_layer_of_any_kind_is_named(name):
    forward, backward, code = LAYERS[name]
    report = gradcheck.check_layer(forward, backward, (X,))
    assert [finding.code for finding in report.findings] == [code], str(report)


def test_a_sum_over_the_wrong_axis_of_a_square_is_no_transpose():
    report = gradcheck.check_layer(
        lambda W, b: X[:4] @ W + b,
        lambda up: (X[:4].T @ up, up.sum(axis=1)),
        (RNG.normal(size=(4, 4)), RNG.normal(size=4)),
    )
    [first] = report.findings
    assert first.code == "GC204"
    assert first.message == "`up.sum(axis=1)` goes over axis 1 and must go over axis 0"


def straight_back(p, up):
    return up @ p["V"], np.sin(X @ p["W"]).T @ up


def turned_back(p, up):
    return up @ p["V"].T, up.T @ np.sin(X @ p["W"])


@pytest.mark.parametrize(
    ("turn", "backward", "message"),
    [
        (
            np.asarray,
            straight_back,
            "`p['V']` in `up @ p[\"V\"]` is transposed: `p['V'].T` is wanted",
        ),
        (np.transpose, turned_back, '`p["V"].T` is transposed: `p["V"]` is wanted'),
    ],
)
def test_a_matrix_that_stands_transposed_is_told_with_the_right_one(turn, backward, message):
    def out(p):
        return np.tanh(np.sin(X @ p["W"]) @ turn(p["V"]))

    def grad(p):
        below, by_v = backward(p, 1 - out(p) ** 2)
        return {"W": X.T @ (below * np.cos(X @ p["W"])), "V": by_v}

    params = {"W": RNG.normal(size=(4, 3)), "V": RNG.normal(size=(3, 3))}
    [first] = gradcheck.check(lambda p: np.sum(out(p)), params, grad).findings
    assert first.code == "GC201"
    assert first.message == message
    assert first.fix.startswith("write `p[")


def test_a_constant_of_the_loss_that_the_gradient_lacks_is_shown():
    report = gradcheck.check_layer(
        lambda x: (softmax(x / 2.5), x),
        lambda up, x: softmax(x / 2.5) * (up - (up * softmax(x / 2.5)).sum(1, keepdims=True)),
        (X,),
    )
    assert "the loss divides by 2.5 (line" in report.findings[0].message


def logistic_prime(z):
    return logistic(z) * (1 - logistic(z))


def test_a_helper_that_is_given_the_output_is_blamed_where_it_is_called():
    def loss(p):
        return float(np.sum((logistic(X @ p["W"]) - X[:, :2]) ** 2))

    def grad(p):
        a = logistic(X @ p["W"])
        return {"W": X.T @ (2 * (a - X[:, :2]) * logistic_prime(a))}

    [first] = gradcheck.check(loss, {"W": RNG.normal(size=(4, 2))}, grad).findings
    assert (first.code, first.expression) == ("GC301", "logistic_prime(a)")


def gate(x):
    return x * logistic(x), x


def gate_slope(up, x):
    s = logistic(x)
    bend = s * s
    return up * (s + x * bend)


def test_what_was_made_for_one_use_is_blamed_where_it_is_made():
    [first] = gradcheck.check_layer(gate, gate_slope, (X,)).findings
    assert (first.code, first.expression) == ("GC305", "s * s")


def with_written(g, where, value):
    g["W"][where] = value
    return g


@pytest.mark.parametrize("where", [(1, 2), (slice(None), 1)])
def test_what_is_written_over_right_numbers_is_not_called_a_missing_sum(where):
    def loss(p):
        return float(np.sum(np.tanh(X @ p["W"])))

    def grad(p):
        return with_written({"W": X.T @ (1 - np.tanh(X @ p["W"]) ** 2)}, where, 0.0)

    [first] = gradcheck.check(loss, {"W": RNG.normal(size=(4, 3))}, grad).findings
    assert first.code == "GC703"
    assert 'g["W"][where]' in first.message


def test_entries_that_stand_in_each_others_place_are_told_as_such():
    lower = np.tril_indices(3)

    def loss(packed):
        root = np.zeros((3, 3))
        root[lower] = packed
        return float(np.sum(np.tanh(X[:, :3] @ root) ** 2))

    def grad(packed):
        root = np.zeros((3, 3))
        root[lower] = packed
        out = np.tanh(X[:, :3] @ root)
        by_root = X[:, :3].T @ (2 * out * (1 - out**2))
        return by_root.T[np.triu_indices(3)]

    [first] = gradcheck.check(loss, RNG.normal(size=6), grad).findings
    assert "entries [2], [3] of the gradient of params" in first.message
    assert "stand in each other's place" in first.message


def test_half_of_a_vector_is_not_called_a_few_entries():
    times, wanted = np.linspace(0, 4, 15), np.linspace(1, 0, 15) ** 2

    def curve(p):
        rates, at = np.meshgrid(p[3:], times)
        return np.power(1 + np.exp(-rates), -at) @ p[:3]

    def loss(p):
        return float(np.sum((curve(p) - wanted) ** 2))

    def grad(p):
        off, grown = 2 * (curve(p) - wanted), [1 + np.exp(-p[3 + i]) for i in range(3)]
        by_size = [(off * grown[i] ** -times).sum() for i in range(3)]
        by_rate = [
            (off * times * grown[i] ** -(times + 1) * (grown[i] - 1)).sum() for i in range(3)
        ]
        return np.array(by_size + by_rate)  # by_rate lacks the size

    start = np.array([0.6, 0.3, 0.8, 0.2, -0.4, 0.5])
    assert "GC703" not in {one.code for one in gradcheck.check(loss, start, grad).findings}


def test_an_argument_is_named_as_the_loss_names_it():
    def loss(w, rows, label):
        return float(np.sum(np.maximum(0.0, 1.0 - label * (rows @ w)) ** 2))

    def grad(w, rows, label):
        return rows.T @ (-2.0 * np.maximum(0.0, 1.0 - label * (rows @ w)))

    labels = np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    [first] = gradcheck.check(loss, RNG.normal(size=4), grad, args=(X, labels)).findings
    assert first.code == "GC413"
    assert "the factor label is missing" in first.message


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
def test_a_sparse_matrix_is_followed(kind):
    S = kind(np.where(X > 0, X, 0.0))

    def loss(W):
        return float(np.sum((np.tanh(S @ W) - X[:, :3]) ** 2))

    def grad(W):
        h = np.tanh(S.dot(W))
        return S.T @ (2 * (h - X[:, :3]) * (1 - h))

    [first] = gradcheck.check(loss, RNG.normal(size=(4, 3)), grad).findings
    assert (first.code, first.expression) == ("GC305", "1 - h")


def test_a_determinant_is_followed():
    def loss(a):
        return float(np.linalg.slogdet(np.eye(3) + np.exp(a) * X[:3, :3] @ X[:3, :3].T)[1])

    def grad(a):
        K = np.eye(3) + np.exp(a) * X[:3, :3] @ X[:3, :3].T
        return np.trace(np.linalg.inv(K) @ X[:3, :3] @ X[:3, :3].T) * np.exp(2 * a)

    [first] = gradcheck.check(loss, 0.3, grad).findings
    assert first.location is not None


def test_a_convolution_of_scipys_is_followed():
    def grad(w):
        z = signal.convolve(X, w, mode="valid")
        return signal.convolve(X[::-1, ::-1], z, mode="valid")

    def loss(w):
        return float(np.sum(np.tanh(signal.convolve(X, w, mode="valid"))))

    [first] = gradcheck.check(loss, RNG.normal(size=(2, 2)), grad).findings
    assert (first.code, first.location is None) == ("GC305", False)


def twice_used(p):
    return float(np.sum(np.tanh(X @ p["W"]) @ p["W"].T * X))


def one_use(p):
    hidden = np.tanh(X @ p["W"])
    return {"W": X.T @ hidden}


def test_a_path_that_is_left_out_is_named_with_what_it_comes_through():
    report = gradcheck.check(twice_used, {"W": RNG.normal(size=(4, 3))}, one_use)
    first = report.findings[0]
    assert first.code == "GC407"
    assert 'X @ p["W"]' in first.message


def test_a_derivative_by_the_wrong_parameterisation_is_named():
    y = RNG.normal(size=6)

    def loss(p):
        sigma = np.exp(p["log_sigma"])
        return float(np.sum((y - p["mean"]) ** 2) / (2 * sigma**2) + 6 * np.log(sigma))

    def grad(p):
        sigma = np.exp(p["log_sigma"])
        d_sigma = 6 / sigma - np.sum((y - p["mean"]) ** 2) / sigma**3
        return {"mean": np.sum(p["mean"] - y) / sigma**2, "log_sigma": d_sigma}

    params = {"mean": np.array(0.3), "log_sigma": np.array(0.4)}
    assert [one.code for one in gradcheck.check(loss, params, grad).findings] == ["GC605"]


def cubes(p):
    return float(np.sum(p["u"] ** 3) + 2 * np.sum(np.exp(p["v"])))


def cubes_grad(p):
    return {"u": 3 * p["u"] ** 2, "v": 2 * np.exp(p["v"])}


def checked(change):
    params = {"u": np.array([0.2, 0.9, -1.1]), "v": np.array([0.1, -0.4, 1.3])}
    return gradcheck.check(cubes, params, lambda p: change(cubes_grad(p)))


def scaled_to(norm):
    def clip(gradient):
        size = np.sqrt(sum(np.sum(value**2) for value in gradient.values()))
        return {name: value * min(1.0, norm / size) for name, value in gradient.items()}

    return clip


def test_gradients_that_were_exchanged_are_named_together():
    first = checked(lambda g: {"u": g["v"], "v": g["u"]}).findings[0]
    assert (first.code, first.blocks) == ("GC411", ("u", "v"))


def test_gradients_that_are_returned_in_another_order_are_one_finding():
    rng = np.random.default_rng(8)
    params = [rng.normal(size=shape) for shape in ((2, 3), (3,), (4,))]

    def loss(a, b, c):
        return np.sum(a**3) + np.sum(np.exp(b)) + np.sum(np.sin(c))

    report = gradcheck.check(loss, params, lambda a, b, c: (np.exp(b), np.cos(c), 3 * a**2))
    [finding] = report.findings
    assert finding.code == "GC411"
    assert finding.blocks == ("params[0]", "params[1]", "params[2]")
    assert "params[0] has the gradient of params[1], params[1] that of params[2]" in finding.message


def test_gradients_that_are_clipped_are_named_with_the_bound():
    by_entry = checked(lambda g: {name: np.clip(g[name], -1.7, 1.7) for name in g}).findings[0]
    assert by_entry.code == "GC412"
    assert "1.7" in by_entry.message
    by_norm = checked(scaled_to(2.5)).findings[0]
    assert by_norm.code == "GC412"
    assert "2.5" in by_norm.message


def test_a_constant_near_one_is_said_by_what_it_is_off():
    report = checked(lambda g: {name: value * (1 + 3e-6) for name, value in g.items()})
    assert "too large by 3e-06 of the right size" in report.findings[0].message


def normed(W, small, ddof=0):
    z = X @ W
    middle = z - z.mean(axis=1, keepdims=True)
    root = np.sqrt(z.var(axis=1, keepdims=True, ddof=ddof) + small)
    return middle / root, root


def normed_slope(W):
    unit, root = normed(W, 1e-4)
    g = np.cos(unit)
    across = g.mean(axis=1, keepdims=True) + unit * (g * unit).mean(axis=1, keepdims=True)
    return X.T @ ((g - across) / root)


def bent(z):
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def bent_slope(z):
    """Of the form with an erf, which is another function by less than 0.001."""
    from scipy.special import ndtr

    return ndtr(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def two_bent(p):
    return float(np.sum(np.square(bent(bent(X @ p["A"]) @ p["B"]))))


def two_bent_slope(p):
    z = X @ p["A"]
    y = bent(z) @ p["B"]
    d = 2 * bent(y) * bent_slope(y)
    return {"A": X.T @ (d @ p["B"].T * bent_slope(z)), "B": bent(z).T @ d}


def rooted_outside(W):
    z = X @ W
    middle = z - z.mean(axis=1, keepdims=True)
    root = np.sqrt(np.mean(middle**2, axis=1, keepdims=True)) + 1e-4
    return float(np.sum(np.sin(middle / root)))


def by_its_spread(z):
    return (z - z.mean(axis=1, keepdims=True)) / (z.std(axis=1, keepdims=True) + 1e-3)


def by_its_spread_back(dy, z):
    """Of the form with the constant under the root, whose values no forward pass has."""
    root = np.sqrt(z.var(axis=1, keepdims=True) + 1e-3)
    y = (z - z.mean(axis=1, keepdims=True)) / root
    along = (dy * y).mean(axis=1, keepdims=True)
    return (dy - dy.mean(axis=1, keepdims=True) - y * along) / root


def two_spread(p):
    return float(np.sum(np.square(by_its_spread(X @ p["A"]) @ p["B"] - 0.5)))


def two_spread_slope(p):
    z = X @ p["A"]
    y = by_its_spread(z)
    d = 2 * (y @ p["B"] - 0.5)
    return {"A": X.T @ by_its_spread_back(d @ p["B"].T, z), "B": y.T @ d}


FORMULAS = {
    "ddof=0 in": (lambda W: float(np.sum(np.sin(normed(W, 1e-4, ddof=1)[0]))), normed_slope),
    "0.0001 in the place of 0.01": (lambda W: float(np.sum(np.sin(normed(W, 1e-2)[0]))), normed_slope),  # noqa: E501
    "added under the root": (rooted_outside, normed_slope),
    "the slope of the GELU's exact form": (two_bent, two_bent_slope),
    "0.001 added under the root": (two_spread, two_spread_slope),
}  # fmt: skip  # a table, a row to a line


@pytest.mark.parametrize("words", FORMULAS)
def test_a_gradient_by_another_formula_is_named_with_both(words):
    loss, slope = FORMULAS[words]
    params = {"A": RNG.normal(size=(4, 3)), "B": RNG.normal(size=(3, 2))}
    report = gradcheck.check(loss, params if loss in (two_bent, two_spread) else params["A"], slope)
    assert [one.code for one in report.findings] == ["GC606"], str(report)
    assert words in report.findings[0].message


AIMS = 2 * RNG.normal(size=5)


def residual(w):
    return X @ w - AIMS


LOSSES = {
    "np.where(abs(r) > 1, 0.5 * abs(r) - 0.5, 0.5 * r**2)": lambda r: np.clip(r, -1, 1),
    "np.where(abs(r) > 1, abs(r) - 0.5, r**2)": lambda r: np.clip(r, -1, 1),
}


@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_that_may_be_wrong_is_doubted_at_its_line(text, tmp_path):
    source = f"import numpy as np\n\n\ndef made(r):\n    return np.sum({text})\n"
    module = edits.module_of(source, tmp_path / "doubted.py")
    slope = LOSSES[text]
    report = gradcheck.check(
        lambda w: float(module.made(residual(w))),
        0.3 * np.arange(4.0),
        lambda w: X.T @ slope(residual(w)),
    )
    first = report.findings[0]
    assert "your loss may be wrong" in first.message, str(report)
    assert 5 in [one.line for one in first.also]
    assert "either may be meant" in first.message


def chance(w):
    return 1 / (1 + np.exp(-(X @ w.reshape(-1, 1))))


PAIRED = {
    "half the squares": (
        lambda w: float(np.mean((X @ w.reshape(-1, 1) - AIMS) ** 2) / 2),
        lambda w: X.T @ (X @ w - AIMS) / len(AIMS),
    ),
    "a column": (
        lambda w: float(np.mean((X @ w - AIMS[:, None]) ** 2) / 2),
        lambda w: X.T @ (X @ w - AIMS) / len(AIMS),
    ),
    "a log with a guard": (
        lambda w: float(
            -np.mean(
                (AIMS > 0) * np.log(chance(w) + 1e-9)
                + (1 - (AIMS > 0)) * np.log(1 - chance(w) + 1e-9)
            )
        ),
        lambda w: X.T @ (chance(w)[:, 0] - (AIMS > 0)) / len(AIMS),
    ),
}


def test_a_residual_of_all_pairs_is_told_beside_a_penalty():
    sides = (AIMS > 0).astype(float)

    def loss(w):
        a = chance(w)
        data = -np.mean(sides[:, None] * np.log(a) + (1 - sides[:, None]) * np.log(1 - a))
        return float(data + 0.05 * np.sum(w**2))

    def grad(w):
        return X.T @ (chance(w) - sides) / len(X) + 0.1 * w

    data = {"inputs": X, "targets": sides[:, None]}
    report = gradcheck.check(loss, 0.3 * np.arange(4.0)[:, None], grad, **data)
    assert [one.code for one in report.errors] == ["GC208"], str(report)


@pytest.mark.parametrize("name", PAIRED)
def test_a_loss_that_pairs_every_target_with_every_output_is_told(name):
    loss, grad = PAIRED[name]
    report = gradcheck.check(loss, 0.3 * np.arange(4.0), grad)
    (finding,) = report.errors
    assert finding.code == "GC208", str(report)
    assert finding.location.line < grad.__code__.co_firstlineno
    assert "in one shape" in finding.message


def test_a_loss_is_not_doubted_where_no_single_change_gives_the_gradient():
    report = gradcheck.check(
        lambda w: float(np.sum(np.abs(residual(w)) ** 3)),
        0.3 * np.arange(4.0),
        lambda w: X.T @ np.tanh(residual(w)),
    )
    assert not {one.code for one in report.findings} & {"GC606", "GC607"}


def test_the_forward_pass_of_a_layer_is_not_doubted_for_another_slope():
    report = gradcheck.check_layer(lambda x: (np.sin(x), x), lambda up, x: -up * np.sin(x), (X,))
    assert not {one.code for one in report.findings} & {"GC606", "GC607"}


def test_a_constant_of_the_loss_is_likelier_than_the_length_of_an_axis():
    weight, other = 4.0, RNG.normal(size=(6, 4))

    def loss(w):
        return np.sum(np.cosh(X @ w)) + weight * np.sum(np.log(np.cosh(other @ w)))

    def grad(w):
        return X.T @ np.sinh(X @ w) + other.T @ np.tanh(other @ w)

    report = gradcheck.check(loss, 0.3 * np.arange(4.0), grad)
    (finding,) = report.errors
    assert finding.code != "GC104"
    assert "the length of an axis" not in finding.message
    assert "weight * np.sum" in finding.message or "multiplies by `weight`" in finding.message


def test_the_derivative_of_another_pass_is_not_told_by_the_same_name_twice():
    aims, given = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 4))
    params = {"inner": RNG.normal(size=(4, 3)), "again": RNG.normal(size=(3, 3))}

    def loss(p):
        state, total = np.zeros(3), 0.0
        for x, aim in zip(given, aims, strict=True):
            state = np.tanh(x @ p["inner"] + state @ p["again"])
            total += 0.5 * np.sum((state - aim) ** 2)
        return total

    def grad(p):
        states = [np.zeros(3)]
        for x in given:
            states.append(np.tanh(x @ p["inner"] + states[-1] @ p["again"]))
        deltas, later = [], np.zeros(3)
        for t in (1, 0):
            deltas.append((states[t + 1] - aims[t] + later) * (1 - states[t + 1] ** 2))
            later = deltas[-1] @ p["again"].T
        deltas = deltas[::-1]
        of_again = np.array(states[1:2]).T @ np.array(deltas[:-1])
        return {"inner": given.T @ np.array(deltas), "again": of_again}

    (finding,) = gradcheck.check(loss, params, grad).errors
    assert finding.code == "GC405"
    assert "of another pass" in finding.message


def test_a_value_at_hand_belongs_there_itself_and_not_that_of_another_pass():
    def varied(image):
        across, down = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
        size = np.sqrt(across**2 + down**2 + 1e-3)
        made = np.zeros_like(image)
        for off, ahead in ((across / size, np.s_[:-1, 1:]), (down / size**2, np.s_[1:, :-1])):
            made[ahead] += off
            made[:-1, :-1] -= off
        return np.sum(size), made

    (finding,) = gradcheck.check(varied, RNG.normal(size=(5, 4))).findings
    assert finding.fix == "write `size` for `size**2`"
    assert "another pass" not in finding.message


def slope_of_logistic(x):
    s = logistic(x)
    return s * (1 - s)


@pytest.mark.parametrize(
    "delta", [lambda up, z, out: up * out * (1 - out), lambda up, z, out: up * slope_of_logistic(z)]
)
def test_the_slope_of_a_sigmoid_after_its_entropy_is_taken_twice(delta):
    aims = (RNG.uniform(size=(5, 1)) > 0.5).astype(float)
    params = {"first": RNG.normal(size=(4, 3)), "last": RNG.normal(size=(3, 1))}

    def ahead(p):
        hidden = np.tanh(X @ p["first"])
        return hidden, hidden @ p["last"]

    def loss(p):
        chance = logistic(ahead(p)[1])
        return -np.mean(aims * np.log(chance) + (1 - aims) * np.log(1 - chance))

    def grad(p):
        hidden, z = ahead(p)
        out = logistic(z)
        back = delta((out - aims) / len(X), z, out)
        return {"first": X.T @ (back @ p["last"].T * (1 - hidden**2)), "last": hidden.T @ back}

    (finding,) = gradcheck.check(loss, params, grad).errors
    assert finding.code == "GC304"
    assert finding.expression.startswith("up * ")


TWELVE, WANTED = np.random.default_rng(70).normal(size=(12, 3)), np.arange(12.0)


def penalised(w):
    grad = 2 * TWELVE.T @ (TWELVE @ w - WANTED) / 12
    grad += 2 * 0.3 * w
    return grad


@pytest.mark.parametrize(
    "penalty",
    [
        lambda w: np.sum(0.3 * np.square(w)) / 2,
        lambda w: 0.3 * np.sum(w**2) / 2,
        lambda w: 0.3 / 2 * w @ w,
    ],
)
def test_twice_the_penalty_is_no_other_formula_of_the_loss(penalty):
    def loss(w):
        return np.mean((TWELVE @ w - WANTED) ** 2) + penalty(w)

    report = gradcheck.check(loss, np.array([0.3, -1.2, 0.7]), penalised)
    assert [(one.code, one.fix) for one in report.findings] == [
        ("GC604", "leave the factor 2 out of `2 * 0.3`")
    ]


def test_a_number_that_is_written_is_no_size_by_chance():
    """3 for 2 is 6 over 4, the numbers of rows and columns, and the loss divides by 6."""
    rows, aims = RNG.normal(size=(2, 6, 4))

    def loss(w):
        return np.mean(np.sum((rows * w - aims) ** 2, axis=1))

    def grad(w):
        return np.sum(3 * (rows * w - aims) * rows / 6, axis=0)

    report = gradcheck.check(loss, RNG.normal(size=4), grad)
    assert [one.code for one in report.findings] == ["GC105"]
    assert report.findings[0].fix == "write 2 for 3"


class Shrunk:
    def __init__(self):
        self.W, self.weight = RNG.normal(size=3), 0.1

    def loss(self):
        return np.sum((TWELVE @ self.W - WANTED) ** 2) / 12 + 0.5 * self.weight * np.sum(self.W**2)

    def gradient(self):
        return {"W": 2 * TWELVE.T @ (TWELVE @ self.W - WANTED) / 12}


def test_a_penalty_is_one_whatever_its_weight_is_computed_from():
    report = gradcheck.check(Shrunk.loss, Shrunk(), Shrunk.gradient)
    (found,) = report.findings
    assert found.code == "GC602"
    assert found.expression == "2 * TWELVE.T @ (TWELVE @ self.W - WANTED) / 12"
    assert "times dL/dW is wanted" not in found.message
    assert not any("12 times" in one for one in found.evidence)
