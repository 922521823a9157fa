"""Scripts in many styles, as they are and with a bug: what is found, and whether it is right."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from sweeps import ALL, sample

from gradcheck.script import ScriptEntry

HERE = Path(__file__).parent / "scripts"
PUBLISHED = Path(__file__).parents[2] / "cases" / "scripts"


@dataclass(frozen=True)
class Wanted:
    """What is to be found: the lines of loop and loss, the rate, and the causes (none: right)."""

    step: int
    params: str
    loss: int
    rate: float | None
    codes: tuple[str, ...] = ()


W_AND_B = "W1 b1 W2 b2"
NET = "self.W1 self.b1 self.W2 self.b2"
COLUMNS = "parameters['W1'] parameters['b1'] parameters['W2'] parameters['b2']"
DICT = "params['W1'] params['b1'] params['W2'] params['b2']"
LISTS = "weights[0] weights[1] biases[0] biases[1]"
PAIRS = "self.weights[0] self.weights[1] self.biases[0] self.biases[1]"
MODULES = "layers[0].w.value layers[0].b.value layers[2].w.value layers[2].b.value"
NEURONS = (
    "hidden[0].weights hidden[0].bias hidden[1].weights hidden[1].bias hidden[2].weights "
    "hidden[2].bias out.weights out.bias"
)
DENSE = "dense1.weights dense1.biases dense2.weights dense2.biases"
DEEP = "p['W1'] p['b1'] p['W2'] p['b2'] p['W3'] p['b3']"
LAYERS = "network[0].weights network[0].bias network[2].weights network[2].bias"

SCRIPTS = {
    "adam": Wanted(25, DICT, 26, None),
    "adam_slope": Wanted(25, DICT, 26, None, ("GC305",)),
    "autoencoder": Wanted(16, "W b c", 20, 0.1),
    "batch_norm": Wanted(7, "W1 W2 gamma beta b2", 17, 0.1),
    "batches_of_pairs": Wanted(23, PAIRS, 60, 3.0),
    "batches_of_pairs_bias": Wanted(23, PAIRS, 60, 3.0, ("GC303",)),
    "centred_first": Wanted(13, "W", 16, 0.3),
    "clipped": Wanted(7, "params[0] params[1] params[2] params[3]", 11, 0.001),
    "closure": Wanted(14, "W1 W2", 17, 0.1),
    "columns_dict": Wanted(43, COLUMNS, 45, 1.2),
    "columns_dict_bias": Wanted(43, COLUMNS, 45, 1.2, ("GC502",)),
    "convolution_turned": Wanted(20, "kernel bias", 21, 0.02, ("GC416",)),
    "deep_adam_batches": Wanted(62, DEEP, 64, None),
    "deep_adam_penalty": Wanted(62, DEEP, 64, None, ("GC604",)),
    "descending_halves": Wanted(8, "w1 w2", 12, 0.02),
    "dropout_mask": Wanted(8, "W1 W2", 16, 0.1, ("GC851",)),
    "factors": Wanted(13, "P Q", 11, 0.02),
    "fit_saves": Wanted(9, "coef intercept", 12, 0.1),
    "fit_until_settled": Wanted(11, "self.beta", 13, 0.05, ("GC603",)),
    "hinge_half_penalty": Wanted(19, "self.W", 22, 0.05, ("GC604",)),
    "inner_product": Wanted(7, "W1 W2", 10, None, ("GC202",)),
    "layer_objects": Wanted(42, LAYERS, 32, 0.05),
    "layers_rmsprop": Wanted(51, DENSE, 53, None),
    "layers_rmsprop_mask": Wanted(51, DENSE, 53, None, ("GC307",)),
    "linear_no_mean": Wanted(9, "w b", 11, 0.05, ("GC101",)),
    "linear_plain": Wanted(9, "w b", 11, 0.05),
    "logistic_scipy": Wanted(23, "params", 9, None),
    "lstm": Wanted(10, "W b", 21, 0.05),
    "minibatches": Wanted(12, W_AND_B, 17, 0.5),
    "modules_momentum": Wanted(58, MODULES, 62, 0.1),
    "momentum_lists": Wanted(12, LISTS, 16, 0.01),
    "net_class": Wanted(42, NET, 44, 0.1),
    "net_class_slope": Wanted(42, NET, 44, 0.1, ("GC305",)),
    "neurons": Wanted(25, NEURONS, 28, 0.5),
    "one_sample_all_monitored": Wanted(8, "w", 11, 0.05 / 1.02),
    "penalty": Wanted(9, "W b", 15, 0.5),
    "penalty_missing": Wanted(9, "W b", 15, 0.5, ("GC602",)),
    "per_sample": Wanted(15, "self.w1 self.w2", 19, 0.2),
    "polynomial": Wanted(8, "a b c d", 10, 1e-06),
    "printed_mean": Wanted(24, "net.w1 net.w2", 26, 1.0),
    "private_methods": Wanted(23, "self.theta", 17, 0.1),
    "pure_python": Wanted(15, "w b", 19, 0.3),
    "ratings_pairs": Wanted(17, "users items", 18, 0.01),
    "ratings_pairs_early": Wanted(17, "users items", 18, 0.01, ("GC404",)),
    "recurrent_adagrad": Wanted(49, "Wxh Whh Why bh by", 55, None),
    "recurrent_same_step": Wanted(49, "Wxh Whh Why bh by", 55, None, ("GC416",)),
    "rows_of_lists": Wanted(16, "coef", 18, 0.3),
    "sign": Wanted(8, "m c", 10, 0.01, ("GC106",)),
    "single_precision": Wanted(8, "W b", 13, 0.5),
    "skip_gram": Wanted(13, "W_in W_out", 21, 0.05),
    "softmax_numpy_fn": Wanted(23, "theta", 16, 0.3),
    "tied_weights": Wanted(26, "net.W net.b net.c", 27, 0.01),
    "tied_weights_operand": Wanted(26, "net.W net.b net.c", 27, 0.01, ("GC415",)),
    "two_data_sets": Wanted(18, "theta", 21, 0.1),
    "updated_too_early": Wanted(7, "W1 W2", 10, 0.01, ("GC404",)),
    "valley_momentum": Wanted(6, "th", 7, 0.0001),
    "weight_decay": Wanted(8, "W b", 12, 0.02),
    "xor_globals": Wanted(14, "syn0 syn1", 18, 1.0),
    "xor_no_slope": Wanted(14, "syn0 syn1", 18, 1.0, ("GC303",)),
}


W_T = "W.T.dot(dZ), 1/m*dZ.dot(A_prev.T) + "
BUGS = {
    "adam_slope": ("adam", "(1 - a ** 2)", "(1 - a)"),
    "batches_of_pairs_bias": (
        "batches_of_pairs",
        "nabla_b[-1] = delta\n",
        "nabla_b[-1] = self.cost_derivative(activations[-1], y)\n",
    ),
    "columns_dict_bias": (
        "columns_dict",
        "db1 = np.sum(dZ1, axis=1, keepdims=True) / m",
        "db1 = np.sum(dZ1, axis=1, keepdims=True)",
    ),
    "deep_adam_penalty": ("deep_adam_batches", W_T + "lambd/m*W", W_T + "lambd*W"),
    "layers_rmsprop_mask": ("layers_rmsprop", "[self.inputs <= 0]", "[dvalues <= 0]"),
    "linear_no_mean": ("linear_plain", "X.T @ (pred - y) / len(y)", "X.T @ (pred - y)"),
    "net_class_slope": ("net_class", "(1 - self.a1 ** 2)", "self.a1 * (1 - self.a1)"),
    "penalty_missing": ("penalty", "    dW += reg * W\n", ""),
    "recurrent_same_step": ("recurrent_adagrad", "(dhraw, hs[t - 1].T)", "(dhraw, hs[t].T)"),
    "tied_weights_operand": ("tied_weights", "dz.T @ y)", "dz.T @ dy)"),
    "xor_no_slope": ("xor_globals", "l1_error * sigmoid(l1, deriv=True)", "l1_error"),
}
"""Scripts that are another one with an edit: of which, and what becomes what."""

SLOW = ("overfit_pixels", "digits_classifier")


def taken(path):
    outcome = ScriptEntry(path).outcome({})
    assert outcome.report is not None, outcome.error
    return outcome


def causes(report):
    return tuple(finding.code for finding in report.errors)


def holds(outcome, wanted):
    script = outcome.script
    assert script.step == wanted.step
    assert sorted(script.params) == sorted(wanted.params.split())
    assert script.loss_line == wanted.loss
    assert script.learning_rate == wanted.rate
    assert causes(outcome.report) == wanted.codes, str(outcome.report)
    assert outcome.report.verdict == ("fail" if wanted.codes else "pass"), str(outcome.report)


def test_every_script_has_its_row():
    assert {path.stem for path in HERE.glob("*.py")} | set(BUGS) == set(SCRIPTS)


@pytest.mark.parametrize("name", sample(list(SCRIPTS), 8))
def test_what_is_found_of_a_script(name, tmp_path):
    path = HERE / f"{name}.py"
    if name in BUGS:
        original, right, wrong = BUGS[name]
        text = (HERE / f"{original}.py").read_text()
        assert text.count(right) == 1
        path = tmp_path / path.name
        path.write_text(text.replace(right, wrong))
    holds(taken(path), SCRIPTS[name])


SOURCES = {
    "dense_article": Wanted(80, PAIRS, 68, 0.001),
    "digits_classifier": Wanted(
        38, "self.output_layer['weights'] self.output_layer['biases']", 45, None, ("GC202",)
    ),
    "overfit_pixels": Wanted(72, COLUMNS, 76, 0.1, ("GC101",)),
    "relu_regression": Wanted(38, "W4 B4", 52, None),
    "xor": Wanted(28, "weights_hidden bias_hidden weights_output bias_output", 37, 0.1, ("GC202",)),
}


@pytest.mark.parametrize("name", [name for name in SOURCES if ALL or name not in SLOW])
def test_the_published_sources_are_checked_as_they_are(name):
    holds(taken(PUBLISHED / f"{name}.py"), SOURCES[name])


def test_what_was_inferred_and_what_was_not_written_are_said():
    said = taken(HERE / "xor_globals.py").script.text()
    assert "(inferred: your updates descend it)" in said
    said = taken(HERE / "one_sample_all_monitored.py").script.text()
    assert "not losses (line 13): it is computed of other data than a step" in said
    said = taken(HERE / "fit_saves.py").script.text()
    assert "did not write coef.npy" in said
    assert not (HERE / "coef.npy").exists()
    said = taken(PUBLISHED / "xor.py").script.text()
    assert "not np.mean(abs(error)) (line 39): your updates do not descend it" in said
    said = taken(PUBLISHED / "relu_regression.py").script.text()
    assert "W1, W2, W3, B1, B2, B3 reach the loss, and nothing updates them" in said
