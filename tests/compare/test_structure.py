"""No verdict rests on our formulas alone: the engine is tied to the user's loss, or not used."""

import tracemalloc

import numpy as np
import pytest

import gradcheck
from gradcheck import pipeline
from gradcheck.compare import structure

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 20))
Y = (RNG.random((12, 1)) > 0.5).astype(float)
PARAMS = {
    "W1": RNG.normal(size=(20, 30)) / 5,
    "b1": 0.1 * RNG.normal(size=30),
    "W2": RNG.normal(size=(30, 1)) / 5,
    "b2": 0.1 * RNG.normal(size=1),
}
RIGHT = gradcheck.MLP([20, 30, 1], ["tanh", "sigmoid"], "binary_cross_entropy")


def forward(p, hidden=np.tanh):
    return 1 / (1 + np.exp(-(hidden(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])))


def cross_entropy(a, eps=0.0):
    return -np.mean(Y * np.log(a + eps) + (1 - Y) * np.log(1 - a + eps))


def grad(p):
    return RIGHT.backward(p, X, Y)


def check(loss, gradient=grad, **options):
    return gradcheck.check(loss, PARAMS, gradient, inputs=X, targets=Y, **options)


def test_the_engine_is_used_and_tied():
    report = check(lambda p: cross_entropy(forward(p)))
    assert report.ok
    assert report.coverage.engine == "literal"
    assert 15 < report.coverage.tied <= 40
    assert report.coverage.complete
    assert max(block.max_rel_error for block in report.blocks) < 1e-11
    assert max(block.resolution for block in report.blocks) < 1e-6  # what the loss itself can show
    assert "perturbed one by one; your loss was asked" in str(report)
    assert report.to_dict()["coverage"]["engine"] == "literal"


def test_a_small_number_in_a_log_is_not_taken_for_a_part_of_the_factor():
    inputs, labels = RNG.normal(size=(128, 20)), RNG.integers(10, size=128)
    rows = np.arange(128)

    def outputs(p):
        scores = np.exp(inputs @ p["W"] + p["b"])
        return scores / scores.sum(axis=1, keepdims=True)

    def loss(p):
        return -np.mean(np.log(outputs(p)[rows, labels] + 1e-9))

    def gradient(p):
        a = outputs(p)
        share = a[rows, labels] / (a[rows, labels] + 1e-9)
        delta = (a - np.eye(10)[labels]) * share[:, None] / 128
        return {"W": inputs.T @ delta, "b": delta.sum(axis=0)}

    weights = {"W": 1e-4 * RNG.normal(size=(20, 10)), "b": 1e-4 * RNG.normal(size=10)}
    report = gradcheck.check(loss, weights, gradient)
    assert report.ok
    assert report.coverage.engine
    assert "log(a + 1e-09)" in str(report)


def test_beyond_the_budget_lines_are_shared():
    report = check(lambda p: cross_entropy(forward(p)), budget=1e-9)
    assert report.ok
    assert report.coverage.engine == "shared lines"
    assert report.coverage.complete


def test_every_weight_is_moved_by_itself_where_that_is_quick_or_asked_for(monkeypatch):
    monkeypatch.setattr(pipeline, "LITERAL_SECONDS", 1e-9)
    engines = [
        check(lambda p: cross_entropy(forward(p)), entries=entries).coverage.engine
        for entries in ("auto", "all")
    ]
    assert engines == ["shared lines", "literal"]


def one_unit_differs(z):
    hidden = np.tanh(z)
    hidden[:, 7] = np.arctan(z[:, 7])
    return hidden


def clipped(p):
    return np.clip(forward(p), 0.2, 0.8)


