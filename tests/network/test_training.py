from __future__ import annotations

import numpy as np
import pytest

from gradcheck.network import MLP

SIZES, NAMES, LOSS = [2, 5, 3], ["tanh", "softmax"], "categorical_cross_entropy"
INPUTS = np.random.default_rng(11).standard_normal((20, 2))
LABELS = np.where(INPUTS[:, 0] > 0.3, 2, np.where(INPUTS[:, 1] > 0, 1, 0))
PARAMS = MLP(SIZES, NAMES, LOSS).init(2)


def trained(*, rate=0.5, epochs=5, batch=8, seed=0, m=20, **options):
    net = MLP(SIZES, NAMES, LOSS, **options)
    return net.train(PARAMS, INPUTS[:m], LABELS[:m], rate, epochs, batch, seed=seed)


def assert_same(here, there, rtol=0.0):
    assert list(here) == list(there)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=rtol, atol=rtol * 1e-2)


def test_a_seed_gives_the_same_training_again():
    assert trained(seed=4).losses == trained(seed=4).losses
    assert_same(trained(seed=4).params, trained(seed=4).params)


def test_another_seed_gives_another():
    assert trained(seed=4).losses[1:] != trained(seed=5).losses[1:]


def test_every_epoch_is_shuffled_anew():
    batches = []

    class Watched(MLP):
        def backward(self, params, inputs, targets):
            batches.append(inputs[:, 0])
            return super().backward(params, inputs, targets)

    Watched(SIZES, NAMES, LOSS).train(PARAMS, INPUTS, LABELS, 0.1, 2, 8)
    assert [len(batch) for batch in batches] == [8, 8, 4] * 2
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert not np.array_equal(first, second)
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch), np.sort(INPUTS[:, 0]))


def test_inputs_and_targets_stay_together():
    class Watched(MLP):
        def backward(self, params, inputs, targets):
            rows = [np.flatnonzero((row == INPUTS).all(axis=1))[0] for row in inputs]
            np.testing.assert_array_equal(targets.argmax(axis=1), LABELS[rows])
            return super().backward(params, inputs, targets)

    Watched(SIZES, NAMES, LOSS).train(PARAMS, INPUTS, LABELS, 0.1, 2, 8)


def test_the_first_loss_is_the_one_at_the_start_and_the_last_the_one_at_the_end():
    net, result = MLP(SIZES, NAMES, LOSS), trained(epochs=3)
    assert len(result.losses) == 4
    assert result.losses[0] == net.loss(PARAMS, INPUTS, LABELS)
    assert result.losses[-1] == net.loss(result.params, INPUTS, LABELS)


@pytest.mark.parametrize("batch", [1, 7, 20, 1000])
def test_the_loss_falls(batch):
    losses = trained(epochs=40, batch=batch, rate=0.2).losses
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("batch", [20, 1000])
def test_one_full_batch_is_one_step_of_gradient_descent(batch):
    gradient = MLP(SIZES, NAMES, LOSS, l2=0.1).backward(PARAMS, INPUTS, LABELS)
    expected = {name: PARAMS[name] - 0.5 * gradient[name] for name in PARAMS}
    assert_same(trained(epochs=1, batch=batch, l2=0.1).params, expected, rtol=1e-12)


def test_the_last_smaller_batch_is_used():
    three, two = trained(m=3, batch=2, epochs=1), trained(m=3, batch=3, epochs=1)
    order = np.random.default_rng(0).permutation(3)
    net, expected = MLP(SIZES, NAMES, LOSS), PARAMS
    for batch in (order[:2], order[2:]):
        gradient = net.backward(expected, INPUTS[batch], LABELS[batch])
        expected = {name: expected[name] - 0.5 * gradient[name] for name in expected}
    assert_same(three.params, expected, rtol=1e-12)
    assert three.losses[1] != two.losses[1]


def test_no_epochs_change_nothing():
    result = trained(epochs=0)
    assert len(result.losses) == 1
    assert_same(result.params, PARAMS)


@pytest.mark.parametrize("epochs", [0, 3])
def test_arguments_are_not_touched(epochs):
    params = {name: block.copy() for name, block in PARAMS.items()}
    inputs, labels = INPUTS.copy(), LABELS.copy()
    for array in (*params.values(), inputs, labels):
        array.flags.writeable = False
    result = MLP(SIZES, NAMES, LOSS).train(params, inputs, labels, 0.5, epochs, 8)
    assert_same(params, PARAMS)
    assert all(block.flags.writeable for block in result.params.values())
    assert not any(np.shares_memory(result.params[name], params[name]) for name in params)


@pytest.mark.parametrize(
    "bad",
    [{"rate": 0}, {"rate": -1.0}, {"rate": float("nan")}, {"epochs": -1}, {"batch": 0}],
    ids=str,
)
def test_a_bad_argument_is_refused(bad):
    with pytest.raises(ValueError, match=r"must be positive, and epochs .* must not be negative"):
        trained(**bad)


def test_both_layouts_agree():
    turned = {name: np.atleast_2d(block).T for name, block in PARAMS.items()}
    net = MLP(SIZES, NAMES, LOSS, "columns", 0.1)
    columns = net.train(turned, INPUTS.T, LABELS, 0.5, 5, 8, seed=3)
    rows = trained(seed=3, l2=0.1)
    assert columns.losses == pytest.approx(rows.losses, rel=1e-11)
    expected = {name: np.atleast_2d(block).T for name, block in rows.params.items()}
    assert_same(columns.params, expected, rtol=1e-10)
