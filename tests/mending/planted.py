"""Bugs as they are made in source: one replacement of text in a right program, or two."""

from dataclasses import dataclass
from pathlib import Path

STYLES = Path(__file__).parent / "styles"


@dataclass(frozen=True)
class Bug:
    """Replacements in a style's file; the old text stands there exactly once."""

    style: str
    name: str
    changes: tuple[tuple[str, str], ...]

    def planted(self) -> str:
        text = source(self.style)
        for old, new in self.changes:
            assert text.count(old) == 1, f"{self}: {old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        return text

    def __str__(self) -> str:
        return f"{self.style}: {self.name}"


def source(style: str) -> str:
    return (STYLES / f"{style}.py").read_text(encoding="utf-8")


def styles() -> list[str]:
    return sorted(path.stem for path in STYLES.glob("*.py"))


TABLE = (
    # (style, name, old text, new text)
    ("dict_columns", "dW without m", "dW = 1. / m * np.dot", "dW = np.dot"),
    ("dict_columns", "db without m", "db = 1. / m * np.sum", "db = np.sum"),
    ("dict_columns", "extra m", "dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W.T, dZ) / m"),
    ("dict_columns", "wrong axis", "np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ)"),
    ("dict_columns", "relu flipped", "dZ[Z <= 0] = 0", "dZ[Z > 0] = 0"),
    ("dict_columns", "relu not applied", "    dZ[Z <= 0] = 0\n", "    dZ[Z <= 0] = 1\n"),
    ("dict_columns", "slope short of a factor", "dA * s * (1 - s)", "dA * (1 - s)"),
    (
        "dict_columns",
        "slope of what arrives",
        "    dZ = dA * s * (1 - s)",
        "    dZ = dA * Z * (1 - Z)",
    ),
    ("dict_columns", "wrong sign", "dAL = -(np.divide", "dAL = (np.divide"),
    (
        "dict_columns",
        "plus for minus",
        "np.divide(Y, AL) - np.divide(1",
        "np.divide(Y, AL) + np.divide(1",
    ),
    (
        "dict_columns",
        "wrong index",
        'grads["dA" + str(l + 1)], current_cache',
        'grads["dA" + str(L - 1)], current_cache',
    ),
    ("dict_columns", "wrong cache", "current_cache = caches[l]", "current_cache = caches[L - 2]"),
    ("dict_columns", "wrong activation", 'current_cache, "relu"', 'current_cache, "sigmoid"'),
    ("dict_columns", "loop starts late", "reversed(range(L - 1))", "reversed(range(1, L - 1))"),
    ("dict_two_layers", "dW2 without m", "np.dot(dZ2, A1.T) / m", "np.dot(dZ2, A1.T)"),
    ("dict_two_layers", "factor 2", "dZ2 = A2 - Y", "dZ2 = 2 * (A2 - Y)"),
    ("dict_two_layers", "wrong order", "dZ2 = A2 - Y", "dZ2 = Y - A2"),
    ("dict_two_layers", "slope twice", "dZ2 = A2 - Y", "dZ2 = (A2 - Y) * A2 * (1 - A2)"),
    ("dict_two_layers", "no square", "1 - np.power(A1, 2))", "1 - A1)"),
    ("dict_two_layers", "cube", "np.power(A1, 2)", "np.power(A1, 3)"),
    (
        "dict_two_layers",
        "slope of another array",
        "1 - np.power(A1, 2)",
        '1 - np.power(cache["Z1"], 2)',
    ),
    (
        "dict_two_layers",
        "no slope",
        "np.multiply(np.dot(W2.T, dZ2), 1 - np.power(A1, 2))",
        "np.dot(W2.T, dZ2)",
    ),
    ("dict_two_layers", "copied", "np.sum(dZ1, axis=1", "np.sum(dZ2, axis=1"),
    ("dict_two_layers", "db1 over its other axis", "np.sum(dZ1, axis=1", "np.sum(dZ1, axis=0"),
    ("dict_two_layers", "no keepdims", "np.sum(dZ2, axis=1, keepdims=True)", "np.sum(dZ2, axis=1)"),
    ("dict_two_layers", "no transpose", "np.dot(dZ1, X.T)", "np.dot(dZ1, X)"),
    ("dict_two_layers", "returned twice", '"dW1": dW1', '"dW1": dW2'),
    (
        "dict_two_layers",
        "sigmoid's slope for tanh's",
        "1 - np.power(A1, 2)",
        "np.multiply(A1, 1 - A1)",
    ),
    (
        "lists_in_loops",
        "activation for z",
        "sigmoid_prime(zs[-1])",
        "sigmoid_prime(activations[-1])",
    ),
    ("lists_in_loops", "no slope at the end", " * sigmoid_prime(zs[-1]) / n", " / n"),
    ("lists_in_loops", "no slope in the loop", ", delta) * sp", ", delta)"),
    ("lists_in_loops", "not over n", "sigmoid_prime(zs[-1]) / n", "sigmoid_prime(zs[-1])"),
    ("lists_in_loops", "wrong z", "z = zs[-l]", "z = zs[-1]"),
    ("lists_in_loops", "z of the next layer", "z = zs[-l]", "z = zs[-l+1]"),
    ("lists_in_loops", "own weights", "weights[-l+1].transpose()", "weights[-l].transpose()"),
    ("lists_in_loops", "weights not transposed", "weights[-l+1].transpose()", "weights[-l+1]"),
    (
        "lists_in_loops",
        "activations of the output",
        "activations[-2].transpose()",
        "activations[-1].transpose()",
    ),
    ("lists_in_loops", "activations of its own", "activations[-l-1]", "activations[-l]"),
    ("lists_in_loops", "helper with a wrong derivative", "sigmoid(z)*(1-sigmoid(z))", "z*(1-z)"),
    ("lists_in_loops", "helper with plus", "*(1-sigmoid(z))", "*(1+sigmoid(z))"),
    ("lists_in_loops", "difference turned", "(output_activations-y)", "(y-output_activations)"),
    ("lists_in_loops", "loop ends early", "range(2, num_layers)", "range(2, num_layers-1)"),
    ("lists_in_loops", "loop starts late", "range(2, num_layers)", "range(3, num_layers)"),
    ("lists_in_loops", "mean in the loop", "nabla_b[-l] = delta.sum(", "nabla_b[-l] = delta.mean("),
    ("lists_in_loops", "not transposed", "activations[-l-1].transpose()", "activations[-l-1]"),
    ("net_class", "slope of the output's output", "derivative(self.a2)", "derivative(self.z2)"),
    ("net_class", "tanh at the output", "tanh_derivative(self.z1)", "tanh_derivative(self.a1)"),
    ("net_class", "tanh' not squared", "1.0 - np.tanh(x) ** 2", "1.0 - np.tanh(x)"),
    ("net_class", "no factor 2", "2.0 * (self.a2 - y) / n", "(self.a2 - y) / n"),
    ("net_class", "not over n", "2.0 * (self.a2 - y) / n", "2.0 * (self.a2 - y)"),
    ("net_class", "sign of the error", "2.0 * (self.a2 - y)", "2.0 * (y - self.a2)"),
    ("net_class", "bias without sum", "np.sum(delta1, axis=0, keepdims=True)", "delta1"),
    ("net_class", "weights not transposed", "delta2 @ self.W2.T", "delta2 @ self.W2"),
    ("net_class", "wrong inputs", "self.a1.T @ delta2", "self.z1.T @ delta2"),
    ("net_class", "extra transpose", "self.dW1 = X.T @ delta1", "self.dW1 = delta1.T @ X"),
    (
        "net_class",
        "product by entries",
        "(delta2 @ self.W2.T) * self.t",
        "(delta2 @ self.W2.T) @ self.t",
    ),
    ("net_class", "mean for sum", "self.db2 = np.sum(", "self.db2 = np.mean("),
    ("net_class", "error carried back", "(delta2 @ self.W2.T)", "(error @ self.W2.T)"),
    ("per_sample", "assigned", "gWh += np", "gWh = np"),
    ("per_sample", "bias assigned", "gbo += do", "gbo = do"),
    ("per_sample", "subtracted", "gbh += dh", "gbh -= dh"),
    ("per_sample", "sign", "do = -(t - o)", "do = (t - o)"),
    ("per_sample", "outer turned", "np.outer(dh, x)", "np.outer(x, dh)"),
    ("per_sample", "wrong layer's input", "np.outer(do, h)", "np.outer(do, o)"),
    ("per_sample", "not transposed", "(Wo.T @ do)", "(Wo @ do)"),
    ("per_sample", "not over N", "'Wo': gWo / N", "'Wo': gWo"),
    ("per_sample", "h not squared", "(1 - h ** 2)", "(1 - h)"),
    ("per_sample", "no slope", "do = -(t - o) * o * (1 - o)", "do = -(t - o)"),
    ("per_sample", "first sample left out", "for i in range(N)", "for i in range(1, N)"),
    ("per_sample", "sample fixed", "x = xs[i]", "x = xs[0]"),
    ("scalars", "no minus", "d_L_d_ypred = -2 *", "d_L_d_ypred = 2 *"),
    ("scalars", "wrong weight", "w6 * deriv_sigmoid(sum_o1)", "w5 * deriv_sigmoid(sum_o1)"),
    ("scalars", "wrong neuron", "x[0] * deriv_sigmoid(sum_h2)", "x[0] * deriv_sigmoid(sum_h1)"),
    ("scalars", "wrong input", "x[1] * deriv_sigmoid(sum_h1)", "x[0] * deriv_sigmoid(sum_h1)"),
    ("scalars", "output for sum", "h1 * deriv_sigmoid(sum_o1)", "h1 * deriv_sigmoid(o1)"),
    ("scalars", "wrong chain", "d_ypred_d_h2 * d_h2_d_w4", "d_ypred_d_h1 * d_h2_d_w4"),
    ("scalars", "assigned", 'g["b2"] += d_L', 'g["b2"] = d_L'),
    (
        "scalars",
        "link missing",
        'g["w1"] += d_L_d_ypred * d_ypred_d_h1 * d',
        'g["w1"] += d_L_d_ypred * d',
    ),
    ("scalars", "helper", "return fx * (1 - fx)", "return x * (1 - x)"),
    ("scalars", "bias without slope", "d_h2_d_b2 = deriv_sigmoid(sum_h2)", "d_h2_d_b2 = 1"),
    (
        "scalars",
        "copied line",
        'g["w6"] += d_L_d_ypred * d_ypred_d_w6',
        'g["w6"] += d_L_d_ypred * d_ypred_d_w5',
    ),
    ("step_in_place", "derivative not asked for", "nonlin(l2,deriv=True)", "nonlin(l2)"),
    ("step_in_place", "no slope", "l1_error * nonlin(l1,deriv=True)", "l1_error"),
    ("step_in_place", "helper", "return x*(1-x)", "return 1-x"),
    ("step_in_place", "downhill as uphill", "syn0 += lr", "syn0 -= lr"),
    ("step_in_place", "no learning rate", "syn1 += lr * l1", "syn1 += l1"),
    ("step_in_place", "l2 error not delta", "l2_delta.dot(syn1.T)", "l2_error.dot(syn1.T)"),
    (
        "step_in_place",
        "updated weights",
        """    # how much did each l1 value contribute to the l2 error?
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1,deriv=True)

    syn1 += lr * l1.T.dot(l2_delta)
""",
        """    syn1 += lr * l1.T.dot(l2_delta)

    # how much did each l1 value contribute to the l2 error?
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * nonlin(l1,deriv=True)

""",
    ),
    ("step_in_place", "wrong delta", "l0.T.dot(l1_delta)", "l0.T.dot(l1_error)"),
    ("softmax_l2", "not over the samples", "  dscores /= num_examples\n", "  dscores /= 1\n"),
    ("softmax_l2", "no penalty on W1", "  dW1 += reg * W1\n", ""),
    ("softmax_l2", "penalty subtracted", "dW2 += reg * W2", "dW2 -= reg * W2"),
    ("softmax_l2", "penalty doubled", "dW1 += reg * W1", "dW1 += 2 * reg * W1"),
    ("softmax_l2", "L1 penalty", "dW1 += reg * W1", "dW1 = dW1 + reg * np.sign(W1)"),
    ("softmax_l2", "bias over nothing", "db2 = np.sum(dscores, axis=0)", "db2 = np.sum(dscores)"),
    ("softmax_l2", "bias by mean", "db1 = np.sum(dhidden", "db1 = np.mean(dhidden"),
    ("softmax_l2", "relu of the upstream", "dhidden[hidden_layer <= 0]", "dhidden[dhidden <= 0]"),
    ("softmax_l2", "relu flipped", "dhidden[hidden_layer <= 0]", "dhidden[hidden_layer >= 0]"),
    ("softmax_l2", "relu missing", "  dhidden[hidden_layer <= 0] = 0\n", ""),
    ("softmax_l2", "plus the labels", "probs - one_hot", "probs + one_hot"),
    ("softmax_l2", "scores for probs", "dscores = probs - one", "dscores = scores - one"),
    ("layer_objects", "weights not transposed", "self.weights.T)", "self.weights)"),
    (
        "layer_objects",
        "wrong error for the weights",
        "np.dot(self.input.T, output_error)",
        "np.dot(self.input.T, output_error) / len(output_error)",
    ),
    ("layer_objects", "bias not summed", "output_error.sum(axis=0, keepdims=True)", "output_error"),
    ("layer_objects", "bias axis", "sum(axis=0, keepdims", "sum(axis=1, keepdims"),
    ("layer_objects", "sigmoid's slope", "self.output * (1 - self.output)", "(1 - self.output)"),
    ("layer_objects", "sigmoid without slope", " * self.output * (1 - self.output)", ""),
    ("layer_objects", "tanh's square", "np.tanh(self.input)**2", "np.tanh(self.input)"),
    ("layer_objects", "tanh of tanh", "np.tanh(self.input)**2", "self.input**2"),
    ("layer_objects", "mse turned", "2 * (y_pred - y_true)", "2 * (y_true - y_pred)"),
    ("layer_objects", "mse over rows", "/ y_true.size", "/ len(y_true)"),
    ("layer_objects", "order of layers", "in reversed(layers):", "in layers:"),
    (
        "layer_objects",
        "delta not passed on",
        "error = layer.backward(error)",
        "layer.backward(error)",
    ),
    ("batchnorm", "beta by mean", "dbeta = np.sum(dout", "dbeta = np.mean(dout"),
    ("batchnorm", "gamma without xhat", "np.sum(dout * xhat", "np.sum(dout * xmu"),
    ("batchnorm", "gamma missing", "dxhat = dout * gamma", "dxhat = dout"),
    ("batchnorm", "no half", "dvar = 0.5 * 1. /", "dvar = 1. /"),
    ("batchnorm", "not squared", "-1. / (sqrtvar ** 2)", "-1. / sqrtvar"),
    ("batchnorm", "mean's sign", "dmu = -1 * np.sum", "dmu = 1 * np.sum"),
    ("batchnorm", "half of the mean", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dxmu2, axis=0)"),
    ("batchnorm", "not over N", "dx2 = 1. / N * np.ones", "dx2 = np.ones"),
    ("batchnorm", "factor 2 missing", "dxmu2 = 2 * xmu", "dxmu2 = xmu"),
    ("batchnorm", "branch missing", "dx = dx1 + dx2", "dx = dx1"),
    ("affine_relu", "slope flipped", "np.where(a > 0, 1.0", "np.where(a < 0, 1.0"),
    ("affine_relu", "slope of plain relu", "1.0, SLOPE)\n  dx", "1.0, 0.0)\n  dx"),
    ("affine_relu", "no slope", "da = dout * np.where(a > 0, 1.0, SLOPE)", "da = dout"),
    ("affine_relu", "dout in dw", "x.T.dot(da)", "x.T.dot(dout)"),
    ("affine_relu", "db of all", "da.sum(axis=0)", "da.sum()"),
    ("affine_relu", "over the samples", "dw = x.T.dot(da)", "dw = x.T.dot(da) / x.shape[0]"),
)