PLANTED = {
    "one unit with another activation": lambda p: cross_entropy(forward(p, one_unit_differs)),
    "a clip that is active": lambda p: cross_entropy(clipped(p)),
    "a factor that no table has": lambda p: cross_entropy(forward(p) * (1 - 3e-7)),
    "a term of one weight": lambda p: cross_entropy(forward(p)) + 1e-6 * np.sin(p["W1"][3, 4]),
    "a clip that is met far away": lambda p: cross_entropy(
        forward({**p, "W1": np.clip(p["W1"], -1.2, 1.2)})
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_loss_that_differs_is_left_to_the_black_box(name):
    loss = PLANTED[name]
    report = check(loss)
    assert report.coverage.engine == "black box"
    exact = {}
    for block in PARAMS:
        exact[block] = np.zeros_like(PARAMS[block])
        for index in np.ndindex(PARAMS[block].shape):
            values = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in PARAMS.items()}
                moved[block][index] += sign * 1e-5
                values.append(loss(moved))
            exact[block][index] = (values[0] - values[1]) / 2e-5
    wrong = [block for block in PARAMS if np.abs(grad(PARAMS)[block] - exact[block]).max() > 2e-9]
    assert [block.name for block in report.blocks if block.failed] == wrong


@pytest.mark.parametrize(
    ("field", "place", "factor"),
    [("weights", ..., 1.001), ("bias", ..., 1.001), ("weights", (4, 5), 1.01)],
)
def test_an_engine_that_is_wrong_is_not_believed(monkeypatch, field, place, factor):
    """Be it in one entry: a right gradient is not condemned by it."""
    from gradcheck.numeric.structured import structured_gradient

    def wrong(network, tier, advance):
        found = structured_gradient(network, tier, advance)
        getattr(found[0], field)[place] *= factor
        return found

    monkeypatch.setattr(structure, "structured_gradient", wrong)
    report = check(lambda p: cross_entropy(forward(p)))
    assert report.coverage.engine == "black box"
    assert report.ok


def test_one_wrong_entry_is_found_whatever_the_size():
    def one(p):
        gradients = grad(p)
        gradients["W1"][11, 3] *= 1 + 1e-8
        return gradients

    report = check(lambda p: cross_entropy(forward(p)), one)
    assert report.coverage.engine == "literal"
    block = report.blocks[0]
    if block.failed:
        assert block.worst.index == (11, 3)
    else:
        assert block.resolution > 1e-10, "what the user's loss does not show is not called wrong"


def test_a_wrong_gradient_is_told_with_every_entry():
    def scaled(p):
        gradients = grad(p)
        return {**gradients, "W1": gradients["W1"] * len(X)}

    report = check(lambda p: cross_entropy(forward(p)), scaled)
    assert report.coverage.engine == "literal"
    assert [block.wrong_entries for block in report.blocks] == [600, 0, 0, 0]
    assert report.findings[0].code == "GC101"


def test_a_wrong_gradient_takes_few_evaluations_more_than_a_right_one():
    def scaled(p):
        return {name: value * 1.5 for name, value in grad(p).items()}

    loss = lambda p: cross_entropy(forward(p))  # noqa: E731  # twice the same
    right, wrong = check(loss), check(loss, scaled, diagnose=False)
    assert right.evaluations <= 60
    assert [block.verdict for block in wrong.blocks] == ["wrong"] * 4
    assert wrong.evaluations <= 400


def test_a_weight_of_special_value_that_only_a_small_step_shows_is_seen():
    params = {name: value.copy() for name, value in PARAMS.items()}
    params["W1"][3, 4] = 0.0

    def pruned(p):
        return {**p, "W1": np.where(np.abs(p["W1"]) > 1e-9, p["W1"], 0.0)}

    report = gradcheck.check(
        lambda p: cross_entropy(forward(pruned(p))), params, grad, inputs=X, targets=Y
    )
    assert report.coverage.engine in ("black box", "literal")
    assert not any(block.failed for block in report.blocks)


def test_an_interrupt_in_the_engine_leaves_a_report(monkeypatch):
    def interrupted(network, tier, advance):
        raise KeyboardInterrupt

    monkeypatch.setattr(structure, "structured_gradient", interrupted)
    report = check(lambda p: cross_entropy(forward(p)))
    assert report.verdict == "inconclusive"
    assert report.coverage.interrupted


def test_a_number_of_entries_goes_through_the_loss():
    report = check(lambda p: cross_entropy(forward(p)), entries=5)
    assert report.coverage.engine == "black box"
    assert report.coverage.entries == 16


def test_a_network_that_was_named_is_tied_as_well():
    report = check(lambda p: RIGHT.loss(p, X, Y), network=RIGHT)
    assert report.ok
    assert report.coverage.engine == "literal"


def cut_off(weights):
    """Weights as a loss may take them: small ones for 0, large ones for a bound."""
    return np.clip(np.where(np.abs(weights) > 3e-5, weights, 0.0), -2.5, 2.5)


@pytest.mark.parametrize("special", [0.0, 2e-6, 2.7, -4.0])
@pytest.mark.parametrize("place", [(0, 0), (13, 22)])
def test_one_weight_that_the_loss_cuts_off_is_seen(special, place):
    params = {name: value.copy() for name, value in PARAMS.items()}
    params["W1"][place] = special

    def loss(p):
        return cross_entropy(forward({**p, "W1": cut_off(p["W1"])}))

    def cut(p):
        gradient = grad({**p, "W1": cut_off(p["W1"])})
        return {**gradient, "W1": gradient["W1"] * (cut_off(p["W1"]) == p["W1"]) * (p["W1"] != 0)}

    def forgotten(p):
        return grad({**p, "W1": cut_off(p["W1"])})

    given = {"inputs": X, "targets": Y, "diagnose": False}
    assert gradcheck.check(loss, params, cut, **given).verdict == "pass"
    assert gradcheck.check(loss, params, forgotten, **given).verdict == "fail"


def test_what_a_check_of_a_network_holds_is_a_few_times_its_parameters():
    net = gradcheck.MLP([700, 600, 5], ["tanh", "softmax"], "categorical_cross_entropy")
    params, inputs = net.init(0), RNG.normal(size=(8, 700))
    targets = np.eye(5)[RNG.integers(0, 5, 8)]
    tracemalloc.start()
    report = gradcheck.check(
        lambda p: net.loss(p, inputs, targets),
        params,
        lambda p: net.backward(p, inputs, targets),
        inputs=inputs,
        targets=targets,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.ok
    assert report.coverage.tied
    # the point, a moved one, two gradients; what is done in parts takes a MiB or two
    assert peak < 4.9 * sum(value.nbytes for value in params.values())