PAIRED = (
    # (style, name of one, name of the other), in different lines
    ("dict_columns", "dW without m", "db without m"),
    ("dict_columns", "wrong sign", "relu flipped"),
    ("dict_columns", "dW without m", "slope short of a factor"),
    ("dict_two_layers", "dW2 without m", "copied"),
    ("dict_two_layers", "wrong order", "no square"),
    ("dict_two_layers", "no transpose", "no keepdims"),
    ("dict_two_layers", "factor 2", "returned twice"),
    ("lists_in_loops", "not over n", "no slope in the loop"),
    ("lists_in_loops", "wrong z", "mean in the loop"),
    ("lists_in_loops", "activation for z", "activations of its own"),
    ("lists_in_loops", "helper with plus", "difference turned"),
    ("net_class", "no factor 2", "weights not transposed"),
    ("net_class", "slope of the output's output", "mean for sum"),
    ("net_class", "tanh' not squared", "bias without sum"),
    ("per_sample", "assigned", "bias assigned"),
    ("per_sample", "sign", "outer turned"),
    ("per_sample", "not over N", "h not squared"),
    ("scalars", "wrong weight", "copied line"),
    ("scalars", "no minus", "assigned"),
    ("step_in_place", "derivative not asked for", "downhill as uphill"),
    ("softmax_l2", "penalty subtracted", "penalty doubled"),
    ("softmax_l2", "relu flipped", "bias by mean"),
    ("softmax_l2", "plus the labels", "no penalty on W1"),
    ("layer_objects", "mse turned", "bias axis"),
    ("layer_objects", "tanh's square", "wrong error for the weights"),
    ("batchnorm", "beta by mean", "no half"),
    ("batchnorm", "mean's sign", "gamma without xhat"),
    ("affine_relu", "slope flipped", "db of all"),
)

SINGLES = tuple(Bug(style, name, ((old, new),)) for style, name, old, new in TABLE)


def _pair(style: str, *names: str) -> Bug:
    found = {bug.name: bug for bug in SINGLES if bug.style == style}
    changes = tuple(change for name in names for change in found[name].changes)
    return Bug(style, " + ".join(names), changes)


PAIRS = tuple(_pair(*row) for row in PAIRED)

UNREPAIRED = frozenset(
    {"affine_relu: no slope", "dict_columns: wrong activation", "dict_columns: wrong index"}
)
"""The bugs that may stay: no edit that is tried mends them within the budget of the tests."""
